"""What is selected on the map: how many of what, and a file of them to take away."""

import numpy as np
import pandas as pd
import streamlit as st

from app import cached, state
from app.views.map_selection import selected
from app.words import PLURAL, SINGULAR

MOST_LABELS = 6


def draw_selected(
    chosen: state.Chosen, table: pd.DataFrame, shown: np.ndarray
) -> np.ndarray | None:
    """Draw the selection; return its rows that are shown, or None if nothing is selected."""
    if problem := st.session_state.pop("selection_problem", None):
        st.warning(f"This could not be selected: {problem}")
    items = cached.identity(chosen.place, chosen.name, chosen.tap, len(table))
    kept = selected(chosen.place, items, len(table))
    if not len(kept.rows):
        return None
    rows = kept.rows[shown[kept.rows]]
    part = table.iloc[rows]
    hidden = len(kept.rows) - len(rows)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{len(rows)} selected**: {composition(part)}" + hidden_words(hidden))
        st.download_button(
            "Save as CSV",
            data=lambda: part.drop(columns=["row"]).to_csv(index=False),
            file_name="selection.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
            key="save_selection",
        )
    return rows


def hidden_words(hidden: int) -> str:
    """Say how many of the selected the filter hides."""
    return f" ({hidden} more are hidden by the filter)" if hidden else ""


def composition(part: pd.DataFrame) -> str:
    """Say what a selection is made of: modalities, then its commonest labels."""
    senses = part["modality"].value_counts()
    words = [
        f"{senses[m]} {PLURAL[m] if senses[m] != 1 else SINGULAR[m].split()[-1]}"
        for m in PLURAL
        if m in senses
    ]
    labels = part["label"].value_counts()
    often = [f"{_plain(str(name))} {count}" for name, count in labels.head(MOST_LABELS).items()]
    if len(labels) > MOST_LABELS:
        often.append(f"and {len(labels) - MOST_LABELS} more labels")
    return ", ".join(words) + (f" · {', '.join(often)}" if often else "")


def _plain(text: str) -> str:
    """Return a label as Markdown that means nothing but itself."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]()#+-.!|<>$:~" else c for c in text)
