"""Multinomial logistic regression for many penalties at once, with a certificate for each.

The objective for n items, C classes and a penalty λ is

    f(W, b) = (1/n) Σᵢ cross-entropy(softmax(Wᵀxᵢ + b), yᵢ) + (λ/2) ‖W‖²   (b is not penalised)

which is scikit-learn's with C = 1/(λn). It is convex: the norm of the gradient says how far off a
fit is. Batching over λ alone does not pay on a CPU, conditioning does: a ridge penalty does not
change under rotation, so we turn to the principal axes, where the Hessian is nearly
diag(eⱼ/C + λ) with eⱼ the variance along axis j, and give L-BFGS the inverse of that to start from.

Steps are taken in single precision, which is twice as fast; objective and gradient are then taken
in double precision, and where these do not keep the tolerance, double precision goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from probes.checks import check_finite, check_same_length
from probes.lbfgs import Minimum, minimise

TILE = 250_000  # logits held at once on a CPU: they should stay in its cache
TILE_DEVICE = 64_000_000
SINGLE_FLOOR = 1e-5  # gradients below this are noise in single precision
MARGIN = 0.95  # single precision aims a little lower, so that the certificate seldom fails
MAX_ITERATIONS = 1000


@dataclass(frozen=True, kw_only=True)
class LogisticFit:
    """Weights for every penalty, and how well each fit has converged."""

    weights: Float[np.ndarray, "penalties dim classes"]
    intercepts: Float[np.ndarray, "penalties classes"]
    objective: Float[np.ndarray, " penalties"]
    gradient_norm: Float[np.ndarray, " penalties"]
    """Largest absolute entry of the gradient at the weights, in double precision."""

    converged: Bool[np.ndarray, " penalties"]
    """Whether `gradient_norm` is within the tolerance."""

    iterations: Int[np.ndarray, " penalties"]

    def logits(
        self, x: Float[np.ndarray, "items dim"], penalty: int
    ) -> Float[np.ndarray, "items classes"]:
        """Return the class scores of items under one of the fits."""
        return x @ self.weights[penalty] + self.intercepts[penalty]

    def pick(self, places: Sequence[int]) -> "LogisticFit":
        """Return some of the fits, in the order given; one may come more than once."""
        chosen = {name: getattr(self, name)[list(places)] for name in self.__dataclass_fields__}
        return LogisticFit(**chosen)

    @classmethod
    def joined(cls, fits: Sequence["LogisticFit"]) -> "LogisticFit":
        """Return the fits of several runs as those of one."""
        names = cls.__dataclass_fields__
        return cls(**{name: np.concatenate([getattr(f, name) for f in fits]) for name in names})

    def moved(self, shift: Float[np.ndarray, " dim"], scale: float) -> "LogisticFit":
        """Return weights that say of (x − shift) / scale what these say of x.

        Objective and certificate are those of the old place; this is for starting a fit.
        """
        intercepts = self.intercepts + np.einsum("d,pdc->pc", shift, self.weights)
        return replace(self, weights=self.weights * scale, intercepts=intercepts)


@dataclass(frozen=True)
class _Objective:
    """The loss of all problems; the last column of `z` is ones, for the intercept."""

    z: Float[Tensor, "items params"]
    codes: Int[Tensor, " items"]
    classes: int
    axes: Float[Tensor, "dim rank"] | None
    """What turns gradients back into channels; None if `z` is not turned."""

    variances: Float[Tensor, " rank"]

    def inverse_diagonal(self, penalty: Float[Tensor, " some"]) -> Float[Tensor, "params some 1"]:
        """Return 1 / (eⱼ/C + λ), and C for the intercept."""
        curvature = self.variances[:, None] / self.classes + penalty
        intercept = torch.full_like(penalty, 1 / self.classes)[None]
        return (1 / torch.vstack([curvature, intercept]))[:, :, None]

    def __call__(
        self, weights: Float[Tensor, "params some classes"], penalty: Float[Tensor, " some"]
    ) -> tuple[Float[Tensor, " some"], Float[Tensor, "params some classes"]]:
        """Return values (summed in double precision) and gradients."""
        params, some, classes = weights.shape
        flat = weights.reshape(params, some * classes)
        value = torch.zeros(some, dtype=torch.float64, device=weights.device)
        gradient = torch.zeros_like(flat)
        held = TILE if weights.device.type == "cpu" else TILE_DEVICE
        step = max(1, held // (some * classes))
        for start in range(0, len(self.z), step):
            z, codes = self.z[start : start + step], self.codes[start : start + step]
            logits = (z @ flat).reshape(len(z), some, classes)
            chances = torch.log_softmax(logits, dim=2)
            at_truth = codes[:, None, None].expand(-1, some, 1)
            value -= chances.gather(2, at_truth)[:, :, 0].sum(dim=0, dtype=torch.float64)
            chances = chances.exp_()
            chances.scatter_add_(2, at_truth, chances.new_full((1, 1, 1), -1.0).expand_as(at_truth))
            gradient.addmm_(z.T, chances.reshape(len(z), some * classes))
        slopes = weights * penalty[:, None]
        slopes[-1] = 0.0  # the intercept is free
        value = value / len(self.z) + (slopes.double() * weights).sum(dim=(0, 2)) / 2
        return value, gradient.reshape_as(weights) / len(self.z) + slopes

    def largest_slope(self, gradient: Float[Tensor, "params some classes"]) -> Tensor:
        """Return the largest absolute entry of each gradient in the original channels."""
        params, some, classes = gradient.shape
        turned = gradient[:-1].reshape(params - 1, some * classes)
        if self.axes is not None:
            turned = self.axes @ turned
        inner = turned.abs().amax(dim=0).reshape(some, classes).amax(dim=1)
        return torch.maximum(inner, gradient[-1].abs().amax(dim=1))


@dataclass(frozen=True)
class LogisticProblem:
    """Items and classes, turned to their principal axes once for all fits."""

    x: Float[Tensor, "items dim"]
    codes: Int[Tensor, " items"]
    classes: int
    axes: Float[Tensor, "dim rank"]
    variances: Float[Tensor, " rank"]
    single: _Objective

    @classmethod
    def of(
        cls,
        x: Float[np.ndarray, "items dim"],
        codes: Int[np.ndarray, " labelled"],
        *,
        classes: int,
        device: str = "cpu",
    ) -> "LogisticProblem":
        """Check and turn the items.

        Args:
            x: features, best centred and of scale one, so that a penalty means the same everywhere.
            codes: class number of every item.
            classes: C; classes without items are allowed and end up improbable.
            device: where torch computes; it must know double precision.

        Raises:
            ValueError: if a number is not finite or a class number does not fit.
        """
        check_finite(x)
        check_same_length(x, codes, "labels")
        if codes.min() < 0 or codes.max() >= classes:
            raise ValueError(f"class numbers must lie in 0 to {classes - 1}")
        wide = torch.from_numpy(x.astype(np.float64)).to(device)
        narrow, numbers = wide.float(), torch.from_numpy(codes.astype(np.int64)).to(device)
        items, dim = x.shape
        if dim <= items:  # rounding in the product only makes the conditioning less than perfect
            variances, axes = torch.linalg.eigh((narrow.T @ narrow / items).double())
        else:
            _, singular, axes_t = torch.linalg.svd(wide, full_matrices=False)
            variances, axes = singular**2 / items, axes_t.T
        variances = variances.clamp(min=0)
        turned = _with_ones(narrow @ axes.float())
        single = _Objective(turned, numbers, classes, axes.float(), variances.float())
        return cls(wide, numbers, classes, axes, variances, single)

    def fit(
        self,
        penalties: Float[np.ndarray, " penalties"],
        *,
        tolerance: float = 1e-6,
        max_iterations: int = MAX_ITERATIONS,
        start: LogisticFit | None = None,
    ) -> LogisticFit:
        """Fit one logistic regression for every penalty, all in one run of L-BFGS.

        Args:
            penalties: λ, each positive.
            tolerance: a problem is done when no entry of its gradient exceeds it.
            max_iterations: a problem that is not done by then is reported as not converged.
            start: where each penalty's search begins; at the class shares if None.

        Returns:
            Weights in the channels of `x`, with objective and gradient norm for every penalty.

        Raises:
            ValueError: if a penalty is not positive.
        """
        if not (len(penalties) and (penalties > 0).all()):
            raise ValueError(f"the penalties must be positive, got {penalties.tolist()}")
        lambdas = torch.from_numpy(penalties.astype(np.float64)).to(self.x.device)
        rough = minimise(
            self.single,
            self._start(lambdas, start).float(),
            lambdas.float(),
            tolerance=max(MARGIN * tolerance, SINGLE_FLOOR),
            max_iterations=max_iterations,
        )
        plain = _Objective(_with_ones(self.x), self.codes, self.classes, None, self.variances)
        weights = self._in_channels(rough.weights.double())
        value, gradient = plain(weights, lambdas)
        norm, iterations = plain.largest_slope(gradient), rough.iterations
        left = torch.nonzero((norm > tolerance) & (iterations < max_iterations))[:, 0]
        if len(left):
            fine = self._refine(rough, lambdas, left, tolerance, max_iterations)
            weights[:, left] = self._in_channels(fine.weights)
            value[left], norm[left] = fine.value, fine.norm
            iterations[left] += fine.iterations
        return LogisticFit(
            weights=weights[:-1].permute(1, 0, 2).cpu().numpy().copy(),
            intercepts=weights[-1].cpu().numpy().copy(),
            objective=value.cpu().numpy(),
            gradient_norm=norm.cpu().numpy(),
            converged=(norm <= tolerance).cpu().numpy(),
            iterations=iterations.cpu().numpy(),
        )

    def _refine(
        self,
        rough: Minimum,
        lambdas: Float[Tensor, " penalties"],
        left: Int[Tensor, " left"],
        tolerance: float,
        max_iterations: int,
    ) -> Minimum:
        """Go on in double precision with the problems that need it."""
        z = _with_ones(self.x @ self.axes)
        objective = _Objective(z, self.codes, self.classes, self.axes, self.variances)
        return minimise(
            objective,
            rough.weights[:, left].double(),
            lambdas[left],
            tolerance=tolerance,
            max_iterations=max_iterations - int(rough.iterations[left].max()),
        )

    def _in_channels(
        self, weights: Float[Tensor, "params some classes"]
    ) -> Float[Tensor, "channels some classes"]:
        turned = torch.einsum("dr,rpc->dpc", self.axes, weights[:-1])
        return torch.cat([turned, weights[-1:]])

    def _start(
        self, lambdas: Float[Tensor, " penalties"], start: LogisticFit | None
    ) -> Float[Tensor, "params penalties classes"]:
        if start is not None:
            weights = torch.from_numpy(start.weights).to(lambdas)
            turned = torch.einsum("dr,pdc->rpc", self.axes, weights)
            return torch.cat([turned, torch.from_numpy(start.intercepts).to(lambdas)[None]])
        shares = torch.bincount(self.codes, minlength=self.classes) + 0.5
        zeros = lambdas.new_zeros(self.axes.shape[1] + 1, len(lambdas), self.classes)
        zeros[-1] = (shares / shares.sum()).log()
        return zeros


def _with_ones(x: Float[Tensor, "items dim"]) -> Float[Tensor, "items params"]:
    return torch.hstack([x, x.new_ones(len(x), 1)])


def fit_logistic(
    x: Float[np.ndarray, "items dim"],
    codes: Int[np.ndarray, " labelled"],
    penalties: Float[np.ndarray, " penalties"],
    *,
    classes: int,
    tolerance: float = 1e-6,
    device: str = "cpu",
) -> LogisticFit:
    """Fit one logistic regression for every penalty: `LogisticProblem` made and solved.

    Args:
        x: features, best centred and of scale one.
        codes: class number of every item.
        penalties: λ, each positive.
        classes: C.
        tolerance: largest entry of the gradient that is allowed to remain.
        device: where torch computes.

    Returns:
        Weights, objective and certificate for every penalty.

    Raises:
        ValueError: if a penalty is not positive or a class number does not fit.
    """
    problem = LogisticProblem.of(x, codes, classes=classes, device=device)
    return problem.fit(penalties, tolerance=tolerance)
