"""Which items are seen on the map, and how they are drawn."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from app.map_chart import colour_columns
from app.map_words import ABOUT_COLOURS
from app.selecting import passes
from app.words import PLURAL


def ask_colour(items: pd.DataFrame, made: Sequence[str], *, first: str = "") -> str:
    """Ask what the items are coloured by.

    Args:
        items: all items.
        made: columns that are made for the map.
        first: of the columns made, that which is meant if nobody has asked for another.
    """
    columns = [name for name in colour_columns(items) if name not in made] + list(made)
    if st.session_state.get("colour") not in (None, *columns):  # of another kind of map
        del st.session_state["colour"]
    return st.selectbox(
        "Colour", columns, index=columns.index(first) if first else 0, key="colour",
        bind="query-params", width=180, persist_state="session",
        help="; ".join(f"**{name}**: {ABOUT_COLOURS[name]}" for name in made),
    )  # fmt: skip


def ask_shown(items: pd.DataFrame) -> np.ndarray:
    """Ask what to show; return which items pass."""
    senses = [m for m in PLURAL if (items["modality"] == m).any()]
    with st.popover("Show only", icon=":material/filter_alt:"):
        kept = st.pills(
            "Senses", senses, selection_mode="multi", default=senses, key="show_senses",
            format_func=PLURAL.__getitem__, persist_state="session", bind="query-params",
        )  # fmt: skip
        labels = st.multiselect(
            "Labels", sorted(items["label"].dropna().unique()), key="show_labels",
            placeholder="all labels", persist_state="session", bind="query-params",
        )  # fmt: skip
        splits = st.multiselect(
            "Splits", sorted(items["split"].dropna().unique()), key="show_splits",
            placeholder="all splits", persist_state="session", bind="query-params",
        )  # fmt: skip
    wanted = {"modality": kept or senses, "label": labels, "split": splits}
    return np.logical_and.reduce([np.ones(len(items), bool), *passes(items, wanted)])


def ask_drawing() -> tuple[bool, bool]:
    """Ask how to draw; return whether to draw lines, and names of groups."""
    with st.popover("Drawing", icon=":material/visibility:"):
        lines = st.toggle(
            "Lines", value=True, key="lines", persist_state="session", bind="query-params",
            help="Dotted to the item's own picture, sound or sentence; solid to its true "
            "nearest neighbours, in the model and not on the map, the nearest the boldest.",
        )  # fmt: skip
        names = st.toggle(
            "Names of groups", key="names", persist_state="session", bind="query-params",
            help="Each value of the colour, written at the middle of its items; of many items or "
            "values the one that prevails at each dense place.",
        )  # fmt: skip
        st.toggle(
            "Draw without WebGL", key="no_webgl", persist_state="session",
            help="Plainer, and at most 5000 items; for browsers that show an empty map.",
        )  # fmt: skip
    return lines, names
