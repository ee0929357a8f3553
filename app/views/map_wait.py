"""The wanted map if it is there; a quick one, and how far the wanted one is, while it is made."""

import time
from typing import TYPE_CHECKING

import streamlit as st

from app import cached_map, state
from app.map_words import MAPS, bar_words
from app.training_words import seconds_words
from app.wishes import MapWish

if TYPE_CHECKING:
    import pandas as pd

    from probes.result import Plain

POLL_SECONDS = 2
UNASKED_SECONDS = 300
"""A map that takes longer is made when somebody asks for it: it keeps the machine busy."""


def read_map(chosen: state.Chosen, wish: MapWish) -> "tuple[MapWish, pd.DataFrame, Plain]":
    """Return the wanted map, or PCA while the wanted one is being made; and which it is."""
    try:
        return wish, *cached_map.drawn(chosen.place, wish)
    except cached_map.NotDrawn:
        if is_asked(chosen, wish):
            wait_for(chosen, wish)
    quick = wish._replace(method="pca", settings=())
    with st.spinner("Drawing the map"):
        return quick, *cached_map.drawn(chosen.place, quick)


def is_asked(chosen: state.Chosen, wish: MapWish) -> bool:
    """Return whether to make a map; offer a button for one that takes long."""
    seconds = cached_map.takes(chosen.place, wish)
    asked = st.session_state.setdefault("asked_maps", set())
    if seconds <= UNASKED_SECONDS or wish in asked:
        return True
    called, long = MAPS[wish.method], seconds_words(seconds)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.info(
            f"This is PCA. {called} of so many items takes about {long} on two cores, so it is "
            "made when you ask for it.",
            icon=":material/hourglass_empty:",
        )
        st.button(f"Make {called}", key="map_ask", on_click=asked.add, args=(wish,))
    return False


@st.fragment(run_every=POLL_SECONDS)
def wait_for(chosen: state.Chosen, wish: MapWish) -> None:
    """See that the map is being made, and draw the page anew when it is there."""
    try:
        cached_map.drawn(chosen.place, wish)
    except cached_map.NotDrawn:
        pass
    else:
        st.rerun()
    called = MAPS[wish.method]
    if see_to(chosen, wish, f"The {called} could not be made", "This is PCA."):
        noted = cached_map.how_far(chosen.place, wish)
        share, words = bar_words(noted, f"{called} is being computed", time.time())
        st.progress(share, text=f"{words}. Until then this is PCA.")


def see_to(chosen: state.Chosen, wish: MapWish, failed: str, otherwise: str) -> bool:
    """See that a map is made and judged; return whether it is at work, else say why not.

    Args:
        chosen: store, run and layer.
        wish: the map.
        failed: what to say when it has failed, before the reason.
        otherwise: what to say behind the reason.
    """
    status, why = cached_map.ensure(chosen.place, wish)
    if status == "failed":
        st.warning(f"{failed}: {why} {otherwise}")
        if st.button("Try again", key="map_again"):
            cached_map.forget(chosen.place, wish)
            st.rerun()
    elif status == "waiting":
        st.info(
            f"{MAPS[wish.method]} waits for another map. {otherwise}",
            icon=":material/hourglass_top:",
        )
    return status in ("running", "done")
