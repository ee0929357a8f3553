"""Layers: what every layer knows, against chance, the untrained twin and low-level features."""

from pathlib import Path
from typing import Any

import streamlit as st

from app import cached, state
from app.charts import layer_panels
from app.map_chart import MOST_CATEGORIES
from app.tables import layer_table, score_cells
from app.words import PLURAL, PROBES, tap_words
from d2v_core.errors import D2VError

REFERENCES = ("random twin", "low-level features")
NOT_LABELS = {"id", "modality", "split", "group", "text", "media"}


def label_columns(chosen: state.Chosen) -> list[str]:
    """Return the columns that can be told from embeddings: a few values, each on several items."""
    items = chosen.read().items
    few = [c for c in items if 2 <= items[c].nunique() <= MOST_CATEGORIES and c not in NOT_LABELS]
    return sorted((str(c) for c in few), key=lambda c: c != "label")


def references(chosen: state.Chosen) -> list[str]:
    """Return the untrained twin and the low-level features of the same data."""
    found = {c.name: c.recipe for c in cached.choices(chosen.place)}
    data = found[chosen.name].data_fingerprint
    others: dict[str, str] = {}
    for name, recipe in found.items():
        is_control = recipe.role in REFERENCES and recipe.data_fingerprint == data
        if is_control and name != chosen.name:
            others.setdefault(recipe.role, name)
    return list(others.values())


def measure(chosen: state.Chosen, label: str) -> list[dict[str, Any]]:
    """Probe the run and its references, and show how far it is."""
    names = [chosen.name, *references(chosen)]
    bar = st.empty()
    results = []
    for number, name in enumerate(names):
        bar.progress(number / len(names), text=f"Probing every layer of **{name}** for {label}")
        results.append(cached.probe(chosen.place, name, label))
    bar.empty()
    return results


def page(chosen: state.Chosen) -> None:
    """Draw the page."""
    st.title("What does each layer know?")
    labels = label_columns(chosen)
    if not labels:
        st.info("No column of these items has 2 to 20 values, so there is nothing to be told.")
        return
    label = st.selectbox(
        "To be told from the vector", labels, key="label", bind="query-params", width=280
    )
    try:
        results = measure(chosen, label)
    except D2VError as error:
        st.warning(str(error))
        return
    recipes = {c.name: c.recipe for c in cached.choices(chosen.place)}
    names = {name: Path(recipe.encoder).name for name, recipe in recipes.items()}
    names[chosen.name] = chosen.encoder
    roles = {name: recipe.role for name, recipe in recipes.items()}
    st.markdown(
        f"How often a small probe on the frozen vectors of **{chosen.encoder}** tells the right "
        f"**{label}**, on test items that neither the probe nor the choice of the layer saw."
    )
    draw(results, names, roles)
    st.subheader("All figures")
    st.dataframe(layer_table(results, names), hide_index=True)


def draw(results: list[dict[str, Any]], names: dict[str, str], roles: dict[str, str]) -> None:
    """Draw a panel a modality, and say which layer is best."""
    tables = results[0]["modalities"]
    modalities = [m for m in PLURAL if "rows" in tables.get(m, {})]
    for modality in PLURAL:
        if "reason" in tables.get(modality, {}):
            st.info(f"{PLURAL[modality].capitalize()}: {tables[modality]['reason']}")
    if not modalities:
        return
    probes = st.pills(
        "Probes", list(PROBES), selection_mode="multi", default=list(PROBES), key="probes",
        format_func=PROBES.__getitem__, label_visibility="collapsed", persist_state="session",
    )  # fmt: skip
    figure = layer_panels(
        results, modalities, names=names, roles=roles, probes=probes or list(PROBES)
    )
    about = "Accuracy over layers; the table below has all figures"
    st.plotly_chart(figure, key="curves", config={"displayModeBar": False}, alt=about)
    st.caption(
        "Bands: 95 % intervals of the run; those of the controls are in the table. Dotted: always "
        "saying the most frequent answer, or any. A layer that does not clear the controls has "
        "learnt nothing about this that was not there before."
    )
    for column, modality in zip(st.columns(len(modalities)), modalities, strict=True):
        with column:
            for best in tables[modality]["best"]:
                draw_best(best)


def draw_best(best: dict[str, Any]) -> None:
    """Say which layer was chosen on val, and what it does on test."""
    cells = score_cells(best["score"], 2)
    st.markdown(
        f"★ {PROBES[best['probe']].capitalize()}: best at **{tap_words(best['tap'])}**, "
        f"{cells['value']} ({cells['95 % interval']}), chance {cells['chance']}, n = {cells['n']}"
    )


page(state.current())
