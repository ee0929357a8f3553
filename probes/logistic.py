"""Multinomial logistic regression for many penalties at once, with a certificate for each.

The objective for n items, C classes and a penalty λ is

    f(W, b) = (1/n) Σᵢ cross-entropy(softmax(Wᵀxᵢ + b), yᵢ) + (λ/2) ‖W‖²   (b is not penalised)

which is scikit-learn's with C = 1/(λn). It is convex: the norm of the gradient says how far off a
fit is. Batching over λ alone does not pay on a CPU, conditioning does: a ridge penalty does not
change under rotation, so we turn to the principal axes, where the Hessian is nearly
diag(eⱼ/C + λ) with eⱼ the variance along axis j, and give L-BFGS the inverse of that to start from.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from probes.checks import check_finite, check_same_length

HISTORY = 10  # pairs L-BFGS remembers
BACKTRACKS = 30
DECREASE = 1e-4  # Armijo: the share of the promised decrease that is demanded
TILE = 8_000_000  # logits held at once


@dataclass(frozen=True, kw_only=True)
class LogisticFit:
    """Weights for every penalty, and how well each fit has converged."""

    weights: Float[np.ndarray, "penalties dim classes"]
    intercepts: Float[np.ndarray, "penalties classes"]
    objective: Float[np.ndarray, " penalties"]
    gradient_norm: Float[np.ndarray, " penalties"]
    """Largest absolute entry of the gradient at the weights: the certificate."""

    converged: Bool[np.ndarray, " penalties"]
    """Whether `gradient_norm` is within the tolerance."""

    iterations: Int[np.ndarray, " penalties"]

    def logits(
        self, x: Float[np.ndarray, "items dim"], penalty: int
    ) -> Float[np.ndarray, "items classes"]:
        """Return the class scores of items under one of the fits."""
        return x @ self.weights[penalty] + self.intercepts[penalty]


@dataclass
class _Batch:
    """The problems still at work; all tensors have the problem in dimension 1."""

    ids: Int[Tensor, " active"]
    penalty: Float[Tensor, " active"]
    scale: Float[Tensor, "params active 1"]  # inverse of the approximate Hessian's diagonal
    weights: Float[Tensor, "params active classes"]
    value: Float[Tensor, " active"]
    gradient: Float[Tensor, "params active classes"]
    gamma: Float[Tensor, " active"]
    pairs: list[tuple[Tensor, Tensor, Tensor]] = field(default_factory=list)  # s, y, 1/sᵀy or 0

    def keep(self, mask: Bool[Tensor, " active"]) -> None:
        """Drop the problems outside the mask."""
        self.ids, self.penalty = self.ids[mask], self.penalty[mask]
        self.value, self.gamma = self.value[mask], self.gamma[mask]
        self.scale, self.weights = self.scale[:, mask], self.weights[:, mask]
        self.gradient = self.gradient[:, mask]
        self.pairs = [(s[:, mask], y[:, mask], rho[mask]) for s, y, rho in self.pairs]


def _dot(a: Tensor, b: Tensor) -> Float[Tensor, " active"]:
    return (a * b).sum(dim=(0, 2))


@dataclass(frozen=True)
class _Objective:
    """The loss of all problems, in the basis of the principal axes plus a column of ones."""

    z: Float[Tensor, "items params"]
    codes: Int[Tensor, " items"]
    classes: int
    axes: Float[Tensor, "dim rank"]
    variances: Float[Tensor, " rank"]

    @classmethod
    def of(cls, x: Float[Tensor, "items dim"], codes: Int[Tensor, " items"], classes: int):  # noqa: ANN206
        """Rotate `x` to its principal axes."""
        items, dim = x.shape
        if dim <= items:
            variances, axes = torch.linalg.eigh(x.T @ x / items)
        else:
            _, singular, axes_t = torch.linalg.svd(x, full_matrices=False)
            variances, axes = singular**2 / items, axes_t.T
        ones = torch.ones(items, 1, dtype=x.dtype)
        return cls(torch.hstack([x @ axes, ones]), codes, classes, axes, variances.clamp(min=0))

    def inverse_diagonal(self, penalty: Float[Tensor, " some"]) -> Float[Tensor, "params some 1"]:
        """Return 1 / (eⱼ/C + λ), and C for the intercept."""
        curvature = self.variances[:, None] / self.classes + penalty
        intercept = torch.full((1, len(penalty)), 1 / self.classes, dtype=penalty.dtype)
        return (1 / torch.vstack([curvature, intercept]))[:, :, None]

    def __call__(
        self, weights: Float[Tensor, "params some classes"], penalty: Float[Tensor, " some"]
    ) -> tuple[Float[Tensor, " some"], Float[Tensor, "params some classes"]]:
        """Return values and gradients."""
        params, some, classes = weights.shape
        flat = weights.reshape(params, some * classes)
        value = torch.zeros(some, dtype=weights.dtype)
        gradient = torch.zeros_like(flat)
        step = max(1, TILE // (some * classes))
        for start in range(0, len(self.z), step):
            z, codes = self.z[start : start + step], self.codes[start : start + step]
            logits = (z @ flat).reshape(len(z), some, classes)
            at_truth = codes[:, None, None].expand(-1, some, 1)
            logits -= logits.amax(dim=2, keepdim=True)
            picked = logits.gather(2, at_truth)[:, :, 0]
            chances = logits.exp_()
            total = chances.sum(dim=2, keepdim=True)
            value += (total[:, :, 0].log() - picked).sum(dim=0)
            chances /= total
            chances.scatter_add_(2, at_truth, torch.full_like(total, -1.0))
            gradient += z.T @ chances.reshape(len(z), some * classes)
        slopes = weights * penalty[:, None]
        slopes[-1] = 0.0  # the intercept is free
        value = value / len(self.z) + _dot(slopes, weights) / 2
        return value, gradient.reshape_as(weights) / len(self.z) + slopes

    def largest_slope(self, gradient: Float[Tensor, "params some classes"]) -> Tensor:
        """Return the largest absolute entry of each gradient in the original channels."""
        params, some, classes = gradient.shape
        turned = self.axes @ gradient[:-1].reshape(params - 1, some * classes)
        inner = turned.abs().amax(dim=0).reshape(some, classes).amax(dim=1)
        return torch.maximum(inner, gradient[-1].abs().amax(dim=1))


def fit_logistic(
    x: Float[np.ndarray, "items dim"],
    codes: Int[np.ndarray, " labelled"],
    penalties: Float[np.ndarray, " penalties"],
    *,
    classes: int,
    tolerance: float = 1e-6,
    max_iterations: int = 1000,
) -> LogisticFit:
    """Fit one logistic regression for every penalty, all in one run of L-BFGS.

    Args:
        x: features, best centred and of scale one, so that a penalty means the same everywhere.
        codes: class number of every item.
        penalties: λ, each positive.
        classes: C; classes without items are allowed and end up improbable.
        tolerance: a problem is done when no entry of its gradient exceeds it.
        max_iterations: a problem that is not done by then is reported as not converged.

    Returns:
        Weights in the channels of `x`, with objective and gradient norm for every penalty.

    Raises:
        ValueError: if a penalty is not positive or a class number does not fit.
    """
    check_finite(x)
    check_same_length(x, codes, "labels")
    if not (len(penalties) and (penalties > 0).all()):
        raise ValueError(f"the penalties must be positive, got {penalties.tolist()}")
    if codes.min() < 0 or codes.max() >= classes:
        raise ValueError(f"class numbers must lie in 0 to {classes - 1}")
    wide = torch.from_numpy(x.astype(np.float64))
    objective = _Objective.of(wide, torch.from_numpy(codes.astype(np.int64)), classes)
    lambdas = torch.from_numpy(penalties.astype(np.float64))
    done = _minimise(objective, lambdas, tolerance, max_iterations)
    weights = torch.einsum("dr,rpc->pdc", objective.axes, done["weights"][:-1])
    return LogisticFit(
        weights=weights.numpy(),
        intercepts=done["weights"][-1].numpy().copy(),
        objective=done["value"].numpy(),
        gradient_norm=done["norm"].numpy(),
        converged=(done["norm"] <= tolerance).numpy(),
        iterations=done["iterations"].numpy(),
    )


def _minimise(
    objective: _Objective, penalties: Tensor, tolerance: float, max_iterations: int
) -> dict[str, Tensor]:
    """Run L-BFGS on all problems; those that are done or stuck leave the batch."""
    problems = len(penalties)
    start = torch.zeros(objective.z.shape[1], problems, objective.classes, dtype=penalties.dtype)
    shares = torch.bincount(objective.codes, minlength=objective.classes) + 0.5
    start[-1] = (shares / shares.sum()).log()
    value, gradient = objective(start, penalties)
    batch = _Batch(
        ids=torch.arange(problems),
        penalty=penalties,
        scale=objective.inverse_diagonal(penalties),
        weights=start,
        value=value,
        gradient=gradient,
        gamma=torch.ones_like(penalties),
    )
    done = {
        "weights": start.clone(),
        "value": value.clone(),
        "norm": objective.largest_slope(gradient),
        "iterations": torch.zeros(problems, dtype=torch.int64),
    }
    stuck = torch.zeros(problems, dtype=torch.bool)
    for iteration in range(max_iterations + 1):
        norm = objective.largest_slope(batch.gradient)
        leaves = (norm <= tolerance) | stuck | (iteration == max_iterations)
        if leaves.any():
            ids = batch.ids[leaves]
            done["weights"][:, ids] = batch.weights[:, leaves]
            done["value"][ids], done["norm"][ids] = batch.value[leaves], norm[leaves]
            done["iterations"][ids] = iteration
            batch.keep(~leaves)
        if not len(batch.ids):
            break
        stuck = _step(objective, batch)
    return done


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


def _step(objective: _Objective, batch: _Batch) -> Bool[Tensor, " active"]:
    """Move every problem along its direction; return which could not move."""
    direction = _direction(batch)
    slope = _dot(batch.gradient, direction)
    uphill = slope >= 0
    if uphill.any():  # rounding has spoilt the history of these problems
        direction[:, uphill] = (-batch.gradient * batch.scale)[:, uphill]
        slope = _dot(batch.gradient, direction)
    weights, value, gradient, stuck = _line_search(objective, batch, direction, slope)
    s, y = weights - batch.weights, gradient - batch.gradient
    curvature = _dot(s, y)
    usable = curvature > 1e-10 * _dot(y, y)
    rho = torch.where(usable, 1 / curvature.clamp(min=1e-300), 0.0)
    scaled = _dot(y, y * batch.scale).clamp(min=1e-300)
    batch.gamma = torch.where(usable, curvature / scaled, batch.gamma)
    batch.pairs = [*batch.pairs, (s, y, rho)][-HISTORY:]
    batch.weights, batch.value, batch.gradient = weights, value, gradient
    return stuck


def _line_search(
    objective: _Objective, batch: _Batch, direction: Tensor, slope: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Shorten the step of each problem on its own until the loss has decreased enough."""
    weights, value, gradient = batch.weights.clone(), batch.value.clone(), batch.gradient.clone()
    length = torch.ones_like(batch.value)
    trying = torch.arange(len(length))
    for _ in range(BACKTRACKS):
        trial = batch.weights[:, trying] + length[trying, None] * direction[:, trying]
        new_value, new_gradient = objective(trial, batch.penalty[trying])
        promised = length[trying] * slope[trying]
        rounding = 1e-15 * batch.value[trying].abs()
        good = new_value <= batch.value[trying] + DECREASE * promised + rounding
        ids = trying[good]
        weights[:, ids], value[ids] = trial[:, good], new_value[good]
        gradient[:, ids] = new_gradient[:, good]
        trying, promised, worse = trying[~good], promised[~good], new_value[~good]
        if not len(trying):
            break
        # minimum of the parabola through the value, the slope and the value just found
        bend = worse - batch.value[trying] - promised
        length[trying] *= (-promised / (2 * bend)).clamp(0.1, 0.5)
    stuck = torch.zeros(len(length), dtype=torch.bool)
    stuck[trying] = True
    return weights, value, gradient, stuck
