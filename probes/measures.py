"""Every measure of likeness in one list, each with what it promises.

A promise is what the measure does not react to, what it gives for unrelated items, its range and
its axioms. `contracts.broken_promises` puts all of them to the test.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from probes.cca import Span
from probes.checks import check_paired
from probes.cka import UNDEFINED, Centred, check_enough, hsic
from probes.cknna import Neighbourhood
from probes.mutual_knn import K, knn_graph, overlap
from probes.procrustes import Shape, held_out_procrustes
from probes.rbf_cka import RbfKernel
from probes.rsa import Comparison, Distance, Distances

Invariance = Literal["rotation", "scale", "item scale", "shift", "item shift", "linear map"]
"""rotation: an orthogonal map of the channels, reflections included. scale: one factor for all.
item scale: a positive factor for each item. shift: a vector added to all items. item shift: a
number added to all channels of an item. linear map: an invertible one of the channels."""

Null = Callable[[int, int, int], float]
"""(items, dim_x, dim_y) ↦ expected value on unrelated isotropic Gaussian items."""

Invariances = frozenset[Invariance]
ROTATION_SCALE = Invariances({"rotation", "scale"})
ROTATION_SCALE_SHIFT = Invariances({"rotation", "scale", "shift"})
LINEAR = Invariances({"rotation", "scale", "shift", "linear map"})
DIRECTIONS = Invariances({"rotation", "scale", "item scale"})
ITEMWISE = Invariances({"scale", "item scale", "item shift"})


@dataclass(frozen=True, kw_only=True)
class Measure:
    """How to compute a measure of likeness, and what it promises.

    Work on one side is done once (`prepare`), so that all pairs of layers and all permutations
    share it.
    """

    name: str
    prepare: Callable[[np.ndarray], Any]
    """What the measure needs of one side, from its embeddings (items, dim)."""

    between: Callable[[Any, Any], float]
    """The value from two prepared sides; NaN if it is undefined."""

    reorder: Callable[[Any, np.ndarray], Any]
    """A prepared side for the items in another order."""

    invariances: Invariances
    """What x may undergo without any effect; everything else in `Invariance` has one."""

    invariances_y: Invariances | None = None
    """The same for y, where the sides differ."""

    low: float = 0.0
    high: float = 1.0
    """Range of the values; unbiased estimates may overshoot it a little."""

    is_distance: bool = False
    """Smaller is more alike, and x is at 0 from itself; otherwise x is 1 like itself."""

    is_symmetric: bool = True
    is_metric: bool = False
    """Does the triangle inequality hold?"""

    null: Null | None = None
    """Expected value on unrelated items; None where only permutations tell."""

    null_error: float = 0.0
    """How far off that formula may be, where it is an approximation."""

    fewest: Callable[[int], int] = lambda _: 4
    """Items that are enough for a value, from the larger dim; a good one needs many more."""

    holds_pairs: bool = False
    """Does a prepared side hold a number for every pair of items?"""

    undefined: str = UNDEFINED
    """Why there is no value where there is none."""

    def __call__(
        self, x: Float[np.ndarray, "n_x dim_x"], y: Float[np.ndarray, "n_y dim_y"]
    ) -> float:
        """Return the measure on two representations of the same items.

        Raises:
            ValueError: if rows do not match, or the measure is undefined or not made for them.
        """
        check_paired(x, y)
        value = self.between(self.prepare(x), self.prepare(y))
        if math.isnan(value):
            raise ValueError(self.undefined)
        return value

    def of_side(self, side: Literal["x", "y"]) -> Invariances:
        """Return what one side may undergo without any effect."""
        if side == "y" and self.invariances_y is not None:
            return self.invariances_y
        return self.invariances


def _linear(name: str, *, debiased: bool, low: float, null: Null) -> Measure:
    def prepare(x: Float[np.ndarray, "items dim"]) -> tuple[Centred, float]:
        check_enough(len(x))
        side = Centred.of(x)
        return side, hsic(side, side, debiased=debiased)

    def between(one: tuple[Centred, float], other: tuple[Centred, float]) -> float:
        product = one[1] * other[1]
        cross = hsic(one[0], other[0], debiased=debiased)
        return cross / math.sqrt(product) if min(one[1], other[1]) > 0 else math.nan

    def reorder(
        side: tuple[Centred, float], order: Int[np.ndarray, " items"]
    ) -> tuple[Centred, float]:
        return Centred(side[0].x[order], side[0].squares[order]), side[1]

    return Measure(
        name=name,
        prepare=prepare,
        between=between,
        reorder=reorder,
        invariances=ROTATION_SCALE_SHIFT,
        low=low,
        null=null,
        null_error=0.02,
    )


def _biased_cka_null(items: int, dim_x: int, dim_y: int) -> float:
    return math.sqrt(dim_x * dim_y / ((items + dim_x) * (items + dim_y)))


def _rbf(fraction: float) -> Measure:
    return Measure(
        name=f"debiased RBF CKA, σ = {fraction:g} median distances",
        prepare=partial(RbfKernel.of, fraction=fraction),
        between=RbfKernel.cka,
        reorder=RbfKernel.reorder,
        invariances=ROTATION_SCALE_SHIFT,
        low=-1.0,
        null=lambda *_: 0.0,
        null_error=0.02,
        holds_pairs=True,
    )


def _moved(
    graph: Int[np.ndarray, "items k"], order: Int[np.ndarray, " items"]
) -> Int[np.ndarray, "items k"]:
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return back[graph[order]]


def mutual_knn_measure(k: int = K) -> Measure:
    """Return mutual kNN with k neighbours as a measure."""
    return Measure(
        name=f"mutual kNN, k = {k}, cosine",
        prepare=partial(knn_graph, k=k),
        between=lambda one, other: float(overlap(one, other).mean()),
        reorder=_moved,
        invariances=DIRECTIONS,
        null=lambda items, *_: k / (items - 1),
        fewest=lambda _: k + 1,
    )


def cknna_measure(k: int = K) -> Measure:
    """Return CKNNA with k neighbours, in the form of platonic-rep, as a measure."""
    return Measure(
        name=f"CKNNA, k = {k}, transposed mask",
        prepare=partial(Neighbourhood.of, k=k),
        between=Neighbourhood.cknna,
        reorder=Neighbourhood.reorder,
        invariances=ROTATION_SCALE,
        low=-1.0,
        is_symmetric=False,
        fewest=lambda _: k + 1,
    )


def _cca(name: str, between: Callable[[Span, Span], float], **promises: Any) -> Measure:  # noqa: ANN401
    defaults = {
        "prepare": Span.of,
        "reorder": Span.reorder,
        "invariances": LINEAR,
        "fewest": lambda dim: dim + 2,
    }
    return Measure(name=name, between=between, **defaults | promises)


def _procrustes(field: str, high: float, null: Callable[[float], float]) -> Measure:
    def expected(items: int, dim_x: int, dim_y: int) -> float:
        return null(8 / (3 * math.pi) * math.sqrt(math.sqrt(dim_x * dim_y) / items))

    return Measure(
        name=f"Procrustes {field}",
        prepare=Shape.of,
        between=lambda one, other: getattr(one.fit(other), field),
        reorder=Shape.reorder,
        invariances=ROTATION_SCALE_SHIFT,
        high=high,
        is_distance=True,
        is_metric=field != "gap",
        fewest=lambda _: 2,
        null=expected,
        null_error=0.05,
    )


def _held_out(one: Float[np.ndarray, "n _"], other: Float[np.ndarray, "n _"]) -> float:
    # the split is part of the measure: equal input, equal value
    return held_out_procrustes(one, other, rng=np.random.default_rng(0)).overlap


def _rsa(distance: Distance, comparison: Comparison, invariances: Invariances) -> Measure:
    names = {"pearson": "1 − Pearson", "cosine": "cosine", "euclidean": "Euclid"}
    by = {"spearman": "Spearman", "rho_a": "ρ_a", "kendall": "τ_a", "cosine": "cosine"}
    is_free = comparison == "cosine"
    return Measure(
        name=f"RSA, {names[distance]}, {by[comparison]}",
        prepare=partial(Distances.of, distance=distance, comparison=comparison),
        between=Distances.compare,
        reorder=Distances.reorder,
        invariances=invariances,
        low=0.0 if is_free else -1.0,
        holds_pairs=True,
        fewest=lambda _: 3,
        null=None if is_free else lambda *_: 0.0,
        undefined="RSA is undefined: one representation has the same distance between all items",
    )


MEASURES: Mapping[str, Measure] = {
    "cka": _linear("linear CKA (biased)", debiased=False, low=0.0, null=_biased_cka_null),
    "debiased_cka": _linear("debiased linear CKA", debiased=True, low=-1.0, null=lambda *_: 0.0),
    "rbf_cka_half": _rbf(0.5),
    "rbf_cka": _rbf(1.0),
    "rbf_cka_double": _rbf(2.0),
    "mutual_knn": mutual_knn_measure(),
    "cknna": cknna_measure(),
    "mean_cca": _cca("mean CCA correlation", lambda a, b: float(a.correlations(b).mean())),
    "mean_squared_cca": _cca(
        "mean squared CCA correlation",
        lambda a, b: float((a.correlations(b) ** 2).mean()),
        null=lambda items, dim_x, dim_y: max(dim_x, dim_y) / (items - 1),
    ),
    "svcca": _cca(
        "SVCCA, 99 % of variance",
        lambda a, b: float(a.correlations(b).mean()),
        prepare=partial(Span.of, keep=0.99),
        invariances=ROTATION_SCALE_SHIFT,
    ),
    "pwcca": _cca(
        "PWCCA, weights from x",
        Span.pwcca,
        invariances=Invariances({"scale", "shift"}),
        invariances_y=LINEAR,
        is_symmetric=False,
    ),
    "procrustes_angle": _procrustes("angle", math.pi / 2, math.acos),
    "procrustes_distance": _procrustes("distance", math.sqrt(2), lambda t: math.sqrt(2 - 2 * t)),
    "procrustes_gap": _procrustes("gap", 1.0, lambda t: 1 - t),
    "procrustes_held_out": Measure(
        name="Procrustes overlap, fitted on half and scored on the other, both ways",
        prepare=lambda x: x.astype(np.float64),
        between=_held_out,
        reorder=lambda x, order: x[order],
        invariances=ROTATION_SCALE_SHIFT,
        low=-1.0,
        null=lambda *_: 0.0,
    ),
    "rsa": _rsa("pearson", "spearman", ITEMWISE),
    "rsa_rho_a": _rsa("pearson", "rho_a", ITEMWISE),
    "rsa_cosine": _rsa("cosine", "spearman", DIRECTIONS),
    "rsa_euclid": _rsa("euclidean", "spearman", ROTATION_SCALE_SHIFT),
    "rsa_kendall": _rsa("euclidean", "kendall", ROTATION_SCALE_SHIFT),
    "rsa_distances": _rsa("euclidean", "cosine", ROTATION_SCALE_SHIFT),
}
"""By short name."""


def find_measure(measure: str | Measure) -> Measure:
    """Return a measure by its short name.

    Raises:
        ValueError: if there is none of this name.
    """
    if isinstance(measure, Measure):
        return measure
    if measure not in MEASURES:
        raise ValueError(f"no measure {measure!r}; there are {', '.join(MEASURES)}")
    return MEASURES[measure]
