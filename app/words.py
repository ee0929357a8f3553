"""The words that both faces use for the same things."""

SINGULAR = {"image": "A picture", "audio": "A sound", "text": "A sentence"}
PLURAL = {"image": "pictures", "audio": "sounds", "text": "sentences"}

ROLES = {
    "trained": "trained",
    "shuffled pairs": "control: trained with the pairs mixed up",
    "random twin": "control: untrained",
    "low-level features": "control: no model at all",
}
"""What a representation is to a claim, in words."""

VERDICTS = {
    "aligned": ("Aligned", ":material/check_circle:", "green"),
    "not aligned": ("Not aligned", ":material/block:", "orange"),
    "cannot tell": ("Cannot tell", ":material/help:", "gray"),
}
"""A verdict in plain words, its icon and its colour."""

PROBES = {"linear": "linear probe", "knn": "nearest neighbours"}

MEASURES = {
    "modality_gap": (
        "Modality gap",
        "Distance between the centres of the two clouds, 0 to 2. A gap of 0 is no alignment: "
        "two clouds can lie in one place with every bird beside the wrong song.",
    ),
    "normalised_gap": (
        "Gap in spreads",
        "The gap measured in typical distances between two items of one sense.",
    ),
    "separability": (
        "Told apart",
        "How often a straight cut tells which sense an item comes from. 1 is always.",
    ),
    "matched_cosine": (
        "Cosine of partners",
        "How alike the directions of a picture and its own sound (or sentence) are; "
        "chance is any picture with any sound.",
    ),
    "within_cosine_x": (
        "Cosine within the first",
        "How alike the directions of any two items of the first sense are: near 1, they all lie "
        "in a narrow cone.",
    ),
    "within_cosine_y": (
        "Cosine within the second",
        "How alike the directions of any two items of the second sense are.",
    ),
    "cka": (
        "CKA",
        "Do the two senses arrange the same items in the same shape, up to rotation? "
        "0 no, 1 yes. High CKA does not mean that they share a place.",
    ),
    "mutual_knn": (
        "Mutual kNN",
        "Share of an item's nearest neighbours in one sense that are also its neighbours "
        "in the other.",
    ),
}
"""What a measure is called, and what it means to somebody who never heard of it."""

LIKENESS = {
    "cka": "CKA: do both layers arrange the same items in the same shape, up to rotation? "
    "0 no, 1 yes.",
    "mutual_knn": "Mutual kNN: the share of an item's nearest neighbours in one layer that are "
    "also its neighbours in the other.",
}
"""What likeness means between two layers."""

METHODS = {"umap": "UMAP", "pca": "PCA"}


def tap_words(tap: str) -> str:
    """Return a tap id in words, the id itself behind it."""
    if tap.startswith("block_"):
        return f"block {int(tap[6:8])} ({tap})"
    known = {
        "embed": "input of block 1",
        "joint": "shared space",
        "lowlevel": "low-level features",
        "imported": "the imported vectors",
    }
    return f"{known[tap]} ({tap})" if tap in known else tap
