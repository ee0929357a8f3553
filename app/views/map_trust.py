"""How far a map and its items can be believed; and how a way through maps goes."""

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from app import cached_map, state
from app.map_words import MAPS, counted_words, move_words, n_words, score_words
from app.views.map_wait import POLL_SECONDS, Work, watch
from app.wishes import MapWish

if TYPE_CHECKING:
    import pandas as pd

    from probes.result import Plain

JUDGED = ("trust", "continuity", "hub")
"""Colours that are a judgement on every item."""


def draw_trust(chosen: state.Chosen, wish: MapWish, about: "Plain", laid: cached_map.Laid) -> None:
    """Say how far the picture can be believed, and that it was turned."""
    scores = {"trustworthiness": about["trustworthiness"]}
    items = len(laid.frames[-1])
    if not wish.over:
        try:
            scores |= cached_map.faithful(chosen.place, wish, items)[1]
        except cached_map.NotDrawn:
            pass
    said = ", ".join(
        [MAPS[about["method"]], *(score_words(name, score) for name, score in scores.items())]
    )
    st.caption(
        f"{said} ({n_words(scores['trustworthiness']['n'], items)}). At 1, neighbours on the map "
        "are neighbours in the model, and the other way round; sizes of groups and distances "
        f"between them mean little.{turned_words(laid.placed.residual)}"
    )


def judge_items(
    chosen: state.Chosen, wish: MapWish, table: "pd.DataFrame", colour: str
) -> "tuple[pd.DataFrame, np.ndarray]":
    """Return a table with what is known of every item's place; say of how many it is known.

    Of many items that is counted in the background, and only if somebody wants to see it.

    Args:
        chosen: store, run and layer.
        wish: the map.
        table: all items, with the `trust` that the map came with.
        colour: what they are coloured by.

    Returns:
        The table, and which items to draw: where few are known, grey ones would hide them.
    """
    everything = np.ones(len(table), dtype=bool)
    if colour not in JUDGED or (colour == "trust" and table["trust"].notna().all()):
        return table, everything
    if not wish.over:
        try:
            judged, _ = cached_map.faithful(chosen.place, wish, len(table))
        except cached_map.NotDrawn:
            wait_for_judgement(chosen, wish, len(table), colour)
        else:
            table = table.assign(**{colour: judged[colour].to_numpy()})
    if colour not in table:
        return table.assign(**{colour: np.nan}), everything
    return table, known_items(table[colour])


def known_items(values: "pd.Series") -> np.ndarray:
    """Return which items to draw by values that may be known of some; say of how many they are."""
    known = values.notna().to_numpy()
    words = counted_words(str(values.name), int(known.sum()), len(values))
    if words:
        st.caption(words)
    return known if known.any() else np.ones(len(values), dtype=bool)


@st.fragment(run_every=POLL_SECONDS)
def wait_for_judgement(chosen: state.Chosen, wish: MapWish, items: int, colour: str) -> None:
    """See that every item is judged, and draw the page anew when that is done."""
    try:
        cached_map.faithful(chosen.place, wish, items)
    except cached_map.NotDrawn:
        pass
    else:
        st.rerun()
    work = Work(
        f"Counting {colour} of every item", f"{colour.capitalize()} could not be counted", "This"
    )
    watch(chosen, wish, work, end="", judge=True)


def turned_words(residual: float | None) -> str:
    """Say that a map was turned."""
    if residual is None:
        return ""
    return (
        " It is turned to lie on the PCA of the last layer as well as may be; "
        f"{residual:.0%} of its spread does not."
    )


def draw_move(about: "Plain", stop: str, called: str) -> None:
    """Say how far points move to the stop that is shown."""
    moves = about["moves"]
    to = next((move for move in moves if move["after"] == stop), None)
    st.caption(move_words(to, called, is_first=to is None))
