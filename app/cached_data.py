"""The door of the pages on data and training: what is dear to read is read once, and kept.

Keys are plain text and numbers, as in `app.cached`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

if TYPE_CHECKING:
    import pandas as pd

    from app.looking import Looked
    from d2v_core.data.aviary.make import Item as AviaryItem
    from d2v_core.data.playback import Playback

PICTURE_PIXELS = 256
STRIP_PIXELS = (256, 80)
SCAN_SECONDS = 30
"""A folder is looked at again after so long: its owner may be adding to it."""


@st.cache_resource(ttl=SCAN_SECONDS, max_entries=8, show_spinner=False)
def looked(root: str) -> "Looked":
    """Return what is in a data folder; raise InputError if it is none."""
    from app.looking import look

    return look(Path(root))


@st.cache_data(max_entries=16, show_spinner=False)
def sizes(root: str, fingerprint: str) -> "pd.DataFrame":
    """Return how large the items of a folder are; other data ask anew."""
    del fingerprint  # part of the key
    from app.looking import sizes as measure

    return measure(looked(root))


@st.cache_data(max_entries=16, show_spinner=False)
def chance(root: str, fingerprint: str) -> dict[str, float]:
    """Return the chance level of nearest neighbours by modality; other data ask anew."""
    del fingerprint
    from app.looking import chance_of

    return {str(name): level for name, level in chance_of(looked(root).rows).items()}


@st.cache_data(max_entries=512, show_spinner=False)
def tile(path: str, stamp: float) -> np.ndarray:
    """Return a picture as a tile of a gallery; raise MediaError if it cannot be decoded."""
    del stamp
    from PIL import Image

    from d2v_core.data.image import decode_image

    image = Image.fromarray(decode_image(Path(path)))
    scale = PICTURE_PIXELS / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS))


@st.cache_data(max_entries=256, show_spinner=False)
def clip(path: str, stamp: float) -> "tuple[Playback, float]":
    """Return the start of a sound, and its length; raise MediaError if it cannot be decoded."""
    del stamp
    from app.looking import clip as cut

    return cut(Path(path))


def strip_of(sound: "Playback") -> np.ndarray:
    """Return the spectrogram of a sound as a small, wide picture."""
    from PIL import Image

    from d2v_core.data.playback import picture_of

    small = Image.fromarray(picture_of(sound.decibels))
    return np.asarray(small.resize(STRIP_PIXELS, Image.Resampling.BILINEAR))


@st.cache_data(max_entries=128, show_spinner=False)
def aviary_item(seed: int, factors: tuple[tuple[str, Any], ...]) -> "AviaryItem":
    """Return one item of the made world with chosen factors; the others follow from the seed."""
    import dataclasses

    from d2v_core.data.aviary.make import show
    from d2v_core.data.aviary.world import make_factors

    return show(dataclasses.replace(make_factors(seed, 0), **dict(factors)), seed, 0)


@st.cache_data(max_entries=8, show_spinner=False)
def limits() -> dict[str, tuple[str, float, bool, str]]:
    """Return the limits of the monitor; see `d2v_core.monitor.LIMITS`."""
    from d2v_core.monitor import LIMITS

    return dict(LIMITS)


@st.cache_data(max_entries=8, show_spinner=False)
def steps_of(preset: str) -> int:
    """Return the steps of a preset."""
    from d2v_core.presets import preset as preset_of

    return preset_of(preset).optim.steps
