"""TwoNN: the intrinsic dimension, from the ratio of the distances to the two nearest neighbours."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped

from probes.checks import check_finite, check_same_length
from probes.intervals import jackknife_or_reason
from probes.result import Plain, Score, to_plain
from probes.subsamples import CurvePoint, subsample_curve

CHUNK = 4_000_000  # distances held at once
DISCARD = 0.1
FEWEST = 20  # different items


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """How many coordinates would do to tell an item from those around it.

    Too low for large dimensions (uniform cubes of 5 and 10 dimensions and 1200 items give about
    4.5 and 8.4), and dependent on the scale that the density of the items sets: read the curve.
    """

    dimension: Score
    """The slope through the origin, without the largest ratios."""

    likelihood: Score
    """The maximum of the likelihood, from all ratios."""

    duplicates: int
    """Items left out because another item has the very same embedding."""

    discard: float
    """Share of the largest ratios left out of the slope."""

    curve: tuple[CurvePoint, ...]
    """The slope on disjoint halves, quarters and eighths of the items."""

    def to_json(self) -> Plain:
        """Return everything as plain JSON."""
        return to_plain(self)


def two_nn(
    x: Float[np.ndarray, "items dim"],
    *,
    rng: np.random.Generator,
    groups: Shaped[np.ndarray, " grouped"] | None = None,
    discard: float = DISCARD,
) -> Dimension:
    """Estimate the intrinsic dimension of embeddings (Euclidean).

    Scale, rotation, and lying in a space of more channels change nothing.

    Args:
        x: embeddings; equal rows count once.
        rng: chooses the parts of the jackknife and the subsets of the curve.
        groups: items of one group are left out together by the jackknife; of equal rows the group
            of the first counts.
        discard: share of the largest ratios to leave out of the slope, below 1.

    Returns:
        Both estimates, each with its interval, and the slope for fewer items.

    Raises:
        ValueError: if fewer than 20 different items are left, or `discard` is no such share.

    Source: Facco et al., 2017, doi:10.1038/s41598-017-11873-y.
    """
    check_finite(x)
    if groups is not None:
        check_same_length(x, groups, "groups")
    if not 0 <= discard < 1:
        raise ValueError(f"discard={discard}: choose a share from 0 to below 1")
    _, first = np.unique(x, axis=0, return_index=True)
    kept = np.sort(first)
    if len(kept) < FEWEST:
        raise ValueError(
            f"TwoNN needs at least {FEWEST} different items, got {len(kept)} "
            f"({len(x) - len(kept)} duplicates)"
        )
    points = x[kept].astype(np.float64)
    groups = None if groups is None else groups[kept]
    points = (points - points.mean(axis=0)) / np.abs(points - points.mean(axis=0)).max()
    n, seed = len(points), int(rng.integers(2**63))
    known: dict[bytes, np.ndarray] = {}

    def ratios(rows: Int[np.ndarray, " kept"]) -> Float[np.ndarray, " items"]:
        key = rows.tobytes()
        if key not in known:
            known[key] = neighbour_ratios(points[rows])
        return known[key]

    def slope(rows: Int[np.ndarray, " kept"]) -> float:
        return slope_dimension(ratios(rows), discard=discard)

    def likelihood(rows: Int[np.ndarray, " kept"]) -> float:
        return likelihood_dimension(ratios(rows))

    def score(estimate: object, name: str) -> Score:
        value_of = slope if estimate is slope else likelihood
        parts = np.random.default_rng(seed)  # the same parts for both: ratios are computed once
        low, high, reason = jackknife_or_reason(value_of, n, rng=parts, groups=groups)
        return Score(
            value=value_of(np.arange(n)),
            low=None if low is None else max(0.0, low),
            high=high,
            n=n,
            method=f"TwoNN, {name}, Euclidean; delete-a-group jackknife interval",
            reason=reason,
        )

    return Dimension(
        dimension=score(slope, f"slope without the largest {discard:.0%} of ratios"),
        likelihood=score(likelihood, "maximum likelihood"),
        duplicates=len(x) - len(kept),
        discard=discard,
        curve=subsample_curve(slope, n, rng=rng, fewest=FEWEST),
    )


def neighbour_ratios(x: Float[np.ndarray, "items dim"]) -> Float[np.ndarray, " items"]:
    """Return μ = r₂ / r₁ of every item: its second nearest distance over its nearest.

    Args:
        x: different rows, in double precision and of moderate size.

    Raises:
        ValueError: if there are fewer than three items.
    """
    n = len(x)
    if n < 3:
        raise ValueError(f"two neighbours of {n} items: at least 3 items are needed")
    few = min(6, n - 1)
    items = torch.from_numpy(x)
    squares = (items * items).sum(dim=1)
    step = max(1, CHUNK // n)
    found = np.empty(n)
    for start in range(0, n, step):
        rows = torch.arange(start, min(start + step, n))
        apart = squares[None, :] - 2 * items[rows] @ items.T  # but for the row's own square
        apart[torch.arange(len(rows)), rows] = torch.inf
        near = apart.topk(few, dim=1, largest=False).indices
        # the difference of two large numbers is inexact for close pairs: measure the few again
        exact = (items[near] - items[rows][:, None, :]).norm(dim=2).sort(dim=1).values
        found[rows.numpy()] = (exact[:, 1] / exact[:, 0]).numpy()
    return found


def slope_dimension(ratios: Float[np.ndarray, " items"], *, discard: float = DISCARD) -> float:
    """Return the slope through the origin of −log(1 − F) on log μ, F being rank / n.

    Args:
        ratios: r₂ / r₁ of every item.
        discard: share of the largest to leave out.

    Raises:
        ValueError: if all that is left of the ratios is 1.
    """
    n = len(ratios)
    left = min(n - 1, int(n * (1 - discard)))
    logs = np.log(np.sort(ratios)[:left])
    levels = -np.log1p(-np.arange(1, left + 1) / n)
    total = float(logs @ logs)
    if total == 0:
        raise ValueError("every item is as far from its second neighbour as from its first")
    return float(logs @ levels) / total


def likelihood_dimension(ratios: Float[np.ndarray, " items"]) -> float:
    """Return (n − 1) / Σ log μ, which is unbiased where μ follows its Pareto law.

    Args:
        ratios: r₂ / r₁ of every item.

    Raises:
        ValueError: if all ratios are 1.
    """
    total = float(np.log(ratios).sum())
    if total == 0:
        raise ValueError("every item is as far from its second neighbour as from its first")
    return (len(ratios) - 1) / total
