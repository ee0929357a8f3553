"""Principal axes: where every map starts, and what the simplest one is."""

import numpy as np
from jaxtyping import Float


def principal(
    x: Float[np.ndarray, "items dim"],
) -> tuple[Float[np.ndarray, "items 2"], tuple[float, float]]:
    """Return coordinates on the first two principal axes and their shares of variance."""
    mean, axes = principal_axes(x)
    centred = x - mean
    coordinates = np.zeros((len(x), 2))
    coordinates[:, : len(axes)] = centred @ axes.T
    first, second = np.sum(coordinates**2, axis=0) / float(np.sum(centred**2))
    return coordinates, (float(first), float(second))


def principal_axes(
    x: Float[np.ndarray, "items dim"],
) -> tuple[Float[np.ndarray, " dim"], Float[np.ndarray, "axes dim"]]:
    """Return the mean and the first two principal axes, or one if there is one channel.

    The signs are fixed: the channel that weighs most in an axis counts positive.

    Raises:
        ValueError: if all items are the same.
    """
    mean = x.mean(axis=0)
    centred = x - mean
    if float(np.sum(centred**2)) <= 1e-24 * float(np.sum(x**2)):
        raise ValueError(f"all {len(x)} items have the same embedding: there is nothing to map")
    if x.shape[1] > len(x):
        _, _, axes = np.linalg.svd(centred, full_matrices=False)
    else:
        axes = np.linalg.eigh(centred.T @ centred)[1].T[::-1]
    axes = axes[:2]
    heaviest = np.abs(axes).argmax(axis=1)
    return mean, axes * np.sign(axes[np.arange(len(axes)), heaviest])[:, None]
