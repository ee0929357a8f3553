"""From a figure to the map: a click on a layer opens it there."""

import streamlit as st

WISH = "open_map_next"


def wish_map(name: str, tap: str) -> None:
    """Choose a run and a layer, and ask for the map; called by what a click calls back."""
    st.session_state["run"], st.session_state["layer"] = name, tap
    st.session_state[WISH] = True


def follow_wish() -> None:
    """Open the map if a click asked for it. A page calls this before it draws anything."""
    if st.session_state.pop(WISH, False):
        state = {key: st.session_state[key] for key in ("store", "run", "layer")}
        st.switch_page("views/map.py", query_params=state)
