"""Two-dimensional maps of embeddings, each with how far its neighbourhoods can be trusted.

All maps are made by functions of one kind (`MapMaker`): embeddings, seed and k in, a `Map` out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from probes.checks import check_finite, unit_rows
from probes.principal import principal
from probes.result import Plain, Score, to_plain
from probes.trust import drawn_by_lot, trustworthiness, undefined_as_none
from probes.umap_layout import Neighbourhood, cosine_graph, default_epochs, lay_out

NEIGHBOURS = 15
MIN_DIST = 0.1
PERPLEXITY = 30.0
FEWEST = 3  # items
JITTER = 0.01
"""Of the start of t-SNE, in its spread: its only chance, and what parts equal items."""

SQUARE = 10.0
"""Side of the square that UMAP starts in."""

PARTING = 1e-4
"""Noise of its start, in sides of the square: it parts equal items."""

MapMethod = Literal["pca", "tsne", "umap"]


@dataclass(frozen=True, kw_only=True)
class Map:
    """A picture of embeddings."""

    coordinates: Float[np.ndarray, "items 2"]
    method: MapMethod
    settings: Mapping[str, int | float | str]
    """What was really used, after fitting to the number of items."""

    trustworthiness: Score
    """1: neighbours on the map are neighbours in the embedding."""

    item_trust: Float[np.ndarray, " items"]
    """The same for every item: how far its neighbours on the map can be believed. NaN for those
    that were not judged: of many items some are drawn by lot, see `with_trust`."""

    def about(self) -> Plain:
        """Return how the map was made and how far it can be trusted, without the items."""
        about = {name: getattr(self, name) for name in ("method", "settings", "trustworthiness")}
        return to_plain(about)

    def to_json(self) -> Plain:
        """Return the map as plain JSON; the trust of an item that was not judged is None."""
        places = self.coordinates.tolist()
        return {
            "coordinates": places,
            **self.about(),
            "item_trust": undefined_as_none(self.item_trust),
        }


@runtime_checkable
class MapMaker(Protocol):
    """What all functions that draw maps have in common; each has settings of its own besides."""

    def __call__(
        self, x: Float[np.ndarray, "items dim"], *, seed: int = 0, trust_k: int = NEIGHBOURS
    ) -> Map:
        """Return the map of `x`."""
        ...


def pca_map(x: Float[np.ndarray, "items dim"], *, seed: int = 0, trust_k: int = NEIGHBOURS) -> Map:
    """Project on the two axes of largest variance.

    The signs are fixed: the channel that weighs most in an axis counts positive. With one channel
    the second coordinate is 0.

    Args:
        x: embeddings.
        seed: of the items whose trust is measured, if they are many; the map has no chance in it.
        trust_k: neighbours for the trustworthiness (Euclidean), lowered for few items.

    Returns:
        The map; its settings hold the share of variance of each axis.

    Raises:
        ValueError: if there are fewer than three items, or all are the same.
    """
    check_enough(x)
    coordinates, shares = principal(x)
    settings = {"variance_1": shares[0], "variance_2": shares[1], "metric": "euclidean"}
    return with_trust(x, coordinates, "pca", settings, trust_k, seed=seed)


def umap_map(
    x: Float[np.ndarray, "items dim"],
    *,
    seed: int = 0,
    n_neighbors: int = NEIGHBOURS,
    min_dist: float = MIN_DIST,
    trust_k: int = NEIGHBOURS,
) -> Map:
    """Lay out items so that neighbours by cosine come together (UMAP).

    Neighbours are exact, from one matrix product; the layout starts from the principal axes.
    The same seed gives the same map on one machine with the same versions, not everywhere. It is as
    trustworthy as umap-learn's, in a fraction of the time, but not the same to the point.

    Args:
        x: embeddings; only their directions count.
        seed: of the layout.
        n_neighbors: how many neighbours hold an item, itself among them; lowered for few items.
        min_dist: how close items may come on the map.
        trust_k: neighbours for the trustworthiness (cosine), lowered for few items.

    Returns:
        The map.

    Raises:
        ValueError: if there are fewer than three items, all are the same, or a row has length 0.

    Source: McInnes, Healy and Melville, arXiv:1802.03426.
    """
    coordinates, settings = umap_places(x, seed=seed, n_neighbors=n_neighbors, min_dist=min_dist)
    return with_trust(unit_rows(x), coordinates, "umap", settings, trust_k, seed=seed)


def umap_places(
    x: Float[np.ndarray, "items dim"], *, seed: int, n_neighbors: int, min_dist: float
) -> tuple[Float[np.ndarray, "items 2"], Mapping[str, int | float | str]]:
    """Return the places of `umap_map` and its settings, without how far they can be trusted."""
    check_enough(x)
    n_neighbors = max(2, min(n_neighbors, len(x) - 1))
    near = Neighbourhood.of(x, n_neighbors)
    start, _ = principal(near.directions)
    span = np.ptp(start, axis=0)
    start = SQUARE * (start - start.min(axis=0)) / np.where(span > 0, span, 1)
    start += PARTING * SQUARE * np.random.default_rng(seed).normal(size=start.shape)
    epochs = default_epochs(len(x))
    places = lay_out(start, near, rate=1.0, min_dist=min_dist, seed=seed, epochs=epochs)
    settings = {
        "n_neighbors": n_neighbors,
        "min_dist": min_dist,
        "metric": "cosine",
        "neighbours": "exact",
        "start": "principal axes",
        "epochs": epochs,
        "learning_rate": 1.0,
        "seed": seed,
    }
    return places, settings


def tsne_map(
    x: Float[np.ndarray, "items dim"],
    *,
    seed: int = 0,
    perplexity: float = PERPLEXITY,
    trust_k: int = NEIGHBOURS,
) -> Map:
    """Lay out items so that neighbours by cosine come together (t-SNE, of scikit-learn).

    Neighbours are exact, from one matrix product; distances are those on the unit sphere. The
    layout starts from the principal axes, which keeps the large picture, with a hundredth of noise
    from the seed.

    Args:
        x: embeddings; only their directions count.
        seed: of the noise of the start, without which there would be no chance in it.
        perplexity: how many neighbours hold an item, roughly; lowered for few items.
        trust_k: neighbours for the trustworthiness (cosine), lowered for few items.

    Returns:
        The map.

    Raises:
        ValueError: if there are fewer than three items, all are the same, a row has length 0, or
            the perplexity is below 1.

    Source: van der Maaten and Hinton, 2008; the start: Kobak and Linderman, 2021.
    """
    check_enough(x)
    if perplexity < 1:
        raise ValueError(f"perplexity={perplexity}: at least 1 neighbour has to hold an item")
    import sklearn  # imported late: it takes a while
    from scipy.sparse import csr_array
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    directions = unit_rows(x)
    n = len(x)
    perplexity = max(1.0, min(perplexity, (n - 1) / 3))
    start, _ = principal(directions)
    start /= start[:, 0].std()
    start += JITTER * np.random.default_rng(seed).normal(size=start.shape)
    # the item itself and the 3 · perplexity + 1 others that scikit-learn asks for
    ids, apart = cosine_graph(directions, 1 + min(n - 1, int(3 * perplexity + 1)))
    ends = np.arange(0, ids.size + 1, ids.shape[1])
    # ‖a − b‖² = 2 − 2 cos on the sphere
    graph = csr_array((np.sqrt(2 * apart).ravel(), ids.ravel(), ends), shape=(n, n))
    model = TSNE(
        perplexity=perplexity,
        metric="precomputed",
        init=(1e-4 * start).astype(np.float32),
        random_state=seed,
        n_jobs=1,
    )
    # many threads would add up forces in any order; and they wait for each other a thousand times,
    # which takes minutes instead of a second on a busy machine
    with threadpool_limits(1):
        coordinates = np.asarray(model.fit_transform(graph), dtype=np.float64)
    settings = {
        "perplexity": perplexity,
        "metric": "cosine",
        "neighbours": "exact",
        "start": "principal axes",
        "early_exaggeration": float(model.early_exaggeration),
        "learning_rate": float(model.learning_rate_),
        "iterations": int(model.n_iter_),
        "divergence": float(model.kl_divergence_),
        "seed": seed,
        "version": sklearn.__version__,
    }
    return with_trust(directions, coordinates, "tsne", settings, trust_k, seed=seed)


METHODS: Mapping[MapMethod, MapMaker] = {"pca": pca_map, "tsne": tsne_map, "umap": umap_map}
"""Every way to draw a map, by its name."""


def warm_up_umap() -> None:
    """Let UMAP compile, so that the first map of a session does not wait for it."""
    umap_map(np.random.default_rng(0).normal(size=(30, 4)))


def check_enough(x: Float[np.ndarray, "items dim"]) -> None:
    """Raise ValueError if `x` is not finite or has fewer than three items."""
    check_finite(x)
    if len(x) < FEWEST:
        raise ValueError(f"a map needs at least {FEWEST} items, got {len(x)}")


def with_trust(
    x: Float[np.ndarray, "items dim"],
    coordinates: Float[np.ndarray, "items 2"],
    method: MapMethod,
    settings: Mapping[str, int | float | str],
    k: int,
    *,
    seed: int = 0,
) -> Map:
    """Measure how far a map can be trusted and return it.

    Args:
        x: embeddings.
        coordinates: places on the map.
        method: that they were found by.
        settings: of the method.
        k: neighbours, lowered for few items.
        seed: of the items that are judged, if they are too many to judge all within seconds; see
            `drawn_by_lot`.
    """
    k = max(1, min(k, (len(x) - 1) // 2))
    judged = drawn_by_lot(len(x), np.random.default_rng(seed))
    score, per_item = trustworthiness(x, coordinates, k, judged=judged)
    return Map(
        coordinates=coordinates,
        method=method,
        settings={**settings, "trust_k": k},
        trustworthiness=score,
        item_trust=per_item,
    )
