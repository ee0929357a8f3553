"""Go on with a UMAP layout from where an earlier one ended, moving only as much as is needed."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from probes.checks import unit_rows
from probes.maps import cosine_graph, import_umap

EPOCHS = 200
RATE = 0.25
"""Learning rate where half of the neighbours or more have changed; below that, in proportion."""


@dataclass(frozen=True)
class Neighbourhood:
    """Who is near whom in one representation."""

    directions: Float[np.ndarray, "items dim"]
    ids: Int[np.ndarray, "items k"]
    """The item itself, then its nearest."""

    distances: Float[np.ndarray, "items k"]
    """1 − cosine."""

    @staticmethod
    def of(x: Float[np.ndarray, "items dim"], n_neighbors: int) -> "Neighbourhood":
        """Search the neighbours of every item; `n_neighbors` counts the item itself."""
        directions = unit_rows(x)
        return Neighbourhood(directions, *cosine_graph(directions, n_neighbors))

    def changed(self, other: "Neighbourhood") -> float:
        """Return the share of neighbours, the item itself not counted, that differ in `other`."""
        n, k = self.ids.shape
        # a neighbour as one number, row · items + column: shared ones are found in one sweep
        rows = np.arange(n)[:, None] * n
        shared = np.intersect1d(self.ids[:, 1:] + rows, other.ids[:, 1:] + rows)
        return 1 - len(shared) / (n * (k - 1))


def learning_rate(changed: float) -> float:
    """Return how far points may move if a share of the neighbours has changed.

    The noise of the layout moves points even where nothing has changed; its size is the learning
    rate. In proportion to the change it vanishes where there is none.
    """
    return RATE * min(1.0, 2 * changed)


def continue_layout(
    start: Float[np.ndarray, "items 2"],
    near: Neighbourhood,
    *,
    rate: float,
    min_dist: float,
    seed: int,
    epochs: int = EPOCHS,
) -> Float[np.ndarray, "items 2"]:
    """Move points until the neighbours of another representation are together.

    UMAP itself would squeeze the start into a square first, which moves all points; this goes on
    from the very places, by UMAP's own functions.

    Args:
        start: where the points are.
        near: the neighbours that should be together.
        rate: learning rate at the first epoch; 0 moves nothing.
        min_dist: how close items may come on the map.
        seed: of the layout.
        epochs: how often to go through the neighbours.

    Returns:
        The new places.

    Source: McInnes, Healy and Melville, arXiv:1802.03426.
    """
    import_umap()
    from scipy.sparse import coo_array
    from umap.layouts import optimize_layout_euclidean
    from umap.umap_ import find_ab_params, fuzzy_simplicial_set, make_epochs_per_sample

    random = np.random.RandomState(seed)  # the only kind that UMAP takes
    found = fuzzy_simplicial_set(
        near.directions,
        near.ids.shape[1],
        random,
        "cosine",
        knn_indices=near.ids,
        knn_dists=near.distances,
    )
    graph = coo_array(found[0])
    graph.sum_duplicates()
    graph.data[graph.data < graph.data.max() / epochs] = 0  # these would never be drawn
    graph.eliminate_zeros()
    a, b = find_ab_params(1.0, min_dist)
    places = np.array(start, dtype=np.float32, order="C")
    limits = np.iinfo(np.int32)
    moved = optimize_layout_euclidean(
        places,
        places,
        graph.row,
        graph.col,
        epochs,
        len(places),
        make_epochs_per_sample(graph.data, epochs),
        a,
        b,
        random.randint(limits.min + 1, limits.max - 1, 3).astype(np.int64),
        initial_alpha=rate,
        move_other=True,
    )
    return np.asarray(moved, dtype=np.float64)
