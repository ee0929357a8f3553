"""How a rotation grows out of a few pairs: the middle of the ladder, beside its control.

The control has the same anchors with the partners mixed up: what it reaches, no pair taught it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped

from probes.checks import check_paired, check_same_length
from probes.linear_map import Means
from probes.result import Plain, to_plain
from probes.rungs import Reported, Rung, Sides, climb_rung

ANCHORS = (2, 4, 8, 16, 32, 64, 128)
DRAWS, PERMUTATIONS = 3, 99


@dataclass(frozen=True, kw_only=True)
class AnchorCurve:
    """Retrieval of held-out items after a rotation, by the number of pairs it was fitted on."""

    direct: Rung
    """The two spaces as they are, without any pair."""

    turned: tuple[Rung, ...]
    """From few pairs to all there are."""

    mixed: tuple[Rung, ...]
    """The same with the partners of the anchors mixed up."""

    available: int
    """Pairs that anchors were drawn from."""

    gallery: int
    """Held-out items."""

    def to_json(self) -> Plain:
        """Return all rungs as plain JSON."""
        return to_plain(self)


def anchor_curve(
    x: Float[np.ndarray, "n_x dim_x"],
    y: Float[np.ndarray, "n_y dim_y"],
    *,
    held_out: Bool[np.ndarray, " marks"],
    rng: np.random.Generator,
    classes: Shaped[np.ndarray, " classed"] | None = None,
    anchors: Sequence[int] = ANCHORS,
) -> AnchorCurve:
    """Fit rotations on more and more pairs and retrieve the held-out items through them.

    Args:
        x: embeddings of one modality.
        y: of the partners in the other, row by row; its width may differ.
        held_out: True for items that are retrieved; anchors and means come from the others.
        rng: source of all randomness.
        classes: label of every pair.
        anchors: numbers of pairs; all that there are come last, what there is not is left out.

    Returns:
        Scores both ways, of true anchors and of mixed ones.

    Raises:
        ValueError: if rows do not match, or fewer than two items are on a side.
    """
    check_paired(x, y)
    check_same_length(x, held_out, "marks of held-out items")
    if min(int(held_out.sum()), int((~held_out).sum())) < 2:
        raise ValueError(
            f"{held_out.sum()} items to retrieve and {(~held_out).sum()} pairs to fit a rotation; "
            "at least 2 each are needed"
        )
    x, y = x.astype(np.float64), y.astype(np.float64)
    known = np.flatnonzero(~held_out)
    means = Means.of(x[known], y[known])
    reported = Reported(
        x=x[held_out],
        y=y[held_out],
        classes=None if classes is None else classes[held_out],
        groups=None,
        permutations=PERMUTATIONS,
    )
    orders = [rng.permutation(known) for _ in range(DRAWS)]
    turned, mixed = [], []
    for count in sorted({m for m in anchors if 2 <= m < len(known)} | {len(known)}):
        pairs: list[Sides] = [(x[order[:count]], y[order[:count]]) for order in orders]
        wrong: list[Sides] = [(a, b[rng.permutation(count)]) for a, b in pairs]
        once = count == len(known)  # all of them can be drawn in one way only
        true = pairs[:1] if once else pairs
        turned.append(climb_rung("procrustes", true, reported, means=means, rng=rng))
        mixed.append(climb_rung("procrustes", wrong, reported, means=means, rng=rng))
    none: list[Sides] = [(x[:0], y[:0])]
    return AnchorCurve(
        direct=climb_rung("direct", none, reported, means=means, rng=rng),
        turned=tuple(turned),
        mixed=tuple(mixed),
        available=len(known),
        gallery=int(held_out.sum()),
    )
