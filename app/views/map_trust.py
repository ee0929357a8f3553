"""How far a map can be believed, in a line under it; and how a way through maps goes."""

from typing import TYPE_CHECKING

import streamlit as st

from app import cached_map, state
from app.map_words import MAPS, move_words, score_words
from app.wishes import MapWish

if TYPE_CHECKING:
    from probes.result import Plain


def draw_trust(chosen: state.Chosen, wish: MapWish, about: "Plain", laid: cached_map.Laid) -> None:
    """Say how far the picture can be believed, and that it was turned."""
    parts = [f"{MAPS[about['method']]}", score_words("trustworthiness", about["trustworthiness"])]
    try:
        judged = None if wish.over else cached_map.faithful(
            chosen.place, wish, len(laid.frames[-1])
        )  # fmt: skip
    except cached_map.NotDrawn:
        judged = None
    if judged is not None:
        parts.append(score_words("continuity", judged[1]["continuity"]))
    said = ", ".join(parts)
    st.caption(
        f"{said} (n = {about['trustworthiness']['n']}). At 1, neighbours on the map are neighbours "
        "in the model, and the other way round; sizes of groups and distances between them mean "
        f"little.{turned_words(laid.placed.residual)}"
    )


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
