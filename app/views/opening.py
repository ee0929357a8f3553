"""From elsewhere to the map: a click on a layer, or on what was embedded, opens it there."""

import streamlit as st

from app.following import follow

WISH = "open_map_next"


def wish_map(name: str, tap: str) -> None:
    """Choose a run and a layer, and ask for the map; called by what a click calls back."""
    st.session_state["run"] = name
    follow("layer", tap)
    st.session_state[WISH] = True


def wish_store(place: str) -> None:
    """Choose a store and ask for the map, as the callback of a button."""
    opened = [p for p in st.session_state.get("opened", []) if p != place]
    st.session_state["opened"] = [place, *opened]
    st.session_state["store"] = place
    for name in ("run", "layer"):  # those of another store
        st.session_state.pop(name, None)
    st.session_state[WISH] = True


def follow_wish() -> None:
    """Open the map if a click asked for it. A page calls this before it draws anything.

    Run and layer go along in the state of their widgets, which write them into the address. Nothing
    may be given for the address here, nor left out: Streamlit refuses to clear what widgets hold.
    """
    if st.session_state.pop(WISH, False):
        st.switch_page("views/map.py", query_params={})
