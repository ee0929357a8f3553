"""Centred kernel alignment with the linear kernel: are two sets of pairwise products alike?

Biased CKA = ‖XᵀY‖² / (‖XᵀX‖ ‖YᵀY‖) with centred columns. On n unrelated items of d₁ and d₂
isotropic channels it is about √(d₁d₂ / ((n+d₁)(n+d₂))), far from 0 when n is not much above d.
Debiased CKA puts an unbiased estimate (that of Song et al.: diagonals left out) in each of the
three places; unrelated items then give 0 on average, and single values may be negative.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float

from probes.checks import check_paired

SMALLEST = 4  # items: the debiased estimate divides by n − 3
ROUNDING = 1e-12  # of a kernel's length; what is left below it after centring
FLAT = ROUNDING**2  # share of the total sum of squares below which centred columns are rounding

UNDEFINED = (
    "CKA is undefined: one representation is (nearly) the same for all items, "
    "so that its own dependence is not positive"
)


@dataclass(frozen=True)
class Centred:
    """A centred representation of scale 1, with what CKA needs of it alone."""

    x: Float[torch.Tensor, "items dim"]
    squares: Float[np.ndarray, " items"]  # ‖xᵢ‖², in double precision

    @classmethod
    def of(cls, x: Float[np.ndarray, "items dim"], *, device: str = "cpu") -> "Centred":
        """Centre in double precision; go on in single precision unless `x` is double."""
        wide = x.astype(np.float64)
        total = np.linalg.norm(wide)
        wide -= wide.mean(axis=0)
        size = np.linalg.norm(wide)
        # all items alike: zero, so that every score on it is undefined
        wide *= 0.0 if size**2 <= FLAT * total**2 else 1 / size
        kept = wide.astype(x.dtype if x.dtype == np.float64 else np.float32, copy=False)
        squares = np.einsum("ij,ij->i", kept, kept, dtype=np.float64)
        return cls(torch.from_numpy(kept).to(device), squares)


def hsic(left: Centred, right: Centred, *, debiased: bool) -> float:
    """Return the (un)biased dependence of two kernels, but for factors that cancel in CKA.

    Costs O(items · dim · dim); no items × items matrix is made. With centred columns the products
    of an item with all others sum to minus its square, which leaves two corrections.
    """
    product = left.x.T @ right.x
    overlap = float(torch.linalg.vector_norm(product, dtype=torch.float64)) ** 2
    if not debiased:
        return overlap
    n = len(left.squares)
    diagonal = float(left.squares @ right.squares) * n / (n - 2)
    return overlap - diagonal + left.squares.sum() * right.squares.sum() / ((n - 1) * (n - 2))


def _ratio(cross: float, left: float, right: float) -> float:
    """Return CKA, or NaN if one representation has no spread (or none beyond the bias)."""
    return cross / math.sqrt(left * right) if left > 0 and right > 0 else math.nan


def linear_cka(
    x: Float[np.ndarray, "n_x dim_x"],
    y: Float[np.ndarray, "n_y dim_y"],
    *,
    debiased: bool = False,
    device: str = "cpu",
    compat: Literal["lange"] | None = None,
) -> float:
    """Return the linear CKA of two representations of the same items.

    Rotations, one scale for all channels, and shifts of either side do not change it; stretching
    single channels does. Costs O(items · dim_x · dim_y); no items × items matrix is made.

    Args:
        x: embeddings, one row an item.
        y: embeddings of the same items in the same order; may have another dim.
        debiased: use the U-statistic, which is 0 on average for unrelated items.
        device: where the products are made, as torch names it.
        compat: "lange" for the debiased estimate of repsim, which leaves the diagonals out after
            centring, not before; it has a bias of order 1/items.

    Returns:
        In [0, 1]; if debiased at most about 1, possibly negative. 1 for x = y.

    Raises:
        ValueError: if rows do not match, there are fewer than 4 items, or CKA is undefined because
            one side has (nearly) the same embedding for all items.

    Source: Kornblith et al., arXiv:1905.00414; unbiased HSIC by Song et al., 2012.
    """
    check_paired(x, y)
    if compat == "lange":
        check_enough(len(x))
        left, right = Centred.of(x, device=device), Centred.of(y, device=device)
        pairs = (left, right), (left, left), (right, right)
        value = _ratio(*(_without_diagonal(one, other) for one, other in pairs))
    else:
        value = float(cka_values([x], [y], debiased=debiased, device=device)[0, 0])
    if math.isnan(value):
        raise ValueError(UNDEFINED)
    return value


def _without_diagonal(left: Centred, right: Centred) -> float:
    return hsic(left, right, debiased=False) - float(left.squares @ right.squares)


def check_enough(items: int, measure: str = "CKA") -> None:
    """Raise ValueError if the debiased estimate does not exist for so few items."""
    if items < SMALLEST:
        raise ValueError(f"{measure} needs at least {SMALLEST} items, got {items}")


def cka_values(
    xs: Sequence[Float[np.ndarray, "items _"]],
    ys: Sequence[Float[np.ndarray, "items _"]],
    *,
    debiased: bool = True,
    device: str = "cpu",
) -> Float[np.ndarray, "layers_x layers_y"]:
    """Return the CKA of every layer of one stack with every layer of another.

    Each layer is centred once. Beside the input, one stack and one layer are held in memory.

    Args:
        xs: embeddings of each layer, finite.
        ys: embeddings of the same items in each layer of the other stack.
        debiased: as in `linear_cka`.
        device: where the products are made.

    Returns:
        One value a pair; NaN where it is undefined.
    """
    check_enough(len(xs[0]))
    right = [Centred.of(y, device=device) for y in ys]
    self_right = [hsic(layer, layer, debiased=debiased) for layer in right]
    values = np.empty((len(xs), len(ys)))
    for i, x in enumerate(xs):
        layer = Centred.of(x, device=device)
        own = hsic(layer, layer, debiased=debiased)
        for j, other in enumerate(right):
            cross = hsic(layer, other, debiased=debiased)
            values[i, j] = _ratio(cross, own, self_right[j])
    return values


def centred_kernel(
    kernel: Float[np.ndarray, "items items"], *, debiased: bool
) -> Float[np.ndarray, "items items"]:
    """Centre a kernel and bring it to length 1, so that CKA is the sum of products of two.

    Args:
        kernel: symmetric; any kernel, not only the linear one.
        debiased: centre it so that the diagonal, which is put to 0, does not count.

    Returns:
        The kernel; NaN if nothing but rounding is left of it.
    """
    n = len(kernel)
    if debiased:
        kernel = kernel - np.diag(np.diag(kernel))
    raw = np.linalg.norm(kernel)
    if debiased:
        rows = kernel.sum(axis=0) / (n - 2)
        kernel = kernel - rows[:, None] - rows[None, :] + rows.sum() / (n - 1)
        np.fill_diagonal(kernel, 0.0)
    else:
        rows = kernel.mean(axis=0)
        kernel = kernel - rows[:, None] - rows[None, :] + rows.mean()
    size = np.linalg.norm(kernel)
    return kernel / size if size > ROUNDING * raw else np.full_like(kernel, np.nan)
