"""Procrustes: how far are two representations from each other after the best rotation?

Both sides are centred and scaled to ‖·‖ = 1. t = max over rotations Q of ⟨XQ, Y⟩ = ‖XᵀY‖_* is their
overlap, and the distances in use are transforms of it: the angle arccos t (netrep), √(2 − 2t)
(ReSi), 1 − t (anatome). The rotation is fitted, so that unrelated items of d ≪ n channels overlap
by about (8/3π) √(d/n); scored on items that were not fitted, they overlap by 0 on average.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from probes.checks import check_paired, check_same_length
from probes.cka import FLAT
from probes.result import Plain, to_plain

UNDEFINED = "Procrustes is undefined: one representation is (nearly) the same for all items"


@dataclass(frozen=True, kw_only=True)
class Procrustes:
    """The overlap after the best rotation, and the three distances made of it."""

    overlap: float
    """t; at most 1. Below 0 only on items that were not fitted."""

    angle: float
    """arccos t, in radians: a metric. As in netrep."""

    distance: float
    """√(2 − 2t): a metric. As in ReSi."""

    gap: float
    """1 − t: half the squared distance, no metric. As in anatome."""

    n: int
    """Items that were scored."""

    def to_json(self) -> Plain:
        """Return the four numbers as plain JSON."""
        return to_plain(self)

    @classmethod
    def from_distance(cls, distance: float, n: int) -> "Procrustes":
        """Make all of d: arccos t and √(2 − 2t) of a t near 1 would lose half the digits."""
        gap = distance**2 / 2
        angle = 2 * math.asin(min(distance / 2, 1.0))
        return cls(overlap=1 - gap, angle=angle, distance=distance, gap=gap, n=n)


@dataclass(frozen=True)
class Shape:
    """A centred representation with ‖·‖ = 1."""

    x: Float[np.ndarray, "items dim"]

    @classmethod
    def of(cls, x: Float[np.ndarray, "items dim"]) -> "Shape":
        """Centre and scale.

        Raises:
            ValueError: if nothing varies.
        """
        wide = x.astype(np.float64)
        return cls(_scaled(wide - wide.mean(axis=0), wide))

    def reorder(self, order: Int[np.ndarray, " items"]) -> "Shape":
        """Return the shape of the items in another order."""
        return Shape(self.x[order])

    def fit(self, other: "Shape") -> Procrustes:
        """Return the overlap after the best rotation; the narrower side is padded with zeros."""
        wide, narrow = (self, other) if self.x.shape[1] >= other.x.shape[1] else (other, self)
        turn, turn_narrow = _rotation(wide.x, narrow.x)
        left, right = wide.x @ turn, narrow.x @ turn_narrow
        squared = np.sum((left[:, : right.shape[1]] - right) ** 2)
        rest = np.sum(left[:, right.shape[1] :] ** 2)
        return Procrustes.from_distance(math.sqrt(squared + rest), len(left))


def _scaled(
    centred: Float[np.ndarray, "some dim"], raw: Float[np.ndarray, "items dim"]
) -> Float[np.ndarray, "some dim"]:
    size = np.linalg.norm(centred)
    if size**2 <= FLAT * np.linalg.norm(raw) ** 2:
        raise ValueError(UNDEFINED)
    return centred / size


def _rotation(
    x: Float[np.ndarray, "items wide"], y: Float[np.ndarray, "items narrow"]
) -> tuple[Float[np.ndarray, "wide wide"], Float[np.ndarray, "narrow narrow"]]:
    """Return rotations of both sides after which matching channels overlap most."""
    left, _, right = np.linalg.svd(x.T @ y)
    return left, right.T


def procrustes(x: Float[np.ndarray, "n_x dim_x"], y: Float[np.ndarray, "n_y dim_y"]) -> Procrustes:
    """Return the Procrustes overlap and distances of two representations of the same items.

    Rotations, reflections, one scale for all channels, and shifts of either side do not change it.
    It is fitted to the very items it is scored on: see `held_out_procrustes`.

    Args:
        x: embeddings, one row an item.
        y: embeddings of the same items in the same order; the narrower side is padded with zeros.

    Returns:
        Overlap in [0, 1] and distances; 1 and 0 for x = y.

    Raises:
        ValueError: if rows do not match or one side is (nearly) the same for all items.

    Source: Williams et al., arXiv:2110.14739; P. Schönemann, 1966.
    """
    check_paired(x, y)
    return Shape.of(x).fit(Shape.of(y))


def fitted_overlap(
    x: Float[np.ndarray, "n_x dim_x"],
    y: Float[np.ndarray, "n_y dim_y"],
    *,
    fit: Bool[np.ndarray, " marks"],
) -> float:
    """Return the overlap on the other items after the rotation that is best for some.

    Args:
        x: embeddings, one row an item.
        y: embeddings of the same items in the same order.
        fit: True for items that means and rotation are fitted to; the others are scored.

    Returns:
        In [−1, 1]: the cosine between the rotated x and y, all scored items taken together.

    Raises:
        ValueError: if rows do not match, fewer than 2 items are left on a side of the split, or
            one side does not vary.
    """
    check_paired(x, y)
    check_same_length(x, fit, "marks of items to fit")
    if min(fit.sum(), (~fit).sum()) < 2:
        raise ValueError(
            f"{fit.sum()} items to fit and {(~fit).sum()} to score; at least 2 each are needed"
        )
    sides = [side.astype(np.float64) for side in (x, y)]
    sides = [side - side[fit].mean(axis=0) for side in sides]
    wide, narrow = sorted(sides, key=lambda side: -side.shape[1])
    turn, turn_narrow = _rotation(_scaled(wide[fit], wide), _scaled(narrow[fit], narrow))
    left, right = _scaled(wide[~fit], wide) @ turn, _scaled(narrow[~fit], narrow) @ turn_narrow
    return float(np.vdot(left[:, : right.shape[1]], right))


def held_out_procrustes(
    x: Float[np.ndarray, "n_x dim_x"],
    y: Float[np.ndarray, "n_y dim_y"],
    *,
    rng: np.random.Generator,
) -> Procrustes:
    """Return Procrustes fitted on one half and scored on the other, both ways averaged.

    Args:
        x: embeddings, one row an item.
        y: embeddings of the same items in the same order.
        rng: deals the items out.

    Returns:
        Overlap, 0 on average for unrelated items, and the distances that belong to it.

    Raises:
        ValueError: if rows do not match, there are fewer than 4 items, or one side does not vary.
    """
    check_paired(x, y)
    half = np.zeros(len(x), dtype=bool)
    half[rng.permutation(len(x))[: len(x) // 2]] = True
    overlap = (fitted_overlap(x, y, fit=half) + fitted_overlap(x, y, fit=~half)) / 2
    return Procrustes.from_distance(math.sqrt(max(0.0, 2 - 2 * overlap)), len(x))
