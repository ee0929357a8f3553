"""What the probe thinks of the items that nobody was asked about, to look at and to correct."""

from collections.abc import Callable

import streamlit as st

from app import state
from app.cached_label import Learnt, Pool
from app.label_words import GALLERIES
from app.labelling import Said
from app.views.item_panel import draw_media_small
from probes.active import most_telling

COLUMNS = 4
TILES = 12
SOUNDS = 8
"""Every player holds its sound in memory."""


def gallery(
    chosen: state.Chosen, pool: Pool, learnt: Learnt, tell: Callable[[int, Said], None]
) -> None:
    """Draw the items that the probe is surest of, or least sure.

    Args:
        chosen: what is looked at.
        pool: the items.
        learnt: from the answers so far.
        tell: keeps an answer about a row.
    """
    st.subheader("What the probe thinks of the rest")
    if learnt.margins is None:
        st.caption("It thinks nothing yet: it takes a yes and a no.")
        return
    which = st.segmented_control(
        "Show", list(GALLERIES), default="yes", key="label_gallery", required=True,
        format_func=lambda name: GALLERIES[name][0], label_visibility="collapsed",
        persist_state="session", bind="query-params",
    ) or "yes"  # fmt: skip
    has_sounds = bool((pool.items["modality"] == "audio").any())
    found = most_telling(
        learnt.margins, learnt.codes, learnt.exam, count=SOUNDS if has_sounds else TILES
    )
    rows = found[which].tolist()
    words = GALLERIES[which][1]
    if which != "unsure" and rows:
        words = surest_words(which, float(learnt.margins[rows[0]]), words)
    st.caption(f"{words} Where it is wrong, say so. Items of the exam are not among them.")
    if not rows:
        st.info("There is none.", icon=":material/hide_image:")
    for first in range(0, len(rows), COLUMNS):
        part = rows[first : first + COLUMNS]
        for column, row in zip(st.columns(COLUMNS), part, strict=False):
            with column.container(border=True, height="stretch"):
                _draw_tile(chosen, pool, row, tell)


def surest_words(which: str, margin: float, words: str) -> str:
    """Return what the surest items are; of a rare concept the probe may say no to all."""
    leans = "yes" if margin > 0 else "no"
    if leans == which:
        return words
    return f"The probe would say {leans} to all that is left; these come nearest to {which}."


def _draw_tile(
    chosen: state.Chosen, pool: Pool, row: int, tell: Callable[[int, Said], None]
) -> None:
    ident, modality = pool.keys[row]
    draw_media_small(chosen, pool.items.iloc[row])
    with st.container(horizontal=True):
        st.button(
            "Yes", key=f"label_tile_yes_{ident}_{modality}", icon=":material/check:",
            on_click=tell, args=(row, "yes"), help=f"It is: {ident}",
        )  # fmt: skip
        st.button(
            "No", key=f"label_tile_no_{ident}_{modality}", icon=":material/close:",
            on_click=tell, args=(row, "no"), help=f"It is not: {ident}",
        )  # fmt: skip
