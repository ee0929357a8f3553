"""Two flat clouds and an angle: alignment small enough to be done by hand.

The second cloud is the first one turned by an angle nobody is told, with some noise. Turning it
back brings partners together; no number of the clouds changes but where their axes point.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from probes.checks import check_paired
from probes.ranks import rank_likeness
from probes.result import Plain, to_plain

SMALLEST, LARGEST = 60.0, 300.0
"""Degrees of the hidden turn: nobody is to find it at the first look."""


@dataclass(frozen=True, kw_only=True)
class Puzzle:
    """Two clouds of the same items."""

    fixed: Float[np.ndarray, "items 2"]
    turned: Float[np.ndarray, "items 2"]
    answer: float
    """Degrees that bring the second cloud back, found by least squares, in [0, 360)."""

    def to_json(self) -> Plain:
        """Return both clouds and the answer as plain JSON."""
        return to_plain(self)


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How well the clouds match at one angle."""

    found: float
    """Share of items whose nearest item of the other cloud is their partner."""

    apart: float
    """Root mean squared distance between partners."""

    def to_json(self) -> Plain:
        """Return both numbers as plain JSON."""
        return to_plain(self)


def make_puzzle(
    x: Float[np.ndarray, "items 2"], *, noise: float, rng: np.random.Generator
) -> Puzzle:
    """Return a cloud and the same cloud turned by a hidden angle.

    Args:
        x: a flat cloud; it is moved to the origin and scaled to a root mean square of 1.
        noise: standard deviation of what is added to the second cloud, in the same unit.
        rng: draws angle and noise.

    Raises:
        ValueError: if there are fewer than three items, or all are the same.
    """
    if len(x) < 3:
        raise ValueError(f"{len(x)} items; a cloud needs at least 3")
    centred = x.astype(np.float64) - x.mean(axis=0)
    size = float(np.sqrt(np.mean(np.sum(centred**2, axis=1))))
    if not size > 1e-12 * max(1.0, float(np.abs(x).max())):
        raise ValueError("all items are in the same place: nothing can be turned")
    fixed = centred / size
    hidden = float(rng.uniform(SMALLEST, LARGEST))
    turned = turn(fixed, hidden) + noise * rng.normal(size=fixed.shape)
    return Puzzle(fixed=fixed, turned=turned, answer=best_angle(turned, fixed))


def turn(x: Float[np.ndarray, "items 2"], degrees: float) -> Float[np.ndarray, "items 2"]:
    """Return the points turned about the origin, against the clock."""
    angle = np.deg2rad(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    return x @ np.array([[cos, sin], [-sin, cos]])


def best_angle(x: Float[np.ndarray, "n_x 2"], y: Float[np.ndarray, "n_y 2"]) -> float:
    """Return the degrees in [0, 360) by which x is to be turned to come nearest to y.

    The minimum of Σ‖xᵢR − yᵢ‖² is at atan2(Σ xᵢ × yᵢ, Σ xᵢ · yᵢ): Procrustes in two dimensions,
    without mirroring.

    Raises:
        ValueError: if rows do not match.

    Source: P. Schönemann, 1966.
    """
    check_paired(x, y)
    along = float(np.sum(x * y))
    across = float(np.sum(x[:, 0] * y[:, 1] - x[:, 1] * y[:, 0]))
    return float(np.rad2deg(np.arctan2(across, along)) % 360.0)


def fit_of(x: Float[np.ndarray, "n_x 2"], y: Float[np.ndarray, "n_y 2"]) -> Fit:
    """Return how well two clouds match as they lie.

    Raises:
        ValueError: if rows do not match.
    """
    check_paired(x, y)
    distances = np.linalg.norm(x[:, None] - y[None], axis=2)
    first = np.diag(rank_likeness(-distances)) <= 1
    return Fit(
        found=float(first.mean()), apart=float(np.sqrt(np.mean(np.sum((x - y) ** 2, axis=1))))
    )
