"""Do the senses lie apart, and may they be compared on this map?"""

import pandas as pd
import streamlit as st

from app import cached_map, state
from app.map_words import gap_badges, gap_rows, joint_words
from app.views.explained import brief
from app.wishes import MapWish
from app.words import MEASURES
from d2v_core.errors import D2VError


def settle_space(chosen: state.Chosen, wish: MapWish) -> MapWish:
    """Return the wish if there is such a space; say why not and return the raw one otherwise."""
    try:
        cached_map.space_facts(chosen.place, wish.name, wish.tap, wish.spaced())
    except D2VError as error:
        st.warning(f"{error} This is the map as it is.", icon=":material/block:")
        return wish._replace(space="raw")
    return wish


def draw_space(chosen: state.Chosen, wish: MapWish) -> None:
    """Print the gap, and say what a map of several senses shows."""
    where = (chosen.place, chosen.name, chosen.tap, wish.spaced())
    senses, about = cached_map.space_facts(*where)
    if len(senses) < 2:
        return
    kind, said = joint_words(
        wish.space, senses, cached_map.verdicts(chosen.place, chosen.name), about
    )
    gaps = cached_map.gaps(*where)
    is_raw = wish.space == "raw"
    with st.container(horizontal=True, vertical_alignment="center"):
        words = brief("modality gap", "chance", "aligned", "cosine of partners")
        st.markdown(gap_badges(gaps, is_raw=is_raw), help=words)
        with st.popover("More", icon=":material/help:", type="tertiary"):
            st.caption(f"{MEASURES['modality_gap'][1]} {MEASURES['normalised_gap'][1]}")
            table = pd.DataFrame(gap_rows(gaps, is_raw=is_raw)).fillna("")
            st.dataframe(table, hide_index=True, key="gap_table")
            st.caption(
                "Of held-out items, at most 2,000 of a sense, drawn by lot, with 95 % intervals; "
                "chance is the gap between two halves "
                "drawn by lot. Partners' cosine far above its chance is what alignment means."
            )
    if kind == "warning":
        st.markdown(f":orange[:material/warning:] {said}")
    elif said:
        st.caption(f":material/info: {said}")
