"""Centred kernel alignment with the linear kernel: are two sets of pairwise products alike?

Biased CKA = ‖XᵀY‖² / (‖XᵀX‖ ‖YᵀY‖) with centred columns. On n unrelated items of d₁ and d₂
isotropic channels it is about √(d₁d₂ / ((n+d₁)(n+d₂))), far from 0 when n is not much above d.
Debiased CKA puts an unbiased estimate in each of the three places; unrelated items then give 0 on
average, and single values may be negative.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from probes.checks import check_paired

MOST_BYTES = 1 << 30  # kernels a permutation test may hold
SMALLEST = 4  # items: the debiased estimate divides by n − 3
FLAT = 1e-24  # share of the total sum of squares below which centred columns are rounding


@dataclass(frozen=True)
class _Prepared:
    """A centred representation of scale 1, with what CKA needs of it alone."""

    x: Float[np.ndarray, "items dim"]
    squares: Float[np.ndarray, " items"]  # ‖xᵢ‖²
    others: Float[np.ndarray, " items"]  # Σ_{j≠i} xᵢ·xⱼ

    @classmethod
    def of(cls, x: Float[np.ndarray, "items dim"]) -> "_Prepared":
        wide = x.astype(np.float64)
        total = np.linalg.norm(wide)
        wide = wide - wide.mean(axis=0)
        size = np.linalg.norm(wide)
        # all items alike: zero, so that every score on it is undefined
        wide = np.zeros_like(wide) if size**2 <= FLAT * total**2 else wide / size
        squares = np.einsum("ij,ij->i", wide, wide)
        return cls(wide, squares, wide @ wide.sum(axis=0) - squares)


def _hsic(left: _Prepared, right: _Prepared, *, debiased: bool) -> float:
    """Return the (un)biased dependence of two kernels, but for factors that cancel in CKA."""
    overlap = float(np.sum((left.x.T @ right.x) ** 2))
    if not debiased:
        return overlap
    n = len(left.x)
    off_diagonal = overlap - float(left.squares @ right.squares)
    sums = float(left.others.sum() * right.others.sum()) / ((n - 1) * (n - 2))
    return off_diagonal + sums - 2 * float(left.others @ right.others) / (n - 2)


def _ratio(cross: float, left: float, right: float) -> float:
    """Return CKA, or NaN if one representation has no spread (or none beyond the bias)."""
    return cross / math.sqrt(left * right) if left > 0 and right > 0 else math.nan


def linear_cka(
    x: Float[np.ndarray, "n_x dim_x"], y: Float[np.ndarray, "n_y dim_y"], *, debiased: bool = False
) -> float:
    """Return the linear CKA of two representations of the same items.

    Rotations, one scale for all channels, and shifts of either side do not change it; stretching
    single channels does. Costs O(items · dim_x · dim_y); no items × items matrix is made.

    Args:
        x: embeddings, one row an item.
        y: embeddings of the same items in the same order; may have another dim.
        debiased: use the U-statistic, which is 0 on average for unrelated items.

    Returns:
        In [0, 1]; if debiased at most about 1, possibly negative. 1 for x = y.

    Raises:
        ValueError: if rows do not match, there are fewer than 4 items, or CKA is undefined because
            one side has (nearly) the same embedding for all items.

    Source: Kornblith et al., arXiv:1905.00414; unbiased HSIC by Song et al., 2012.
    """
    check_paired(x, y)
    _check_enough(len(x))
    left, right = _Prepared.of(x), _Prepared.of(y)
    value = _ratio(
        _hsic(left, right, debiased=debiased),
        _hsic(left, left, debiased=debiased),
        _hsic(right, right, debiased=debiased),
    )
    if math.isnan(value):
        raise ValueError(UNDEFINED)
    return value


UNDEFINED = (
    "CKA is undefined: one representation is (nearly) the same for all items, "
    "so that its own dependence is not positive"
)


def _check_enough(items: int) -> None:
    if items < SMALLEST:
        raise ValueError(f"CKA needs at least {SMALLEST} items, got {items}")


def cka_values(
    xs: Sequence[Float[np.ndarray, "items _"]],
    ys: Sequence[Float[np.ndarray, "items _"]],
    *,
    debiased: bool = True,
) -> Float[np.ndarray, "layers_x layers_y"]:
    """Return the CKA of every layer of one stack with every layer of another.

    Args:
        xs: embeddings of each layer, finite.
        ys: embeddings of the same items in each layer of the other stack.
        debiased: as in `linear_cka`.

    Returns:
        One value a pair; NaN where it is undefined.
    """
    _check_enough(len(xs[0]))
    left, right = [_Prepared.of(x) for x in xs], [_Prepared.of(y) for y in ys]
    self_left = [_hsic(layer, layer, debiased=debiased) for layer in left]
    self_right = [_hsic(layer, layer, debiased=debiased) for layer in right]
    return np.array(
        [
            [
                _ratio(_hsic(a, b, debiased=debiased), self_left[i], self_right[j])
                for j, b in enumerate(right)
            ]
            for i, a in enumerate(left)
        ]
    )


@dataclass(frozen=True)
class CkaNull:
    """CKA of all pairs of layers under permutations of the items of one side.

    Holds one items × items matrix a layer, so that a permutation costs no product with dim.
    """

    left: Float[np.ndarray, "layers_x items items"]
    right: Float[np.ndarray, "layers_y items items"]

    @classmethod
    def of(
        cls,
        xs: Sequence[Float[np.ndarray, "items _"]],
        ys: Sequence[Float[np.ndarray, "items _"]],
        *,
        debiased: bool,
    ) -> "CkaNull":
        """Prepare the kernels; a layer without spread becomes NaN.

        Raises:
            ValueError: if the kernels would need too much memory.
        """
        items, layers = len(xs[0]), len(xs) + len(ys)
        if items * items * layers * 8 > MOST_BYTES:
            most = int(math.sqrt(MOST_BYTES / (8 * layers)))
            raise ValueError(
                f"a permutation test of CKA on {items} items and {layers} layers needs more than "
                f"{MOST_BYTES >> 30} GiB; take a random subset of at most {most} items"
            )
        kernel = _debiased_kernel if debiased else _centred_kernel
        return cls(np.stack([kernel(x) for x in xs]), np.stack([kernel(y) for y in ys]))

    def values(self, order: Int[np.ndarray, " items"]) -> Float[np.ndarray, "layers_x layers_y"]:
        """Return CKA with item i of the left paired to item order[i] of the right."""
        shuffled = self.right[:, order[:, None], order[None, :]]
        flat = (len(order) ** 2,)
        return self.left.reshape(-1, *flat) @ shuffled.reshape(-1, *flat).T


def _unit(kernel: Float[np.ndarray, "items items"]) -> Float[np.ndarray, "items items"]:
    size = np.linalg.norm(kernel)
    return kernel / size if size > 0 else np.full_like(kernel, np.nan)


def _centred_kernel(x: Float[np.ndarray, "items dim"]) -> Float[np.ndarray, "items items"]:
    centred = _Prepared.of(x).x
    return _unit(centred @ centred.T)


def _debiased_kernel(x: Float[np.ndarray, "items dim"]) -> Float[np.ndarray, "items items"]:
    """Return the U-centred kernel: sums of products of two are unbiased HSIC times n(n − 3)."""
    centred = _Prepared.of(x).x
    kernel = centred @ centred.T
    np.fill_diagonal(kernel, 0.0)
    n = len(kernel)
    rows = kernel.sum(axis=0) / (n - 2)
    kernel = kernel - rows[:, None] - rows[None, :] + rows.sum() / (n - 1)
    np.fill_diagonal(kernel, 0.0)
    return _unit(kernel)
