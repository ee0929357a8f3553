"""Ridge regression at every penalty, with every item left out, from one decomposition.

With n centred items X = U S Vᵀ and targets Y the ridge fit at λ is

    W = (XᵀX + nλI)⁻¹ XᵀY = V diag(s / (s² + nλ)) Uᵀ Y

so that U, S, V serve all λ. What the fit would have said about item i, had it not been fitted on
it, needs no second fit: its residual is (yᵢ − ŷᵢ) / (1 − hᵢ), with hᵢ the leverage of the item.
Both parts of that quotient vanish when a small λ lets the fit pass through all items, therefore
they are summed from what λ leaves over, nλ / (s² + nλ), and never taken as differences.

A penalty is given in units of the mean square of the fitted, centred features, so that it means the
same at every layer, as it does for the linear probe.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from probes.checks import check_finite, check_same_length

RIDGE_PENALTIES = tuple(10.0**power for power in range(-6, 5))
NEGLIGIBLE = 1e-12  # share of the largest s² below which a direction is rounding


@dataclass(frozen=True, kw_only=True)
class RidgeFit:
    """One decomposition of the fitted items; any penalty comes afterwards."""

    mean: Float[np.ndarray, " dim"]
    target_mean: Float[np.ndarray, " targets"]
    mean_square: float
    """Of the centred features: what a penalty of 1 amounts to."""

    axes: Float[np.ndarray, "dim rank"]
    """V: the directions in which the items differ."""

    energy: Float[np.ndarray, " rank"]
    """s²: sum of squares along each axis."""

    scores: Float[np.ndarray, "items rank"]
    """U: where the items lie on the axes, each column of length 1."""

    loads: Float[np.ndarray, "rank targets"]
    """UᵀY, the targets centred."""

    targets: Float[np.ndarray, "items targets"]
    outside: Float[np.ndarray, "items targets"]
    """The part of the centred targets that no penalty can reach."""

    free: Float[np.ndarray, " items"]
    """1 − leverage without any penalty."""

    def weights(self, penalty: float) -> Float[np.ndarray, "dim targets"]:
        """Return W at one λ."""
        shrink = np.sqrt(self.energy) / (self.energy + self._burden(penalty))
        return self.axes @ (shrink[:, None] * self.loads)

    def predict(
        self, x: Float[np.ndarray, "queries dim"], penalty: float
    ) -> Float[np.ndarray, "queries targets"]:
        """Return the fit's word about any items."""
        weights = self.weights(penalty)
        return x @ weights + (self.target_mean - self.mean @ weights)

    def leave_one_out(
        self, penalties: Sequence[float]
    ) -> Float[np.ndarray, "items penalties targets"]:
        """Return what the fit without it says about every fitted item.

        The same would come of n fits to n − 1 items, each with its own intercept and all with the
        burden nλ · mean square of the fit to n items.

        Raises:
            ValueError: if an item lies alone in a direction and λ is 0: nothing tells what the
                others would say.
        """
        burden = np.array([self._burden(penalty) for penalty in penalties])
        left = (burden / (self.energy[:, None] + burden)).astype(self.scores.dtype)
        slack = self.free[:, None] + np.square(self.scores) @ left
        if slack.min() <= 0:
            raise ValueError(
                f"item {int(slack.min(axis=1).argmin())} is reproduced whatever the others are: "
                "leaving it out needs a larger penalty"
            )
        shape = len(self.scores), len(burden), self.loads.shape[1]
        factors = left[:, :, None] * self.loads[:, None]
        word = (self.scores @ factors.reshape(len(factors), -1)).reshape(shape)
        word += self.outside[:, None]
        word /= slack[:, :, None]
        return np.subtract(self.targets[:, None], word, out=word)

    def _burden(self, penalty: float) -> float:
        return len(self.scores) * penalty * self.mean_square


def fit_ridge(
    x: Float[np.ndarray, "items dim"],
    y: Float[np.ndarray, "labelled targets"],
    *,
    single: bool = False,
) -> RidgeFit:
    """Decompose the items once, for ridge fits at any penalty. The intercept is not penalised.

    Args:
        x: features.
        y: what is to be predicted: numbers, or classes as `one_hot`.
        single: go on in single precision once the axes are known. It is enough for telling which
            of several fits is best.

    Returns:
        What all fits have in common.

    Raises:
        ValueError: if a number is not finite, or the items are all the same.
    """
    check_finite(x)
    check_finite(y, "y")
    check_same_length(x, y, "targets")
    items, dim = x.shape
    mean, target_mean = x.mean(axis=0, dtype=np.float64), y.mean(axis=0, dtype=np.float64)
    centred = x - mean
    mean_square = float(np.vdot(centred, centred)) / centred.size
    if np.sqrt(mean_square) <= NEGLIGIBLE * max(float(x.max()), -float(x.min())):
        raise ValueError(
            f"all {items} items have the same embedding: there is nothing to read from it"
        )
    turn = dim < items  # then the small side is that of the channels
    energy, vectors = np.linalg.eigh(centred.T @ centred if turn else centred @ centred.T)
    kept = energy > NEGLIGIBLE * energy[-1]
    energy, vectors = energy[kept], vectors[:, kept]
    dtype = np.float32 if single else np.float64
    narrow, targets = centred.astype(dtype, copy=False), (y - target_mean).astype(dtype)
    lengths = np.sqrt(energy)
    scores = narrow @ (vectors / lengths).astype(dtype) if turn else vectors.astype(dtype)
    axes = vectors if turn else centred.T @ (vectors / lengths)
    loads = scores.T @ targets
    saturated = len(energy) == items - 1  # then nothing is outside, but for rounding
    free = 1 - 1 / items - np.einsum("ij,ij->i", scores, scores)
    return RidgeFit(
        mean=mean,
        target_mean=target_mean,
        mean_square=mean_square,
        axes=axes,
        energy=energy,
        scores=scores,
        loads=loads,
        targets=y.astype(dtype),
        outside=np.zeros_like(targets) if saturated else targets - scores @ loads,
        free=np.zeros(items, dtype) if saturated else free.clip(min=0),
    )


def one_hot(codes: Int[np.ndarray, " items"], classes: int) -> Float[np.ndarray, "items classes"]:
    """Return 1 in the column of every item's class and 0 elsewhere."""
    return np.eye(classes)[codes]
