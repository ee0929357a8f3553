"""After a training: how its features fare, and its items for the other pages."""

from pathlib import Path

import streamlit as st

from app import cached_data, places, run_curves, run_folders, tasks
from app.looking import Looked
from app.models import model_of
from app.run_folders import Run
from app.views import waiting
from app.views.opening import wish_store
from d2v_core.errors import D2VError


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
