"""CKNNA: CKA on the pairs of items that are neighbours in both representations.

The mask of pairs is not symmetric: j may be a neighbour of i and not the other way round. The
reference code multiplies one masked kernel with the other's transpose, which counts only mutual
neighbours and makes the score depend, slightly, on which side comes first.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int

from probes.checks import check_paired
from probes.cka import check_enough
from probes.mutual_knn import K
from probes.neighbours import CHUNK, largest

Form = Literal["transposed", "platonic-rep", "plain"]
UNDEFINED = (
    "CKNNA is undefined: one representation has no dependence with itself beyond the bias "
    "(nearly the same products for all neighbours, or too few of them)"
)


@dataclass(frozen=True)
class Neighbourhood:
    """The products of every item with its nearest others, by inner product."""

    ids: Int[np.ndarray, "items k"]
    products: Float[np.ndarray, "items k"]
    """Inner products with them, in units of `scale`."""

    scale: float
    """Sum of squares of the embeddings."""

    @classmethod
    def of(cls, x: Float[np.ndarray, "items dim"], *, k: int = K) -> "Neighbourhood":
        """Search the neighbours of all items, the item itself left out."""
        n = len(x)
        check_enough(n, "CKNNA")
        if not 2 <= k < n:
            raise ValueError(f"CKNNA with k={k} of {n} items; choose 2 <= k <= {n - 1}")
        wide = x.astype(np.float64)
        size = float(np.linalg.norm(wide))
        rows = torch.from_numpy(wide / size if size else wide)
        step = max(1, CHUNK // n)
        found, products = [], []
        for start in range(0, n, step):
            part = rows[start : start + step] @ rows.T
            own = torch.arange(start, start + len(part))[:, None]
            ids, values = largest(part.scatter(1, own, -torch.inf), k)
            found.append(ids)
            products.append(values)
        return cls(torch.cat(found).numpy(), torch.cat(products).numpy(), size**2)

    def reorder(self, order: Int[np.ndarray, " items"]) -> "Neighbourhood":
        """Return the neighbourhoods of the items in another order."""
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return Neighbourhood(back[self.ids[order]], self.products[order], self.scale)

    def cknna(self, other: "Neighbourhood", form: Form = "transposed") -> float:
        """Return CKNNA; NaN if it is undefined."""
        one, two = self._sparse(self.products), other._sparse(other.products)
        ones = [side._sparse(np.ones_like(side.products)) for side in (self, other)]
        cross = _hsic(one * ones[1], two * ones[0], form)
        left, right = _hsic(one, one, form), _hsic(two, two, form)
        if not (left > 0 and right > 0):
            return math.nan
        if form != "platonic-rep":
            return cross / math.sqrt(left * right)
        scale = self.scale * other.scale  # that code divides by 1e-6 more, in units of the input
        return cross * scale / (math.sqrt(left * right) * scale + 1e-6)

    def _sparse(self, entries: Float[np.ndarray, "items k"]) -> Any:  # noqa: ANN401  # late import
        from scipy.sparse import csr_array  # imported late: the app starts without it

        items, k = self.ids.shape
        starts = np.arange(0, items * k + 1, k)
        return csr_array((entries.ravel(), self.ids.ravel(), starts), shape=(items, items))


def _hsic(one: Any, other: Any, form: Form) -> float:  # noqa: ANN401  # sparse arrays
    """Return the U-statistic of two masked kernels whose diagonals are 0."""
    n = one.shape[0]
    sums = one.sum() * other.sum() / ((n - 1) * (n - 2))
    if form == "plain":
        product, rows = (one * other).sum(), one.sum(axis=1) @ other.sum(axis=1)
    else:
        product, rows = (one * other.T.tocsr()).sum(), one.sum(axis=0) @ other.sum(axis=1)
    return float(product + sums - 2 * rows / (n - 2)) / (n * (n - 3))


def cknna(
    x: Float[np.ndarray, "n_x dim_x"],
    y: Float[np.ndarray, "n_y dim_y"],
    *,
    k: int = K,
    form: Form = "transposed",
) -> float:
    """Return debiased CKA restricted to pairs that are neighbours on both sides.

    Neighbours are those with the largest inner products: bring items to length 1 before for
    cosines. Rotations and one scale for all channels do not change it; shifts do, unless k is
    items − 1, where it is debiased linear CKA.

    Args:
        x: embeddings, one row an item.
        y: embeddings of the same items in the same order; may have another dim.
        k: neighbours, the item itself not counted.
        form: "transposed" as in platonic-rep, but without the 1e-6 which that adds to the
            denominator; "platonic-rep" with it, so that the scale of the input matters; "plain"
            multiplies the masked kernels entry by entry, and is symmetric.

    Returns:
        1 for x = y; at most about 1, possibly negative. Unrelated items do not give 0: the mask is
        shared. Only a permutation tells what they give.

    Raises:
        ValueError: if rows do not match, k does not lie between 2 and items − 1, or CKNNA is
            undefined.

    Source: Huh et al., arXiv:2405.07987; platonic-rep, `metrics.py`.
    """
    check_paired(x, y)
    value = Neighbourhood.of(x, k=k).cknna(Neighbourhood.of(y, k=k), form)
    if math.isnan(value):
        raise ValueError(UNDEFINED)
    return value
