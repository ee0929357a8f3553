"""Which items are seen on the map, and how they are drawn."""

import numpy as np
import pandas as pd
import streamlit as st

from app.selecting import passes
from app.words import PLURAL


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
            help="Each value of the colour, written at the middle of its items.",
        )  # fmt: skip
        st.toggle(
            "Draw without WebGL", key="no_webgl", persist_state="session",
            help="Plainer, and at most 5000 items; for browsers that show an empty map.",
        )  # fmt: skip
    return lines, names
