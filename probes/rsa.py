"""Representational similarity: do two representations put the same pairs of items far apart?

Each side becomes its distances between all pairs of items; then the two lists are compared. Pairs
are no independent observations, since each item is in many: chance comes from exchanging whole
items on one side (Mantel), never entries.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from probes.checks import check_paired, unit_rows

Distance = Literal["pearson", "cosine", "euclidean"]
Comparison = Literal["spearman", "rho_a", "kendall", "cosine"]

PAIRS = 1_000_000
"""Pairs of items beyond which a random sample of that many is compared."""

MOST_ITEMS = 2000
"""Items whose distances may all be held, as a permutation test needs them."""

CHUNK = 4_000_000  # numbers held at once while distances of sampled pairs are made
UNDEFINED = "RSA is undefined: one representation has the same distance between all items"


@dataclass(frozen=True)
class Distances:
    """The distances between all pairs of items, ready to be compared."""

    ready: Float[np.ndarray, " pairs"]
    """Distances or mid-ranks, as the comparison needs them."""

    comparison: Comparison

    @classmethod
    def of(
        cls,
        x: Float[np.ndarray, "items dim"],
        *,
        distance: Distance = "pearson",
        comparison: Comparison = "spearman",
    ) -> "Distances":
        """Measure all pairs of items."""
        if len(x) > MOST_ITEMS:
            raise ValueError(
                f"all distances between {len(x)} items are too many to permute; take a random "
                f"subset of at most {MOST_ITEMS} items"
            )
        if len(x) < 3:
            raise ValueError(f"RSA needs at least 3 items, got {len(x)}")
        return cls(_ready(_distances(x, distance), comparison), comparison)

    def reorder(self, order: Int[np.ndarray, " items"]) -> "Distances":
        """Return the distances with the items in another order."""
        from scipy.spatial.distance import squareform  # imported late: the app starts without it

        square = squareform(self.ready, checks=False)[order[:, None], order[None, :]]
        return Distances(squareform(square, checks=False), self.comparison)

    def compare(self, other: "Distances") -> float:
        """Return how alike the two lists are; NaN if one of them is constant."""
        return _COMPARE[self.comparison](self.ready, other.ready)


def _checked(x: Float[np.ndarray, "items dim"], distance: Distance) -> Float[np.ndarray, "..."]:
    """Return the items in double precision, scaled so that their squares cannot overflow."""
    wide = x.astype(np.float64)
    if distance == "euclidean":
        wide = wide - wide.mean(axis=0)
        return wide / max(float(np.abs(wide).max()), 1e-300)
    if distance == "pearson":
        if x.shape[1] < 3:
            raise ValueError(
                f"1 − Pearson over {x.shape[1]} channels is 0 or 2 for any items; take cosine or "
                "Euclidean distances"
            )
        largest = np.abs(wide).max(axis=1, keepdims=True)
        wide = wide - wide.mean(axis=1, keepdims=True)
        wide[np.abs(wide).max(axis=1) <= 1e-12 * largest[:, 0]] = 0.0
    return unit_rows(wide, "the items, centred over channels," if distance == "pearson" else "x")


def _distances(x: Float[np.ndarray, "items dim"], distance: Distance) -> Float[np.ndarray, " p"]:
    """Return the distances of all pairs; of `_checked` items 1 − Pearson is a cosine distance."""
    from scipy.spatial.distance import pdist  # imported late: the app starts without it

    rows = _checked(x, distance)
    return pdist(rows, "euclidean") if distance == "euclidean" else pdist(rows, "cosine")


def _ready(found: Float[np.ndarray, " pairs"], comparison: Comparison) -> Float[np.ndarray, " p"]:
    from scipy.stats import rankdata  # imported late: the app starts without it

    # equal distances may differ in the last bits, and ranks would make much of it
    rounded = np.round(found, 12)
    return rounded if comparison in ("cosine", "kendall") else rankdata(rounded)


def _spearman(a: Float[np.ndarray, " pairs"], b: Float[np.ndarray, " pairs"]) -> float:
    return _cosine(a - a.mean(), b - b.mean())


def _rho_a(a: Float[np.ndarray, " pairs"], b: Float[np.ndarray, " pairs"]) -> float:
    """Return Spearman's ρ averaged over all ways to break ties: ties count as disagreement."""
    pairs = len(a)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan
    return float((a - a.mean()) @ (b - b.mean())) / (pairs * (pairs**2 - 1) / 12)


def _tau_a(a: Float[np.ndarray, " pairs"], b: Float[np.ndarray, " pairs"]) -> float:
    """Return (concordant − discordant) / all; scipy's τ_b divides by the untied of each side."""
    from scipy.stats import kendalltau  # imported late: the app starts without it

    every = len(a) * (len(a) - 1) / 2
    untied = [every - _tied(side) for side in (a, b)]
    if not all(untied):
        return math.nan
    tau_b: Any = kendalltau(a, b)
    return float(tau_b.statistic) * math.sqrt(untied[0] * untied[1]) / every


def _tied(a: Float[np.ndarray, " pairs"]) -> float:
    counts = np.unique(a, return_counts=True)[1].astype(np.float64)
    return float(np.sum(counts * (counts - 1) / 2))


def _cosine(a: Float[np.ndarray, " pairs"], b: Float[np.ndarray, " pairs"]) -> float:
    whole = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / whole if whole > 0 else math.nan


_COMPARE = {"spearman": _spearman, "rho_a": _rho_a, "kendall": _tau_a, "cosine": _cosine}


def _sampled(
    x: Float[np.ndarray, "items dim"], ends: Int[np.ndarray, "2 pairs"], distance: Distance
) -> Float[np.ndarray, " pairs"]:
    wide = _checked(x, distance)
    step = max(1, CHUNK // wide.shape[1])
    parts = []
    for start in range(0, ends.shape[1], step):
        left, right = (wide[end[start : start + step]] for end in ends)
        # rows have length 1 unless distances are Euclidean: ‖a − b‖² is 2 (1 − cosine), and no
        # comparison minds the 2
        squared = np.einsum("ij,ij->i", left - right, left - right)
        parts.append(np.sqrt(squared) if distance == "euclidean" else squared)
    return np.concatenate(parts)


def _pairs(items: int, count: int, rng: np.random.Generator) -> Int[np.ndarray, "2 pairs"]:
    """Draw different pairs of different items."""
    picks = rng.choice(items * (items - 1) // 2, size=count, replace=False, shuffle=False)
    # pair number p is (i, j) with j < i and p = i(i − 1)/2 + j
    # the root of a double is exact enough for more items than could ever be held
    rows = np.floor((1 + np.sqrt(1 + 8 * picks.astype(np.float64))) / 2).astype(np.int64)
    return np.stack([rows, picks - rows * (rows - 1) // 2])


def rsa(
    x: Float[np.ndarray, "n_x dim_x"],
    y: Float[np.ndarray, "n_y dim_y"],
    *,
    distance: Distance = "pearson",
    comparison: Comparison = "spearman",
    pairs: int = PAIRS,
    rng: np.random.Generator | None = None,
) -> float:
    """Return how alike the distances between items are in two representations.

    1 − Pearson centres every item over its channels: it ignores length and level of an item, but
    a rotation changes it. Cosine ignores rotations and length; Euclid rotations and shifts.

    Args:
        x: embeddings, one row an item.
        y: embeddings of the same items in the same order; may have another dim.
        distance: between two items.
        comparison: of the two lists. "kendall" is τ_a and "rho_a" its cousin with ranks: both
            charge ties as disagreement, so that a coarse representation does not win by them.
            "cosine" compares the distances themselves; it is near 1 for any data, since they are
            all positive.
        pairs: if there are more pairs of items, that many are drawn; memory stays within.
        rng: needed where pairs are drawn.

    Returns:
        In [−1, 1], cosine in [0, 1]; 1 for x = y, with rho_a and τ_a a little less if distances
        tie. Unrelated items give 0 on average, but for cosine.

    Raises:
        ValueError: if rows do not match, there are fewer than 3 items, an item has no direction,
            RSA is undefined, or pairs are to be drawn without a generator.

    Source: N. Kriegeskorte et al., 2008; rho_a and τ_a after H. Nili et al., 2014.
    """
    check_paired(x, y)
    items = len(x)
    if items < 3:
        raise ValueError(f"RSA needs at least 3 items, got {items}")
    if items * (items - 1) // 2 <= pairs:
        sides = [_distances(side, distance) for side in (x, y)]
    elif rng is None:
        raise ValueError(
            f"{items} items have more than {pairs} pairs, of which a sample is drawn: give a "
            "generator as rng"
        )
    else:
        ends = _pairs(items, pairs, rng)
        sides = [_sampled(side, ends, distance) for side in (x, y)]
    value = _COMPARE[comparison](*(_ready(side, comparison) for side in sides))
    if np.isnan(value):
        raise ValueError(UNDEFINED)
    return value
