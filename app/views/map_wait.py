"""The wanted map if it is there; a quick one, and how far the wanted one is, while it is made."""

import time
from typing import TYPE_CHECKING, NamedTuple

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
        pass
    above = st.container()
    quick = wish._replace(method="pca", settings=())
    with st.spinner("Drawing the map"):
        found = cached_map.drawn(chosen.place, quick)
    with above:  # only now: both at once would keep the visitor waiting for the quick one
        if is_asked(chosen, wish):
            wait_for(chosen, wish)
    return quick, *found


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
    work = Work(f"{called} is being computed", f"The {called} could not be made", called)
    watch(chosen, wish, work, end=" Until then this is PCA.")


class Work(NamedTuple):
    """What is done in the background, in words."""

    going: str
    """Said of it on the bar."""

    failed: str
    """Said before the reason if it has failed."""

    called: str
    """What waits while something else is being made."""


def watch(
    chosen: state.Chosen, wish: MapWish, work: Work, *, end: str, judge: bool = False
) -> None:
    """See that a map is made, or judged, and draw how far that is.

    Args:
        chosen: store, run and layer.
        wish: the map.
        work: the words.
        end: what to say behind everything.
        judge: whether every item is to be judged.
    """
    status, why = cached_map.ensure(chosen.place, wish, judge=judge)
    if status == "failed":
        st.warning(f"{work.failed}: {why.removeprefix('d2v: ')}.{end}")
        if st.button("Try again", key=f"map_again_{judge}"):
            cached_map.forget(chosen.place, wish, judge=judge)
            st.rerun()
    elif status == "waiting":
        words = f"{work.called} waits until another map is made.{end}"
        st.info(words, icon=":material/hourglass_top:")
    else:
        noted = cached_map.how_far(chosen.place, wish, judge=judge)
        share, words = bar_words(noted, work.going, time.time())
        st.progress(share, text=f"{words}.{end}")
