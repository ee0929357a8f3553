"""Data: what is in a folder, to look at, to listen to and to read; bring one, or make one."""

import streamlit as st

from app.following import follow, usual
from app.views import data_choice
from app.views.data_bring import bring
from app.views.data_look import look
from app.views.data_make import make
from app.views.explained import brief
from app.views.opening import follow_wish

DO, DO_NEXT = "data_do", "data_do_next"
WAYS = ("Look", "Bring your own", "Make an aviary")


def page() -> None:
    """Draw the page."""
    follow_wish()
    st.title("Data")
    st.markdown(
        "What the models learn from. A row may have a picture, a sound and a sentence; a row with "
        "two or three of them is a **pair**: they belong together.",
        help=brief("modality", "pair", "label"),
    )
    following = st.session_state.pop(DO_NEXT, None)
    if following is not None:
        follow(DO, following)
    way = st.segmented_control(
        "What to do",
        WAYS,
        default=usual(DO, "Look"),
        key=DO,
        bind="query-params",
        required=True,
        label_visibility="collapsed",
    )
    match way:
        case "Bring your own":
            bring(then=lambda: later("Look"))
        case "Make an aviary":
            make(then=lambda: later("Look"))
        case _:
            look_at_chosen()


def later(way: str) -> None:
    """Choose what to do when the page is drawn next."""
    st.session_state[DO_NEXT] = way


def look_at_chosen() -> None:
    """Draw the choice of a folder, and the folder."""
    path = data_choice.choose()
    if path is None:
        st.info(
            "There are no data here yet. *Bring your own*, or *Make an aviary*: a made world of "
            "birds that can be seen, heard and read about.",
            icon=":material/egg:",
        )
        return
    looked = data_choice.look_at(path)
    if looked is not None:
        look(path, looked)


page()
