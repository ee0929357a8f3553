"""How alike layers are: every layer of one stack with every layer of another."""

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from app import showing, state
from app.charts import cells_to_pick
from app.following import settle, settle_among, usual
from app.measured import Wanted
from app.report.figures import MOST_CELLS, heatmap
from app.report.parts import Drawing
from app.tables import matrix_table, number
from app.views.exhibits import draw_figure
from app.views.explained import brief
from app.views.measuring import obtain
from app.views.opening import wish_map
from app.words import LIKENESS, MEASURES, PLURAL, tap_words
from d2v_core.store import Recipe

Stack = tuple[str, str]
"""A run and one of its modalities."""

SHOWN = ("cka", "mutual_knn")


def ask_stacks(chosen: state.Chosen, recipes: Mapping[str, Recipe]) -> tuple[Stack, Stack]:
    """Ask what is compared: a modality of the chosen run, and any modality of any run."""
    present = set(chosen.read().items["modality"])
    senses = [m for m in PLURAL if m in present]
    called = showing.called_by(recipes)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="large"):
        settle_among("alike_rows", senses, senses[0])
        mine = st.segmented_control(
            f"Layers of {chosen.encoder}, rows", senses, default=usual("alike_rows", senses[0]),
            required=True, format_func=PLURAL.__getitem__, key="alike_rows",
            bind="query-params", persist_state="session",
        )  # fmt: skip
        first = mine if mine in senses else senses[0]
        stacks = [(name, m) for name in recipes for m in senses]
        stacks.sort(key=lambda stack: (stack[0] != chosen.name, stack[1] != first))
        settle("alike_columns", f"{chosen.name} {first}", stacks[0])
        theirs = st.selectbox(
            "with the layers of, columns", stacks, index=usual("alike_columns", 0),
            key="alike_columns", bind="query-params", persist_state="session", width=300,
            format_func=lambda stack: f"{called[stack[0]]}: {PLURAL[stack[1]]}",
        )  # fmt: skip
    return (chosen.name, first), theirs or stacks[0]


def draw_alike(chosen: state.Chosen, recipes: Mapping[str, Recipe]) -> None:
    """Draw the heatmap of a measure, and what chance gives."""
    left, right = ask_stacks(chosen, recipes)
    wanted = Wanted("alike", left[0], (left[1], *right))
    found, problems = obtain(chosen.place, [wanted], "Comparing layers", key="alike")
    for problem in problems:
        st.info(problem)
    if wanted not in found:
        return
    name = st.segmented_control(
        "Measure", SHOWN, default=SHOWN[0], key="alike_measure", required=True,
        format_func=lambda measure: MEASURES[measure][0], persist_state="session",
        label_visibility="collapsed", bind="query-params",
    ) or SHOWN[0]  # fmt: skip
    matrix = found[wanted]["measures"][name]
    st.markdown(
        f"{LIKENESS[name]} Each cell compares two layers on the same {matrix['n']} test items. "
        "A click on a cell opens the map at the layer of its row.",
        help=brief(MEASURES[name][0], "p-value"),
    )
    draw_matrix(matrix, (left, right), recipes, name)
    st.caption(chance_words(matrix))
    with st.expander("What it cannot tell, and the numbers", icon=":material/table_rows:"):
        st.markdown(
            "Likeness of arrangement is not likeness of place: two clouds may have one shape and "
            "lie far apart. With many cells the highest is high by luck too; the line above tests "
            "the maximum against the maximum under the same permutations."
        )
        st.dataframe(matrix_table(matrix), hide_index=True)


def draw_matrix(
    matrix: Mapping[str, Any],
    stacks: tuple[Stack, Stack],
    recipes: Mapping[str, Recipe],
    name: str,
) -> None:
    """Draw the heatmap; its cells can be clicked."""
    called = showing.called_by(recipes)
    rows, columns = (f"{called[run]}: {PLURAL[modality]}" for run, modality in stacks)
    figure = heatmap(matrix, stacks[0][1], stacks[1][1])
    figure.update_yaxes(title=rows)
    figure.update_xaxes(title=columns)
    figure.add_trace(cells_to_pick(matrix, figure))
    if len(matrix["taps_x"]) * len(matrix["taps_y"]) <= MOST_CELLS:  # numbers are in the cells
        figure.update_traces(showscale=False, selector={"type": "heatmap"})

    def pick(_figure: go.Figure, point: dict[str, Any]) -> None:
        if tap := point.get("customdata"):
            wish_map(stacks[0][0], tap[0] if isinstance(tap, list) else tap)

    alt = f"{MEASURES[name][0]} of every layer of {rows} with every layer of {columns}"
    key = f"heat_{name}_{'_'.join([*stacks[0], *stacks[1]])}"
    draw_figure(Drawing(figure, alt), key=key, pick=pick)


def chance_words(matrix: Mapping[str, Any]) -> str:
    """Say what permuted rows give, and whether the highest cell is more than luck."""
    known = [value for row in matrix["chance"] or [] for value in row if value is not None]
    if not known:
        return matrix["undefined"]
    words = (
        f"Chance, the rows of one side permuted: {number(min(known), 2)} to {number(max(known), 2)}"
    )
    if (null := matrix["best_null"]) and matrix["best"]:
        both = " and ".join(tap_words(tap).partition(" (")[0] for tap in matrix["best"])
        words += (
            f". Most alike: {both}, {number(null['observed'], 2)}; the most alike of all cells "
            f"under permutation is {number(null['null_mean'], 2)} on average, p = {null['p']:.2g}"
        )
    return f"{words}. n = {matrix['n']}."
