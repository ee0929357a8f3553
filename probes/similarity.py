"""Compare two representations of the same items, against chance."""

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, Shaped

from probes.checks import check_paired
from probes.cka import UNDEFINED, cka_values, linear_cka
from probes.cka_null import Permuted, cka_null
from probes.intervals import jackknife_or_reason
from probes.measures import Measure, find_measure
from probes.mutual_knn import K, MutualKnnNull, knn_graph, mutual_knn
from probes.nulls import NullTest, against_null, item_orders
from probes.result import Plain, Score, to_plain
from probes.subsamples import CurvePoint, subsample_curve

PERMUTATIONS = 199
METHOD = "delete-a-group jackknife interval; p by permutation of rows"


@dataclass(frozen=True, kw_only=True)
class Similarity:
    """One measure on one pair of representations."""

    score: Score
    null: NullTest | None
    """None if the measure is undefined."""

    def to_json(self) -> Plain:
        """Return score and null as plain JSON."""
        return to_plain(self)


@dataclass(frozen=True, kw_only=True)
class KnnPoint:
    """Mutual kNN at one number of items."""

    point: CurvePoint
    chance: float
    """k / (items − 1)."""

    def to_json(self) -> Plain:
        """Return the point as plain JSON."""
        return to_plain(self)


def compare(  # noqa: PLR0913  # the same options for every measure
    measure: str | Measure,
    x: Float[np.ndarray, "n_x dim_x"],
    y: Float[np.ndarray, "n_y dim_y"],
    *,
    rng: np.random.Generator,
    groups: Shaped[np.ndarray, " n_x"] | None = None,
    within: Shaped[np.ndarray, " n_x"] | None = None,
    count: int = PERMUTATIONS,
) -> Similarity:
    """Return any measure with its permutation null and a delete-a-group jackknife interval.

    Args:
        measure: a name of `MEASURES`, or a measure.
        x: embeddings, one row an item.
        y: embeddings of the same items in the same order.
        rng: source of all randomness.
        groups: items that depend on each other; they are left out together.
        within: permutations stay within these groups, such as classes: is there likeness beyond
            what group membership brings?
        count: permutations of the rows of y.

    Returns:
        Score and null; if the measure is undefined, a score without value that says why.

    Raises:
        ValueError: if there is no such measure, rows do not match, or the measure is not made for
            so few or so many items.
    """
    measure = find_measure(measure)
    check_paired(x, y)
    left, right = measure.prepare(x), measure.prepare(y)
    observed = measure.between(left, right)
    if math.isnan(observed):
        return _nothing(measure.name, len(x), measure.undefined)
    orders = item_orders(len(x), count, rng=rng, within=within)
    null = np.array([measure.between(left, measure.reorder(right, order)) for order in orders])
    test = against_null(
        observed,
        null,
        kind="rows of y" if within is None else "rows of y within groups",
        maximum=None if measure.is_distance else measure.high,
        smaller_is_better=measure.is_distance,
    )
    interval = jackknife_or_reason(
        lambda rows: measure(x[rows], y[rows]), len(x), rng=rng, groups=groups
    )
    return _similarity(measure.name, observed, test, len(x), interval)


def _nothing(name: str, n: int, reason: str) -> Similarity:
    return Similarity(score=Score(value=None, n=n, method=name, reason=reason), null=None)


def _similarity(
    name: str,
    observed: float,
    test: NullTest,
    n: int,
    interval: tuple[float | None, float | None, str],
) -> Similarity:
    low, high, reason = interval
    score = Score(
        value=observed,
        low=low,
        high=high,
        chance=test.null_mean,
        n=n,
        method=f"{name}; {METHOD}",
        p=test.p,
        reason=reason,
    )
    return Similarity(score=score, null=test)


def _tested(null: Permuted, n: int, count: int, *, rng: np.random.Generator) -> NullTest:
    orders = item_orders(n, count, rng=rng)
    values = np.array([float(null.values(order)[0, 0]) for order in orders])
    return against_null(float(null.values(np.arange(n))[0, 0]), values, kind=null.note)


def compare_cka(
    x: Float[np.ndarray, "n_x dim_x"],
    y: Float[np.ndarray, "n_y dim_y"],
    *,
    rng: np.random.Generator,
    debiased: bool = True,
    groups: Shaped[np.ndarray, " n_x"] | None = None,
    count: int = PERMUTATIONS,
) -> Similarity:
    """Return CKA with its permutation null and a delete-a-group jackknife interval.

    Args:
        x: embeddings, one row an item.
        y: embeddings of the same items in the same order.
        rng: source of all randomness.
        debiased: as in `linear_cka`.
        groups: items that depend on each other; they are left out together.
        count: permutations of the rows of y.

    Returns:
        Score and null; if CKA is undefined, a score without value that says why.

    Raises:
        ValueError: if rows do not match, or there are too few or too many items.
    """
    name = "debiased linear CKA" if debiased else "linear CKA (biased)"
    check_paired(x, y)
    observed = float(cka_values([x], [y], debiased=debiased)[0, 0])
    if math.isnan(observed):
        return _nothing(name, len(x), UNDEFINED)
    test = _tested(cka_null([x], [y], debiased=debiased), len(x), count, rng=rng)
    test = replace(test, observed=observed)  # of many items an approximation is permuted
    interval = jackknife_or_reason(
        lambda rows: linear_cka(x[rows], y[rows], debiased=debiased), len(x), rng=rng, groups=groups
    )
    return _similarity(name, observed, test, len(x), interval)


def compare_mutual_knn(
    x: Float[np.ndarray, "n_x dim_x"],
    y: Float[np.ndarray, "n_y dim_y"],
    *,
    rng: np.random.Generator,
    k: int = K,
    groups: Shaped[np.ndarray, " n_x"] | None = None,
    count: int = PERMUTATIONS,
) -> Similarity:
    """Return mutual kNN with its permutation null and a delete-a-group jackknife interval.

    Args:
        x: embeddings, one row an item.
        y: embeddings of the same items in the same order.
        rng: source of all randomness.
        k: neighbours, the item itself not counted.
        groups: items that depend on each other; they are left out together.
        count: permutations of the items of y.

    Returns:
        Score, whose chance is exactly k / (items − 1), and null.

    Raises:
        ValueError: if rows do not match or k does not lie between 1 and items − 1.
    """
    check_paired(x, y)
    null = MutualKnnNull.of([knn_graph(x, k)], [knn_graph(y, k)])
    test = _tested(null, len(x), count, rng=rng)
    interval = jackknife_or_reason(
        lambda rows: mutual_knn(x[rows], y[rows], k=min(k, len(rows) - 1)),
        len(x),
        rng=rng,
        groups=groups,
    )
    found = _similarity(f"mutual kNN, k = {k}, cosine", test.observed, test, len(x), interval)
    return replace(found, score=replace(found.score, chance=k / (len(x) - 1)))


def mutual_knn_curve(
    x: Float[np.ndarray, "n_x dim_x"],
    y: Float[np.ndarray, "n_y dim_y"],
    *,
    rng: np.random.Generator,
    k: int = K,
) -> tuple[KnnPoint, ...]:
    """Return mutual kNN on all items, on halves, quarters and eighths of them, beside chance.

    At fixed k the score falls as items are added, for models that are equally alike; its excess
    over chance says more. Values at different numbers of items must not be compared without it.

    Args:
        x: embeddings, one row an item.
        y: embeddings of the same items in the same order.
        rng: deals the items out.
        k: neighbours, the item itself not counted.

    Returns:
        One point a number of items, all of them first.

    Raises:
        ValueError: if rows do not match or k does not lie between 1 and items − 1.
    """
    check_paired(x, y)
    value = mutual_knn(x, y, k=k)

    def value_of(rows: Int[np.ndarray, " kept"]) -> float:
        return value if len(rows) == len(x) else mutual_knn(x[rows], y[rows], k=k)

    curve = subsample_curve(value_of, len(x), rng=rng, fewest=2 * k)
    return tuple(KnnPoint(point=point, chance=k / (point.n - 1)) for point in curve)
