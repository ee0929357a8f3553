"""Where items lie on the canvas: maps of other layers, runs and methods turned to fit each other.

A map has no up and no left. Without turning, every change of layer would spin the picture, and
nobody could follow an item.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Placed:
    """Coordinates to be drawn.

    Attributes:
        coordinates: (items, 2), 32 bits, centred, of root mean square distance 1 from the centre.
        residual: share of the spread that turning could not match with the reference, 0 to 1; None
            if there was no reference.
    """

    coordinates: np.ndarray
    residual: float | None


def place(coordinates: np.ndarray, reference: np.ndarray | None = None) -> Placed:
    """Centre a map, scale it to size 1, and turn or mirror it to lie on another as well as may be.

    Distances within the map keep their proportions. With sizes 1 the residual is 1 - s², s being
    the sum of the singular values of the product of both (orthogonal Procrustes).

    Args:
        coordinates: (items, 2).
        reference: (items, 2), the same items in the same order.

    Raises:
        ValueError: if the reference has other items.
    """
    own = _unit(coordinates)
    if reference is None:
        return Placed(_drawn(own), None)
    if reference.shape != coordinates.shape:
        raise ValueError(
            f"a map of {len(coordinates)} items cannot be laid on one of {len(reference)}"
        )
    left, sizes, right = np.linalg.svd(own.T @ _unit(reference))
    return Placed(_drawn(own @ left @ right), float(max(0.0, 1.0 - sizes.sum() ** 2)))


def _unit(coordinates: np.ndarray) -> np.ndarray:
    """Return coordinates around 0 whose squares sum to 1; all 0 if they are one place."""
    centred = np.asarray(coordinates, dtype=np.float64) - coordinates.mean(axis=0)
    size = np.linalg.norm(centred)
    return centred / size if size > 0 else centred


def _drawn(unit: np.ndarray) -> np.ndarray:
    return (unit * np.sqrt(len(unit))).astype(np.float32)
