"""What is selected, kept by the items and not by the picture: lit up on the next layer too.

It is in the address of the page, so that a link opened elsewhere shows the same; and in the
session, by store and items, so that it is there again when one comes back.
"""

import numpy as np
import streamlit as st

from app import cached, state
from app.permalink import read_selection, read_view, selection_text, view_text
from app.scatter.component import NOTHING, Selected, coordinates_of
from app.selecting import fold, read_drawn
from app.views import kept_address
from d2v_core.errors import InputError

MOST_BEFORE = 8
"""Selections that further strokes may go on from: the browser may draw before it has an answer."""

SELECTED, VIEW = "sel", "at"

Kept = tuple[str, list[Selected]]


def bring_back_map(chosen: state.Chosen) -> None:
    """Let the address say again what was selected and in view when the map was left."""
    items, _ = _items(chosen)
    for name in (SELECTED, VIEW):
        kept_address.bring_back(name, _about(chosen.place, items))


def selected(place: str, items: str, count: int) -> Selected:
    """Return what is selected of some items: in this session, or else by the address.

    Args:
        place: of the store.
        items: hash of the items and their order.
        count: how many there are.
    """
    about = _about(place, items)
    of, history = _kept()
    if of == about:
        return history[-1]
    text = st.query_params.get(SELECTED)
    if not text:
        return Selected()
    try:
        rows = read_selection(cached.store(place), text, items, count)
    except InputError as error:
        kept_address.say(SELECTED, "", about)
        st.session_state["selection_problem"] = str(error)
        return Selected()
    found = Selected(f"link {text[-24:]}", rows)
    st.session_state["selected"] = (about, [found])
    return found


def select_rows(chosen: state.Chosen, rows: np.ndarray, stamp: str) -> None:
    """Select rows that did not come from the map: of a search, or of a file."""
    items, count = _items(chosen)
    _keep(chosen, items, count, Selected(stamp, np.unique(rows)))


def keep_selection(chosen: state.Chosen, key: str, shown: np.ndarray) -> None:
    """Decide what was drawn holds, and keep it; the callback of a map.

    Args:
        chosen: store, run and layer.
        key: of the map.
        shown: which items are seen.
    """
    value = st.session_state[key].get("selection")
    items, count = _items(chosen)
    of, history = _kept()
    try:
        now = decide(value, shown, history if of == _about(chosen.place, items) else [])
    except InputError as error:
        stamp = str(value.get("stamp")) if isinstance(value, dict) else NOTHING
        now = Selected(stamp)
        st.session_state["selection_problem"] = str(error)
    _keep(chosen, items, count, now)


def decide(value: object, shown: np.ndarray, history: list[Selected]) -> Selected:
    """Return what a selection of the browser holds, of the items that are shown.

    Args:
        value: anything at all; it came over the network.
        shown: which items an outline can catch.
        history: what was selected before, the newest last.

    Raises:
        InputError: if it is no selection, of a map that is gone, or goes on from one that is.
    """
    drawn = read_drawn(value, len(shown))
    if drawn is None:
        return Selected()
    before = {one.stamp: one.rows for one in history} | {NOTHING: Selected().rows}
    if drawn.base not in before:
        raise InputError("the selection that this goes on from is gone; draw it once more")
    rows = fold(before[drawn.base], drawn.strokes, coordinates=coordinates_of, shown=shown)
    return Selected(drawn.stamp, rows)


def keep_view(chosen: state.Chosen, key: str) -> None:
    """Keep in the address what is in view; the callback of a map."""
    text = view_text(read_view(st.session_state[key].get("view")))
    kept_address.say(VIEW, text, _about(chosen.place, _items(chosen)[0]))


def _about(place: str, items: str) -> str:
    return f"{items} {place}"


def _items(chosen: state.Chosen) -> tuple[str, int]:
    count = len(chosen.read().items)
    return cached.identity(chosen.place, chosen.name, chosen.tap, count), count


def _kept() -> Kept:
    return st.session_state.get("selected", ("", [Selected()]))


def _keep(chosen: state.Chosen, items: str, count: int, now: Selected) -> None:
    of, history = _kept()
    about = _about(chosen.place, items)
    before = history if of == about else []
    st.session_state["selected"] = (about, [*before[1 - MOST_BEFORE :], now])
    text = ""
    if len(now.rows):
        text = selection_text(cached.store(chosen.place), now.rows, items, count)
    kept_address.say(SELECTED, text, about)
