"""Place something new on the map: words, a picture or a sound; no point moves."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from app import cached, cached_map, state
from app.map_words import guest_words
from app.scatter.component import Place
from app.uploads import PICTURES, SOUNDS
from app.views.item_panel import shortened
from app.views.map_find import list_items
from app.wishes import MapWish
from app.words import SINGULAR
from d2v_core.errors import D2VError, MediaError
from d2v_core.modality import Modality

WAYS: dict[str, Modality] = {"Words": "text", "A picture": "image", "A sound": "audio"}
Asked = tuple[Modality, str | Path]


class Brought(NamedTuple):
    """What was brought, on the map as it is drawn."""

    places: tuple[Place, ...] = ()
    said: str = ""
    nearest: tuple[int, ...] = ()
    """Rows of the items that are nearest in the model: ringed and listed."""


def ask_guest() -> Asked | None:
    """Ask what to place; return it, None if there is nothing."""
    with st.popover("Place your own", icon=":material/add_location_alt:"):
        way = st.segmented_control(
            "What", list(WAYS), default="Words", key="guest_way", required=True,
            label_visibility="collapsed", persist_state="session",
        ) or "Words"  # fmt: skip
        modality = WAYS[way]
        st.caption(
            "It is read by this run on this machine, and lands where it belongs; no point moves."
        )
        if modality == "text":
            words = st.text_input(
                "A sentence", key="guest_words", bind="query-params", persist_state="session",
                max_chars=1000, placeholder="An owl hoots at night.",
            )  # fmt: skip
            return ("text", words.strip()) if words and words.strip() else None
        kinds = PICTURES if modality == "image" else SOUNDS
        file = st.file_uploader(way, kinds, key=f"guest_{modality}", max_upload_size=50)
        if file is None:
            return None
        try:
            return modality, cached.kept_upload(modality, file.getvalue())
        except MediaError as error:
            st.error(f"This cannot be used: {error}", icon=":material/broken_image:")
            return None


def place_guest(
    chosen: state.Chosen, wish: MapWish, laid: cached_map.Laid, asked: Asked | None
) -> Brought:
    """Return what was brought as words on the map, what to say of it, and what is nearest."""
    if asked is None:
        return Brought()
    modality, source = asked
    try:
        with st.spinner("Reading it"):
            guest = cached_map.guest(chosen.place, wish, chosen.tap, asked)
    except D2VError as error:
        return Brought((), f":material/block: It cannot be placed: {error}")
    x, y = laid.placed.carry(np.array([[guest.x, guest.y]]))[0]
    name = (
        shortened(str(source)) if modality == "text" else f"your {SINGULAR[modality].split()[-1]}"
    )
    items: pd.DataFrame = chosen.read().items
    said = guest_words(guest, items, laid.hash)
    return Brought((Place(name, float(x), float(y)),), said, guest.nearest)


def draw_brought(items: pd.DataFrame, brought: Brought) -> None:
    """Say where it has landed; list what is nearest, each to be chosen."""
    if not brought.said:
        return
    st.markdown(brought.said)
    if brought.nearest:
        with st.container(gap=None):
            st.caption("Ringed on the map, the nearest first:")
            list_items(items, np.array(brought.nearest), "near")
