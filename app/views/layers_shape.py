"""The shape of layers: how many directions they use, how evenly, and how variance falls off."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app import showing, state
from app.charts import spectra
from app.measured import Wanted
from app.report.parts import Drawing, Exhibit
from app.report.sections import geometry
from app.views.exhibits import Pick, draw_exhibit, draw_figure
from app.views.explained import brief
from app.views.measuring import obtain
from app.words import PLURAL
from d2v_core.store import Recipe


def draw_shape(
    chosen: state.Chosen, recipes: Mapping[str, Recipe], names: Sequence[str], pick: Pick
) -> None:
    """Draw the geometry of the layers of some runs, and the spectra of the chosen one."""
    st.markdown(
        "Are directions used, or has a layer collapsed into a few? Look at one model over its "
        "layers; models of different width are no race.",
        help=brief("effective rank", "participation ratio", "intrinsic dimension", "spectrum"),
    )
    wanted = [Wanted("geometry", name) for name in names]
    found, problems = obtain(chosen.place, wanted, "Measuring the shape of layers", key="shape")
    for problem in problems:
        st.warning(problem)
    if not found:
        return
    section = geometry.chapter(showing.document(recipes, list(names), found))
    for number, exhibit in enumerate(section.parts if section else ()):
        if isinstance(exhibit, Exhibit):
            draw_exhibit(exhibit, key=f"shape_{number}", pick=pick)
    if wanted[0] in found:
        draw_reasons(found[wanted[0]])
        draw_spectra(found[wanted[0]], chosen.encoder)


def draw_reasons(tables: Mapping[str, Any]) -> None:
    """Say why the layers of a modality have no figures."""
    for modality in (m for m in PLURAL if "reason" in tables.get(m, {})):
        st.info(f"{PLURAL[modality].capitalize()}: {tables[modality]['reason']}")


def draw_spectra(tables: Mapping[str, Any], encoder: str) -> None:
    """Draw how variance falls off over the axes of every layer of one run."""
    drawings = [
        Drawing(
            spectra([(r["tap"], r["spectrum"]["shares"]) for r in rows]),
            f"Share of variance of each axis, {PLURAL[modality]} of {encoder}",
            PLURAL[modality].capitalize(),
        )
        for modality in PLURAL
        if (rows := [r for r in tables.get(modality, {}).get("rows", []) if r["spectrum"]])
    ]
    if not drawings:
        return
    st.subheader(f"Spectra of {encoder}")
    for number, column in enumerate(st.columns(len(drawings))):
        with column:
            draw_figure(drawings[number], key=f"spectra_{number}")
    st.caption(
        "The axes of each layer from the widest to the narrowest, and the share of all variance "
        "that lies along each; both scales are logarithmic. A line that drops at once is a layer "
        "that uses few directions. The paler a line, the earlier its layer."
    )
