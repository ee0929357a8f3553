"""Linear CKA under permutations of the items, for all pairs of layers at once.

A permutation in feature form costs as much as the value itself: items · dim² for every pair. Two
cheaper ways are here. Few items: kernels (items × items) are made once, and a permutation costs
items² a layer. Many items: layers are turned to their principal axes once, and a permutation only
multiplies the leading ones. CKA weighs axes by the square of their variance, so that few of them
hold nearly all of it; no items × items matrix is made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int

from probes.cka import Centred, centred_kernel, hsic

MOST_BYTES = 1 << 26  # of kernels; beyond, axes are many times as fast
SHARE = 0.9999  # of the squares of a layer's kernel, wanted on the leading axes
MOST_AXES = 128  # a layer


@runtime_checkable
class Permuted(Protocol):
    """A measure on all pairs of layers, as a function of how the right side is reordered."""

    @property
    def note(self) -> str:
        """Say what is permuted."""
        ...

    def values(self, order: Int[np.ndarray, " items"]) -> Float[np.ndarray, "layers_x layers_y"]:
        """Return the measure with item i of the left paired to item order[i] of the right."""
        ...


@dataclass(frozen=True)
class KernelNull:
    """CKA from centred kernels, one items × items matrix a layer: exact."""

    left: Float[np.ndarray, "layers_x items items"]
    right: Float[np.ndarray, "layers_y items items"]
    note: str = "rows of y"

    @classmethod
    def of(
        cls,
        xs: Sequence[Float[np.ndarray, "items _"]],
        ys: Sequence[Float[np.ndarray, "items _"]],
        *,
        debiased: bool,
    ) -> "KernelNull":
        """Prepare the kernels; a layer without spread becomes NaN."""
        left, right = (
            np.stack([_linear_kernel(layer, debiased=debiased) for layer in side])
            for side in (xs, ys)
        )
        return cls(left, right)

    def values(self, order: Int[np.ndarray, " items"]) -> Float[np.ndarray, "layers_x layers_y"]:
        """Return CKA with item i of the left paired to item order[i] of the right."""
        shuffled = self.right[:, order].take(order, axis=2)  # rows first: they lie together
        flat = (len(order) ** 2,)
        return self.left.reshape(-1, *flat) @ shuffled.reshape(-1, *flat).T


def _linear_kernel(
    x: Float[np.ndarray, "items dim"], *, debiased: bool
) -> Float[np.ndarray, "items items"]:
    wide = Centred.of(x.astype(np.float64)).x.numpy()
    return centred_kernel(wide @ wide.T, debiased=debiased)


@dataclass(frozen=True)
class _Side:
    """The leading principal axes of all layers of one stack, side by side."""

    z: Float[torch.Tensor, "items axes"]
    starts: Int[np.ndarray, " layers"]
    """First column of every layer in `z`."""

    squares: Float[np.ndarray, "layers items"]
    """‖xᵢ‖² on the leading axes."""

    size: Float[np.ndarray, " layers"]
    """√(a layer's own dependence), all axes counted; NaN if it is not positive."""

    total: Float[np.ndarray, " layers"]
    """Σ‖xᵢ‖², all axes counted."""

    share: float
    """Of a kernel's squares, what the leading axes hold; the least of all layers."""

    @classmethod
    def of(
        cls,
        xs: Sequence[Float[np.ndarray, "items _"]],
        *,
        debiased: bool,
        share: float,
        most_axes: int,
        device: str,
    ) -> "_Side":
        parts, sizes, totals, held = [], [], [], 1.0
        for x in xs:
            layer = Centred.of(x, device=device)
            own = hsic(layer, layer, debiased=debiased)
            sizes.append(np.sqrt(own) if own > 0 else np.nan)
            totals.append(layer.squares.sum())
            variances, axes = torch.linalg.eigh(layer.x.T @ layer.x)
            weights = variances.flip(0).double().square().cumsum(0)
            weights = weights / weights[-1].clamp_min(1e-300)
            kept = min(int((weights < share).sum()) + 1, most_axes, len(weights))
            held = min(held, float(weights[kept - 1])) if own > 0 else held
            parts.append(layer.x @ axes.flip(1)[:, :kept])
        widths = [part.shape[1] for part in parts]
        squares = torch.stack([part.double().square().sum(1) for part in parts]).cpu().numpy()
        starts = np.cumsum([0, *widths[:-1]])
        return cls(torch.cat(parts, 1), starts, squares, np.array(sizes), np.array(totals), held)


@dataclass(frozen=True)
class AxesNull:
    """CKA of the leading principal axes, plus what the others add to it on average.

    Divided by the lengths of the whole kernels, so that it is CKA but for the part of the other
    axes that goes up and down with the permutation. That part is left out of the value at the
    identity too: the two sides of the comparison are the same statistic, which keeps the test
    valid whatever the share. The values of debiased CKA add nothing on average.
    """

    left: _Side
    right: _Side
    debiased: bool

    @classmethod
    def of(
        cls,
        xs: Sequence[Float[np.ndarray, "items _"]],
        ys: Sequence[Float[np.ndarray, "items _"]],
        *,
        debiased: bool,
        share: float = SHARE,
        most_axes: int = MOST_AXES,
        device: str = "cpu",
    ) -> "AxesNull":
        """Turn every layer to its principal axes.

        Args:
            xs: embeddings of each layer.
            ys: embeddings of the same items in each layer of the other stack.
            debiased: as in `linear_cka`.
            share: of the squares of a layer's kernel that its leading axes shall hold.
            most_axes: of one layer, also where they hold less.
            device: where the products are made.
        """
        sides = (
            _Side.of(side, debiased=debiased, share=share, most_axes=most_axes, device=device)
            for side in (xs, ys)
        )
        return cls(*sides, debiased=debiased)

    @property
    def note(self) -> str:
        """What is permuted, and on how much of the kernels."""
        share = 100 * min(self.left.share, self.right.share)
        return f"rows of y, on principal axes with at least {share:.4g} % of each kernel's squares"

    def values(self, order: Int[np.ndarray, " items"]) -> Float[np.ndarray, "layers_x layers_y"]:
        """Return CKA with item i of the left paired to item order[i] of the right."""
        left, right, n = self.left, self.right, len(order)
        where = torch.from_numpy(order).to(right.z.device)
        products = (left.z.T @ right.z[where]).square().cpu().numpy()
        rows = np.add.reduceat(products, left.starts, axis=0, dtype=np.float64)
        overlap = np.add.reduceat(rows, right.starts, axis=1)
        one, other = left.squares.sum(axis=1), right.squares.sum(axis=1)
        if self.debiased:
            diagonal = left.squares @ right.squares[:, order].T
            both = np.outer(one, other) / ((n - 1) * (n - 2))
            overlap = overlap - diagonal * n / (n - 2) + both
        else:
            overlap += (np.outer(left.total, right.total) - np.outer(one, other)) / (n - 1)
        return overlap / np.outer(left.size, right.size)


def cka_null(
    xs: Sequence[Float[np.ndarray, "items _"]],
    ys: Sequence[Float[np.ndarray, "items _"]],
    *,
    debiased: bool,
    device: str = "cpu",
) -> Permuted:
    """Return CKA as a function of the permutation: exact for few items, on axes for many."""
    items, layers = len(xs[0]), len(xs) + len(ys)
    if items * items * layers * 8 <= MOST_BYTES:
        return KernelNull.of(xs, ys, debiased=debiased)
    return AxesNull.of(xs, ys, debiased=debiased, device=device)
