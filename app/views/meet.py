"""Do they meet? Every pair of modalities of a run, against its controls, in words and figures."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from app import cached, state, tables
from app.measured import Wanted
from app.report.runs import pair_words
from app.views.explained import brief
from app.views.measuring import align_all, obtain
from app.views.meet_parts import (
    Meeting,
    draw_answer,
    draw_clouds,
    draw_finding,
    draw_help,
    draw_hubs,
)
from d2v_core.errors import D2VError

VIEWS: dict[str, tuple[str, Callable[[Meeting], None]]] = {
    "answer": ("The answer", draw_answer),
    "finding": ("Who finds whom", draw_finding),
    "help": ("With help from pairs", draw_help),
    "clouds": ("Where the clouds lie", draw_clouds),
    "hubs": ("Hubs", draw_hubs),
}

FEW_RUNS = 4


def overview(found: Mapping[str, dict[str, Any]]) -> None:
    """Draw the verdicts of all trained runs of the store side by side."""
    if found:
        table = tables.verdict_table(found)
        if len(table) <= FEW_RUNS:  # a question a row is legible on a narrow screen too
            table = tables.turned(table, "run", "question")
        st.table(table, hide_index=True, border="horizontal")
        st.caption(
            "*Kind*: near items with the same label. *Own partner*: near the very item it belongs "
            "to. Two words where the two ways of looking differ. “Aligned” is said only if every "
            "control was beaten, “not aligned” only if it was shown to be no better than chance.",
            help=brief("class level", "instance level", "equivalence test"),
        )


def choose(chosen: state.Chosen, alignment: Mapping[str, Any]) -> Meeting:
    """Ask which pair is looked at and how; return it."""
    pairs = {pair_words(pair): pair for pair in alignment["pairs"]}
    names = list(pairs)
    wanted = st.segmented_control(
        "Pair", names, default=names[0], required=True, key="meet_pair", bind="query-params",
        format_func=str.capitalize, label_visibility="collapsed",
    )  # fmt: skip
    pair = pairs.get(wanted or names[0], pairs[names[0]])
    recipes = {choice.name: choice.recipe for choice in cached.choices(chosen.place)}
    return Meeting(chosen, recipes, {**alignment, "pairs": [pair]}, pair)


def page(chosen: state.Chosen) -> None:
    """Draw the page."""
    st.title("Do they meet?")
    st.markdown(
        "Does a run put items of one sense near those of another that they belong to? Each answer "
        "is held against controls, and against chance.",
        help=brief("aligned", "control", "chance"),
    )
    all_found, _ = align_all(
        chosen.place
    )  # what cannot be measured is said when that run is chosen
    overview(all_found)
    st.subheader(f"In detail: {chosen.encoder}")
    wanted = Wanted("align", chosen.name)
    found, problems = obtain(
        chosen.place, [wanted], "Measuring the run and its controls", key="align"
    )
    for problem in problems:
        st.info(problem)
    if wanted not in found:
        return
    if chosen.role != "trained":
        st.caption("This is itself a control: it is here to be looked at, not to be believed.")
    meeting = choose(chosen, found[wanted])
    view = st.segmented_control(
        "View", list(VIEWS), default="answer", key="meet_view", bind="query-params",
        format_func=lambda name: VIEWS[name][0], required=True, label_visibility="collapsed",
        persist_state="session",
    )  # fmt: skip
    try:
        VIEWS[view or "answer"][1](meeting)
    except D2VError as error:
        st.warning(str(error))


page(state.current())
