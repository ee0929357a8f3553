"""L-BFGS on many convex problems side by side, each with its own step and its own end.

The problems share their data and differ in a penalty, so that one matrix product serves all of
them. A problem that is done, or cannot be improved any more, leaves the batch.
"""

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

HISTORY = 10  # pairs remembered
BACKTRACKS = 30
PATIENCE = 10  # steps without a lower loss or a smaller slope, after which a problem is stuck
DECREASE = 1e-4  # Armijo: the share of the promised decrease that is demanded
ROUNDING = {torch.float32: 1e-7, torch.float64: 1e-15}  # noise of a loss, as a share of it


@runtime_checkable
class Objective(Protocol):
    """What is minimised; the problem is in dimension 1 of weights and gradients."""

    def __call__(
        self, weights: Float[Tensor, "params some classes"], penalty: Float[Tensor, " some"]
    ) -> tuple[Tensor, Tensor]:
        """Return the value (float64) and the gradient of every problem."""
        ...

    def inverse_diagonal(self, penalty: Float[Tensor, " some"]) -> Tensor:
        """Return 1 / the diagonal of a simple Hessian, (params, some, 1)."""
        ...

    def largest_slope(self, gradient: Float[Tensor, "params some classes"]) -> Tensor:
        """Return what the tolerance is about, one number a problem."""
        ...


@dataclass(frozen=True, kw_only=True)
class Minimum:
    """Where every problem ended."""

    weights: Float[Tensor, "params problems classes"]
    value: Float[Tensor, " problems"]
    norm: Float[Tensor, " problems"]
    iterations: Int[Tensor, " problems"]


@dataclass
class _Batch:
    """The problems still at work."""

    ids: Int[Tensor, " active"]
    penalty: Float[Tensor, " active"]
    scale: Float[Tensor, "params active 1"]
    weights: Float[Tensor, "params active classes"]
    value: Float[Tensor, " active"]
    gradient: Float[Tensor, "params active classes"]
    gamma: Float[Tensor, " active"]
    lowest: Float[Tensor, " active"]
    flattest: Float[Tensor, " active"]
    idle: Int[Tensor, " active"]
    pairs: list[tuple[Tensor, Tensor, Tensor]] = field(default_factory=list)  # s, y, 1/sᵀy or 0

    def keep(self, mask: Bool[Tensor, " active"]) -> None:
        """Drop the problems outside the mask."""
        self.ids, self.penalty = self.ids[mask], self.penalty[mask]
        self.value, self.gamma = self.value[mask], self.gamma[mask]
        self.scale, self.weights = self.scale[:, mask], self.weights[:, mask]
        self.gradient, self.idle = self.gradient[:, mask], self.idle[mask]
        self.lowest, self.flattest = self.lowest[mask], self.flattest[mask]
        self.pairs = [(s[:, mask], y[:, mask], rho[mask]) for s, y, rho in self.pairs]

    def is_idle(self, norm: Float[Tensor, " active"]) -> Bool[Tensor, " active"]:
        """Take note of loss and slope; return which problems have long got no better."""
        noise = ROUNDING[self.weights.dtype] * self.value.abs()
        better = (norm < self.flattest) | (self.value < self.lowest - noise)
        self.idle = torch.where(better, 0, self.idle + 1)
        self.flattest = torch.minimum(norm, self.flattest)
        self.lowest = torch.minimum(self.value, self.lowest)
        return self.idle >= PATIENCE


def _dot(a: Tensor, b: Tensor) -> Float[Tensor, " active"]:
    return (a * b).sum(dim=(0, 2))


def minimise(
    objective: Objective,
    start: Float[Tensor, "params problems classes"],
    penalties: Float[Tensor, " problems"],
    *,
    tolerance: float,
    max_iterations: int,
) -> Minimum:
    """Run L-BFGS on all problems until they are done, stuck, or out of steps.

    Args:
        objective: loss and gradient; its numbers are of the type of `start`.
        start: where each problem begins.
        penalties: what tells the problems apart.
        tolerance: a problem is done when its largest slope does not exceed it.
        max_iterations: steps at most.

    Returns:
        The last weights of every problem, with value, largest slope and steps taken.
    """
    value, gradient = objective(start, penalties)
    batch = _Batch(
        ids=torch.arange(len(penalties), device=start.device),
        penalty=penalties,
        scale=objective.inverse_diagonal(penalties),
        weights=start,
        value=value,
        gradient=gradient,
        gamma=torch.ones_like(penalties),
        lowest=torch.full_like(value, torch.inf),
        flattest=torch.full_like(penalties, torch.inf),
        idle=torch.zeros_like(penalties, dtype=torch.int64),
    )
    weights, values, norms = start.clone(), value.clone(), objective.largest_slope(gradient)
    iterations = torch.zeros_like(batch.ids)
    stuck = torch.zeros_like(batch.ids, dtype=torch.bool)
    for iteration in range(max_iterations + 1):
        norm = objective.largest_slope(batch.gradient)
        stuck = stuck | batch.is_idle(norm)
        leaves = (norm <= tolerance) | stuck | (iteration == max_iterations)
        if leaves.any():
            ids = batch.ids[leaves]
            weights[:, ids] = batch.weights[:, leaves]
            values[ids], norms[ids] = batch.value[leaves], norm[leaves]
            iterations[ids] = iteration
            batch.keep(~leaves)
        if not len(batch.ids):
            break
        stuck = _step(objective, batch)
    return Minimum(weights=weights, value=values, norm=norms, iterations=iterations)


def _direction(batch: _Batch) -> Float[Tensor, "params active classes"]:
    """Return −H·gradient by the two-loop recursion, all problems side by side."""
    q = -batch.gradient
    alphas = []
    for s, y, rho in reversed(batch.pairs):
        alpha = rho * _dot(s, q)  # rho is 0 where a pair was refused, so it changes nothing
        q = q - alpha[:, None] * y
        alphas.append(alpha)
    q = q * batch.scale * batch.gamma[:, None]
    for (s, y, rho), alpha in zip(batch.pairs, reversed(alphas), strict=True):
        q = q + (alpha - rho * _dot(y, q))[:, None] * s
    return q


def _step(objective: Objective, batch: _Batch) -> Bool[Tensor, " active"]:
    """Move every problem along its direction; return which could not move."""
    direction = _direction(batch)
    slope = _dot(batch.gradient, direction)
    uphill = slope >= 0
    if uphill.any():  # rounding has spoilt the history of these problems
        direction[:, uphill] = (-batch.gradient * batch.scale)[:, uphill]
        slope = _dot(batch.gradient, direction)
    weights, value, gradient, stuck = _line_search(objective, batch, direction, slope)
    s, y = weights - batch.weights, gradient - batch.gradient
    curvature, length = _dot(s, y), _dot(y, y)
    usable = curvature > 1e-10 * length
    rho = torch.where(usable, 1 / curvature.clamp(min=1e-30), 0.0)
    scaled = _dot(y, y * batch.scale).clamp(min=1e-30)
    batch.gamma = torch.where(usable, curvature / scaled, batch.gamma)
    batch.pairs = [*batch.pairs, (s, y, rho)][-HISTORY:]
    batch.weights, batch.value, batch.gradient = weights, value, gradient
    return stuck


def _line_search(
    objective: Objective, batch: _Batch, direction: Tensor, slope: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Shorten the step of each problem on its own until the loss has decreased enough."""
    noise = ROUNDING[direction.dtype]
    trial = batch.weights + direction
    value, gradient = objective(trial, batch.penalty)
    promised = slope.double()
    bad = ~(value <= batch.value + DECREASE * promised + noise * batch.value.abs())
    if not bad.any():
        return trial, value, gradient, bad
    length = torch.ones_like(batch.value)
    trying, worse, promised = torch.nonzero(bad)[:, 0], value[bad], promised[bad]
    for _ in range(BACKTRACKS):
        # minimum of the parabola through the value, the slope and the value just found
        bend = worse - batch.value[trying] - promised
        length[trying] *= (-promised / (2 * bend)).nan_to_num(0.1).clamp(0.1, 0.5)
        step = length[trying, None].to(direction.dtype) * direction[:, trying]
        shorter = batch.weights[:, trying] + step
        found, found_gradient = objective(shorter, batch.penalty[trying])
        promised = length[trying] * slope[trying].double()
        allowed = batch.value[trying] + noise * batch.value[trying].abs()
        good = found <= allowed + DECREASE * promised
        ids = trying[good]
        trial[:, ids], value[ids] = shorter[:, good], found[good]
        gradient[:, ids] = found_gradient[:, good]
        trying, promised, worse = trying[~good], promised[~good], found[~good]
        if not len(trying):
            break
    stuck = torch.zeros_like(bad)
    stuck[trying] = True
    trial[:, trying], value[trying] = batch.weights[:, trying], batch.value[trying]
    gradient[:, trying] = batch.gradient[:, trying]
    return trial, value, gradient, stuck
