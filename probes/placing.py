"""Place new items on a map that stays as it is: no old point moves."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from probes.checks import check_finite, check_same_length
from probes.maps import Map
from probes.neighbours import nearest
from probes.principal import principal_axes
from probes.result import Plain, to_plain

NEAREST = 5


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where new items belong on an old map."""

    coordinates: Float[np.ndarray, "new 2"]
    how: Literal["projection", "neighbours"]
    """"projection": on the axes of the map itself. "neighbours": between the nearest old items,
    which is a guess: the map did not know the new ones when it was laid out."""

    neighbours: Int[np.ndarray, "new k"]
    """Rows of the nearest old items by cosine, nearest first."""

    cosine: Float[np.ndarray, " new"]
    """With the nearest old item. If it is low, nothing on the map is like the new one."""

    doubt: Float[np.ndarray, " new"]
    """How far apart on the map the nearest old items lie: root mean squared distance from the
    place, weighted, in spreads of the map. If it is large, there is no one place for the item."""

    def to_json(self) -> Plain:
        """Return everything as plain JSON."""
        return to_plain(self)


def place(
    made: Map,
    x: Float[np.ndarray, "items dim"],
    new: Float[np.ndarray, "new dim_new"],
    *,
    k: int = NEAREST,
    how: Literal["projection", "neighbours"] | None = None,
) -> Placed:
    """Place new items on a map.

    Between neighbours the place is a mean with the inverse of 1 − cosine as weight: a new item with
    the direction of an old one lies on it. Every item is placed for itself, whatever else is placed
    with it.

    Args:
        made: the map.
        x: the embeddings that it was made of.
        new: embeddings of the new items, from the same layer.
        k: nearest old items; fewer if there are not as many.
        how: None for the projection if the map is one (PCA), and for neighbours otherwise.

    Returns:
        The places, and what to think of them.

    Raises:
        ValueError: if the embeddings are not those of the map or not of one space, or if a
            projection is asked of a map that is none.
    """
    check_finite(new, "new")
    check_same_length(x, made.coordinates, "places on the map")
    if how is None:
        how = "projection" if made.method == "pca" else "neighbours"
    if how == "projection" and made.method != "pca":
        raise ValueError(f"a {made.method} map is no projection: place by neighbours")
    near = nearest(new, x, k)
    weights = _weights(near.cosines.astype(np.float64))
    around = made.coordinates[near.ids]  # new, k, 2
    if how == "projection":
        coordinates = _project(made, x.astype(np.float64), new.astype(np.float64))
    else:
        coordinates = np.einsum("ik,ikd->id", weights, around)
    squared = np.sum((around - coordinates[:, None]) ** 2, axis=2)
    size = float(np.sqrt(np.sum(np.var(made.coordinates, axis=0))))
    return Placed(
        coordinates=coordinates,
        how=how,
        neighbours=near.ids,
        cosine=near.cosines[:, 0].astype(np.float64),
        doubt=np.sqrt(np.sum(weights * squared, axis=1)) / size,
    )


def _weights(cosines: Float[np.ndarray, "new k"]) -> Float[np.ndarray, "new k"]:
    """Return 1 / (1 − cosine), summing to 1 for every item; equal directions take all of it."""
    apart = np.clip(1 - cosines, 0, None)
    equal = apart < 1e-6  # what single precision leaves between equal directions
    weights = np.where(equal.any(axis=1, keepdims=True), equal, 1 / np.where(equal, 1, apart))
    return weights / weights.sum(axis=1, keepdims=True)


def _project(
    made: Map, x: Float[np.ndarray, "items dim"], new: Float[np.ndarray, "new dim"]
) -> Float[np.ndarray, "new 2"]:
    """Return the coordinates of new items on the principal axes of the old."""
    mean, axes = principal_axes(x)
    old, coordinates = np.zeros((len(x), 2)), np.zeros((len(new), 2))
    old[:, : len(axes)] = (x - mean) @ axes.T
    coordinates[:, : len(axes)] = (new - mean) @ axes.T
    if np.abs(old - made.coordinates).max() > 1e-6 * np.abs(old).max():
        raise ValueError(
            "the principal axes of these embeddings do not give this map: it was made of others, "
            "or laid on another map; place by neighbours"
        )
    return coordinates
