"""The choice that all pages share: a store, a run, a layer. It stays when the page changes."""

from collections import Counter
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import cached, state
from app.following import usual
from app.words import ROLES, tap_words
from d2v_core.errors import D2VError


def choose() -> state.Chosen | None:
    """Draw the choice; return it, or None after saying why there is none."""
    state.adopt()
    with st.sidebar:
        place = st.selectbox(
            "Store",
            state.places(),
            format_func=state.called,
            key="store",
            bind="query-params",
            persist_state="session",
            help="A folder of vectors: what *Data* and *Train* embed is listed here, and what "
            "`d2v embed` made can be opened below.",
        )
        here = st.container()
        with st.expander("Open a store", icon=":material/folder_open:"):
            st.text_input(
                "Folder of the store",
                key="typed_store",
                on_change=state.open_store,
                placeholder="stores/my-birds",
            )
        if problem := st.session_state.get("store_problem"):
            st.error(problem)
    try:
        return _choose_in(place, here)
    except D2VError as error:
        st.error(str(error))
        return None


def _choose_in(place: str, here: DeltaGenerator) -> state.Chosen | None:
    is_sample = place == state.SAMPLE
    if is_sample:
        if problem := cached.sample_problem():
            st.info(problem)
            return None
        place = prepare_sample()
    with st.spinner("Opening the store"):
        found = {choice.name: choice for choice in cached.choices(place)}
    if not found:
        st.info(f"{place} holds no representation; `d2v embed ENCODER DATA --out {place}` adds one")
        return None
    often = Counter(choice.recipe.encoder for choice in found.values())

    def called(name: str) -> str:
        encoder = Path(found[name].recipe.encoder).name
        run, _, step = encoder.rpartition("-step_")
        if run and step.isdecimal():  # what tells them apart comes first: the field is narrow
            encoder = f"step {int(step)} of {run}"
        return encoder if often[found[name].recipe.encoder] == 1 else name

    with here:
        name = st.selectbox(
            "Run",
            list(found),
            format_func=called,
            key="run",
            bind="query-params",
            persist_state="session",
        )
        recipe = found[name].recipe
        st.caption(ROLES[recipe.role].capitalize())
        tap = st.selectbox(
            "Layer",
            recipe.taps,
            index=usual("layer", len(recipe.taps) - 1),
            format_func=tap_words,
            key="layer",
            bind="query-params",
            persist_state="session",
            help="Where in the model the vectors were taken, in words and as its tap id.",
        )
    tap = tap or recipe.taps[-1]  # one that this run does not have was asked for
    return state.Chosen(place, name, tap, called(name), recipe.role, is_sample)


def prepare_sample() -> str:
    """Embed the sample with a bar that shows how far it is; return the place of its store."""
    names = cached.sample_names()
    bar = st.empty()

    def report(done: int, of: int) -> None:
        if done < of:
            words = f"First start: embedding the sample with **{names[done]}**, {done + 1} of {of}"
            bar.progress(done / of, text=words)

    place = cached.sample(report)
    bar.empty()
    return place
