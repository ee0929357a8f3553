"""Compare two stacks of layers of the same items, every layer with every layer."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped

from probes.checks import check_paired
from probes.cka import UNDEFINED, cka_values
from probes.cka_null import Permuted, cka_null
from probes.measures import Measure, find_measure
from probes.mutual_knn import K, MutualKnnNull, knn_graph, mutual_knn_values
from probes.nulls import NullTest, against_null, item_orders
from probes.result import Plain, to_plain

Stack = Mapping[str, np.ndarray]
"""Embeddings (items, dim) of every layer, by tap id, the first layer first."""


MOST_BYTES = 1 << 30  # prepared layers may hold


@dataclass(frozen=True, kw_only=True)
class LayerMatrix:
    """One measure on all pairs of layers of two stacks."""

    measure: str
    taps_x: tuple[str, ...]
    taps_y: tuple[str, ...]
    values: Float[np.ndarray, "layers_x layers_y"]
    """NaN where undefined (None in JSON)."""

    chance: Float[np.ndarray, "layers_x layers_y"] | None
    """Mean under permutation; None if nothing was permuted."""

    p: Float[np.ndarray, "layers_x layers_y"] | None
    """Permutation p of every pair on its own: not corrected for the number of pairs."""

    best: tuple[str, str] | None
    """The most alike pair: for distances the nearest; None if none is defined."""

    best_null: NullTest | None
    """The best value of all pairs against the best of all pairs under the same permutations: τ, p
    and the calibrated value belong to it, not to a pair that had been named before."""

    n: int
    undefined: str
    """Why entries of `values` are NaN; empty if none is."""

    def to_json(self) -> Plain:
        """Return the matrix as plain JSON, undefined entries as None."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for name in ("values", "chance", "p"):
            plain[name] = _with_none(plain[name])
        return to_plain(plain)


def _with_none(
    matrix: Float[np.ndarray, "layers_x layers_y"] | None,
) -> list[list[float | None]] | None:
    if matrix is None:
        return None
    return [[None if math.isnan(value) else value for value in row] for row in matrix.tolist()]


def cka_matrix(
    xs: Stack,
    ys: Stack,
    *,
    debiased: bool = True,
    count: int = 0,
    rng: np.random.Generator | None = None,
    device: str = "cpu",
) -> LayerMatrix:
    """Return the CKA of all pairs of layers, each layer prepared once.

    No items × items matrix is made for the values. Permutations of few items use kernels; those of
    many use the leading principal axes of each layer, and `best_null.kind` says how much of the
    kernels these hold.

    Args:
        xs: embeddings of each layer by tap id.
        ys: embeddings of the same items by tap id.
        debiased: as in `linear_cka`.
        count: permutations for p and the maximum; 0 for none.
        rng: needed with permutations.
        device: where products are made, as torch names it.

    Returns:
        Values and, with permutations, chance and p.

    Raises:
        ValueError: if rows do not match, or there are fewer than 4 items.
    """
    _check_stacks(xs, ys)
    layers = list(xs.values()), list(ys.values())
    values = cka_values(*layers, debiased=debiased, device=device)
    name = "debiased linear CKA" if debiased else "linear CKA (biased)"
    null = cka_null(*layers, debiased=debiased, device=device) if count else None
    return _matrix(_Plan(name, UNDEFINED), xs, ys, values, _permuted(null, xs, count, rng))


def mutual_knn_matrix(
    xs: Stack,
    ys: Stack,
    *,
    k: int = K,
    count: int = 0,
    rng: np.random.Generator | None = None,
    device: str = "cpu",
) -> LayerMatrix:
    """Return the mutual kNN of all pairs of layers, each layer searched once.

    Args:
        xs: embeddings of each layer by tap id.
        ys: embeddings of the same items by tap id.
        k: neighbours, the item itself not counted.
        count: permutations for p and the maximum; 0 for none.
        rng: needed with permutations.
        device: where cosines are computed, as torch names it.

    Returns:
        Values and, with permutations, chance and p.

    Raises:
        ValueError: if rows do not match or k does not fit.
    """
    _check_stacks(xs, ys)
    graphs_x = [knn_graph(x, k, device=device) for x in xs.values()]
    graphs_y = [knn_graph(y, k, device=device) for y in ys.values()]
    plan = _Plan(f"mutual kNN, k = {k}, cosine")
    if not count:
        return _matrix(plan, xs, ys, mutual_knn_values(graphs_x, graphs_y), None)
    permuted = _permuted(MutualKnnNull.of(graphs_x, graphs_y), xs, count, rng)
    assert permuted is not None
    return _matrix(plan, xs, ys, permuted.observed, permuted)


def layer_matrix(
    measure: str | Measure,
    xs: Stack,
    ys: Stack,
    *,
    count: int = 0,
    rng: np.random.Generator | None = None,
    within: Shaped[np.ndarray, " items"] | None = None,
) -> LayerMatrix:
    """Return any measure on all pairs of layers, each layer prepared once.

    `cka_matrix` and `mutual_knn_matrix` do the same for theirs, much faster.

    Args:
        measure: a name of `MEASURES`, or a measure.
        xs: embeddings of each layer by tap id.
        ys: embeddings of the same items by tap id.
        count: permutations for p and the best pair; 0 for none.
        rng: needed with permutations.
        within: permutations stay within these groups, such as classes.

    Returns:
        Values and, with permutations, chance and p.

    Raises:
        ValueError: if rows do not match, or the measure is unknown, or not made for so few or so
            many items.
    """
    measure = find_measure(measure)
    _check_stacks(xs, ys)
    items, layers = len(next(iter(xs.values()))), len(xs) + len(ys)
    if measure.holds_pairs and items * items * layers * 8 > MOST_BYTES:
        raise ValueError(
            f"{measure.name} of {layers} layers on {items} items needs more than "
            f"{MOST_BYTES >> 30} GiB; take a random subset of at most "
            f"{math.isqrt(MOST_BYTES // (8 * layers))} items"
        )
    prepared = _Prepared.of(
        measure, xs, ys, note="rows of y" + (" within groups" * (within is not None))
    )
    plan = _Plan(measure.name, measure.undefined, measure.is_distance, measure.high)
    values = prepared.values(np.arange(items))
    permuted = _permuted(prepared if count else None, xs, count, rng, within)
    return _matrix(plan, xs, ys, values, permuted)


@dataclass(frozen=True)
class _Prepared:
    """Any measure on all pairs of layers, as a function of how the right side is reordered."""

    measure: Measure
    left: list[Any]
    right: list[Any]
    note: str

    @classmethod
    def of(cls, measure: Measure, xs: Stack, ys: Stack, *, note: str) -> "_Prepared":
        sides = ([measure.prepare(layer) for layer in side.values()] for side in (xs, ys))
        return cls(measure, next(sides), next(sides), note)

    def values(self, order: Int[np.ndarray, " items"]) -> Float[np.ndarray, "layers_x layers_y"]:
        moved = [self.measure.reorder(side, order) for side in self.right]
        return np.array([[self.measure.between(one, two) for two in moved] for one in self.left])


@dataclass(frozen=True)
class _Plan:
    """What `_matrix` must know of a measure."""

    name: str
    undefined: str = ""
    is_distance: bool = False
    high: float = 1.0


@dataclass(frozen=True)
class _Nulls:
    """A measure on the data as they are and under permutations, the same for all pairs."""

    observed: Float[np.ndarray, "layers_x layers_y"]
    drawn: Float[np.ndarray, "permutations layers_x layers_y"]
    note: str


def _check_stacks(xs: Stack, ys: Stack) -> None:
    if not (xs and ys):
        raise ValueError(f"layers to compare: {len(xs)} and {len(ys)}; at least 1 each is needed")
    first = next(iter(xs.values()))
    for layer in (*xs.values(), *ys.values()):
        check_paired(first, layer)


def _permuted(
    null: Permuted | None,
    xs: Stack,
    count: int,
    rng: np.random.Generator | None,
    within: Shaped[np.ndarray, " items"] | None = None,
) -> _Nulls | None:
    if null is None:
        return None
    if rng is None:
        raise ValueError("permutations are drawn at random: give a generator as rng")
    n = len(next(iter(xs.values())))
    orders = item_orders(n, count, rng=rng, within=within)
    drawn = np.stack([null.values(order) for order in orders])
    return _Nulls(null.values(np.arange(n)), drawn, null.note)


def _matrix(
    plan: _Plan,
    xs: Stack,
    ys: Stack,
    values: Float[np.ndarray, "layers_x layers_y"],
    nulls: _Nulls | None,
) -> LayerMatrix:
    taps_x, taps_y = tuple(xs), tuple(ys)
    known = ~np.isnan(values)
    sign = -1.0 if plan.is_distance else 1.0
    best = chance = p = best_null = None
    i = j = 0
    if known.any():
        i, j = np.unravel_index(int(np.nanargmax(sign * values)), values.shape)
        best = (taps_x[i], taps_y[j])
    if nulls is not None:
        chance = nulls.drawn.mean(axis=0)
        as_good = (sign * nulls.drawn >= sign * nulls.observed - 1e-12).sum(axis=0)
        p = np.where(known, (1 + as_good) / (len(nulls.drawn) + 1), np.nan)
        if known.any():
            test = against_null(
                sign * float((sign * nulls.observed[known]).max()),
                sign * (sign * nulls.drawn[:, known]).max(axis=1),
                kind=f"{nulls.note}, the same way for all pairs of layers; the best of all pairs",
                maximum=None if plan.is_distance else plan.high,
                smaller_is_better=plan.is_distance,
            )
            # what was permuted may be an approximation, what is shown is not
            best_null = replace(test, observed=float(values[i, j]))
    return LayerMatrix(
        measure=plan.name,
        taps_x=taps_x,
        taps_y=taps_y,
        values=values,
        chance=chance,
        p=p,
        best=best,
        best_null=best_null,
        n=len(next(iter(xs.values()))),
        undefined="" if known.all() else plan.undefined,
    )
