"""Linear maps between the spaces of two modalities, fitted on pairs, used on others.

Two encoders that were trained apart have unrelated axes. A map that is fitted on some pairs says
how much of the one space is in the other; how freely it may bend says how much was there before.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from probes.checks import check_finite, check_paired

PENALTIES = tuple(10.0**power for power in range(-6, 4))


@dataclass(frozen=True, kw_only=True)
class SharedSpace:
    """Carries both modalities into one space, in which cosines mean something."""

    mean_x: Float[np.ndarray, " dim_x"]
    mean_y: Float[np.ndarray, " dim_y"]
    turn_x: Float[np.ndarray, "dim_x dim"] | None
    """What the centred x is multiplied by; None leaves it as it is."""

    turn_y: Float[np.ndarray, "dim_y dim"] | None
    penalty: float | None = None
    """λ of a ridge map, relative to the mean squared singular value of the anchors."""

    def of_x(self, x: Float[np.ndarray, "items dim_x"]) -> Float[np.ndarray, "items dim"]:
        """Return x in the shared space."""
        centred = x - self.mean_x
        return centred if self.turn_x is None else centred @ self.turn_x

    def of_y(self, y: Float[np.ndarray, "items dim_y"]) -> Float[np.ndarray, "items dim"]:
        """Return y in the shared space."""
        centred = y - self.mean_y
        return centred if self.turn_y is None else centred @ self.turn_y


@dataclass(frozen=True)
class Means:
    """The middle of each modality: learnt without a single pair."""

    x: Float[np.ndarray, " dim_x"]
    y: Float[np.ndarray, " dim_y"]

    @classmethod
    def of(cls, x: Float[np.ndarray, "n_x dim_x"], y: Float[np.ndarray, "n_y dim_y"]) -> "Means":
        """Take the mean of every channel; the items need not correspond."""
        check_finite(x, "x")
        check_finite(y, "y")
        return cls(x.mean(axis=0, dtype=np.float64), y.mean(axis=0, dtype=np.float64))


def centred_space(means: Means) -> SharedSpace:
    """Only move each modality so that its mean is the origin.

    Raises:
        ValueError: if the modalities have different numbers of channels: no axis is common.
    """
    if means.x.shape != means.y.shape:
        raise ValueError(
            f"x has {len(means.x)} channels and y has {len(means.y)}: "
            "without a map only embeddings of one space have cosines"
        )
    return SharedSpace(mean_x=means.x, mean_y=means.y, turn_x=None, turn_y=None)


def procrustes_space(
    x: Float[np.ndarray, "n_x dim_x"],
    y: Float[np.ndarray, "n_y dim_y"],
    *,
    means: Means | None = None,
) -> SharedSpace:
    """Turn both modalities so that the anchors match best: lengths and angles stay as they are.

    With XᵀY = U S Vᵀ the best rotation is U Vᵀ. Fewer anchors than channels determine it only
    within the space the anchors span; there both sides go, x by U and y by V, and what lies across
    it is dropped. Filling it up with some rotation would make the result depend on the computer.
    The same works for spaces of different width. Nothing is stretched, so a good result says
    that the one arrangement is in the other already.

    Args:
        x: anchors of one modality.
        y: their partners, row by row.
        means: of each modality; those of the anchors if not given.

    Returns:
        A space of as many channels as the anchors determine.

    Raises:
        ValueError: if rows do not match, or all anchors are at the mean.

    Source: P. Schönemann, 1966, "A generalized solution of the orthogonal Procrustes problem".
    """
    check_paired(x, y)
    means = means or Means.of(x, y)
    left, right = x - means.x, y - means.y
    u, s, vt = np.linalg.svd(left.T @ right, full_matrices=False)
    most = np.linalg.norm(left) * np.linalg.norm(right)
    kept = s > max(left.shape[1], right.shape[1]) * np.finfo(np.float64).eps * most
    if not kept.any():
        raise ValueError(f"the {len(x)} anchors do not vary together: there is nothing to turn by")
    return SharedSpace(mean_x=means.x, mean_y=means.y, turn_x=u[:, kept], turn_y=vt[kept].T)


def ridge_space(
    x: Float[np.ndarray, "n_x dim_x"],
    y: Float[np.ndarray, "n_y dim_y"],
    *,
    means: Means | None = None,
) -> SharedSpace:
    """Predict y from x by ridge regression: x may be stretched and mixed as it helps.

    The penalty is chosen by the leave-one-out error on the anchors, in closed form; items that
    are reported on have no part in it.

    Args:
        x: anchors of one modality, which are carried over.
        y: their partners, whose space is kept.
        means: of each modality; those of the anchors if not given.

    Returns:
        The space of y.

    Raises:
        ValueError: if rows do not match, or x does not vary.
    """
    from sklearn.linear_model import RidgeCV  # imported late: the app starts without it

    check_paired(x, y)
    means = means or Means.of(x, y)
    left, right = x - means.x, y - means.y
    scale = float(np.sum(left**2)) / min(left.shape)
    if not scale > 0:
        raise ValueError(f"the {len(x)} anchors of x do not vary: nothing can be predicted")
    # a copy of one unit size, so that the same penalties mean the same whatever the scale
    unit = np.sqrt(scale)
    fit = RidgeCV(alphas=PENALTIES, fit_intercept=False).fit(left / unit, right)
    turn = np.asarray(fit.coef_, dtype=np.float64).reshape(right.shape[1], -1).T / unit
    return SharedSpace(
        mean_x=means.x,
        mean_y=means.y,
        turn_x=turn,
        turn_y=None,
        penalty=float(np.asarray(fit.alpha_).item()),
    )
