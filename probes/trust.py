"""How far a map can be believed: trustworthiness and continuity, for the whole and every item.

A map is not trustworthy where it puts strangers side by side, and not continuous where it tears
neighbours apart. A flat picture of many dimensions must do some of both.

Every item is compared with every other. Of very many items, some drawn by lot tell the mean as
well: each of them is still compared with all, so its own value is exact.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import torch
from jaxtyping import Float, Int

from probes.checks import check_finite, check_same_length
from probes.intervals import CONFIDENCE
from probes.progress import tell
from probes.result import Plain, Score, to_plain

CHUNK = 500_000  # distances held at once, on each side
MOST_AT_ONCE = 10_000_000  # the same where there are so many items that chunks would be single rows
KS = (5, 15, 50)
QUICK_PAIRS = 200_000_000
"""So many pairs of items are compared within seconds: all pairs of 14,000 items."""

FEWEST_JUDGED = 1000
"""Of very many items at least so many are judged: an interval of about a hundredth."""

COMPILED_FROM = 25_000_000
"""Pairs from which on counting is compiled, which takes a second once; fewer are sorted."""

FEWEST_FOR_INTERVAL = 2
ROUNDING = 1e-13
"""Squared distances below this share of a square are what rounding leaves between equal points."""


@dataclass(frozen=True, kw_only=True)
class Fidelity:
    """Both measures for several sizes of neighbourhood."""

    ks: tuple[int, ...]
    trustworthiness: tuple[Score, ...]
    """One a k. 1: neighbours on the map are neighbours in the embedding."""

    continuity: tuple[Score, ...]
    """One a k. 1: neighbours in the embedding are neighbours on the map."""

    item_trust: Float[np.ndarray, "ks items"]
    """NaN for items that were not judged."""

    item_continuity: Float[np.ndarray, "ks items"]

    def to_json(self) -> Plain:
        """Return everything as plain JSON; what was not judged is None."""
        values = {name: undefined_as_none(getattr(self, name)) for name in ITEM_VALUES}
        return to_plain({**vars(self), **values})


ITEM_VALUES = ("item_trust", "item_continuity")


def undefined_as_none(values: np.ndarray) -> object:
    """Return values as nested lists, those that are undefined as None."""
    listed = values.astype(object)
    listed[np.isnan(values)] = None
    return listed.tolist()


def drawn_by_lot(
    items: int, rng: np.random.Generator, *, pairs: int = QUICK_PAIRS
) -> Int[np.ndarray, " judged"] | None:
    """Return which items to judge so that it takes seconds; None for all.

    Args:
        items: how many there are.
        rng: decides which.
        pairs: how many pairs of items may be compared.

    Returns:
        Rows, ascending, pairs / items of them but at least `FEWEST_JUDGED`.
    """
    count = max(FEWEST_JUDGED, pairs // max(1, items))
    return None if count >= items else np.sort(rng.choice(items, count, replace=False))


def trustworthiness(
    x: Float[np.ndarray, "items dim"],
    coordinates: Float[np.ndarray, "placed axes"],
    k: int,
    *,
    judged: Int[np.ndarray, " judged"] | None = None,
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
        judged: rows of the items to judge, each against all; None for every item. Drawn at random
            their mean is an unbiased estimate of T.

    Returns:
        The score (chance: a random map) and T of every item, NaN if it was not judged; equal to
        scikit-learn's. Of items that are equally far away none counts as nearer, where
        scikit-learn takes them as they come.

    Raises:
        ValueError: if k does not fit the number of items, if the rows to judge are fewer than two
            different ones, or an input is not finite.

    Source: Venna and Kaski, 2001.
    """
    found = _excess(x, coordinates, (k,), _rows(len(x), judged), both=False)
    return _score("trustworthiness", found[0, 0], k)


def fidelity(
    x: Float[np.ndarray, "items dim"],
    coordinates: Float[np.ndarray, "placed axes"],
    *,
    ks: Sequence[int] = KS,
    judged: Int[np.ndarray, " judged"] | None = None,
) -> Fidelity:
    """Return trustworthiness and continuity for several k, from one pass over the distances.

    Continuity is the trustworthiness with the roles of map and embedding exchanged.

    Args:
        x: embeddings; both sides are Euclidean, so pass unit vectors for cosine.
        coordinates: places on the map.
        ks: sizes of the neighbourhood, each below half of the items.
        judged: rows of the items to judge, as for `trustworthiness`.

    Returns:
        The curves over k, and both measures of every item that was judged.

    Raises:
        ValueError: if a k does not fit the number of items, if the rows to judge are fewer than two
            different ones, or an input is not finite.

    Source: Venna and Kaski, 2001.
    """
    if not ks:
        raise ValueError("no size of neighbourhood: give at least one k")
    found = _excess(x, coordinates, tuple(ks), _rows(len(x), judged), both=True)
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


def _rows(items: int, judged: Int[np.ndarray, " judged"] | None) -> Int[np.ndarray, " judged"]:
    """Return the rows to judge, each once; raise ValueError if they are too few or none of x."""
    if judged is None:
        return np.arange(items)
    rows = np.unique(judged)
    if len(rows) < FEWEST_FOR_INTERVAL or rows[0] < 0 or rows[-1] >= items:
        raise ValueError(
            f"{len(rows)} different rows to judge, of {items} items: give at least "
            f"{FEWEST_FOR_INTERVAL}, numbered from 0 to {items - 1}"
        )
    return rows


def _excess(
    x: Float[np.ndarray, "items dim"],
    coordinates: Float[np.ndarray, "placed axes"],
    ks: tuple[int, ...],
    judged: Int[np.ndarray, " judged"],
    *,
    both: bool,
) -> Float[np.ndarray, "sides ks items"]:
    """Return Σ_{j ∈ Uᵢ} (r(i, j) − k), of the map's neighbours and, if both, of the embedding's.

    It is NaN for items that are not to be judged.
    """
    check_finite(x)
    check_finite(coordinates, "coordinates")
    check_same_length(x, coordinates, "places on the map")
    n = len(x)
    for k in ks:
        if not 1 <= k < n / 2:
            raise ValueError(f"k={k} neighbours of {n} items; choose 1 <= k < items / 2")
    compiled = n * len(judged) >= COMPILED_FROM
    step = max(1, (MOST_AT_ONCE if compiled else CHUNK) // n)
    high, low = (_Side.of(side, step, compiled=compiled) for side in (x, coordinates))
    excess = np.full((1 + both, len(ks), n), np.nan)
    for start in range(0, len(judged), step):
        tell("trust", start, len(judged))
        rows = judged[start : start + step]
        apart, close = high.distances(rows), low.distances(rows)
        sides = [(apart, close), (close, apart)] if both else [(apart, close)]
        # all that is looked up must be so before anything is sorted in place
        chosen = [other.topk(max(ks), dim=1, largest=False).indices for _, other in sides]
        values = [own.gather(1, ids) for (own, _), ids in zip(sides, chosen, strict=True)]
        rank = _counted_ranks if compiled else _sorted_ranks
        ranks = [rank(own, found) for (own, _), found in zip(sides, values, strict=True)]
        for side, found in enumerate(ranks):
            for row, k in enumerate(ks):
                excess[side, row, rows] = (found[:, :k] - k).clamp(min=0).sum(dim=1).numpy()
    tell("trust", len(judged), len(judged))
    return excess


@dataclass(frozen=True)
class _Side:
    """The points of one side, centred, which keeps distances accurate."""

    points: Float[torch.Tensor, "items dim"]
    squares: Float[torch.Tensor, " items"]
    room: Float[torch.Tensor, "step items"]
    """For the distances of some rows: new memory for every few rows would take most of the time."""

    compiled: bool

    @staticmethod
    def of(x: Float[np.ndarray, "items dim"], step: int, *, compiled: bool) -> "_Side":
        points = torch.from_numpy(x.astype(np.float64))
        points -= points.mean(dim=0)
        room = torch.empty((min(step, len(x)), len(x)), dtype=torch.float64)
        return _Side(points, (points * points).sum(dim=1), room, compiled)

    def distances(self, rows: Int[np.ndarray, " rows"]) -> Float[torch.Tensor, "rows items"]:
        """Return squared distances of some rows to all, infinite to themselves.

        The next ones come in their place.
        """
        own = torch.from_numpy(rows)
        found = torch.mm(self.points[own], self.points.T, out=self.room[: len(rows)])
        if self.compiled:
            from probes.trust_kernel import to_distances  # imported late: it compiles

            squares = self.squares.numpy()
            _in_threads(
                lambda part: to_distances(found.numpy()[part], squares, rows[part], ROUNDING), rows
            )
            return found
        found.mul_(-2).add_(self.squares).add_(self.squares[own, None])
        found.masked_fill_(found < ROUNDING * self.squares[own, None], 0)
        found[torch.arange(len(rows)), own] = torch.inf
        return found


def _sorted_ranks(
    distances: Float[torch.Tensor, "rows items"], values: Float[torch.Tensor, "rows k"]
) -> Int[torch.Tensor, "rows k"]:
    """Return how many distances are below each value, plus 1. Sorts the distances."""
    distances.numpy().sort(axis=1)  # in place; without compiling the fastest way to count
    return torch.searchsorted(distances, values) + 1


def _counted_ranks(
    distances: Float[torch.Tensor, "rows items"], values: Float[torch.Tensor, "rows k"]
) -> Int[torch.Tensor, "rows k"]:
    """Return the same, several times as fast for many distances."""
    from probes.trust_kernel import count_nearer  # imported late: it compiles

    found = torch.empty(values.shape, dtype=torch.int64)
    near, at, counts = distances.numpy(), values.numpy(), found.numpy()
    _in_threads(lambda part: count_nearer(near[part], at[part], counts[part]), counts)
    return found + 1


def _in_threads(work: Callable[[slice], None], rows: Sequence[object] | np.ndarray) -> None:
    """Share rows out among as many threads as there are for products of matrices."""
    count = torch.get_num_threads()
    ends = np.linspace(0, len(rows), count + 1).astype(int)
    parts = [slice(a, b) for a, b in itertools.pairwise(ends.tolist())]
    with ThreadPoolExecutor(count) as threads:
        list(threads.map(work, parts))


def _score(
    name: str, excess: Float[np.ndarray, " items"], k: int
) -> tuple[Score, Float[np.ndarray, " items"]]:
    """Return the mean and the values of the items, scaled to 1 for no excess."""
    n, judged = len(excess), int(np.isfinite(excess).sum())
    per_item = 1 - excess * 2 / (k * (2 * n - 3 * k - 1))
    value, spread = float(np.nanmean(per_item)), float(np.nanstd(per_item, ddof=1))
    half = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * spread / math.sqrt(judged)
    lot = "" if judged == n else f" of {judged} items drawn by lot from {n}, each against all"
    score = Score(
        value=value,
        low=value - half,
        high=min(1.0, value + half),
        chance=1 - (n - 1 - k) * (n - k) / ((n - 1) * (2 * n - 3 * k - 1)),
        n=judged,
        method=f"{name}{lot}, k = {k}; normal interval over items; chance: a random map",
    )
    return score, per_item
