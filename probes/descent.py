"""Probes that are not convex: fitted jointly by L-BFGS in double precision, chosen like the others.

The parts of such a probe (weights of layers, a query) are learnt together with a linear head. Its
loss has no single minimum to certify, so that everything is made repeatable instead: it starts at
one declared point, uses all items at every step, and draws nothing.

The head is turned to the principal axes of its features and scaled by the curvature there. That
changes neither the loss nor its minima, but L-BFGS needs many fewer steps.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from probes.compare_probes import compare_paired
from probes.linear import REPORT_TOLERANCE, SWEEP_TOLERANCE, linear_probe
from probes.logistic import fit_logistic
from probes.penalties import largest_first, quarter_decades
from probes.predictions import linear_predictions
from probes.result import Score
from probes.splits import Splits

MAX_ITERATIONS = 2000
HISTORY = 20


@dataclass(frozen=True, kw_only=True)
class JointFit:
    """Where the descent ended, for one λ."""

    mixing: Float[np.ndarray, " mixing"]
    """Weights of layers before the softmax, or the query."""

    head: Float[np.ndarray, "dim classes"]
    intercepts: Float[np.ndarray, " classes"]
    objective: float
    gradient_norm: float
    """Largest entry of the gradient in the parameters as the probe has them."""

    converged: bool
    iterations: int


@runtime_checkable
class JointProbe(Protocol):
    """What is fitted: how items are pooled, given the mixing parameters."""

    def pooled(self, mixing: Float[Tensor, " mixing"]) -> Float[Tensor, "items dim"]:
        """Return one vector an item, differentiable in the mixing parameters."""
        ...

    def mixing_penalty(self, mixing: Float[Tensor, " mixing"]) -> Tensor:
        """Return what λ / 2 is multiplied with, besides the squares of the head."""
        ...


@dataclass(frozen=True)
class _Problem:
    """The loss of a joint probe as SciPy sees it: one vector in, value and gradient out."""

    probe: JointProbe
    codes: Int[Tensor, " items"]
    classes: int
    penalty: float
    axes: Float[Tensor, "dim dim"]
    scale: Float[Tensor, " dim"]

    @classmethod
    def of(
        cls,
        probe: JointProbe,
        x: Float[Tensor, "items dim"],
        codes: Int[Tensor, " items"],
        *,
        classes: int,
        penalty: float,
    ) -> "_Problem":
        """Take axes and curvatures of pooled items, those at mixing 0."""
        centred = x - x.mean(dim=0)
        variances, axes = torch.linalg.eigh(centred.T @ centred / len(x))
        scale = (variances.clamp(min=0) / classes + penalty).rsqrt()
        return cls(probe, codes, classes, penalty, axes, scale)

    def split(self, flat: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Cut one vector into mixing parameters, inner head and intercepts."""
        rest = (len(self.scale) + 1) * self.classes
        mixing, inner = flat[:-rest], flat[-rest : -self.classes]
        return mixing, inner.reshape(-1, self.classes), flat[-self.classes :]

    def parts(self, flat: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return mixing parameters, head and intercepts."""
        mixing, inner, intercepts = self.split(flat)
        return mixing, self.axes @ (self.scale[:, None] * inner), intercepts

    def packed(self, mixing: Tensor, head: Tensor, intercepts: Tensor) -> Tensor:
        """Invert `parts`."""
        inner = (self.axes.T @ head) / self.scale[:, None]
        return torch.cat([mixing, inner.flatten(), intercepts])

    def value_and_gradient(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss and its gradient in the packed parameters."""
        flat = flat.detach().requires_grad_(True)
        mixing, head, intercepts = self.parts(flat)
        logits = self.probe.pooled(mixing) @ head + intercepts
        loss = torch.nn.functional.cross_entropy(logits, self.codes)
        squares = head.square().sum() + self.probe.mixing_penalty(mixing)
        value = loss + self.penalty / 2 * squares
        (gradient,) = torch.autograd.grad(value, flat)
        return value.detach(), gradient

    def largest_slope(self, gradient: Tensor) -> float:
        """Return the largest entry of the gradient in mixing, head and intercepts themselves."""
        mixing, inner, intercepts = self.split(gradient)
        head = self.axes @ (inner / self.scale[:, None])
        return max(float(part.abs().max()) for part in (mixing, head, intercepts))


def fit_jointly(
    probe: JointProbe,
    codes: Int[np.ndarray, " items"],
    *,
    classes: int,
    penalty: float,
    mixing: int,
    tolerance: float = REPORT_TOLERANCE,
) -> JointFit:
    """Fit mixing parameters and head together.

    The mixing parameters start at 0 and the head at what is best there, which is a convex problem:
    the result fits the items at least as well as the plain mean does.

    Args:
        probe: how items are pooled.
        codes: class number of every item.
        classes: C.
        penalty: λ, positive.
        mixing: how many mixing parameters there are.
        tolerance: largest entry of the gradient that is allowed to remain.

    Returns:
        The fit, with its certificate.
    """
    from scipy.optimize import minimize  # imported late: it is slow

    zero = torch.zeros(mixing, dtype=torch.float64)
    x = probe.pooled(zero)
    begin = fit_logistic(
        x.numpy(), codes, np.array([penalty]), classes=classes, tolerance=tolerance
    )
    problem = _Problem.of(probe, x, torch.from_numpy(codes), classes=classes, penalty=penalty)
    head, intercepts = torch.from_numpy(begin.weights[0]), torch.from_numpy(begin.intercepts[0])
    slopes: dict[bytes, float] = {}  # of the points tried since the last step

    def value_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = problem.value_and_gradient(torch.from_numpy(flat.copy()))
        slopes[flat.tobytes()] = problem.largest_slope(gradient)
        return float(value), gradient.numpy()

    def stop_when_flat(flat: np.ndarray) -> None:
        slope = slopes.get(flat.tobytes(), np.inf)
        slopes.clear()
        if slope <= tolerance:
            raise StopIteration

    found = minimize(
        value_and_gradient,
        problem.packed(zero, head, intercepts).numpy(),
        jac=True,
        method="L-BFGS-B",
        callback=stop_when_flat,
        options={
            "maxiter": MAX_ITERATIONS,
            "maxfun": 3 * MAX_ITERATIONS,
            "maxcor": HISTORY,
            "gtol": 0.0,
            "ftol": 0.0,
        },
    )
    flat = torch.from_numpy(found.x)
    value, gradient = problem.value_and_gradient(flat)
    norm = problem.largest_slope(gradient)
    ended = [part.numpy().copy() for part in problem.parts(flat)]
    return JointFit(
        mixing=ended[0],
        head=ended[1],
        intercepts=ended[2],
        objective=float(value),
        gradient_norm=norm,
        converged=norm <= tolerance,
        iterations=int(found.nit),
    )


@dataclass(frozen=True, kw_only=True)
class JointOutcome:
    """A joint probe, chosen on val, fitted again on train and val, asked about test."""

    fit: JointFit
    logits: Float[np.ndarray, "test classes"]
    penalty: float
    """The λ that was best on val, the largest among equals."""

    penalties: tuple[float, ...]
    val_accuracy: tuple[float, ...]
    gradient_norm: tuple[float, ...]
    converged: bool
    """Whether every fit reached its tolerance."""


def choose_and_fit(
    probe_on: Callable[[np.ndarray, np.ndarray], JointProbe],
    codes: Int[np.ndarray, " items"],
    splits: Splits,
    *,
    mixing: int,
    penalties: Sequence[float],
) -> JointOutcome:
    """Fit on train, choose λ on val as the linear probe does, fit again on both, ask test.

    Args:
        probe_on: rows to learn centre and scale from, and rows to pool; the probe of the latter.
        codes: class number of every item.
        splits: rows of each part.
        mixing: how many mixing parameters there are.
        penalties: the first candidates; quarters of a decade around the best follow.

    Returns:
        The last fit, its answers on test, and what was tried.

    Raises:
        ValueError: if train has items of one class only.
    """
    if len(np.unique(codes[splits.train])) < 2:
        raise ValueError("the train split has items of one class only: there is nothing to learn")
    classes, train, truth = int(codes.max()) + 1, splits.train, codes[splits.val]
    on_train, on_val = probe_on(train, train), probe_on(train, splits.val)
    tried, shares, fits = [], [], []

    def sweep(candidates: Sequence[float]) -> float:
        for penalty in candidates:
            fit = fit_jointly(
                on_train,
                codes[train],
                classes=classes,
                penalty=penalty,
                mixing=mixing,
                tolerance=SWEEP_TOLERANCE,
            )
            tried.append(penalty)
            fits.append(fit)
            shares.append(float((answers(on_val, fit).argmax(axis=1) == truth).mean()))
        return max(zip(shares, tried, strict=True))[1]

    first = largest_first(penalties)
    chosen = sweep(quarter_decades(first, sweep(first)))
    rows = splits.fit_and_val
    last = fit_jointly(
        probe_on(rows, rows), codes[rows], classes=classes, penalty=chosen, mixing=mixing
    )
    return JointOutcome(
        fit=last,
        logits=answers(probe_on(rows, splits.test), last),
        penalty=chosen,
        penalties=tuple(tried),
        val_accuracy=tuple(shares),
        gradient_norm=tuple(fit.gradient_norm for fit in fits),
        converged=last.converged and all(fit.converged for fit in fits),
    )


def answers(probe: JointProbe, fit: JointFit) -> Float[np.ndarray, "items classes"]:
    """Return the class scores of a probe's items under a fit."""
    return probe.pooled(torch.from_numpy(fit.mixing)).numpy() @ fit.head + fit.intercepts


def gain_over_plain(
    right: Bool[np.ndarray, " test"],
    plain: Float[np.ndarray, "items dim"],
    codes: Int[np.ndarray, " items"],
    splits: Splits,
    *,
    penalties: Sequence[float],
    rng: np.random.Generator,
) -> tuple[Score, Score]:
    """Return what the linear probe gets without anything learnt before it, and the gain over it.

    Args:
        right: right or wrong of the joint probe on every test item.
        plain: items pooled without learning: the mean of layers, or of tokens.
        codes: class number of every item.
        splits: rows of each part.
        penalties: candidates for λ.
        rng: draws bootstrap samples.

    Returns:
        Accuracy of the linear probe on `plain`, and the paired difference.
    """
    found = linear_probe(plain, codes, splits, penalties=penalties, rng=rng)
    said = linear_predictions(plain, codes, splits, penalty=found.penalty)
    paired = compare_paired(right, said.right, rng=rng, groups=splits.test_groups)
    return found.accuracy, paired.difference
