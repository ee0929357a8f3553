"""Compare two stacks of layers of the same items, every layer with every layer."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from probes.checks import check_paired
from probes.cka import UNDEFINED, CkaNull, cka_values
from probes.mutual_knn import K, MutualKnnNull, knn_graph, mutual_knn_values
from probes.nulls import NullTest, against_null, permutations
from probes.result import Plain, to_plain

Stack = Mapping[str, np.ndarray]
"""Embeddings (items, dim) of every layer, by tap id, the first layer first."""


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
    """The most similar pair; None if none is defined."""

    best_null: NullTest | None
    """The maximum over pairs against the maximum over pairs under the same permutations."""

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
) -> LayerMatrix:
    """Return the CKA of all pairs of layers, each layer prepared once.

    Args:
        xs: embeddings of each layer by tap id.
        ys: embeddings of the same items by tap id.
        debiased: as in `linear_cka`.
        count: permutations for p and the maximum; 0 for none. They need one items × items matrix
            a layer.
        rng: needed with permutations.

    Returns:
        Values and, with permutations, chance and p.

    Raises:
        ValueError: if rows do not match, or a permutation test would need too much memory.
    """
    _check_stacks(xs, ys)
    values = cka_values(list(xs.values()), list(ys.values()), debiased=debiased)
    name = "debiased linear CKA" if debiased else "linear CKA (biased)"
    nulls = None
    if count:
        n = len(next(iter(xs.values())))
        kernels = CkaNull.of(list(xs.values()), list(ys.values()), debiased=debiased)
        nulls = _nulls(kernels.values, n, count, rng)
    return _matrix(name, xs, ys, values, nulls)


def mutual_knn_matrix(
    xs: Stack,
    ys: Stack,
    *,
    k: int = K,
    count: int = 0,
    rng: np.random.Generator | None = None,
) -> LayerMatrix:
    """Return the mutual kNN of all pairs of layers, each layer searched once.

    Args:
        xs: embeddings of each layer by tap id.
        ys: embeddings of the same items by tap id.
        k: neighbours, the item itself not counted.
        count: permutations for p and the maximum; 0 for none.
        rng: needed with permutations.

    Returns:
        Values and, with permutations, chance and p.

    Raises:
        ValueError: if rows do not match or k does not fit.
    """
    _check_stacks(xs, ys)
    graphs_x = [knn_graph(x, k) for x in xs.values()]
    graphs_y = [knn_graph(y, k) for y in ys.values()]
    values = mutual_knn_values(graphs_x, graphs_y)
    nulls = None
    if count:
        prepared = MutualKnnNull.of(graphs_x, graphs_y)
        nulls = _nulls(prepared.values, len(next(iter(xs.values()))), count, rng)
    return _matrix(f"mutual kNN, k = {k}, cosine", xs, ys, values, nulls)


def _check_stacks(xs: Stack, ys: Stack) -> None:
    if not (xs and ys):
        raise ValueError(f"layers to compare: {len(xs)} and {len(ys)}; at least 1 each is needed")
    first = next(iter(xs.values()))
    for layer in (*xs.values(), *ys.values()):
        check_paired(first, layer)


def _nulls(
    values_at: Callable[[Int[np.ndarray, " items"]], Float[np.ndarray, "layers_x layers_y"]],
    n: int,
    count: int,
    rng: np.random.Generator | None,
) -> Float[np.ndarray, "permutations layers_x layers_y"]:
    """Return all values under each permutation: the same one for all pairs of layers."""
    if rng is None:
        raise ValueError("permutations are drawn at random: give a generator as rng")
    return np.stack([values_at(order) for order in permutations(n, count, rng=rng)])


def _matrix(
    measure: str,
    xs: Stack,
    ys: Stack,
    values: Float[np.ndarray, "layers_x layers_y"],
    nulls: Float[np.ndarray, "permutations layers_x layers_y"] | None,
) -> LayerMatrix:
    taps_x, taps_y = tuple(xs), tuple(ys)
    known = ~np.isnan(values)
    best = chance = p = best_null = None
    if known.any():
        i, j = np.unravel_index(int(np.nanargmax(values)), values.shape)
        best = (taps_x[i], taps_y[j])
    if nulls is not None:
        chance = nulls.mean(axis=0)
        as_good = (nulls >= values - 1e-12).sum(axis=0)
        p = np.where(known, (1 + as_good) / (len(nulls) + 1), np.nan)
        if known.any():
            tops = nulls[:, known].max(axis=1)
            kind = "items, the same way for all pairs of layers; the maximum over pairs"
            best_null = against_null(float(values[known].max()), tops, kind=kind)
    return LayerMatrix(
        measure=measure,
        taps_x=taps_x,
        taps_y=taps_y,
        values=values,
        chance=chance,
        p=p,
        best=best,
        best_null=best_null,
        n=len(next(iter(xs.values()))),
        undefined="" if known.all() else UNDEFINED,
    )
