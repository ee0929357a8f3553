"""Selected items as tiles, drawn by the browser from the routes: no file waits in memory."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from streamlit.components.v2 import component

from app.routes import STATIC, code_hash, prefix

TILES = 24
"""A page of the gallery."""

MOST_PLAYED = 500
"""Sounds that are played one after the other."""


def gallery(
    rows: np.ndarray,
    sounds: np.ndarray,
    *,
    media: str,
    chosen: int,
    key: str,
    on_chosen: Callable[[], None],
) -> None:
    """Draw tiles.

    Args:
        rows: of the page, at most TILES.
        sounds: rows of all sounds of the selection, to be played one by one.
        media: hash of the shelf of cards, pictures and sounds.
        chosen: the row that is outlined.
        key: of the component.
        on_chosen: called when `st.session_state[key]["chosen"]` is the row of a tile that was
            clicked.
    """
    data = {
        "base": prefix(),
        "code": f"{prefix()}/code/{code_hash()}",
        "media": media,
        "rows": rows[:TILES].tolist(),
        "sounds": sounds[:MOST_PLAYED].tolist(),
        "chosen": chosen,
    }
    _component()(key=key, data=data, on_chosen_change=on_chosen)


@cache
def _component() -> Callable[..., Any]:
    """Register the component, once a process."""
    return component(
        "d2v_gallery",
        css=(STATIC / "gallery.css").read_text(encoding="utf-8"),
        js=(STATIC / "loadgallery.js").read_text(encoding="utf-8"),
    )
