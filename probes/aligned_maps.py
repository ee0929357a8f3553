"""Maps of the same items at several layers or checkpoints, on which points move only with cause.

Maps drawn one by one are turned, mirrored and shuffled at will: an animation of them shows chance.
Here every map goes on from its neighbour, moves points in proportion to how many of their
neighbours have changed, and is then laid on it by rotation, reflection, scale and shift.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from probes.checks import check_same_length
from probes.maps import MIN_DIST, NEIGHBOURS, Map, pca_map, umap_map, with_trust
from probes.result import Plain, to_plain
from probes.umap_layout import EPOCHS, Neighbourhood, lay_out, learning_rate


@dataclass(frozen=True, kw_only=True)
class Step:
    """How points move from one map to the next, in units of the spread of the first.

    The spread is the root mean squared distance of the points from their centre.
    """

    before: str
    after: str
    mean: float
    median: float
    items: Float[np.ndarray, " items"]
    """Distance that every point moves."""

    changed: float
    """Share of the neighbours (cosine, in the embeddings) that differ: the cause to move."""

    def to_json(self) -> Plain:
        """Return the step as plain JSON."""
        return to_plain(self)


@dataclass(frozen=True, kw_only=True)
class AlignedMaps:
    """A map for every layer or checkpoint, with the same items at the same rows."""

    names: tuple[str, ...]
    maps: tuple[Map, ...]
    """In the order of the names; each with its own trustworthiness."""

    steps: tuple[Step, ...]
    """Between neighbouring maps: one fewer than maps."""

    start: str
    """The map that was drawn first, on its own."""

    def to_json(self) -> Plain:
        """Return everything as plain JSON."""
        return to_plain(self)


def aligned_maps(
    stack: Mapping[str, np.ndarray],
    *,
    method: Literal["pca", "umap"] = "umap",
    start: str | None = None,
    seed: int = 0,
    n_neighbors: int = NEIGHBOURS,
    min_dist: float = MIN_DIST,
) -> AlignedMaps:
    """Draw one map for every representation of the same items, so that points move smoothly.

    Where two neighbouring representations have the same neighbours (one may be a rotation of the
    other), no point moves at all.

    Args:
        stack: embeddings (items, dim) by name, in the order of layers or of time.
        method: "umap", or "pca" for principal axes laid upon each other.
        start: which map to draw first; the others go on from it in both directions. None for the
            first.
        seed: of the layout.
        n_neighbors: how many neighbours hold an item, itself among them; lowered for few items.
        min_dist: how close items may come on the map.

    Returns:
        The maps and how far points move between them.

    Raises:
        ValueError: if there is no representation, if they are not of the same items, if `start` is
            none of them, or if one of them has no map.
    """
    if not stack:
        raise ValueError("no representation to draw")
    names, layers = tuple(stack), list(stack.values())
    first = names[0] if start is None else start
    if first not in stack:
        raise ValueError(f"start={first!r} is none of the representations: {', '.join(names)}")
    for name, x in stack.items():
        check_same_length(layers[0], x, f"rows in {name}; all must be of the same items")
    n_neighbors = max(2, min(n_neighbors, len(layers[0]) - 1))
    at = names.index(first)
    options = {"seed": seed, "n_neighbors": n_neighbors, "min_dist": min_dist}
    maps: dict[int, Map] = {}
    maps[at] = umap_map(layers[at], **options) if method == "umap" else pca_map(layers[at])
    near = [Neighbourhood.of(x, n_neighbors) for x in layers]
    order = [(i - 1, i) for i in range(at + 1, len(names))]
    order += [(i + 1, i) for i in range(at - 1, -1, -1)]
    for previous, i in order:
        share = near[previous].changed(near[i])
        if method == "umap":
            maps[i] = _continued(
                maps[previous], near[i], changed=share, seed=seed, min_dist=min_dist
            )
        else:
            own = pca_map(layers[i])
            laid = lay_onto(own.coordinates, maps[previous].coordinates)
            maps[i] = replace(own, coordinates=laid)
    drawn = tuple(maps[i] for i in range(len(names)))
    steps = tuple(
        step_between(
            drawn[i], drawn[i + 1], names=names[i : i + 2], changed=near[i].changed(near[i + 1])
        )
        for i in range(len(names) - 1)
    )
    return AlignedMaps(names=names, maps=drawn, steps=steps, start=first)


def lay_onto(
    moving: Float[np.ndarray, "items 2"], fixed: Float[np.ndarray, "fixed 2"]
) -> Float[np.ndarray, "items 2"]:
    """Lay one map on another by rotation, reflection, scale and shift (Procrustes).

    Args:
        moving: the map to move; who is near whom on it stays as it is.
        fixed: the map to lay it on, of the same items.

    Returns:
        The moved map, for which the sum of squared distances to `fixed` is least.

    Raises:
        ValueError: if the maps are not of the same items, or all points of one coincide.
    """
    from scipy.linalg import orthogonal_procrustes  # imported late: the app starts without it

    check_same_length(moving, fixed, "points on the other map")
    from_centre, to_centre = moving - moving.mean(axis=0), fixed - fixed.mean(axis=0)
    total = float(np.sum(from_centre**2))
    if total == 0 or not to_centre.any():
        raise ValueError("all points of a map coincide: it cannot be laid on another")
    turn, scale = orthogonal_procrustes(from_centre, to_centre)
    return scale / total * from_centre @ turn + fixed.mean(axis=0)


def spread(coordinates: Float[np.ndarray, "items 2"]) -> float:
    """Return the root mean squared distance of the points from their centre."""
    return float(np.sqrt(np.mean(np.sum((coordinates - coordinates.mean(axis=0)) ** 2, axis=1))))


def step_between(before: Map, after: Map, *, names: tuple[str, ...], changed: float) -> Step:
    """Return how far points move between two maps of the same items, as they lie.

    Args:
        before: the map whose spread is the unit.
        after: the other map.
        names: of the two.
        changed: share of the neighbours that differ.
    """
    moved = np.linalg.norm(after.coordinates - before.coordinates, axis=1)
    moved = moved / spread(before.coordinates)
    return Step(
        before=names[0],
        after=names[1],
        mean=float(moved.mean()),
        median=float(np.median(moved)),
        items=moved,
        changed=changed,
    )


def _continued(
    previous: Map, near: Neighbourhood, *, changed: float, seed: int, min_dist: float
) -> Map:
    """Return the map that goes on from `previous` to other neighbours."""
    rate = learning_rate(changed)
    places = previous.coordinates
    if rate:  # else the layout would only round the places
        moved = lay_out(places, near, rate=rate, min_dist=min_dist, seed=seed)
        places = lay_onto(moved, previous.coordinates)
    settings = {
        **{name: previous.settings[name] for name in ("metric", "neighbours")},
        "n_neighbors": near.ids.shape[1],
        "min_dist": min_dist,
        "seed": seed,
        "start": "neighbouring map",
        "epochs": EPOCHS,
        "learning_rate": rate,
    }
    k = int(previous.settings["trust_k"])
    return with_trust(near.directions, places, "umap", settings, k, seed=seed)
