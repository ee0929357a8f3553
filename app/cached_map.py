"""The map page's door to the libraries; see `app.cached`."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import streamlit as st

from app import cached
from app.background import Job
from app.wishes import MapWish, SpaceWish

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from app.guests import Guest
    from app.neighbourhood import Around
    from app.noting import Noted
    from app.scatter.layout import Placed
    from app.state import Chosen
    from d2v_core.modality import Modality
    from d2v_core.store import Representation
    from probes.result import Plain

QUICK_ITEMS = 3000
"""So many items are judged while the visitor waits; of more it is done with the map."""


class NotDrawn(LookupError):  # noqa: N818  # no error: it is drawn then
    """A map is not in the store yet."""


def drawn(place: str, wish: MapWish) -> "tuple[pd.DataFrame, Plain]":
    """Return a map that is kept, or that takes no time; raise NotDrawn of others."""
    return _drawn(place, wish, cached.held(place, wish.name))


@st.cache_data(max_entries=64, show_spinner=False)
def _drawn(place: str, wish: MapWish, holds: str) -> "tuple[pd.DataFrame, Plain]":
    from app import mapping

    store = cached.store(place)
    if wish.method == "pca":
        return mapping.make(store, wish)
    found = store.kept(mapping.key_of(store, wish))
    if found is None:
        raise NotDrawn(wish)
    return found


def ensure(place: str, wish: MapWish, *, judge: bool = False) -> tuple[str, str]:
    """See that a map is being made, or judged; return how that stands, and why it failed."""
    job = job_of(place, wish, judge=judge)
    return cached.map_jobs().ensure(job), cached.map_jobs().why(job)


def how_far(place: str, wish: MapWish, *, judge: bool = False) -> "Noted | None":
    """Return how far a map is, or the judging of it; None if nobody can tell."""
    return cached.map_jobs().how_far(job_of(place, wish, judge=judge))


def takes(place: str, wish: MapWish) -> float:
    """Return about how many seconds a map takes on two cores."""
    return _takes(place, wish, cached.held(place, wish.name))


@st.cache_data(max_entries=64, show_spinner=False)
def _takes(place: str, wish: MapWish, holds: str) -> float:
    from app import map_plan, mapping

    store = cached.store(place)
    there = len(mapping.stops(store, wish)) if wish.over else 1
    return map_plan.seconds_of(map_plan.parts_of(wish, *mapping.size_of(store, wish), there))


def forget(place: str, wish: MapWish, *, judge: bool = False) -> None:
    """Let a failed map be tried again."""
    cached.map_jobs().forget(job_of(place, wish, judge=judge))


def job_of(place: str, wish: MapWish, *, judge: bool = False) -> Job:
    """Return the job that makes a map, and judges every item on it if so wished."""
    import json

    return Job(place, wish.name, wish.tap, json.dumps(wish), judge)


class Laid(NamedTuple):
    """A map as it is drawn."""

    stops: tuple[str, ...]
    """Layers or checkpoints that it goes through; one empty name if it goes nowhere."""

    frames: tuple[np.ndarray, ...]
    """Coordinates at each, 32 bits."""

    placed: "Placed"
    """How the map of the last stop was laid on the reference; all others go with it."""

    @property
    def hash(self) -> str:
        """Of all coordinates: another map, another hash."""
        import hashlib

        return hashlib.sha256(b"".join(f.tobytes() for f in self.frames)).hexdigest()[:8]


@st.cache_resource(max_entries=32, show_spinner=False)
def laid(place: str, wish: MapWish, count: int) -> Laid:
    """Return where the items of a map are drawn; a store with more items than before asks anew.

    All maps of the same items are turned towards one: the PCA of the last layer of the first run
    that has these items.

    Raises:
        StoreError: if the map is of fewer items than the store has by now.
    """
    from app.scatter.layout import place as lay
    from d2v_core.errors import StoreError

    points, _ = drawn(place, wish)
    stops = tuple(dict.fromkeys(points["step"])) if wish.over else ("",)
    parts = [points[points["step"] == stop] if wish.over else points for stop in stops]
    if len(parts[-1]) != count:
        raise StoreError(
            f"this map was drawn of {len(parts[-1])} items and there are {count} now; choose "
            "another setting, or embed into a new store"
        )
    own = [part[["x", "y"]].to_numpy() for part in parts]
    reference = MapWish(*_reference(place, wish.name), method="pca")
    others, _ = drawn(place, reference)
    ids = parts[-1]["id"].to_numpy()
    same = len(others) == count and (others["id"].to_numpy() == ids).all()
    fixed = others[["x", "y"]].to_numpy() if same and reference != wish else None
    placed = lay(own[-1], fixed)
    return Laid(stops, (*(placed.carry(one) for one in own[:-1]), placed.coordinates), placed)


def _reference(place: str, name: str) -> tuple[str, str]:
    """Return run and layer whose map the others are turned to: of the same data, the first."""
    of = {choice.name: choice.recipe for choice in cached.choices(place)}
    data = cached.store(place).recipe(name).data_fingerprint
    first = next((n for n, recipe in of.items() if recipe.data_fingerprint == data), name)
    return first, cached.store(place).recipe(first).taps[-1]


@st.cache_data(max_entries=32, show_spinner=False)
def faithful(place: str, wish: MapWish, count: int) -> "tuple[pd.DataFrame, Plain]":
    """Return how far every item can be believed, and hubs; raise NotDrawn if it takes longer.

    Args:
        place: of the store.
        wish: the map.
        count: how many items it has.
    """
    from app import mapping

    store = cached.store(place)
    if count > QUICK_ITEMS and store.kept(mapping.faithful_key(store, wish)) is None:
        raise NotDrawn(wish)
    return mapping.faithful(store, wish)


def guest(place: str, wish: MapWish, tap: str, asked: "tuple[Modality, str | Path]") -> "Guest":
    """Return where something new belongs on a map; raise StoreError if it has no place."""
    return _guest(place, wish, tap, asked, cached.held(place, wish.name))


@st.cache_data(max_entries=64, show_spinner=False)
def _guest(
    place: str, wish: MapWish, tap: str, asked: "tuple[Modality, str | Path]", holds: str
) -> "Guest":
    from app.asking import Query
    from app.guests import place_guest

    return place_guest(cached.store(place), wish, tap, Query(*asked))


def compared(
    place: str, left: tuple[str, str], right: tuple[str, str], wish: SpaceWish
) -> "tuple[pd.DataFrame, Plain]":
    """Return how two layers differ; see `app.comparing.compare`."""
    return _compared(place, (left, right), wish, [cached.held(place, n) for n, _ in (left, right)])


@st.cache_data(max_entries=32, show_spinner=False)
def _compared(
    place: str, sides: tuple[tuple[str, str], tuple[str, str]], wish: SpaceWish, hold: list[str]
) -> "tuple[pd.DataFrame, Plain]":
    from app.comparing import compare

    return compare(cached.store(place), *sides, space=wish)


def seen(place: str, name: str, tap: str, wish: SpaceWish) -> "Representation":
    """Return a layer in a space; raise StoreError if there is no such space."""
    return _seen(place, name, tap, wish, cached.held(place, name))


@st.cache_resource(max_entries=6, show_spinner=False)
def _seen(place: str, name: str, tap: str, wish: SpaceWish, holds: str) -> "Representation":
    from app.spaces import open_space, vectors_in
    from d2v_core.store import Representation

    data = cached.representation(place, name, tap)
    if wish.name == "raw":
        return data
    x = vectors_in(data, tap, open_space(data, tap, wish))
    return Representation(data.recipe, data.items, {tap: x})


def around(chosen: "Chosen", wish: SpaceWish, row: int, *, k: int) -> "list[Around]":
    """Return the surroundings of an item in a space of a layer."""
    holds = cached.held(chosen.place, chosen.name)
    return _around((chosen.place, chosen.name, chosen.tap), wish, row, k, holds)


@st.cache_data(max_entries=256, show_spinner=False)
def _around(
    layer: tuple[str, str, str], wish: SpaceWish, row: int, k: int, holds: str
) -> "list[Around]":
    from app.neighbourhood import look_around

    return look_around(seen(*layer, wish), row, tap=layer[2], k=k)


def gaps(place: str, name: str, tap: str, wish: SpaceWish) -> "list[Plain]":
    """Return the gaps between the senses."""
    return _gaps(place, name, tap, wish, cached.held(place, name))


@st.cache_data(max_entries=128, show_spinner=False)
def _gaps(place: str, name: str, tap: str, wish: SpaceWish, holds: str) -> "list[Plain]":
    from app import mapping

    return mapping.gaps(cached.store(place), name, tap, wish)


def space_facts(place: str, name: str, tap: str, wish: SpaceWish) -> "tuple[list[str], Plain]":
    """Return the senses of a run, and hub and pairs of a space; raise StoreError if it is none."""
    return _space_facts(place, name, tap, wish, cached.held(place, name))


@st.cache_data(max_entries=64, show_spinner=False)
def _space_facts(
    place: str, name: str, tap: str, wish: SpaceWish, holds: str
) -> "tuple[list[str], Plain]":
    from app.spaces import open_space, senses_of

    data = cached.representation(place, name, tap)
    space = open_space(data, tap, wish)
    return senses_of(data), space.to_json() if space else {}


def pairs_there(place: str, name: str, tap: str) -> int:
    """Return how many pairs the senses can be turned by."""
    return _pairs_there(place, name, tap, cached.held(place, name))


@st.cache_data(max_entries=32, show_spinner=False)
def _pairs_there(place: str, name: str, tap: str, holds: str) -> int:
    from app.spaces import pairs_there as count

    return count(cached.representation(place, name, tap))


@st.cache_data(ttl=30, max_entries=32, show_spinner=False)
def checkpoints(place: str, name: str) -> list[tuple[int, str]]:
    """Return steps and representations of the checkpoints of a run that a store has."""
    from app.mapping import checkpoints_of

    return checkpoints_of(cached.store(place), name)


def verdicts(place: str, name: str) -> list[str] | None:
    """Return the verdicts on a run if they were measured, else None."""
    from app.measured import Wanted

    try:
        result: Any = cached.measured(place, Wanted("align", name))
    except cached.NotMeasured:
        return None
    return [claim["verdict"] for pair in result["pairs"] for claim in pair["claims"]]
