"""What every layer knows, and what it takes to read it out."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app import showing, state
from app.measured import Kind, Wanted
from app.probing import is_numeric
from app.report.parts import Exhibit, Section
from app.report.sections import layers, readout
from app.tables import score_cells
from app.views.exhibits import draw_exhibit
from app.views.explained import brief
from app.views.layers_choice import ask_beside, ask_label, open_at
from app.views.measuring import obtain
from app.words import PLURAL, PROBES, tap_words
from d2v_core.store import Recipe

SCORES = {"linear": "accuracy", "knn": "accuracy", "ridge": "R²"}


def wanted_of(kind: Kind, names: list[str], label: str) -> list[Wanted]:
    """Return one measurement of several runs."""
    return [Wanted(kind, name, (label,)) for name in names]


def draw_knows(chosen: state.Chosen, recipes: Mapping[str, Recipe]) -> None:
    """Draw the curves of the probes."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="large"):
        label = ask_label(chosen)
        if label is None:
            return
        names = ask_beside(chosen, recipes)
    wanted = wanted_of("probe", names, label)
    found, problems = obtain(chosen.place, wanted, f"Probing every layer for {label}", key="probe")
    for problem in problems:
        st.warning(problem)
    if wanted[0] not in found:
        return
    st.markdown(
        f"How well a small probe on the frozen vectors of **{chosen.encoder}** tells **{label}**, "
        "on test items that neither the probe nor the choice of the layer saw. "
        "A click on a point opens the map at that layer.",
        help=brief("probe", "linear probe", "kNN probe", "split", "adjusted Rand index"),
    )
    tables = found[wanted[0]]["modalities"]
    for modality in (m for m in PLURAL if "reason" in tables.get(m, {})):
        st.info(f"{PLURAL[modality].capitalize()}: {tables[modality]['reason']}")
    results = showing.document(recipes, names, found, label=label)
    for number, exhibit in enumerate(exhibits_of(layers.chapter(results))):
        draw_exhibit(exhibit, key=f"knows_{number}", pick=open_at(recipes))
        if number == 0:
            draw_best(tables)


def draw_best(tables: Mapping[str, Any]) -> None:
    """Say, for every modality, which layer was chosen on val and what it does on test."""
    modalities = [m for m in PLURAL if "best" in tables.get(m, {})]
    if not modalities:
        return
    for column, modality in zip(st.columns(len(modalities)), modalities, strict=True):
        bests = sorted(tables[modality]["best"], key=lambda b: b["probe"] == "knn")
        with column.container(border=True, height="stretch"):
            st.markdown(f"**{PLURAL[modality].capitalize()}**, the layer that was best on val")
            for best in bests:
                cells = score_cells(best["score"], 2)
                probe = {**PROBES, "ridge": "ridge regression"}[best["probe"]]
                st.markdown(
                    f"★ {probe.capitalize()} at **{tap_words(best['tap']).partition(' (')[0]}**: "
                    f"{SCORES[best['probe']]} **{cells['value']}** ({cells['95 % interval']}), "
                    f"chance {cells['chance']}, n\u00a0=\u00a0{cells['n']}"
                )


def exhibits_of(section: Section | None) -> list[Exhibit]:
    """Return the exhibits of a chapter of the report; none of no chapter."""
    return [part for part in section.parts if isinstance(part, Exhibit)] if section else []


def draw_takes(chosen: state.Chosen, recipes: Mapping[str, Recipe]) -> None:
    """Draw the probes that take longer."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="large"):
        label = ask_label(chosen)
        if label is None:
            return
        names = ask_beside(chosen, recipes)
    if is_numeric(chosen.read().items[label]):
        st.info(f"{label} is a number; few examples, bits and made-up labels are for kinds.")
        return
    st.markdown(
        "Accuracy alone hides the price: how many labelled examples it takes, how many bits the "
        "labels cost, which layers are used, and whether the probe has only memorised.",
        help=brief("few-shot", "description length", "weighted sum of layers", "selectivity"),
    )
    found, problems = obtain(
        chosen.place,
        wanted_of("deeper", names, label),
        f"Reading {label} out of {len(names)} {'run' if len(names) == 1 else 'runs'}",
        key="deeper",
        on_request="Measure this; it takes a minute or more, and you can go on meanwhile",
    )
    for problem in problems:
        st.warning(problem)
    if not found:
        return
    results = showing.document(recipes, names, found, label=label)
    section = readout.chapter(results)
    if section is None:
        st.info(f"None of these probes can be run for {label}: there are too few items of a kind.")
    for number, exhibit in enumerate(exhibits_of(section)):
        draw_exhibit(exhibit, key=f"takes_{number}", pick=open_at(recipes))
