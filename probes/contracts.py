"""Puts what a measure promises to the test, on data made for it."""

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from probes.measures import Invariance, Measure

TOLERANCE = 1e-7
VISIBLE = 1e-4
"""A change smaller than this does not show that a measure reacts."""

TRIPLES = 200
Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def _rotate(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return x @ np.linalg.qr(rng.normal(size=(x.shape[1], x.shape[1])))[0]


def _map(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return _rotate(_rotate(x, rng) * np.geomspace(0.2, 5.0, x.shape[1]), rng)


CHANGES: dict[Invariance, Change] = {
    "rotation": _rotate,
    "scale": lambda x, rng: x * 10.0 ** rng.uniform(-4, 4),
    "item scale": lambda x, rng: x * rng.uniform(0.2, 5.0, size=(len(x), 1)),
    "shift": lambda x, rng: x + 3 * x.std() * rng.normal(size=x.shape[1]),
    "item shift": lambda x, rng: x + 3 * x.std() * rng.normal(size=(len(x), 1)),
    "linear map": _map,
}


def related(
    items: int, dim_x: int, dim_y: int, /, *, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "items dim_x"], Float[np.ndarray, "items dim_y"]]:
    """Return two representations that share part of what they hold, off the origin, uneven axes."""
    shared = rng.normal(size=(items, dim_x)) * np.arange(1, dim_x + 1) ** -0.5
    y = shared @ rng.normal(size=(dim_x, dim_y)) + rng.normal(size=(items, dim_y))
    return shared + 0.3, y - 0.2


def broken_promises(
    measure: Measure, *, rng: np.random.Generator, items: int = 60, trials: int = 30
) -> tuple[str, ...]:
    """Return every promise of a measure that does not hold, in words; empty if all do.

    Args:
        measure: what to test.
        rng: draws the data.
        items: of each data set.
        trials: data sets for the value on unrelated items.

    Returns:
        Sentences.
    """
    x, y = related(items, 5, 6, rng=rng)
    found = [*_reactions(measure, x, y, rng), *_axioms(measure, x, y)]
    if measure.is_metric:
        found += _triangles(measure, rng)
    if measure.null is not None:
        found += _null(measure, rng, trials)
    return tuple(found)


def _reactions(
    measure: Measure, x: np.ndarray, y: np.ndarray, rng: np.random.Generator
) -> list[str]:
    """Say where the measure reacts and should not, or does not and should."""
    before = measure(x, y)
    found = []
    sides: tuple[Literal["x", "y"], ...] = get_args(Literal["x", "y"])
    for side in sides:
        for kind, change in CHANGES.items():
            after = measure(change(x, rng), y) if side == "x" else measure(x, change(y, rng))
            moved = abs(after - before)
            if kind in measure.of_side(side):
                if moved > TOLERANCE:
                    found.append(f"{kind} of {side} moves it from {before:.6g} to {after:.6g}")
            elif moved < VISIBLE:
                found.append(f"{kind} of {side} has no effect, and none was promised")
    return found


def _axioms(measure: Measure, x: np.ndarray, y: np.ndarray) -> list[str]:
    found = []
    value, back = measure(x, y), measure(y, x)
    own = measure(x, x)
    if abs(own - (0.0 if measure.is_distance else 1.0)) > TOLERANCE:
        found.append(f"x compared with itself gives {own:.6g}")
    if (abs(value - back) < TOLERANCE) != measure.is_symmetric:
        found.append(f"symmetric was said to be {measure.is_symmetric}: {value:.6g}, {back:.6g}")
    if not measure.low - TOLERANCE <= value <= measure.high + TOLERANCE:
        found.append(f"{value:.6g} lies outside [{measure.low:.6g}, {measure.high:.6g}]")
    order = np.arange(len(x))[::-1].copy()
    moved = measure.between(measure.prepare(x), measure.reorder(measure.prepare(y), order))
    if abs(moved - measure(x, y[order])) > TOLERANCE:
        found.append("reordering what was prepared differs from preparing what was reordered")
    return found


def _triangles(measure: Measure, rng: np.random.Generator) -> list[str]:
    for number in range(TRIPLES):
        dims = rng.integers(2, 5, size=3)
        triple = [rng.normal(size=(12, dim)) for dim in dims]
        if number % 2:  # random triples are far apart: take one stop on the way, too
            triple = [rng.normal(size=(12, 4)) for _ in range(3)]
            triple[1] = triple[0] + rng.uniform() * (triple[2] - triple[0])
        a, b, c = (measure.prepare(x) for x in triple)
        direct, detour = measure.between(a, c), measure.between(a, b) + measure.between(b, c)
        if direct > detour + TOLERANCE:
            return [f"a detour is shorter: {detour:.6g} instead of {direct:.6g}"]
    return []


def _null(measure: Measure, rng: np.random.Generator, trials: int) -> list[str]:
    assert measure.null is not None
    items, dim_x, dim_y = 80, 4, 5
    drawn = [
        measure(rng.normal(size=(items, dim_x)), rng.normal(size=(items, dim_y)))
        for _ in range(trials)
    ]
    expected = measure.null(items, dim_x, dim_y)
    error = 4 * np.std(drawn, ddof=1) / np.sqrt(trials) + measure.null_error
    if abs(np.mean(drawn) - expected) > error:
        return [f"unrelated items give {np.mean(drawn):.4g}, not {expected:.4g}"]
    return []
