"""A data folder seen through a model that is there already: nothing has to be trained first."""

from pathlib import Path

import streamlit as st

from app import places, tasks, workbench
from app.models import models, store_of
from app.views import waiting
from app.views.explained import brief
from app.views.opening import wish_store


def draw_through(data: str) -> None:
    """Draw the choice of a model, and the way to the other pages.

    Args:
        data: the folder. The sample has been embedded from the start.
    """
    found = {str(model.run): model for model in models(workbench.SAMPLE_RUNS)}
    if not found or Path(data) == workbench.SAMPLE_DATA:
        return
    st.subheader("Through a model", help=brief("encoder", "embedding", "store"))
    chosen = st.selectbox(
        "Model", list(found), format_func=lambda run: found[run].words, key="through_model"
    )
    model, store = found[chosen], store_of(data)
    folder = places.task_folder("through", chosen, data)
    standing = waiting.wait_for(folder, "Embedding", key="through")
    if standing in tasks.GOING:
        return
    if standing == "done" and store.is_dir():
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                "Open it on the map", key="through_open", icon=":material/scatter_plot:",
                type="primary", on_click=wish_store, args=(str(store),),
            )  # fmt: skip
            st.caption(f"It is in the store *{store.name}*, beside its controls.")
        return
    st.button(
        "Embed these data", key="through", icon=":material/deployed_code:",
        on_click=waiting.begin, args=(folder, model.command(data, store)),
    )  # fmt: skip
    st.caption(
        "No training: every item goes through every layer of that model, and *Map*, *Layers*, "
        "*Ask* and *Do they meet?* then show these data. A model that has never seen their like "
        "may have little to say of them."
    )
