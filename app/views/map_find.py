"""Find items: by their id, by words, or by a file of ids that was saved before."""

import hashlib

import numpy as np
import pandas as pd
import streamlit as st

from app import state
from app.finding import find_rows
from app.plain_text import plain
from app.scatter.component import Focus
from app.views.item_panel import shortened
from app.views.map_item import choose_row
from app.views.map_selection import select_rows
from app.words import SINGULAR
from d2v_core.errors import InputError

MOST_LISTED = 8
MOST_RINGED = 300


def ask_find(chosen: state.Chosen, items: pd.DataFrame) -> tuple[tuple[int, ...], Focus | None]:
    """Ask what to find; return the rows that are ringed, and what to bring into the middle."""
    with st.popover("Find", icon=":material/search:"):
        words = st.text_input(
            "Words or an id", key="find", bind="query-params", persist_state="session",
            max_chars=200, placeholder="owls at dawn",
        )  # fmt: skip
        rows = find_rows(items, words or "")
        if words:
            draw_found(chosen, items, rows)
        file = st.file_uploader("Or a file of ids", type=["tsv", "csv", "txt"], key="find_file")
        if file is not None:
            take_file(chosen, items, file.getvalue())
    if not len(rows):
        return (), None
    ringed = tuple(int(row) for row in rows[:MOST_RINGED])
    return ringed, Focus(f"{words} {len(rows)}", ringed)


def draw_found(chosen: state.Chosen, items: pd.DataFrame, rows: np.ndarray) -> None:
    """List the first that were found, each to be chosen; and offer to select all."""
    if not len(rows):
        st.caption("Nothing has all these words in its id, label or sentence.")
        return
    more = "" if len(rows) <= MOST_RINGED else f"; the first {MOST_RINGED} are ringed"
    st.caption(f"{len(rows)} found{more}")
    list_items(items, rows[:MOST_LISTED], "found")
    st.button(
        "Select it" if len(rows) == 1 else f"Select all {len(rows)}",
        key="found_all", icon=":material/select_all:",
        on_click=select_rows, args=(chosen, rows, f"find {len(rows)} {hash(rows.tobytes())}"),
    )  # fmt: skip


def list_items(items: pd.DataFrame, rows: np.ndarray, key: str) -> None:
    """List items, each to be chosen; the key begins those of the buttons."""
    for row in rows:
        item = items.iloc[row]
        said = item["text"] if pd.notna(item["text"]) else item["label"]
        words = shortened(str(said)) if pd.notna(said) else ""
        kind = SINGULAR[item["modality"]].split()[-1]
        st.button(
            f"{kind}: {plain(words or str(item['id']))}", key=f"{key}_{row}", type="tertiary",
            on_click=choose_row, args=(items, int(row)), help=plain(str(item["id"])),
        )  # fmt: skip


def take_file(chosen: state.Chosen, items: pd.DataFrame, content: bytes) -> None:
    """Select what a file names, once; say what it named."""
    from app.taking import read_ids

    stamp = hashlib.sha256(content).hexdigest()
    try:
        brought = read_ids(content, items)
    except InputError as error:
        st.error(str(error))
        return
    if st.session_state.get("find_taken") != stamp:
        st.session_state["find_taken"] = stamp
        select_rows(chosen, brought.rows, f"file {stamp[:16]}")
    lost = f"; {brought.unknown} of the file are not here" if brought.unknown else ""
    st.caption(f"{len(brought.rows)} selected{lost}.")
