"""The views' door to the libraries: everything is imported when it is first used, and kept.

Keys are plain text and numbers: the place of a store, the name of a representation, a tap.
"""

import functools
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from app.background import MapJobs

if TYPE_CHECKING:
    from app.measured import Wanted
    from app.workbench import Choice, Report
    from d2v_core.data.playback import Playback
    from d2v_core.modality import Modality
    from d2v_core.store import Representation, Store

PICTURE_PIXELS = 320
"""Small pictures are drawn at least so wide: smoothly, not as squares."""

EXAMPLE_CHARACTERS = 90
"""Longer sentences are no examples."""

STRIP_PIXELS = 96
"""Height of the spectrogram of a neighbour."""


@st.cache_resource(show_spinner=False)
def map_jobs() -> MapJobs:
    """Return the maps that are being made."""
    return MapJobs()


@st.cache_resource(show_spinner=False)
def sample_lock() -> Lock:
    """Return what keeps two visitors from embedding the sample twice."""
    return Lock()


def sample_problem() -> str:
    """Return why the sample cannot be shown, or nothing."""
    from app import workbench

    if not (workbench.SAMPLE_DATA / "metadata.csv").is_file():
        return (
            f"The sample is not here: {workbench.SAMPLE_DATA} has no metadata.csv. "
            "`make sample` makes it; or open a store of your own."
        )
    return ""


def sample_names() -> list[str]:
    """Return what the encoders of the sample are called."""
    from app import workbench

    return [Path(encoder).name for encoder in workbench.sample_encoders()]


def sample(report: "Report") -> str:
    """Embed the sample unless that is done; return the place of its store."""
    from app import workbench

    with sample_lock():
        return workbench.prepare_sample(report=report).place


@st.cache_resource(max_entries=16, show_spinner=False)
def store(place: str) -> "Store":
    """Open a store; raise StoreError if there is none."""
    from d2v_core.store import Store

    return Store(place)


@st.cache_data(ttl=10, max_entries=16, show_spinner=False)
def choices(place: str) -> "list[Choice]":
    """Return the representations of a store; looked up again after some seconds."""
    from app import workbench

    return workbench.choices(store(place))


def called(place: str) -> dict[str, str]:
    """Return what the representations of a store are called by people."""
    from app import showing

    return showing.called_by({choice.name: choice.recipe for choice in choices(place)})


@st.cache_data(ttl=10, max_entries=256, show_spinner=False)
def held(place: str, name: str) -> str:
    """Return what changes when rows are added; looked up again after some seconds."""
    return store(place).held(name)


def representation(place: str, name: str, tap: str) -> "Representation":
    """Read one layer of a representation, anew when rows were added."""
    return _representation(place, name, tap, held(place, name))


@st.cache_resource(max_entries=8, show_spinner=False)
def _representation(place: str, name: str, tap: str, holds: str) -> "Representation":
    return store(place).read(name, taps=(tap,))


class NotMeasured(LookupError):  # noqa: N818  # no error: it is measured then
    """A measurement is not in the store yet."""


def measured(place: str, wanted: "Wanted") -> dict[str, Any]:
    """Return a measurement that is kept in the store; raise NotMeasured if it is not."""
    return _measured(place, wanted, held(place, wanted.name))


@st.cache_data(max_entries=256, ttl=60, show_spinner=False)
def _measured(place: str, wanted: "Wanted", holds: str) -> dict[str, Any]:
    from app.measured import kept

    found = kept(store(place), wanted)
    if found is None:
        raise NotMeasured(wanted)
    return found


@st.cache_data(max_entries=64, show_spinner=False)
def kept_upload(modality: "Modality", content: bytes) -> Path:
    """Keep an uploaded picture or sound; raise MediaError if it is none."""
    from app.uploads import keep

    return keep(modality, content)


def examples(place: str, name: str, tap: str, count: int) -> list[str]:
    """Return some short sentences of a store that nothing was trained on, each of its own label."""
    return _examples(place, name, tap, count, held(place, name))


@st.cache_data(max_entries=64, show_spinner=False)
def _examples(place: str, name: str, tap: str, count: int, holds: str) -> list[str]:
    items = representation(place, name, tap).items
    texts = items[(items["modality"] == "text") & (items["split"] == "test")]
    texts = texts[texts["text"].str.len() < EXAMPLE_CHARACTERS]
    return texts.drop_duplicates("label")["text"].head(count).tolist()


def ask(
    place: str, name: str, query: "tuple[Modality, str | Path, bool]", k: int
) -> dict[str, Any]:
    """Return the nearest items to a sentence or a file, in the spaces as they are or turned."""
    return _ask(place, name, query, k, held(place, name))


@st.cache_data(max_entries=64, show_spinner=False)
def _ask(
    place: str, name: str, query: "tuple[Modality, str | Path, bool]", k: int, holds: str
) -> dict[str, Any]:
    from app.asking import Query
    from app.asking import ask as search

    return search(store(place), name, Query(*query), k=k)


@st.cache_data(max_entries=32, show_spinner=False)
def identity(place: str, name: str, tap: str, count: int) -> str:
    """Return a hash of the items of a representation and of their order.

    Args:
        place: of the store.
        name: of the representation.
        tap: any of its layers.
        count: how many items there are; a store with more than before asks anew.
    """
    import hashlib

    import pandas as pd

    items = representation(place, name, tap).items[["id", "modality"]].astype(str)
    rows = pd.util.hash_pandas_object(items, index=False).to_numpy()
    return hashlib.sha256(f"{count} ".encode() + rows.tobytes()).hexdigest()


@functools.lru_cache(maxsize=16)
def _recipe(place: str, name: str) -> Any:  # noqa: ANN401  # a Recipe, imported late
    return store(place).recipe(name)


@st.cache_data(max_entries=256, show_spinner=False)
def picture(place: str, name: str, media: str) -> np.ndarray:
    """Return the pixels of a picture, enlarged if it is small; raise InputError if it is gone."""
    from PIL import Image

    from app import workbench
    from d2v_core.data.image import decode_image

    image = Image.fromarray(decode_image(workbench.media_path(_recipe(place, name), media)))
    scale = PICTURE_PIXELS / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS))


@st.cache_data(max_entries=64, show_spinner=False)
def playback(place: str, name: str, media: str) -> "Playback":
    """Return a sound to play and to draw; raise InputError if it is gone."""
    from app import workbench
    from d2v_core.data.playback import open_playback

    return open_playback(workbench.media_path(_recipe(place, name), media))


@st.cache_data(max_entries=64, show_spinner=False)
def sound_picture(place: str, name: str, media: str) -> np.ndarray:
    """Return the spectrogram of a sound as RGB."""
    from d2v_core.data.playback import picture_of

    return picture_of(playback(place, name, media).decibels)


def sound_strip(place: str, name: str, media: str) -> np.ndarray:
    """Return the spectrogram of a sound as a small, wide picture."""
    from PIL import Image

    small = Image.fromarray(sound_picture(place, name, media))
    return np.asarray(small.resize((4 * STRIP_PIXELS, STRIP_PIXELS), Image.Resampling.BILINEAR))
