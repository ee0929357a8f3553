"""Compare two representations of the same items, against chance."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped

from probes.checks import check_paired
from probes.cka import UNDEFINED, CkaNull, cka_values, linear_cka
from probes.intervals import jackknife_or_reason
from probes.mutual_knn import K, MutualKnnNull, knn_graph, mutual_knn, mutual_knn_values
from probes.nulls import NullTest, against_null, permutations
from probes.result import Plain, Score, to_plain

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
        score = Score(value=None, chance=None, n=len(x), method=name, reason=UNDEFINED)
        return Similarity(score=score, null=None)
    kernels = CkaNull.of([x], [y], debiased=debiased)
    orders = permutations(len(x), count, rng=rng)
    null = np.array([float(kernels.values(order)[0, 0]) for order in orders])

    test = against_null(observed, null, kind="rows of y")
    low, high, reason = jackknife_or_reason(
        lambda rows: linear_cka(x[rows], y[rows], debiased=debiased), len(x), rng=rng, groups=groups
    )
    score = Score(
        value=observed,
        low=low,
        high=high,
        chance=test.null_mean,
        n=len(x),
        method=f"{name}; {METHOD}",
        p=test.p,
        reason=reason,
    )
    return Similarity(score=score, null=test)


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
    graph_x, graph_y = knn_graph(x, k), knn_graph(y, k)
    observed = float(mutual_knn_values([graph_x], [graph_y])[0, 0])
    prepared = MutualKnnNull.of([graph_x], [graph_y])
    orders = permutations(len(x), count, rng=rng)
    null = np.array([float(prepared.values(order)[0, 0]) for order in orders])

    test = against_null(observed, null, kind="rows of y")
    low, high, reason = jackknife_or_reason(
        lambda rows: mutual_knn(x[rows], y[rows], k=min(k, len(rows) - 1)),
        len(x),
        rng=rng,
        groups=groups,
    )
    score = Score(
        value=observed,
        low=low,
        high=high,
        chance=k / (len(x) - 1),
        n=len(x),
        method=f"mutual kNN, k = {k}, cosine; {METHOD}",
        p=test.p,
        reason=reason,
    )
    return Similarity(score=score, null=test)
