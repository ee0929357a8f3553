"""What the pages on layers are about: which column, which runs, and where a click leads."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import cached, showing, state
from app.following import settle, settle_among, usual
from app.map_chart import MOST_CATEGORIES
from app.probing import is_numeric
from app.views.exhibits import Pick
from app.views.opening import wish_map
from d2v_core.store import Recipe

NOT_LABELS = {"id", "modality", "split", "group", "text", "media", "pair"}
REFERENCES = ("random twin", "low-level features")


def label_columns(items: pd.DataFrame) -> list[str]:
    """Return the columns that can be told from vectors: kinds or numbers, the label first.

    Of other columns, those of very many kinds are left out: they are names and notes.
    """
    most = {"label": max(MOST_CATEGORIES, len(items) // 4)}  # fewer than four each are no kinds
    found = [
        str(column)
        for column in items
        if column not in NOT_LABELS
        and (
            2 <= items[column].nunique() <= most.get(str(column), MOST_CATEGORIES)
            or is_numeric(items[column])
        )
    ]
    return sorted(found, key=lambda column: column != "label")


def same_data(chosen: state.Chosen) -> dict[str, Recipe]:
    """Return all representations of the data of the chosen one, that one first."""
    found = {choice.name: choice.recipe for choice in cached.choices(chosen.place)}
    data = found[chosen.name].data_fingerprint
    others = {name: recipe for name, recipe in found.items() if recipe.data_fingerprint == data}
    return {chosen.name: found[chosen.name], **others}


def ask_beside(chosen: state.Chosen, recipes: Mapping[str, Recipe]) -> list[str]:
    """Ask which runs to show beside the chosen one; return all, the chosen one first."""
    others = [name for name in recipes if name != chosen.name]
    if not others:
        return [chosen.name]
    called = showing.called_by(recipes)
    references = [name for name in others if recipes[name].role in REFERENCES]
    settle("beside", chosen.name, references)
    beside = st.pills(
        "Beside it", others, selection_mode="multi", default=usual("beside", references),
        format_func=called.__getitem__, key="beside", bind="query-params", persist_state="session",
        help="The untrained twin and the low-level features show what there was before training.",
    )  # fmt: skip
    return [chosen.name, *(beside or [])]


def open_at(recipes: Mapping[str, Recipe]) -> Pick:
    """Return what opens the map at the run and the layer of a point of a curve."""
    names = {called: name for name, called in showing.called_by(recipes).items()}

    def pick(figure: go.Figure, point: dict[str, Any]) -> None:
        traces: Any = figure.data  # plotly's own type knows nothing of traces
        name = names.get(traces[point["curve_number"]].name)
        if name is not None:
            taps = recipes[name].taps
            wish_map(name, point["x"] if point["x"] in taps else taps[-1])

    return pick


def ask_label(chosen: state.Chosen) -> str | None:
    """Ask what is to be told from the vectors; None if there is nothing."""
    labels = label_columns(chosen.read().items)
    if not labels:
        st.info(
            "There is nothing to be told from the vectors: no column of these items has a few "
            "values or numbers. A column `label` in metadata.csv, for one, can be probed."
        )
        return None
    settle_among("label", labels, labels[0])
    return st.selectbox(
        "To be told from the vector", labels, index=usual("label", 0), key="label",
        bind="query-params", persist_state="session", width=280,
    )  # fmt: skip
