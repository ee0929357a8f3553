"""The same map from several seeds: what stays in place is in the data, what moves is chance."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from probes.aligned_maps import spread
from probes.maps import NEIGHBOURS, Map, MapMaker, umap_map
from probes.result import Plain, Score, to_plain

SEEDS = (0, 1, 2, 3, 4)
ROUNDS = 10


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """Maps of the same items, laid on each other by rotation, reflection, scale and shift."""

    maps: tuple[Map, ...]
    """As they were drawn, one a seed."""

    seeds: tuple[int, ...]
    mean_places: Float[np.ndarray, "items 2"]
    """Where the maps put an item on average; every map has a spread of 1. Not a map itself: the
    mean of two places may be a place where nothing belongs."""

    item_sd: Float[np.ndarray, " items"]
    """Standard deviation of the place of an item over the seeds, in spreads of the map."""

    sd: float
    """Root mean square of that over the items."""

    middle: int
    """Which of the maps is nearest to the mean places: the one to show."""

    trustworthiness: tuple[Score, ...]
    """Of every map."""

    def to_json(self) -> Plain:
        """Return everything as plain JSON."""
        return to_plain(self)


def map_ensemble(
    x: Float[np.ndarray, "items dim"],
    *,
    draw: MapMaker = umap_map,
    seeds: Sequence[int] = SEEDS,
    trust_k: int = NEIGHBOURS,
) -> Ensemble:
    """Draw a map from several seeds and measure how far each item wanders.

    The maps start from the same principal axes, so that this is the chance of the layout alone. It
    says nothing of how the map would look with other items.

    Args:
        x: embeddings.
        draw: how to draw.
        seeds: at least two different ones.
        trust_k: neighbours for the trustworthiness, lowered for few items.

    Returns:
        The maps and the standard deviations.

    Raises:
        ValueError: if there are fewer than two different seeds, or the items have no map.
    """
    if len(set(seeds)) < max(2, len(seeds)):
        raise ValueError(f"an ensemble needs at least 2 different seeds, got {tuple(seeds)}")
    maps = tuple(draw(x, seed=seed, trust_k=trust_k) for seed in seeds)
    laid = laid_together([one.coordinates for one in maps])
    centre = laid.mean(axis=0)
    apart = np.sum((laid - centre) ** 2, axis=2)  # seeds, items
    variances = apart.sum(axis=0) / (len(maps) - 1)
    return Ensemble(
        maps=maps,
        seeds=tuple(seeds),
        mean_places=centre,
        item_sd=np.sqrt(variances),
        sd=float(np.sqrt(variances.mean())),
        middle=int(apart.mean(axis=1).argmin()),
        trustworthiness=tuple(one.trustworthiness for one in maps),
    )


def laid_together(
    places: Sequence[Float[np.ndarray, "items 2"]],
) -> Float[np.ndarray, "maps items 2"]:
    """Lay maps of the same items on their mean (generalised Procrustes).

    Each is brought to the centre and to a spread of 1 first. They are not scaled to fit: that would
    shrink the maps that fit badly, and hide how badly.

    Args:
        places: the maps.

    Returns:
        The maps, turned and mirrored so that they lie as near to their mean as can be.

    Raises:
        ValueError: if all points of a map coincide.
    """
    from scipy.linalg import orthogonal_procrustes  # imported late: the app starts without it

    spreads = [spread(one) for one in places]
    if not all(spreads):
        raise ValueError("all points of a map coincide: it cannot be laid on another")
    laid = [(p - p.mean(axis=0)) / s for p, s in zip(places, spreads, strict=True)]
    target = laid[0]
    for _ in range(ROUNDS):
        laid = [one @ orthogonal_procrustes(one, target)[0] for one in laid]
        target = np.mean(laid, axis=0)
    return np.stack(laid)
