"""How far a map can be believed: trustworthiness and continuity, for the whole and every item.

A map is not trustworthy where it puts strangers side by side, and not continuous where it tears
neighbours apart. A flat picture of many dimensions must do some of both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import torch
from jaxtyping import Float, Int

from probes.checks import check_finite, check_same_length
from probes.intervals import CONFIDENCE
from probes.result import Plain, Score, to_plain

CHUNK = 500_000  # distances held at once, on each side
KS = (5, 15, 50)


@dataclass(frozen=True, kw_only=True)
class Fidelity:
    """Both measures for several sizes of neighbourhood."""

    ks: tuple[int, ...]
    trustworthiness: tuple[Score, ...]
    """One a k. 1: neighbours on the map are neighbours in the embedding."""

    continuity: tuple[Score, ...]
    """One a k. 1: neighbours in the embedding are neighbours on the map."""

    item_trust: Float[np.ndarray, "ks items"]
    item_continuity: Float[np.ndarray, "ks items"]

    def to_json(self) -> Plain:
        """Return everything as plain JSON."""
        return to_plain(self)


def trustworthiness(
    x: Float[np.ndarray, "items dim"], coordinates: Float[np.ndarray, "placed axes"], k: int
) -> tuple[Score, Float[np.ndarray, " items"]]:
    """Return the trustworthiness of a map, and of the place of every item.

    T = 1 − 2 / (n k (2n − 3k − 1)) Σᵢ Σ_{j ∈ Uᵢ} (r(i, j) − k), where Uᵢ are the items among the
    k nearest of i on the map but not in the embedding, and r their rank in the embedding. An item's
    own T is its term alone, so that T is their mean. Both sides Euclidean; pass unit vectors
    for cosine. Memory is a few times items × chunk, never items × items.

    Args:
        x: embeddings.
        coordinates: places on the map.
        k: neighbours; k < items / 2.

    Returns:
        The score (chance: a random map) and T of every item; equal to scikit-learn's. Of items that
        are equally far away none counts as nearer, where scikit-learn takes them as they come.

    Raises:
        ValueError: if k does not fit the number of items, or an input is not finite.

    Source: Venna and Kaski, 2001.
    """
    found = _excess(x, coordinates, (k,), both=False)
    return _score("trustworthiness", found[0, 0], k)


def fidelity(
    x: Float[np.ndarray, "items dim"],
    coordinates: Float[np.ndarray, "placed axes"],
    *,
    ks: Sequence[int] = KS,
) -> Fidelity:
    """Return trustworthiness and continuity for several k, from one pass over the distances.

    Continuity is the trustworthiness with the roles of map and embedding exchanged.

    Args:
        x: embeddings; both sides are Euclidean, so pass unit vectors for cosine.
        coordinates: places on the map.
        ks: sizes of the neighbourhood, each below half of the items.

    Returns:
        The curves over k, and both measures of every item.

    Raises:
        ValueError: if a k does not fit the number of items, or an input is not finite.

    Source: Venna and Kaski, 2001.
    """
    if not ks:
        raise ValueError("no size of neighbourhood: give at least one k")
    found = _excess(x, coordinates, tuple(ks), both=True)
    trust = [_score("trustworthiness", excess, k) for excess, k in zip(found[0], ks, strict=True)]
    torn = [_score("continuity", excess, k) for excess, k in zip(found[1], ks, strict=True)]
    return Fidelity(
        ks=tuple(ks),
        trustworthiness=tuple(score for score, _ in trust),
        continuity=tuple(score for score, _ in torn),
        item_trust=np.stack([items for _, items in trust]),
        item_continuity=np.stack([items for _, items in torn]),
    )


def fitting_ks(items: int, ks: Sequence[int] = KS) -> tuple[int, ...]:
    """Return those k that are below half of the items, or the largest possible one."""
    return tuple(k for k in ks if k < items / 2) or (max(1, (items - 1) // 2),)


def _excess(
    x: Float[np.ndarray, "items dim"],
    coordinates: Float[np.ndarray, "placed axes"],
    ks: tuple[int, ...],
    *,
    both: bool,
) -> Float[np.ndarray, "sides ks items"]:
    """Return Σ_{j ∈ Uᵢ} (r(i, j) − k), of the map's neighbours and, if both, of the embedding's."""
    check_finite(x)
    check_finite(coordinates, "coordinates")
    check_same_length(x, coordinates, "places on the map")
    n = len(x)
    for k in ks:
        if not 1 <= k < n / 2:
            raise ValueError(f"k={k} neighbours of {n} items; choose 1 <= k < items / 2")
    high, low = _Side.of(x), _Side.of(coordinates)
    excess = np.zeros((1 + both, len(ks), n))
    step = max(1, CHUNK // n)
    for start in range(0, n, step):
        rows = slice(start, min(start + step, n))
        apart, close = high.distances(rows), low.distances(rows)
        sides = [(apart, close), (close, apart)] if both else [(apart, close)]
        # all that is looked up must be so before anything is sorted in place
        chosen = [other.topk(max(ks), dim=1, largest=False).indices for _, other in sides]
        values = [own.gather(1, ids) for (own, _), ids in zip(sides, chosen, strict=True)]
        ranks = [_ranks(own, found) for (own, _), found in zip(sides, values, strict=True)]
        for side, rank in enumerate(ranks):
            for row, k in enumerate(ks):
                excess[side, row, rows] = (rank[:, :k] - k).clamp(min=0).sum(dim=1).numpy()
    return excess


@dataclass(frozen=True)
class _Side:
    """The points of one side, centred, which keeps distances accurate."""

    points: Float[torch.Tensor, "items dim"]
    squares: Float[torch.Tensor, " items"]

    @staticmethod
    def of(x: Float[np.ndarray, "items dim"]) -> "_Side":
        points = torch.from_numpy(x.astype(np.float64))
        points -= points.mean(dim=0)
        return _Side(points, (points * points).sum(dim=1))

    def distances(self, rows: slice) -> Float[torch.Tensor, "rows items"]:
        """Return squared distances of some rows to all, infinite to themselves."""
        own = self.squares[rows, None]
        found = (self.points[rows] @ self.points.T).mul_(-2).add_(self.squares).add_(own)
        found.masked_fill_(found < 1e-13 * own, 0)  # what rounding leaves between equal points
        found[torch.arange(len(own)), torch.arange(rows.start, rows.stop)] = torch.inf
        return found


def _ranks(
    distances: Float[torch.Tensor, "rows items"], values: Float[torch.Tensor, "rows k"]
) -> Int[torch.Tensor, "rows k"]:
    """Return how many distances are below each value, plus 1. Sorts the distances."""
    distances.numpy().sort(axis=1)  # in place; of all ways to count the fastest
    return torch.searchsorted(distances, values) + 1


def _score(
    name: str, excess: Float[np.ndarray, " items"], k: int
) -> tuple[Score, Float[np.ndarray, " items"]]:
    """Return the mean and the values of the items, scaled to 1 for no excess."""
    n = len(excess)
    per_item = 1 - excess * 2 / (k * (2 * n - 3 * k - 1))
    value = float(per_item.mean())
    half = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * float(per_item.std(ddof=1)) / np.sqrt(n)
    score = Score(
        value=value,
        low=value - half,
        high=min(1.0, value + half),
        chance=1 - (n - 1 - k) * (n - k) / ((n - 1) * (2 * n - 3 * k - 1)),
        n=n,
        method=f"{name}, k = {k}; normal interval over items; chance: a random map",
    )
    return score, per_item
