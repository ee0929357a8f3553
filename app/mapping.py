"""Maps as the map page asks for them: by method and settings, in a space, of one layer or of many.

`python -m app.mapping PLACE WISH` makes one in the background and keeps it in the store, where the
page looks for it.
"""

import argparse
import importlib.metadata
import json
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from app import workbench
from app.map_plan import MOST_JUDGED, Plan, parts_of, parts_of_judging, seconds_of
from app.noting import Notes
from app.spaces import measure_gaps, open_space, vectors_in
from app.wishes import MapWish, SpaceWish
from d2v_core.errors import D2VError, StoreError
from d2v_core.store import Representation, Store
from probes.aligned_maps import aligned_maps
from probes.checks import unit_rows
from probes.maps import Map, MapMaker, pca_map, tsne_map, umap_map
from probes.mutual_knn import knn_graph
from probes.progress import told_to
from probes.result import Plain, Score
from probes.trust import Fidelity, drawn_by_lot, fidelity

HUB_K = 10
NICE = 10
QUICK_JUDGING = 20.0
MAKERS: Mapping[str, MapMaker] = {"umap": umap_map, "pca": pca_map, "tsne": tsne_map}


def key_of(store: Store, wish: MapWish) -> str:
    """Return under what a map is kept; plain maps have the key that other pages use too."""
    if wish.is_plain:
        return workbench.map_key(store, wish.name, wish.tap, wish.method)
    own = wish._replace(tap="" if wish.over == "layers" else wish.tap, pairs=wish.spaced().pairs)
    names = [name for _, name, _ in stops(store, wish)] if wish.over == "steps" else [wish.name]
    held = json.dumps([store.held(name) for name in names])
    return f"map|3|{json.dumps(own)}|{held}|{importlib.metadata.version('umap-learn')}"


def make(store: Store, wish: MapWish) -> tuple[pd.DataFrame, Plain]:
    """Return a map, made unless it is kept.

    Returns:
        id, modality, x, y and trust of every item, ordered as the representation is, and for a map
        over layers or checkpoints once a `step`; and how it was made.

    Raises:
        StoreError: if there is no such map.
    """
    key = key_of(store, wish)
    found = store.kept(key)
    if found is not None:
        return found
    if wish.is_plain:
        return workbench.make_map(store, wish.name, tap=wish.tap, method=wish.method)
    try:
        points, about = _journey(store, wish) if wish.over else _single(store, wish)
    except ValueError as error:
        raise StoreError(f"no map of {wish.name} at {wish.tap}: {error}") from error
    store.keep(key, points, about)
    return points, about


def _single(store: Store, wish: MapWish) -> tuple[pd.DataFrame, Plain]:
    data = store.read(wish.name, taps=(wish.tap,))
    space = open_space(data, wish.tap, wish.spaced())
    draw = partial(MAKERS[wish.method], **_settings(wish))
    made = draw(vectors_in(data, wish.tap, space))
    return _points(data, made), made.about()


def _settings(wish: MapWish) -> dict[str, Any]:
    """Return the settings by name, whole numbers as such."""
    return {n: int(v) if n == "n_neighbors" else float(v) for n, v in wish.settings}


def _points(data: Representation, made: Map) -> pd.DataFrame:
    at = np.asarray(made.coordinates)
    places = {"x": at[:, 0], "y": at[:, 1], "trust": made.item_trust}
    return data.items[["id", "modality"]].assign(**places)


def _journey(store: Store, wish: MapWish) -> tuple[pd.DataFrame, Plain]:
    """Lay out the same items at several layers or checkpoints, on maps that go on from another."""
    stack, first = {}, None
    for step, name, tap in stops(store, wish):
        data = store.read(name, taps=(tap,))
        if first is None:
            first = data
        elif not data.items[["id", "modality"]].equals(first.items[["id", "modality"]]):
            raise StoreError(f"{name} was embedded on other items than the checkpoints before it")
        stack[step] = vectors_in(data, tap, open_space(data, tap, wish.spaced()))
    assert first is not None  # a run has layers
    made = aligned_maps(
        stack,
        method="pca" if wish.method == "pca" else "umap",
        start=list(stack)[-1],
        **_settings(wish),
    )
    tables = [
        _points(first, one).assign(step=name)
        for name, one in zip(made.names, made.maps, strict=True)
    ]
    moves = [
        {"before": s.before, "after": s.after, "median": s.median, "changed": s.changed}
        for s in made.steps
    ]
    maps = {name: one.about() for name, one in zip(made.names, made.maps, strict=True)}
    return pd.concat(tables, ignore_index=True), {"maps": maps, "moves": moves}


def stops(store: Store, wish: MapWish) -> list[tuple[str, str, str]]:
    """Return step, representation and tap of every map on a journey, in order."""
    if wish.over == "steps":
        found = checkpoints_of(store, wish.name)
        return [
            (str(step), name, wish.tap)
            for step, name in found
            if wish.tap in store.recipe(name).taps
        ]
    return [(tap, wish.name, tap) for tap in store.recipe(wish.name).taps]


def checkpoints_of(store: Store, name: str) -> list[tuple[int, str]]:
    """Return step and representation of all checkpoints of a run that a store has, oldest first.

    A representation is of a checkpoint if its encoder is called RUN-step_N, as the folder
    RUN/checkpoints/step_N is when it is opened. Of the same data, naturally.
    """
    recipes = store.recipes()
    own = _step(recipes[name].encoder)
    if own is None:
        return []
    data = recipes[name].data_fingerprint
    steps = {n: _step(r.encoder) for n, r in recipes.items() if r.data_fingerprint == data}
    return sorted((step[1], n) for n, step in steps.items() if step and step[0] == own[0])


def _step(encoder: str) -> tuple[str, int] | None:
    """Return run and step of the name of a checkpoint's encoder."""
    run, _, number = encoder.rpartition("-step_")
    return (run, int(number)) if run and number.isdecimal() else None


def faithful_key(store: Store, wish: MapWish) -> str:
    """Return under what is kept how far a map can be believed."""
    return f"faithful|2|{key_of(store, wish)}"


def faithful(store: Store, wish: MapWish) -> tuple[pd.DataFrame, Plain]:
    """Return trust, continuity and hubness of every item, and how far the map can be believed.

    Of more than MOST_JUDGED items some are judged, drawn by lot, and hubs are not counted.

    Returns:
        `trust`, `continuity` and `hub` of every item, NaN where they were not measured; `hub` is
        how often it is among the HUB_K nearest of others. And `trustworthiness` and `continuity` of
        the whole map, as JSON.
    """
    if wish.over:
        raise StoreError("every map of a journey is judged by itself")
    key = faithful_key(store, wish)
    found = store.kept(key)
    if found is not None:
        return found
    points, about = make(store, wish)
    data = store.read(wish.name, taps=(wish.tap,))
    x = vectors_in(data, wish.tap, open_space(data, wish.tap, wish.spaced()))
    try:
        judged, hubs = _judged(x, points, about)
    except ValueError as error:
        raise StoreError(f"this map cannot be judged: {error}") from error
    values = {"trust": judged.item_trust[0], "continuity": judged.item_continuity[0], "hub": hubs}
    scores = {
        "trustworthiness": judged.trustworthiness[0].to_json(),
        "continuity": judged.continuity[0].to_json(),
    }
    store.keep(key, pd.DataFrame(values), scores)
    return pd.DataFrame(values), scores


def _judged(x: np.ndarray, points: pd.DataFrame, about: Plain) -> tuple[Fidelity, np.ndarray]:
    """Return how far a map can be believed, and how often each item is near to others."""
    unit, n = unit_rows(x), len(x)
    k = int(about["settings"]["trust_k"])
    is_euclidean = about["settings"]["metric"] == "euclidean"
    seen = points[["x", "y"]].to_numpy()
    rows = None if n <= MOST_JUDGED else drawn_by_lot(n, np.random.default_rng(0))
    judged = fidelity(x if is_euclidean else unit, seen, ks=(k,), judged=rows)
    if n > MOST_JUDGED:
        return judged, np.full(n, np.nan)
    near = knn_graph(unit, min(HUB_K, n - 1))
    return judged, np.bincount(near.ravel(), minlength=n)


def gaps(store: Store, name: str, tap: str, wish: SpaceWish) -> list[Plain]:
    """Return the gaps between the senses, as they are and in a space; see `measure_gaps`."""

    def compute() -> Plain:
        data = store.read(name, taps=(tap,))
        return {"gaps": measure_gaps(data, tap, open_space(data, tap, wish))}

    key = f"gaps|2|{store.held(name)}|{tap}|{json.dumps(wish)}"
    return workbench.once(store, key, compute)["gaps"]


def rebuilt(points: pd.DataFrame, about: Plain) -> Map:
    """Return a kept map as it was made."""
    return Map(
        coordinates=points[["x", "y"]].to_numpy(np.float64),
        method=about["method"],
        settings=about["settings"],
        trustworthiness=Score(**about["trustworthiness"]),
        item_trust=points["trust"].to_numpy(np.float64),
    )


def command(place: str, wish: MapWish) -> list[str]:
    """Return the command that makes a map and keeps it in the store."""
    return [sys.executable, "-m", "app.mapping", place, json.dumps(wish)]


def read_wish(text: str) -> MapWish:
    """Return a wish from the JSON of a command line."""
    name, tap, method, space, pairs, settings, over = json.loads(text)
    return MapWish(name, tap, method, space, pairs, tuple((n, v) for n, v in settings), over)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the map that the command line asks for; return 0, or 2 after saying what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("place")
    parser.add_argument("wish", type=read_wish)
    parser.add_argument("--judge", action="store_true", help="judge every item, however long")
    given = parser.parse_args(arguments)
    try:
        make_and_judge(Store(given.place), given.wish, judge=given.judge)
    except D2VError as error:
        sys.stderr.write(f"d2v: {error}\n")
        return 2
    return 0


def make_and_judge(store: Store, wish: MapWish, *, judge: bool = False) -> None:
    """Make a map, then judge every item on it; note how far each of the two is.

    Args:
        store: where both are kept.
        wish: the map.
        judge: whether to judge them even if it takes longer than QUICK_JUDGING seconds, in which
            the next map would have to wait.
    """
    items, width = size_of(store, wish)
    stops_there = len(stops(store, wish)) if wish.over else 1
    with told_to(Plan(parts_of(wish, items, width, stops_there), Notes.wanted())):
        make(store, wish)
    parts = parts_of_judging(items, width)
    if not wish.over and (judge or seconds_of(parts) <= QUICK_JUDGING):
        with told_to(Plan(parts, Notes.wanted())):
            faithful(store, wish)


def size_of(store: Store, wish: MapWish) -> tuple[int, int]:
    """Return of how many items a map is, and how many numbers each has."""
    recipe = store.recipe(wish.name)
    if wish.tap not in recipe.taps:
        raise StoreError(f"{wish.name} has no tap {wish.tap}; it has {', '.join(recipe.taps)}")
    items = len(store.read(wish.name, taps=()).items)
    return items, recipe.widths[recipe.taps.index(wish.tap)]


if __name__ == "__main__":
    if hasattr(os, "nice"):
        os.nice(NICE)  # the pages, which somebody looks at, come first
    sys.exit(main())
