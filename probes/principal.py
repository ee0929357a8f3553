"""Principal axes: where every map starts, and what the simplest one is."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

ROWS = 100_000
"""Items that are taken into double precision at once."""


def principal(
    x: Float[np.ndarray, "items dim"],
) -> tuple[Float[np.ndarray, "items 2"], tuple[float, float]]:
    """Return coordinates on the first two principal axes and their shares of variance.

    Computed in double precision, some items at a time: no second copy of all is made.
    """
    mean, axes = principal_axes(x)
    coordinates, total = np.zeros((len(x), 2)), 0.0
    for rows, centred in _centred(x, mean):
        coordinates[rows, : len(axes)] = centred @ axes.T
        total += float(np.sum(centred**2))
    first, second = np.sum(coordinates**2, axis=0) / total
    return coordinates, (float(first), float(second))


def principal_axes(
    x: Float[np.ndarray, "items dim"],
) -> tuple[Float[np.ndarray, " dim"], Float[np.ndarray, "axes dim"]]:
    """Return the mean and the first two principal axes, or one if there is one channel.

    The signs are fixed: the channel that weighs most in an axis counts positive.

    Raises:
        ValueError: if all items are the same.
    """
    mean = x.mean(axis=0, dtype=np.float64)
    if x.shape[1] > len(x):
        _, sizes, axes = np.linalg.svd(x.astype(np.float64) - mean, full_matrices=False)
        spread = float(np.sum(sizes**2))
    else:
        products = sum(centred.T @ centred for _, centred in _centred(x, mean))
        axes = np.linalg.eigh(products)[1].T[::-1]
        spread = float(np.trace(products))
    if spread <= 1e-24 * (spread + len(x) * float(mean @ mean)):
        raise ValueError(f"all {len(x)} items have the same embedding: there is nothing to map")
    axes = axes[:2]
    heaviest = np.abs(axes).argmax(axis=1)
    return mean, axes * np.sign(axes[np.arange(len(axes)), heaviest])[:, None]


def _centred(
    x: Float[np.ndarray, "items dim"], mean: Float[np.ndarray, " dim"]
) -> Iterator[tuple[slice, Float[np.ndarray, "rows dim"]]]:
    """Yield some rows at a time, and these items less the mean."""
    for start in range(0, len(x), ROWS):
        rows = slice(start, start + ROWS)
        yield rows, x[rows].astype(np.float64) - mean
