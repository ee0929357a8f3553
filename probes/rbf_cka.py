"""CKA with the RBF kernel: like linear CKA, but only distances up to a width count.

K_ij = exp(−‖xᵢ − xⱼ‖² / (2σ²)) with σ = fraction · median distance, so that the width means the
same in every representation; a fixed σ would not. Wide kernels tend to linear CKA. Narrow ones
make K the identity: biased CKA then tends to 1 for any data, debiased CKA to nothing but noise.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from probes.checks import check_paired
from probes.cka import UNDEFINED, Centred, centred_kernel, check_enough
from probes.result import Plain, to_plain

FRACTIONS = (0.5, 1.0, 2.0)
MOST_ITEMS = 4096  # a kernel of them has 128 MiB


@dataclass(frozen=True, kw_only=True)
class RbfCka:
    """RBF CKA at several widths: one number alone hides how much it depends on the width."""

    fractions: tuple[float, ...]
    """σ as a fraction of the median distance."""

    values: tuple[float | None, ...]
    """CKA at each width; None where it is undefined."""

    debiased: bool
    n: int
    reason: str = ""
    """Why a value is missing."""

    def to_json(self) -> Plain:
        """Return widths and values as plain JSON."""
        return to_plain(self)


@dataclass(frozen=True)
class RbfKernel:
    """A centred RBF kernel of length 1; NaN if nothing is left of it."""

    kernel: Float[np.ndarray, "items items"]

    @classmethod
    def of(
        cls, x: Float[np.ndarray, "items dim"], *, fraction: float = 1.0, debiased: bool = True
    ) -> "RbfKernel":
        """Make the kernel of one representation."""
        return _kernels(x, (fraction,), debiased=debiased)[0]

    def reorder(self, order: Int[np.ndarray, " items"]) -> "RbfKernel":
        """Return the kernel of the items in another order."""
        return RbfKernel(self.kernel[order[:, None], order[None, :]])

    def cka(self, other: "RbfKernel") -> float:
        """Return CKA; NaN if it is undefined."""
        return float(np.vdot(self.kernel, other.kernel))


def _kernels(
    x: Float[np.ndarray, "items dim"], fractions: Sequence[float], *, debiased: bool
) -> list[RbfKernel]:
    n = len(x)
    check_enough(n, "RBF CKA")
    if n > MOST_ITEMS:
        raise ValueError(
            f"RBF CKA on {n} items needs matrices of items × items; take a random subset of at "
            f"most {MOST_ITEMS} items"
        )
    if min(fractions) <= 0:
        raise ValueError(f"a width of {min(fractions)} median distances; it must be positive")
    squared = squared_distances(x)
    median = float(np.median(np.sqrt(squared[np.triu_indices(n, 1)])))
    made = []
    for fraction in fractions:
        if median == 0:  # at least half of the pairs coincide: there is no width to speak of
            made.append(RbfKernel(np.full_like(squared, np.nan)))
            continue
        # centring takes constants away, so that exp(…) − 1 serves, which wide kernels need
        kernel = np.expm1(-squared / (2 * (fraction * median) ** 2))
        made.append(RbfKernel(centred_kernel(kernel, debiased=debiased)))
    return made


def squared_distances(x: Float[np.ndarray, "items dim"]) -> Float[np.ndarray, "items items"]:
    """Return all squared distances, in units of the sum of squares of the centred items."""
    centred = Centred.of(x.astype(np.float64))
    products = centred.x.numpy() @ centred.x.numpy().T
    squared = centred.squares[:, None] + centred.squares[None, :] - 2 * products
    # the difference of large numbers: what is below their rounding is no distance
    squared[squared <= 1e-14 * (centred.squares[:, None] + centred.squares[None, :])] = 0.0
    np.fill_diagonal(squared, 0.0)
    return squared


def rbf_cka(
    x: Float[np.ndarray, "n_x dim_x"],
    y: Float[np.ndarray, "n_y dim_y"],
    *,
    fraction: float = 1.0,
    debiased: bool = True,
) -> float:
    """Return the CKA of two representations with RBF kernels.

    Rotations, one scale for all channels, and shifts of either side do not change it. Costs
    O(items² · dim) and matrices of items × items.

    Args:
        x: embeddings, one row an item.
        y: embeddings of the same items in the same order; may have another dim.
        fraction: σ as a fraction of the median distance between items.
        debiased: use the U-statistic, which is 0 on average for unrelated items.

    Returns:
        In [0, 1]; if debiased at most about 1, possibly negative. 1 for x = y.

    Raises:
        ValueError: if rows do not match, there are too few or too many items, the fraction is not
            positive, or CKA is undefined.

    Source: Kornblith et al., arXiv:1905.00414.
    """
    check_paired(x, y)
    left, right = (RbfKernel.of(side, fraction=fraction, debiased=debiased) for side in (x, y))
    value = left.cka(right)
    if math.isnan(value):
        raise ValueError(UNDEFINED)
    return value


def rbf_cka_widths(
    x: Float[np.ndarray, "n_x dim_x"],
    y: Float[np.ndarray, "n_y dim_y"],
    *,
    fractions: Sequence[float] = FRACTIONS,
    debiased: bool = True,
) -> RbfCka:
    """Return RBF CKA at several widths, from one matrix of distances a side.

    Args:
        x: embeddings, one row an item.
        y: embeddings of the same items in the same order.
        fractions: σ as fractions of the median distance.
        debiased: as in `rbf_cka`.

    Returns:
        One value a width.

    Raises:
        ValueError: if rows do not match, there are too few or too many items, or a fraction is
            not positive.
    """
    check_paired(x, y)
    left, right = (_kernels(side, fractions, debiased=debiased) for side in (x, y))
    values = [one.cka(other) for one, other in zip(left, right, strict=True)]
    return RbfCka(
        fractions=tuple(fractions),
        values=tuple(None if math.isnan(value) else value for value in values),
        debiased=debiased,
        n=len(x),
        reason=UNDEFINED if any(math.isnan(value) for value in values) else "",
    )
