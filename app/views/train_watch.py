"""Watch it learn: the map at every checkpoint, as one that moves; also while training goes on."""

import sys
from pathlib import Path

import pandas as pd
import streamlit as st

from app import learning, places, run_curves, tasks
from app.map_chart import MOST_CATEGORIES
from app.run_folders import Run
from app.training_charts import learning_figure
from app.views import waiting
from app.views.explained import brief
from app.views.opening import wish_store
from app.words import SINGULAR

COLOURS = {"label": "label", "modality": "sense", "split": "split"}


def draw_learning(run: Run, data: Path) -> None:
    """Draw the maps of the checkpoints that are there, and the way to those of newer ones."""
    there = len(run.checkpoints)
    if there < learning.FEWEST_CHECKPOINTS and not run.is_going:
        return
    st.subheader("Watch it learn")
    is_live = False
    if run.is_going:
        is_live = st.toggle(
            "Draw the map anew at every checkpoint",
            key="watch_live",
            help="The training is slower while a map is drawn: they share the processor.",
        )
    if there < learning.FEWEST_CHECKPOINTS:
        st.caption(
            f"It takes {learning.FEWEST_CHECKPOINTS} checkpoints to see a change, and "
            f"{there or 'none'} {'has' if there == 1 else 'have'} been saved so far."
        )
        return
    folder = places.task_folder("watch", str(run.folder), str(data))
    is_drawing = waiting.wait_for(folder, "Drawing", key="watch") in tasks.GOING
    made = learning.newest(run.folder, data)
    drawn = 0 if made is None else int(made[0]["step"].nunique())
    if drawn < there and not is_drawing:
        command = [sys.executable, "-m", "app.learning", str(run.folder), str(data)]
        if is_live and tasks.standing(folder) != "failed":
            waiting.begin(folder, command)
            st.rerun()
        draw_wish(folder, command, drawn=drawn, there=there)
    if made is not None:
        draw_maps(*made)
        draw_way(run)


def draw_wish(folder: Path, command: list[str], *, drawn: int, there: int) -> None:
    """Draw the button that has the maps drawn, and say what of."""
    new = f"{there - drawn} newer checkpoint" + "s" * (there - drawn > 1)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            f"Draw them with {new}" if drawn else "Draw the maps",
            key="watch",
            icon=":material/animation:",
            on_click=waiting.begin,
            args=(folder, command),
        )
        st.caption(
            f"The same items at all {there} checkpoints, on maps that go on from each other: a "
            "point moves only if its neighbours change."
        )


def draw_way(run: Run) -> None:
    """Draw the way to the checkpoints as runs of a store."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Open the checkpoints on the map",
            key="open_checkpoints",
            icon=":material/scatter_plot:",
            on_click=wish_store,
            args=(str(run.folder / learning.STORE),),
        )
        st.caption(
            "Every checkpoint is a run there, to look into item by item; *Through training* goes "
            "from one to the next."
        )


def draw_maps(points: pd.DataFrame, about: dict) -> None:
    """Draw the maps with their choice of colours."""
    few = [c for c in COLOURS if c == "modality" or 1 < points[c].nunique() <= MOST_CATEGORIES]
    colour = st.segmented_control(
        "Colours",
        few,
        format_func=lambda name: COLOURS[name],
        default=few[0],
        key="watch_colour",
        required=True,
    )
    hover = points["modality"].map(SINGULAR) + " of " + points["label"].fillna("no label")
    dark = st.context.theme.type == "dark"
    figure = learning_figure(points.assign(hover=hover), colour, dark=dark)
    st.plotly_chart(
        figure,
        key="watch_figure",
        theme=None,
        config={"displayModeBar": False},
        alt=f"Map of {about['items']} items at each checkpoint; the slider chooses the step",
    )
    trust = [score["value"] for score in about["trust"].values()]
    st.caption(
        f"{about['items']:,} items, held-out ones first, at the last layer ({about['tap']}). "
        f"Trustworthiness of the maps {min(trust):.2f} to {max(trust):.2f}, a random map "
        f"{about['trust'][str(about['start'])]['chance']:.2f}: at 1, what is near on the map is "
        "near in the layer. How far apart groups lie, and how large they are, means little.",
        help=brief("trustworthiness", "checkpoint", "UMAP"),
    )
    with st.expander("Step by step, in figures"):
        st.dataframe(run_curves.moves_table(about), hide_index=True)
