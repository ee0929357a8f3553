"""LiDAR: in how many directions items differ by more than their own views do."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from probes.checks import check_finite, check_same_length, number_labels
from probes.intervals import jackknife_or_reason
from probes.result import Plain, Score, to_plain
from probes.spectrum import rank_me

DELTA = 1e-4
STEPS = (0.01, 0.1, 10.0, 100.0)
"""Multiples of δ that the sensitivity shows."""


@dataclass(frozen=True, kw_only=True)
class DeltaFit:
    """The rank that one choice of δ gives."""

    delta: float
    lidar: float


@dataclass(frozen=True, kw_only=True)
class Lidar:
    """Effective rank of the differences between items, in units of those between views."""

    lidar: Score
    """At most channels, and at most items − 1."""

    items: int
    views: tuple[int, int]
    """Fewest and most views of an item."""

    delta: float
    """Added to the variance within items in every direction."""

    delta_share: float
    """δ as a share of the mean variance within items. Where it is not small, scale matters: the
    measure is then nearer to the rank of the item means alone."""

    sensitivity: tuple[DeltaFit, ...]
    """What other δ would give."""

    def to_json(self) -> Plain:
        """Return everything as plain JSON."""
        return to_plain(self)


def lidar(
    x: Float[np.ndarray, "views dim"],
    item_of: Shaped[np.ndarray, " labelled"],
    *,
    rng: np.random.Generator,
    groups: Shaped[np.ndarray, " grouped"] | None = None,
    delta: float = DELTA,
) -> Lidar:
    """Measure how many directions tell items apart.

    Views are masks or augmentations of one item, not other items of its class. Published with
    1000 items of 10 to 50 views. Any rotation leaves it as it is; other invertible linear maps do
    so only as δ → 0.

    Args:
        x: embeddings, one row a view.
        item_of: which item a row is a view of.
        rng: chooses the parts of the jackknife.
        groups: items of one group are left out together; None to leave out items.
        delta: δ, in the units of x squared.

    Returns:
        The rank, its interval, and what other δ give.

    Raises:
        ValueError: if there are fewer than three items or none with two views, if an item lies in
            two groups, or if δ is not positive.

    Source: Thilak et al., arXiv:2312.04000.
    """
    check_finite(x)
    check_same_length(x, item_of, "ids of items")
    if delta <= 0:
        raise ValueError(f"delta={delta}: it must be positive, or Σ within may have no inverse")
    codes, names = number_labels(item_of)
    views = np.bincount(codes)
    if len(names) < 3 or views.max() < 2:
        raise ValueError(
            f"LiDAR needs 3 items and two views of at least one, got {len(names)} items of "
            f"at most {views.max()} views"
        )
    pieces = _Pieces.of(x.astype(np.float64), codes, views)
    group_of = None if groups is None else _groups_of_items(codes, groups)
    everything = np.arange(len(names))
    method = f"LiDAR, δ = {delta:g}, at most {min(x.shape[1], len(names) - 1)}"
    method += "; delete-a-group jackknife interval over items"
    try:
        value = pieces.rank(everything, delta)
    except ValueError as error:
        score = Score(value=None, n=len(names), method=method, reason=str(error))
        fits = ()
    else:
        low, high, reason = jackknife_or_reason(
            lambda rows: pieces.rank(rows, delta), len(names), rng=rng, groups=group_of
        )
        score = Score(value=value, low=low, high=high, n=len(names), method=method, reason=reason)
        fits = tuple(
            DeltaFit(delta=delta * step, lidar=pieces.rank(everything, delta * step))
            for step in STEPS
        )
    spread = float(np.sum(pieces.deviations**2)) / x.shape[1] / int(np.sum(views > 1))
    return Lidar(
        lidar=score,
        items=len(names),
        views=(int(views.min()), int(views.max())),
        delta=delta,
        delta_share=delta / (spread + delta),
        sensitivity=fits,
    )


@dataclass(frozen=True)
class _Pieces:
    """What the rank of any subset of items is put together from."""

    means: Float[np.ndarray, "items dim"]
    deviations: Float[np.ndarray, "views dim"]
    """From the item's mean, divided by √views of it: products sum to covariances."""

    item_of: Int[np.ndarray, " views"]
    has_views: Bool[np.ndarray, " items"]
    """Items with more than one view; only these say something about the variance within."""

    nothing: float
    """What rounding leaves of the variance of equal means."""

    @staticmethod
    def of(
        x: Float[np.ndarray, "views dim"],
        codes: Int[np.ndarray, " views"],
        views: Int[np.ndarray, " items"],
    ) -> "_Pieces":
        means = np.zeros((len(views), x.shape[1]))
        np.add.at(means, codes, x - x.mean(axis=0))
        means /= views[:, None]
        deviations = (x - x.mean(axis=0) - means[codes]) / np.sqrt(views[codes])[:, None]
        nothing = 1e-28 * float(np.mean(np.sum(x**2, axis=1)))
        return _Pieces(means, deviations, codes, views > 1, nothing)

    def rank(self, rows: Int[np.ndarray, " kept"], delta: float) -> float:
        """Return the effective rank of Σw^−½ Σb Σw^−½ over some items."""
        from scipy.linalg import eigh  # imported late: the app starts without it

        chosen = np.isin(self.item_of, rows)
        items = int(self.has_views[rows].sum())
        if len(rows) < 3 or not items:
            raise ValueError("fewer than 3 items, or none with two views, are left")
        within = self.deviations[chosen].T @ self.deviations[chosen] / items
        within[np.diag_indices_from(within)] += delta
        centred = self.means[rows] - self.means[rows].mean(axis=0)
        between = centred.T @ centred / len(rows)
        if float(np.trace(between)) <= self.nothing:
            raise ValueError("the means of all items are the same: nothing tells them apart")
        # the generalised eigenvalues of (Σb, Σw) are those of Σw^−½ Σb Σw^−½
        values = eigh(between, within, eigvals_only=True)[::-1]
        return rank_me(np.maximum(values[: min(len(values), len(rows) - 1)], 0))


def _groups_of_items(
    codes: Int[np.ndarray, " views"], groups: Shaped[np.ndarray, " grouped"]
) -> Shaped[np.ndarray, " items"]:
    """Return the group of every item; raise ValueError if views of one lie in two groups."""
    check_same_length(codes, groups, "groups")
    first = np.unique(codes, return_index=True)[1]
    of_item = groups[first]
    astray = np.flatnonzero(of_item[codes] != groups)
    if astray.size:
        raise ValueError(
            f"row {astray[0]} is in another group than the first view of its item: all views of "
            "an item belong to one group"
        )
    return of_item
