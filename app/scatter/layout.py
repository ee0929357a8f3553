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
        centre: what was taken off.
        turn: what was then multiplied by, (2, 2).
    """

    coordinates: np.ndarray
    residual: float | None
    centre: np.ndarray
    turn: np.ndarray

    def carry(self, coordinates: np.ndarray) -> np.ndarray:
        """Return further places (places, 2) of the same map where they are drawn, 32 bits."""
        moved = (np.asarray(coordinates, dtype=np.float64) - self.centre) @ self.turn
        return moved.astype(np.float32)


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
    centre = np.asarray(coordinates, dtype=np.float64).mean(axis=0)
    own, size = _unit(coordinates)
    turn, residual = np.eye(2), None
    if reference is not None:
        if reference.shape != coordinates.shape:
            raise ValueError(
                f"a map of {len(coordinates)} items cannot be laid on one of {len(reference)}"
            )
        left, sizes, right = np.linalg.svd(own.T @ _unit(reference)[0])
        turn, residual = left @ right, float(max(0.0, 1.0 - sizes.sum() ** 2))
    scale = np.sqrt(len(own))
    drawn = (own @ turn * scale).astype(np.float32)
    return Placed(drawn, residual, centre, turn * scale / size)


def _unit(coordinates: np.ndarray) -> tuple[np.ndarray, float]:
    """Return coordinates around 0 whose squares sum to 1, and what they were divided by.

    If they are one place, they are all 0, and divided by 1.
    """
    centred = np.asarray(coordinates, dtype=np.float64) - coordinates.mean(axis=0)
    size = float(np.linalg.norm(centred)) or 1.0
    return centred / size, size
