"""After a training: how its features fare, its items for the other pages, and how it came about."""

import sys
from pathlib import Path

import pandas as pd
import streamlit as st

from app import cached_data, learning, places, run_curves, run_folders, tasks
from app.looking import Looked
from app.map_chart import MOST_CATEGORIES
from app.models import model_of
from app.run_folders import Run
from app.training_charts import learning_figure
from app.views import waiting
from app.views.explained import brief
from app.views.opening import wish_store
from app.words import SINGULAR
from d2v_core.errors import D2VError

COLOURS = {"label": "label", "modality": "sense", "split": "split"}


def draw_after(run: Run) -> None:
    """Draw what can be done with what was learnt."""
    looked = data_of(run)
    if looked is not None and run.is_complete:
        draw_fares(run, looked)
    if run.data is None or looked is None:
        st.info(
            "The data that it learnt from are not where they were, so its items cannot be "
            "embedded here; `d2v embed RUN DATA --out STORE` does it with others.",
            icon=":material/folder_off:",
        )
        return
    draw_embedding(run)
    if len(run.checkpoints) >= learning.FEWEST_CHECKPOINTS:
        draw_learning(run)


def data_of(run: Run) -> Looked | None:
    """Return the data of a run; None if they are gone."""
    if run.data is None or not Path(run.data).exists():
        return None
    try:
        return cached_data.looked(run.data)
    except D2VError:
        return None


def draw_fares(run: Run, looked: Looked) -> None:
    """Say how the features fare."""
    rows = looked.rows[(looked.rows["split"] == "val") & looked.rows["label"].notna()]
    held_out = {modality: int(rows[modality].sum()) for modality in looked.counts}
    chance = cached_data.chance(str(run.data), looked.folder.fingerprint)
    found = run_curves.fares(run_folders.numbers(run.folder), chance, held_out)
    if not found:
        return
    st.subheader("How its features fare")
    for fare in found:
        st.markdown(f"* {run_curves.fare_sentence(fare)}")
    with st.expander("The figures"):
        st.dataframe(run_curves.fare_table(found), hide_index=True)
        st.caption(
            "A quick look at one layer on validation items. Embed the run, and *Layers* measures "
            "all layers on test items, beside an untrained network."
        )


def draw_embedding(run: Run) -> None:
    """Draw the way from the run to a store that the other pages open."""
    st.subheader("Look at what it learnt")
    store = places.stores_root() / run.name
    folder = places.task_folder("embed", str(run.folder), str(run.step))
    standing = waiting.wait_for(folder, "Embedding", key="embed")
    if standing in tasks.GOING:
        return
    if standing == "done" and store.is_dir():
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                "Open it on the map",
                key="open_store",
                icon=":material/scatter_plot:",
                type="primary",
                on_click=wish_store,
                args=(str(store),),
            )
            st.caption(
                "It is in a store of its own, beside an untrained network and low-level "
                "features to compare with."
            )
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Embed it",
            key="embed",
            icon=":material/deployed_code:",
            type="primary",
            on_click=waiting.begin,
            args=(folder, model_of(run.folder).command(str(run.data), store)),
        )
        st.caption(
            "Every item goes through every layer; then *Map*, *Layers*, *Ask* and *Do they meet?* "
            "show this run, beside an untrained network and low-level features."
        )


def draw_learning(run: Run) -> None:
    """Draw the map at every checkpoint as one that moves."""
    st.subheader("Watch it learn")
    folder = places.task_folder("watch", learning.key_of(run.folder, Path(str(run.data))))
    if waiting.wait_for(folder, "Drawing", key="watch") in tasks.GOING:
        return
    made = learning.kept(run.folder, Path(str(run.data)))
    if made is None:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                "Draw the maps",
                key="watch",
                icon=":material/animation:",
                on_click=waiting.begin,
                args=(
                    folder,
                    [sys.executable, "-m", "app.learning", str(run.folder), str(run.data)],
                ),
            )
            st.caption(
                f"The same items at all {len(run.checkpoints)} checkpoints, on maps that go on "
                "from each other: a point moves only if its neighbours change."
            )
        return
    draw_maps(*made)
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
