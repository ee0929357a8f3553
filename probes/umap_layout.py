"""UMAP: who is near whom, how surely, and a layout that brings them together.

The method is that of umap-learn, and so are all constants. The neighbours are exact, the layout is
compiled for two dimensions alone, and going on from an earlier layout moves only what has cause to.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float32, Int

from probes.checks import unit_rows
from probes.neighbours import nearest
from probes.progress import tell

if TYPE_CHECKING:
    from scipy.sparse import csr_array

EPOCHS = 200
"""Sweeps over the neighbours. More are hardly better: at 500 maps of 4,500 items have the same
trustworthiness to the third digit."""

FEW_ITEMS = 2000
EPOCHS_OF_FEW = 500
RATE = 0.25
"""Learning rate of going on where half of the neighbours or more have changed."""

NEGATIVES = 5
REACH = 40.0
"""Distance on the map up to which forces are tabulated; beyond, strangers are as good as free."""

CELLS = 1 << 13
CLOSEST = 1e-2
"""Distance below which the pull grows no further."""


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


def cosine_graph(
    directions: Float[np.ndarray, "items dim"], k: int
) -> tuple[Int[np.ndarray, "items k"], Float[np.ndarray, "items k"]]:
    """Return neighbour lists: the item itself at distance 0, then the k − 1 nearest."""
    own = np.arange(len(directions))
    found = nearest(directions, directions, k - 1, itself=own)
    distances = np.clip(1 - found.cosines, 0, None)
    ids = np.hstack([own[:, None], found.ids])
    return ids, np.hstack([np.zeros((len(own), 1)), distances]).astype(np.float32)


def default_epochs(items: int) -> int:
    """Return how often to go through the neighbours: more often where it is cheap."""
    return EPOCHS_OF_FEW if items <= FEW_ITEMS else EPOCHS


def learning_rate(changed: float) -> float:
    """Return how far points may move if a share of the neighbours has changed.

    The noise of the layout moves points even where nothing has changed; its size is the learning
    rate. In proportion to the change it vanishes where there is none.
    """
    return RATE * min(1.0, 2 * changed)


def membership(near: Neighbourhood) -> "csr_array":
    """Return how surely items belong together, from 0 to 1, symmetric.

    An item is sure of its nearest neighbour; from there it falls as exp(−(d − ρ) / σ), with σ such
    that the sum over its neighbours is log₂ k. Two items belong together if one or the other is
    sure of it: p + q − p q.

    Source: McInnes, Healy and Melville, arXiv:1802.03426, section 3.1.
    """
    from scipy.sparse import csr_array  # imported late: the app starts without it

    distances = near.distances.astype(np.float64)
    n, k = distances.shape
    positive = np.where(distances > 0, distances, np.inf).min(axis=1)
    rho = np.where(np.isfinite(positive), positive, 0.0)
    beyond = np.maximum(distances[:, 1:] - rho[:, None], 0)
    low, high, sigma = np.zeros(n), np.full(n, np.inf), np.ones(n)
    for _ in range(64):
        above = np.exp(-beyond / sigma[:, None]).sum(axis=1) > np.log2(k)
        high, low = np.where(above, sigma, high), np.where(above, low, sigma)
        sigma = np.where(np.isinf(high), 2 * sigma, (low + high) / 2)
    least = np.where(rho > 0, distances.mean(axis=1), distances.mean())
    sigma = np.maximum(sigma, 1e-3 * least)
    sure = np.where(beyond > 0, np.exp(-beyond / sigma[:, None]), 1.0)
    rows = np.repeat(np.arange(n), k - 1)
    one_way = csr_array((sure.ravel(), (rows, near.ids[:, 1:].ravel())), shape=(n, n))
    back = one_way.T.tocsr()
    both = csr_array(one_way + back - one_way.multiply(back))
    both.sort_indices()
    return both


def curve(min_dist: float) -> tuple[float, float]:
    """Return a and b of 1 / (1 + a d^2b), which is near 1 up to `min_dist` and then near e^(−d)."""
    from scipy.optimize import curve_fit  # imported late: the app starts without it

    distances = np.linspace(0, 3, 300)
    wanted = np.where(distances < min_dist, 1.0, np.exp(-(distances - min_dist)))
    (a, b), _ = curve_fit(lambda d, a, b: 1 / (1 + a * d ** (2 * b)), distances, wanted)
    return float(a), float(b)


def forces(
    min_dist: float,
) -> tuple[Float32[np.ndarray, " cells"], Float32[np.ndarray, " cells"]]:
    """Return pull and push over distance, each divided by the distance, from 0 to `REACH`."""
    a, b = curve(min_dist)
    squares = np.maximum(np.arange(CELLS + 1) / CELLS * REACH, CLOSEST) ** 2
    spread = a * squares**b
    pulls = 2 * b * spread / squares / (1 + spread)
    pushes = 2 * b / ((0.001 + squares) * (1 + spread))
    return pulls.astype(np.float32), pushes.astype(np.float32)


def lay_out(
    start: Float[np.ndarray, "items 2"],
    near: Neighbourhood,
    *,
    rate: float,
    min_dist: float,
    seed: int,
    epochs: int = EPOCHS,
) -> Float[np.ndarray, "items 2"]:
    """Move points from where they are until neighbours are together and strangers apart.

    Stochastic, but the same for the same seed: one thread goes through the items in their order.

    Args:
        start: where the points are; points in one place stay together.
        near: the neighbours that should be together.
        rate: learning rate at the first epoch, falling to 0; with 0 nothing moves.
        min_dist: how close items may come on the map.
        seed: of the strangers drawn.
        epochs: how often to go through the neighbours.

    Returns:
        The new places.

    Source: McInnes, Healy and Melville, arXiv:1802.03426.
    """
    from probes.umap_kernel import sweep  # imported late: it compiles

    graph = membership(near)
    graph.data /= graph.data.max()
    graph.data[graph.data < 1 / epochs] = 0  # these would never have a turn
    graph.eliminate_zeros()
    pulls, pushes = forces(min_dist)
    rng = np.random.default_rng(seed)
    places = np.array(start, dtype=np.float32, order="C")
    states = rng.integers(1, 2**63, size=len(places), dtype=np.uint64)
    weights, due = graph.data.astype(np.float32), np.zeros(graph.nnz, dtype=np.float32)
    for epoch in range(epochs):
        tell("layout", epoch, epochs)
        sweep(
            places,
            graph.indptr,
            graph.indices,
            weights,
            due,
            states,
            pulls,
            pushes,
            np.float32(CELLS / REACH),
            np.float32(rate * (1 - epoch / epochs)),
            NEGATIVES,
        )
    tell("layout", epochs, epochs)
    return places.astype(np.float64)
