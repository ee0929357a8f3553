"""The words of the map page."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from app.map_plan import MOST_JUDGED
from app.plain_text import plain
from app.tables import number
from app.training_words import seconds_words
from app.words import PLURAL, SINGULAR

if TYPE_CHECKING:
    import pandas as pd

    from app.guests import Guest
    from app.noting import Noted

MAPS = {"umap": "UMAP", "pca": "PCA", "tsne": "t-SNE"}
ABOUT_MAPS = {
    "umap": "UMAP brings neighbours together. Groups are to be believed; their sizes, and how far "
    "apart they lie, mean little.",
    "pca": "PCA shows the two directions in which items differ most. Nothing is bent, and much is "
    "left out.",
    "tsne": "t-SNE brings neighbours together, and spreads crowded places out. Sizes and distances "
    "of groups mean nothing.",
}
SETTINGS: Mapping[str, tuple[str, tuple[float, ...], str]] = {
    "n_neighbors": (
        "Neighbours",
        (5, 15, 50),
        "How many neighbours hold an item. Few show fine detail, and chance; many show the large "
        "picture.",
    ),
    "min_dist": (
        "Least distance",
        (0.0, 0.1, 0.5),
        "How close items may come to each other on the map. It changes looks only.",
    ),
    "perplexity": (
        "Perplexity",
        (10, 30, 100),
        "About how many neighbours hold an item. Try two: what one alone shows may be chance.",
    ),
}
SPACES = {"raw": "As it is", "centred": "Centred", "aligned": "Aligned"}
ABOUT_SPACES = {
    "raw": "the vectors as the model gives them",
    "centred": "the middle of each sense is taken off, so that only differences within it are left",
    "aligned": "each sense is also turned onto one of them, by pairs that are known to belong "
    "together (a rotation: nothing is stretched)",
}
VIEWS = {
    "one": "One layer",
    "layers": "Through the layers",
    "steps": "Through training",
    "two": "Side by side",
}
LIFT_WORDS = (
    "Lift: how many times as frequent as in all items, with a 95 % interval. Shown is what is over "
    "1 after correction for all {compared} values compared (Benjamini and Hochberg); items of one "
    "row count once. If you drew the outline around a colour, that column is no finding."
)
ABOUT_COLOURS = {
    "trust": "1: the items beside it on the map are beside it in the model too.",
    "continuity": "1: its neighbours in the model are still beside it on the map.",
    "hub": "How often an item is among the 10 nearest of others; 10 on average. Few very high ones "
    "are found by everything, whatever is asked.",
    "changed": "Share of an item's 10 nearest neighbours that are others on the other side.",
}


def gap_badges(gaps: Sequence[Mapping[str, Any]], *, is_raw: bool) -> str:
    """Return the gaps in one line of Markdown."""
    said = []
    for gap in gaps:
        names = f"{PLURAL[gap['first']]}–{PLURAL[gap['second']]}"
        raw, now = (_value(gap, side) for side in ("raw", "now"))
        said.append(
            (f"{names} **{raw}**" if is_raw else f"{names} {raw} → **{now}**")
            + _chance(gap, "raw" if is_raw else "now")
        )
    return "Gap: " + " · ".join(said)


def gap_rows(gaps: Sequence[Mapping[str, Any]], *, is_raw: bool) -> list[dict[str, str]]:
    """Return the gaps as rows for the eye: every number with interval and chance."""
    rows = []
    for gap in gaps:
        for side, words in (("raw", "as it is"), ("now", "on this map")):
            if side == "now" and is_raw:
                continue
            row = {
                "between": f"{PLURAL[gap['first']]} and {PLURAL[gap['second']]}",
                "space": words,
            }
            found = gap.get(side, {})
            reason = gap.get("reason") or found.get("reason", "")
            rows.append(row | ({"gap": "–", "note": reason} if reason else _gap_cells(found)))
    return rows


def _gap_cells(found: Mapping[str, Any]) -> dict[str, str]:
    gap, spreads, partners = (
        found[name] for name in ("modality_gap", "normalised_gap", "matched_cosine")
    )
    cells = {
        "gap": _with_interval(gap),
        "chance": number(gap["chance"], 2),
        "in spreads": _with_interval(spreads),
        "n": str(gap["n"]),
    }
    if partners is None:
        return cells | {"partners' cosine": "–", "chance of it": "–"}
    return cells | {
        "partners' cosine": _with_interval(partners),
        "chance of it": number(partners["chance"], 2),
    }


def _with_interval(score: Mapping[str, Any]) -> str:
    value = number(score["value"], 2)
    if score["low"] is None:
        return value
    return f"{value} ({number(score['low'], 2)} to {number(score['high'], 2)})"


def _chance(gap: Mapping[str, Any], side: str) -> str:
    found = gap.get(side, {})
    if "modality_gap" not in found:
        return ""
    return f" (chance {number(found['modality_gap']['chance'], 2)})"


def _value(gap: Mapping[str, Any], side: str) -> str:
    found = gap.get(side, {})
    return number(found["modality_gap"]["value"], 2) if "modality_gap" in found else "–"


def guest_words(guest: "Guest", items: "pd.DataFrame", stamp: str) -> str:
    """Say where something new has landed, and what to think of it, as Markdown."""
    near = items.iloc[list(guest.nearest[:3])]
    beside = ", ".join(
        f"{SINGULAR[m].split()[-1]} of {plain(label)}"
        if isinstance(label, str)
        else SINGULAR[m].split()[-1]
        for m, label in zip(near["modality"], near["label"], strict=True)
    )
    how = (
        "on the map's own axes"
        if guest.how == "projection"
        else "between its 5 nearest items, which lie "
        f"{guest.doubt:.2f} spreads of the map apart from it"
    )
    return (
        f":material/star: It lies {how}. Nearest in the model: {beside} (cosine "
        f"{guest.cosine:.2f}). No point has moved: map `{stamp}`."
    )


def change_words(about: Mapping[str, Any], items: int) -> str:
    """Return how many neighbours differ between two layers of some items, as Markdown."""
    return (
        f"Of an item's {about['k']} nearest neighbours **{about['changed']:.0%}** are others on "
        f"the other side; {about['chance']:.0%} would be by chance ({n_words(about['n'], items)})."
    )


def cka_rows(found: Mapping[str, Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return CKA by sense as rows for the eye."""
    rows = []
    for modality, score in found.items():
        row = {"items": PLURAL[modality]}
        if score.get("value") is None:
            rows.append(row | {"CKA": "–", "note": str(score["reason"])})
            continue
        cells = {"chance": number(score["chance"]), "p": f"{score['p']:.2g}", "n": str(score["n"])}
        interval = (
            "–" if score["low"] is None else f"{number(score['low'])} to {number(score['high'])}"
        )
        rows.append(row | {"CKA": number(score["value"]), "95 % interval": interval} | cells)
    return rows


def score_words(name: str, score: Mapping[str, Any]) -> str:
    """Return a measure of a map with interval and chance, as Markdown."""
    return (
        f"{name} **{number(score['value'])}**"
        + ("" if score["low"] is None else f" ({number(score['low'])} to {number(score['high'])})")
        + ("" if score["chance"] is None else f", chance {number(score['chance'])}")
    )


def n_words(n: int, items: int) -> str:
    """Return how many items a number rests on, as Markdown."""
    return f"n = {n:,}" + ("" if n == items else f" of {items:,} items, drawn by lot")


def counted_words(colour: str, known: int, items: int) -> str:
    """Say of how many items a colour is known; nothing if it is of all."""
    if known == items:
        return ""
    if known == 0:
        return (
            f":material/info: {colour.capitalize()} is not counted of more than {MOST_JUDGED:,} "
            "items: it compares all with all. All items are grey."
        )
    return (
        f":material/info: {colour.capitalize()} is known of {known:,} of the {items:,} items, "
        "drawn by lot, each against all others. Only these are on the map."
    )


def bar_words(noted: "Noted | None", what: str, now: float) -> tuple[float, str]:
    """Return how far a bar is, and what stands on it.

    Args:
        noted: how far the work was when it said so last; None if it has not yet.
        what: is being done.
        now: seconds since 1970.
    """
    if noted is None or not noted.of:
        return 0.0, f"{what}: reading the items"
    share = min(1.0, noted.done / noted.of)
    stage = f" ({noted.stage})" if noted.stage else ""
    if noted.seconds_left is None:
        return share, f"{what}{stage}"
    left = noted.seconds_left - (now - noted.at)
    words = f"about {seconds_words(left)} left" if left >= 1 else "almost done"
    return share, f"{what}{stage}, {words}"


def joint_words(
    space: str, senses: Sequence[str], verdicts: Sequence[str] | None, about: Mapping[str, Any]
) -> tuple[str, str]:
    """Return whether places of two senses may be compared on a map: an icon's name and words.

    Args:
        space: which.
        senses: the modalities of the run.
        verdicts: of the claims that were measured of the run; None if none were.
        about: `hub` and `pairs` of an aligned space.
    """
    if len(senses) < 2:
        return "", ""
    if space == "aligned":
        pairs = min(about["pairs"].values())
        return "info", (
            f"Turned onto {PLURAL[about['hub']]} by {pairs} train pairs: what lies together here "
            "shows what the pairs taught, not what the run knew."
        )
    if verdicts and "aligned" in verdicts:
        return "", ""
    why = (
        "whether the run shares a space between its senses was not measured yet (“Do they meet?”)"
        if verdicts is None
        else "the run was not shown to share a space between its senses (“Do they meet?”)"
    )
    return "warning", (
        f"No joint map: {why}. Items of two senses that lie side by side need not belong together."
    )


def move_words(move: Mapping[str, Any] | None, stop: str, *, is_first: bool) -> str:
    """Return how far points move from the stop before, and why."""
    if is_first or move is None:
        return f"**{stop}** is the first stop."
    return (
        f"To **{stop}**: {move['changed']:.0%} of the nearest neighbours become others, and half "
        f"of the items move farther than {move['median']:.2f} of the map's spread."
    )
