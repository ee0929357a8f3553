"""Canonical correlations: how well do linear read-outs of one representation predict the other's?

ρ₁ ≥ ρ₂ ≥ … are the cosines between the spaces that the centred channels span. Invertible linear
maps of either side do not change them, which is also the weakness: n unrelated items of d₁ and d₂
channels give a mean of ρ² of max(d₁, d₂) / (n − 1), so that about 20 items a channel are needed.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from probes.checks import check_paired

KEEP = 0.99
RANK = 1e-10  # of the largest singular value; what is below counts as rounding


@dataclass(frozen=True)
class Span:
    """An orthonormal basis of what the centred channels of a representation span."""

    basis: Float[np.ndarray, "items rank"]
    x: Float[np.ndarray, "items dim"]
    """The centred embeddings, scaled."""

    @classmethod
    def of(cls, x: Float[np.ndarray, "items dim"], *, keep: float | None = None) -> "Span":
        """Take the span of all channels or, with `keep`, of the leading principal axes.

        Raises:
            ValueError: if nothing varies, or so many directions do that any data correlates.
        """
        centred = x.astype(np.float64)
        largest = np.abs(centred).max()
        centred -= centred.mean(axis=0)
        size = np.abs(centred).max()
        if size <= 1e-12 * largest:
            raise ValueError("one representation is (nearly) the same for all items")
        centred /= size
        basis, scales, _ = np.linalg.svd(centred, full_matrices=False)
        rank = int((scales > RANK * scales[0]).sum())
        if keep is not None:
            # the axis that reaches the share is needed to have it
            rank = min(rank, _leading(scales**2, keep) + 1)
        if rank >= len(x) - 1:
            raise ValueError(
                f"{len(x)} items vary in {rank} directions: any two such representations correlate "
                "perfectly; take more items than channels, at best 20 times as many"
            )
        return cls(basis[:, :rank], centred)

    def reorder(self, order: Int[np.ndarray, " items"]) -> "Span":
        """Return the span for the items in another order."""
        return replace(self, basis=self.basis[order], x=self.x[order])

    def correlations(self, other: "Span") -> Float[np.ndarray, " rank"]:
        """Return the canonical correlations, largest first."""
        found = np.linalg.svd(self.basis.T @ other.basis, compute_uv=False)
        return np.minimum(found, 1.0)

    def pwcca(self, other: "Span") -> float:
        """Return the mean correlation, weighted by what each direction explains of self."""
        turn, found, _ = np.linalg.svd(self.basis.T @ other.basis, full_matrices=False)
        weights = np.abs(turn.T @ (self.basis.T @ self.x)).sum(axis=1)
        return float(weights @ np.minimum(found, 1.0) / weights.sum())


def _leading(explained: Float[np.ndarray, " axes"], keep: float) -> int:
    """Return how many axes together explain less than a share `keep`."""
    if not 0 < keep <= 1:
        raise ValueError(f"keep={keep} of the variance; choose 0 < keep <= 1")
    sums = np.cumsum(explained)
    return int((sums / sums[-1] < keep).sum())


def _anatome_axes(x: Float[np.ndarray, "items dim"], keep: float) -> Float[np.ndarray, "items _"]:
    wide = x.astype(np.float64)
    _, scales, axes = np.linalg.svd(wide, full_matrices=False)
    kept = _leading(scales, keep)
    if not kept:
        raise ValueError(f"anatome keeps no axis here: the first alone has {keep:.0%} of Σs")
    return wide @ axes[:kept].T


def canonical_correlations(
    x: Float[np.ndarray, "n_x dim_x"], y: Float[np.ndarray, "n_y dim_y"]
) -> Float[np.ndarray, " rank"]:
    """Return all canonical correlations of two representations, largest first.

    Args:
        x: embeddings, one row an item.
        y: embeddings of the same items in the same order; may have another dim.

    Returns:
        min(rank x, rank y) numbers in [0, 1].

    Raises:
        ValueError: if rows do not match, nothing varies, or there are no more items than channels.

    Source: W. H. Press, 2011, "Canonical correlation clarified by singular value decomposition".
    """
    check_paired(x, y)
    return Span.of(x).correlations(Span.of(y))


def mean_cca(x: Float[np.ndarray, "n_x dim_x"], y: Float[np.ndarray, "n_y dim_y"]) -> float:
    """Return the mean canonical correlation; arguments as in `canonical_correlations`."""
    return float(canonical_correlations(x, y).mean())


def mean_squared_cca(x: Float[np.ndarray, "n_x dim_x"], y: Float[np.ndarray, "n_y dim_y"]) -> float:
    """Return the mean squared canonical correlation; arguments as in `canonical_correlations`.

    Unrelated items give max(d₁, d₂) / (items − 1) on average.
    """
    return float((canonical_correlations(x, y) ** 2).mean())


def svcca(
    x: Float[np.ndarray, "n_x dim_x"],
    y: Float[np.ndarray, "n_y dim_y"],
    *,
    keep: float = KEEP,
    compat: Literal["anatome"] | None = None,
) -> float:
    """Return the mean canonical correlation of the leading principal axes.

    Rotations, one scale and shifts do not change it; stretching channels does.

    Args:
        x: embeddings, one row an item.
        y: embeddings of the same items in the same order.
        keep: share of the variance (Σs²) to keep of each side.
        compat: "anatome" takes axes of the embeddings as they are, not centred, keeps a share of
            Σs, not Σs², and stops before the axis that reaches it.

    Returns:
        In [0, 1]; 1 for x = y.

    Raises:
        ValueError: if rows do not match, nothing varies, or as many axes as items are kept.

    Source: Raghu et al., arXiv:1706.05806; anatome, `similarity.py`.
    """
    check_paired(x, y)
    if compat == "anatome":
        left, right = (Span.of(_anatome_axes(side, keep)) for side in (x, y))
    else:
        left, right = (Span.of(side, keep=keep) for side in (x, y))
    return float(left.correlations(right).mean())


def pwcca(
    x: Float[np.ndarray, "n_x dim_x"],
    y: Float[np.ndarray, "n_y dim_y"],
    *,
    compat: Literal["google"] | None = None,
) -> float:
    """Return the canonical correlations, weighted by how much of x their directions carry.

    The weight of canonical variate h is Σⱼ |h·xⱼ| over the channels j of x. Not symmetric: weights
    come from x. Directions of equal correlation are arbitrary within their plane, and so are their
    weights. Invertible linear maps of y do not change it, nor do one scale and shifts of x.

    Args:
        x: embeddings, one row an item.
        y: embeddings of the same items in the same order.
        compat: "google" for the weights of the code that came with the paper, which differ from
            the paper: directions are not scaled to canonical variates, and means are added back,
            so that shifts and even the signs that the SVD happens to choose matter.

    Returns:
        In [0, 1]; 1 for x = y.

    Raises:
        ValueError: if rows do not match, nothing varies, there are no more items than channels,
            or, with "google", x has more channels than y, where that code fails.

    Source: Morcos et al., arXiv:1806.05759; google/svcca, `pwcca.py`.
    """
    check_paired(x, y)
    left, right = Span.of(x), Span.of(y)
    if compat is None:
        return left.pwcca(right)
    if x.shape[1] > y.shape[1]:
        raise ValueError(
            f"the code of google/svcca fails when x has more channels ({x.shape[1]}) than y "
            f"({y.shape[1]}); swap them, or leave compat away"
        )
    return _google_pwcca(x.astype(np.float64), y.astype(np.float64))


def _google_pwcca(
    x: Float[np.ndarray, "items dim_x"], y: Float[np.ndarray, "items dim_y"]
) -> float:
    dim = x.shape[1]
    # that code divides blocks by their largest entry; signs of the SVD depend on it
    joint = np.cov(x, y, rowvar=False)
    own, cross, others = joint[:dim, :dim], joint[:dim, dim:], joint[dim:, dim:]
    one, other = np.abs(own).max(), np.abs(others).max()
    left, right = _inverse_root(own / one), _inverse_root(others / other)
    turn, found, _ = np.linalg.svd(left @ (cross / np.sqrt(one * other) @ right))
    means = x.mean(axis=0)
    directions = (x - means) @ turn + means
    basis = np.linalg.qr(directions)[0]
    weights = np.abs(basis.T @ x).sum(axis=1)
    return float(weights @ found / weights.sum())


def _inverse_root(matrix: Float[np.ndarray, "dim dim"]) -> Float[np.ndarray, "dim dim"]:
    values, axes = np.linalg.eigh(np.linalg.pinv(matrix))
    return (axes * np.sqrt(values)) @ axes.T
