"""How a measure changes with the number of items: disjoint subsets of half, a quarter, an eighth.

Neighbour-based measures depend on the density of the sample, so that one number at one n says
little. Nothing is drawn twice: copies would become each other's neighbours.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

HALVINGS = 3
"""The smallest subsets are an eighth of the items."""

FEWEST = 20
"""Items of the smallest subset worth measuring."""


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """A measure on subsets of one size."""

    n: int
    """Items of a subset."""

    subsets: int
    mean: float
    sd: float | None
    """Standard deviation between the disjoint subsets; None for one."""


def subsample_curve(
    value_of: Callable[[Int[np.ndarray, " kept"]], float],
    n: int,
    /,
    *,
    rng: np.random.Generator,
    halvings: int = HALVINGS,
    fewest: int = FEWEST,
) -> tuple[CurvePoint, ...]:
    """Measure all items, then disjoint halves, quarters and eighths of them.

    Args:
        value_of: the measure, given the indices of the items that are kept.
        n: items.
        rng: deals the items out.
        halvings: how often to halve.
        fewest: no subset is smaller than this.

    Returns:
        One point a size, the full set first. A subset on which the measure raises ValueError is
        left out; a size without any subset is missing.
    """
    points = []
    for halving in range(halvings + 1):
        if halving and n // 2**halving < fewest:
            break
        parts = np.array_split(rng.permutation(n), 2**halving) if halving else [np.arange(n)]
        values = []
        for part in parts:
            try:
                values.append(value_of(np.sort(part)))
            except ValueError:
                continue
        if values:
            points.append(
                CurvePoint(
                    n=n // 2**halving,
                    subsets=len(values),
                    mean=float(np.mean(values)),
                    sd=float(np.std(values, ddof=1)) if len(values) > 1 else None,
                )
            )
    return tuple(points)
