"""The wanted map if it is there; a quick one, and a word, while it is being made."""

from typing import TYPE_CHECKING

import streamlit as st

from app import cached_map, state
from app.map_words import MAPS
from app.wishes import MapWish

if TYPE_CHECKING:
    import pandas as pd

    from probes.result import Plain

POLL_SECONDS = 2


def read_map(chosen: state.Chosen, wish: MapWish) -> "tuple[MapWish, pd.DataFrame, Plain]":
    """Return the wanted map, or PCA while the wanted one is being made; and which it is."""
    try:
        return wish, *cached_map.drawn(chosen.place, wish)
    except cached_map.NotDrawn:
        wait_for(chosen, wish)
    quick = wish._replace(method="pca", settings=())
    with st.spinner("Drawing the map"):
        return quick, *cached_map.drawn(chosen.place, quick)


@st.fragment(run_every=POLL_SECONDS)
def wait_for(chosen: state.Chosen, wish: MapWish) -> None:
    """See that the map is being made, and draw the page anew when it is there."""
    try:
        cached_map.drawn(chosen.place, wish)
    except cached_map.NotDrawn:
        pass
    else:
        st.rerun()
    status, why = cached_map.ensure(chosen.place, wish)
    called = MAPS[wish.method]
    if status == "failed":
        st.warning(f"The {called} could not be made: {why} This is PCA.")
        if st.button("Try again", key="map_again"):
            cached_map.forget(chosen.place, wish)
            st.rerun()
        return
    words = f"{called} waits for another map" if status == "waiting" else (
        f"{called} is being computed"
    )  # fmt: skip
    st.info(
        f"{words}, some 20 seconds for a few thousand items. Until then this is PCA.",
        icon=":material/hourglass_top:",
    )
