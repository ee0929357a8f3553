"""Mutual nearest neighbours: do items have the same neighbours in two representations?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt

from probes.checks import check_paired
from probes.neighbours import nearest

K = 10
MOST_LAYERS = 64  # one bit each
MOST_BYTES = 1 << 30  # a permutation test's table may hold
EXACT = 1 << 24  # counts below it are exact in single precision


def knn_graph(
    x: Float[np.ndarray, "items dim"], k: int = K, *, device: str = "cpu"
) -> Int[np.ndarray, "items k"]:
    """Return the k nearest other items of every item by cosine, nearest first.

    Args:
        x: embeddings, one row an item.
        k: neighbours, the item itself not counted.
        device: where the cosines are computed.

    Raises:
        ValueError: if k does not lie between 1 and items − 1.
    """
    if not 1 <= k < len(x):
        raise ValueError(f"k={k} neighbours among {len(x)} items; choose 1 <= k <= {len(x) - 1}")
    return nearest(x, x, k, itself=np.arange(len(x)), device=device).ids


def overlap(
    one: Int[np.ndarray, "items k"], other: Int[np.ndarray, "items k"]
) -> Float[np.ndarray, " items"]:
    """Return, for every item, the share of its neighbours that two graphs have in common.

    The items may be some of those that the neighbours are among.
    """
    items, k = one.shape
    offset = np.arange(items)[:, None] * (1 + max(int(one.max()), int(other.max())))
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

    If y is reordered by π, the neighbours of its item i are π⁻¹ of the old neighbours of π(i). A
    pair of neighbours in several layers is looked up once for all of them.
    """

    table: UInt[np.ndarray, "items items"]
    """Bit l of entry (i, j): is j a neighbour of i in layer l of the left stack?"""

    ends: Int[np.ndarray, "2 edges"]
    """An item and its neighbour, for every pair that is one in any layer of the right stack."""

    holders: Float[np.ndarray, "edges layers_y"]
    """1 for the layers of the right stack in which they are neighbours, else 0."""

    layers: int
    """Of the left stack."""

    edges: int
    """Of one layer: items · k."""

    note: str = "rows of y"

    @classmethod
    def of(
        cls,
        graphs_x: Sequence[Int[np.ndarray, "items k"]],
        graphs_y: Sequence[Int[np.ndarray, "items k"]],
    ) -> "MutualKnnNull":
        """Write the left graphs into one table of bits, and list the edges of the right ones.

        Raises:
            ValueError: if the left stack has more layers than bits, or the table would need too
                much memory.
        """
        layers, (items, k) = len(graphs_x), graphs_x[0].shape
        if layers > MOST_LAYERS:
            raise ValueError(f"{layers} layers at once; at most {MOST_LAYERS} can be tested")
        kind = next(t for t in (np.uint8, np.uint16, np.uint32, np.uint64) if layers <= bits(t))
        if items * items * np.dtype(kind).itemsize > MOST_BYTES:
            most = math.isqrt(MOST_BYTES // np.dtype(kind).itemsize)
            raise ValueError(
                f"a permutation test of mutual kNN on {items} items and {layers} layers needs more "
                f"than {MOST_BYTES >> 30} GiB; take a random subset of at most {most} items"
            )
        table = np.zeros((items, items), dtype=kind)
        rows = np.arange(items)[:, None]
        for layer, graph in enumerate(graphs_x):
            table[rows, graph] |= kind(1 << layer)
        keys = [(graph + rows * items).ravel() for graph in graphs_y]
        every = np.unique(np.concatenate(keys))
        holders = np.zeros((len(every), len(keys)), dtype=np.float32)
        for layer, own in enumerate(keys):
            holders[np.searchsorted(every, own), layer] = 1.0
        return cls(table, np.stack(np.divmod(every, items)), holders, layers, items * k)

    def values(self, order: Int[np.ndarray, " items"]) -> Float[np.ndarray, "layers_x layers_y"]:
        """Return mutual kNN with item i of the left paired to item order[i] of the right."""
        items = len(order)
        back = np.empty_like(order)
        back[order] = np.arange(items)
        found = self.table.ravel().take((back * items)[self.ends[0]] + back[self.ends[1]])
        hits = np.flatnonzero(found)
        low_first = found[hits].astype(self.table.dtype.newbyteorder("<"))
        unpacked = np.unpackbits(low_first[:, None].view(np.uint8), axis=1, bitorder="little")
        counts = np.zeros((self.layers, self.holders.shape[1]))
        for start in range(0, len(hits), EXACT):
            part = slice(start, start + EXACT)
            counts += unpacked[part, : self.layers].astype(np.float32).T @ self.holders[hits[part]]
        return counts / self.edges


def bits(kind: type[np.unsignedinteger]) -> int:
    """Return how many bits an unsigned integer type has."""
    return np.iinfo(kind).bits
