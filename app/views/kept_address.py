"""What the address says that no widget holds: it comes back when one comes back to a page.

Streamlit empties the address when the page changes; widgets that are bound to it keep their part in
the session. The rest is kept here, by what it is about, and written into the address again when its
page is drawn.
"""

import streamlit as st

KEPT, ABOUT = "kept_address", "kept_about"


def bring_back(name: str, about: str) -> str:
    """Return what the address says; what it said last of this if it says nothing.

    What it says of something else, of another store for one, is dropped. A link that was just
    opened is about whatever it opened.

    Args:
        name: in the address.
        about: what it is about: the place of a store, or the items in it.
    """
    of = st.session_state.setdefault(ABOUT, {})
    is_other = of.get(name, about) != about
    of[name] = about
    value = "" if is_other else st.query_params.get(name, "")
    value = value or _kept().get((name, about), "")
    say(name, value, about)
    return value


def say(name: str, value: str, about: str) -> None:
    """Write something into the address, and keep it; nothing at all lets go of it."""
    if value:
        _kept()[name, about] = value
        if st.query_params.get(name) != value:
            st.query_params[name] = value
        return
    _kept().pop((name, about), None)
    if name in st.query_params:
        del st.query_params[name]


def _kept() -> dict[tuple[str, str], str]:
    return st.session_state.setdefault(KEPT, {})
