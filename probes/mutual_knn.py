"""Mutual nearest neighbours: do items have the same neighbours in two representations?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt

from probes.checks import check_paired
from probes.neighbours import nearest

K = 10
MOST_LAYERS = 64  # one bit each


def knn_graph(x: Float[np.ndarray, "items dim"], k: int = K) -> Int[np.ndarray, "items k"]:
    """Return the k nearest other items of every item by cosine, nearest first.

    Raises:
        ValueError: if k does not lie between 1 and items − 1.
    """
    if not 1 <= k < len(x):
        raise ValueError(f"k={k} neighbours among {len(x)} items; choose 1 <= k <= {len(x) - 1}")
    return nearest(x, x, k, itself=np.arange(len(x))).ids


def overlap(
    one: Int[np.ndarray, "items k"], other: Int[np.ndarray, "items k"]
) -> Float[np.ndarray, " items"]:
    """Return, for every item, the share of its neighbours that two graphs have in common."""
    items, k = one.shape
    offset = np.arange(items)[:, None] * items
    keys = np.sort((one + offset).ravel())
    wanted = (other + offset).ravel()
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return (keys[places] == wanted).reshape(items, k).mean(axis=1)


def mutual_knn(
    x: Float[np.ndarray, "n_x dim_x"], y: Float[np.ndarray, "n_y dim_y"], *, k: int = K
) -> float:
    """Return the mean share of the k nearest neighbours that items keep from x to y.

    Rotations and positive scales of single items do not change it, shifts do. Unrelated items
    give k / (items − 1). At fixed k the score falls when items are added.

    Args:
        x: embeddings, one row an item.
        y: embeddings of the same items in the same order; may have another dim.
        k: neighbours, the item itself not counted.

    Returns:
        In [0, 1]; 1 for x = y.

    Raises:
        ValueError: if rows do not match or k does not lie between 1 and items − 1.

    Source: Huh et al., arXiv:2405.07987.
    """
    check_paired(x, y)
    return float(overlap(knn_graph(x, k), knn_graph(y, k)).mean())


def mutual_knn_values(
    graphs_x: Sequence[Int[np.ndarray, "items k"]], graphs_y: Sequence[Int[np.ndarray, "items k"]]
) -> Float[np.ndarray, "layers_x layers_y"]:
    """Return the mutual kNN of every layer of one stack with every layer of another."""
    return np.array([[float(overlap(a, b).mean()) for b in graphs_y] for a in graphs_x])


@dataclass(frozen=True)
class MutualKnnNull:
    """Mutual kNN of all pairs of layers under permutations, without searching again.

    If y is reordered by π, the neighbours of its item i are π⁻¹ of the old neighbours of π(i).
    """

    table: UInt[np.ndarray, "items items"]
    """Bit l of entry (i, j): is j a neighbour of i in layer l of the left stack?"""

    layers: int
    right: Int[np.ndarray, "layers_y items k"]

    @classmethod
    def of(
        cls,
        graphs_x: Sequence[Int[np.ndarray, "items k"]],
        graphs_y: Sequence[Int[np.ndarray, "items k"]],
    ) -> "MutualKnnNull":
        """Write the left graphs into one table of bits.

        Raises:
            ValueError: if the left stack has more layers than bits.
        """
        if len(graphs_x) > MOST_LAYERS:
            raise ValueError(f"{len(graphs_x)} layers at once; at most {MOST_LAYERS} can be tested")
        items = len(graphs_x[0])
        kind = next(
            t for t in (np.uint8, np.uint16, np.uint32, np.uint64) if len(graphs_x) <= bits(t)
        )
        table = np.zeros((items, items), dtype=kind)
        rows = np.arange(items)[:, None]
        for layer, graph in enumerate(graphs_x):
            table[rows, graph] |= kind(1 << layer)
        return cls(table, len(graphs_x), np.stack(graphs_y))

    def values(self, order: Int[np.ndarray, " items"]) -> Float[np.ndarray, "layers_x layers_y"]:
        """Return mutual kNN with item i of the left paired to item order[i] of the right."""
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        hits = self.table[np.arange(len(order))[:, None], back[self.right[:, order]]]
        per_layer = [
            np.count_nonzero(hits & self.table.dtype.type(1 << layer), axis=(1, 2))
            for layer in range(self.layers)
        ]
        return np.stack(per_layer) / (self.right.shape[1] * self.right.shape[2])


def bits(kind: type[np.unsignedinteger]) -> int:
    """Return how many bits an unsigned integer type has."""
    return np.iinfo(kind).bits
