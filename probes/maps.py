"""Two-dimensional maps of embeddings, each with how far its neighbourhoods can be trusted."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from probes.checks import check_finite, unit_rows
from probes.neighbours import nearest
from probes.result import Plain, Score, to_plain
from probes.trust import trustworthiness

NEIGHBOURS = 15
MIN_DIST = 0.1
FEWEST = 3  # items


@dataclass(frozen=True, kw_only=True)
class Map:
    """A picture of embeddings."""

    coordinates: Float[np.ndarray, "items 2"]
    method: Literal["pca", "umap"]
    settings: Mapping[str, int | float | str]
    """What was really used, after fitting to the number of items."""

    trustworthiness: Score
    """1: neighbours on the map are neighbours in the embedding."""

    item_trust: Float[np.ndarray, " items"]
    """The same for every item: how far its neighbours on the map can be believed."""

    def to_json(self) -> Plain:
        """Return the map as plain JSON."""
        return to_plain(self)


def pca_map(x: Float[np.ndarray, "items dim"], *, trust_k: int = NEIGHBOURS) -> Map:
    """Project on the two axes of largest variance.

    The signs are fixed: the channel that weighs most in an axis counts positive. With one channel
    the second coordinate is 0.

    Args:
        x: embeddings.
        trust_k: neighbours for the trustworthiness (Euclidean), lowered for few items.

    Returns:
        The map; its settings hold the share of variance of each axis.

    Raises:
        ValueError: if there are fewer than three items, or all are the same.
    """
    _check_enough(x)
    coordinates, shares = _principal(x.astype(np.float64))
    settings = {"variance_1": shares[0], "variance_2": shares[1], "metric": "euclidean"}
    return _with_trust(x, coordinates, "pca", settings, trust_k)


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
    The same seed gives the same map on one machine with the same versions, not everywhere.

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
    _check_enough(x)
    umap = _import_umap()
    directions = unit_rows(x)
    n_neighbors = max(2, min(n_neighbors, len(x) - 1))
    start, _ = _principal(directions.astype(np.float64))
    model = umap.UMAP(
        n_neighbors=n_neighbors,
        min_dist=min_dist,
        metric="cosine",
        init=(10 * start / np.abs(start).max()).astype(np.float32),
        precomputed_knn=_graph(directions, n_neighbors),
        force_approximation_algorithm=True,  # else few items are searched again
        random_state=seed,
        n_jobs=1,  # more would not be reproducible
    )
    with warnings.catch_warnings():
        # we never place new items on an old map, which is all that the search index is for
        warnings.filterwarnings("ignore", message="precomputed_knn")
        coordinates = np.asarray(model.fit_transform(directions), dtype=np.float64)
    settings = {
        "n_neighbors": n_neighbors,
        "min_dist": min_dist,
        "metric": "cosine",
        "seed": seed,
        "version": umap.__version__,
    }
    return _with_trust(directions, coordinates, "umap", settings, trust_k)


def _import_umap() -> ModuleType:
    """Import UMAP late, because it takes seconds, and without its word about Tensorflow."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Tensorflow not installed", ImportWarning)
        import umap
    return umap


def warm_up_umap() -> None:
    """Let UMAP compile, so that the first map of a session does not wait for it."""
    umap_map(np.random.default_rng(0).normal(size=(30, 4)))


def _check_enough(x: Float[np.ndarray, "items dim"]) -> None:
    check_finite(x)
    if len(x) < FEWEST:
        raise ValueError(f"a map needs at least {FEWEST} items, got {len(x)}")


def _principal(
    x: Float[np.ndarray, "items dim"],
) -> tuple[Float[np.ndarray, "items 2"], tuple[float, float]]:
    """Return coordinates on the first two principal axes and their shares of variance."""
    centred = x - x.mean(axis=0)
    total = float(np.sum(centred**2))
    if total <= 1e-24 * float(np.sum(x**2)):
        raise ValueError(f"all {len(x)} items have the same embedding: there is nothing to map")
    if x.shape[1] > len(x):
        _, _, axes = np.linalg.svd(centred, full_matrices=False)
    else:
        axes = np.linalg.eigh(centred.T @ centred)[1].T[::-1]
    axes = axes[:2]
    heaviest = np.abs(axes).argmax(axis=1)
    axes = axes * np.sign(axes[np.arange(len(axes)), heaviest])[:, None]
    coordinates = np.zeros((len(x), 2))
    coordinates[:, : len(axes)] = centred @ axes.T
    first, second = np.sum(coordinates**2, axis=0) / total
    return coordinates, (float(first), float(second))


def _graph(
    directions: Float[np.ndarray, "items dim"], k: int
) -> tuple[Int[np.ndarray, "items k"], Float[np.ndarray, "items k"]]:
    """Return UMAP's neighbour lists: the item itself at distance 0, then the k − 1 nearest."""
    own = np.arange(len(directions))
    found = nearest(directions, directions, k - 1, itself=own)
    distances = np.clip(1 - found.cosines, 0, None)
    ids = np.hstack([own[:, None], found.ids])
    return ids, np.hstack([np.zeros((len(own), 1)), distances]).astype(np.float32)


def _with_trust(
    x: Float[np.ndarray, "items dim"],
    coordinates: Float[np.ndarray, "items 2"],
    method: Literal["pca", "umap"],
    settings: Mapping[str, int | float | str],
    k: int,
) -> Map:
    k = max(1, min(k, (len(x) - 1) // 2))
    score, per_item = trustworthiness(x, coordinates, k)
    return Map(
        coordinates=coordinates,
        method=method,
        settings={**settings, "trust_k": k},
        trustworthiness=score,
        item_trust=per_item,
    )
