"""Label: name a concept, answer yes or no by key, and see how well a probe learns it."""

import streamlit as st

from app import cached_label, labelling, state
from app.label_words import STEPS
from app.plain_text import plain
from app.views import kept_address
from app.views.label_loop import loop
from d2v_core.errors import D2VError, InputError

NAMED = "concept"


def chosen_concept(chosen: state.Chosen) -> str | None:
    """Return the concept in the address; None if there is none, or none that can be kept.

    It is of the data, whichever run is taught.
    """
    try:
        return labelling.check_concept(kept_address.bring_back(NAMED, about(chosen)))
    except InputError:
        return None


def about(chosen: state.Chosen) -> str:
    """Return what a concept is about."""
    return cached_label.fingerprint(chosen.place, chosen.name)


def begin_typed() -> None:
    """Begin with the concept that was typed in, or say why not."""
    try:
        go_on_with(labelling.check_concept(st.session_state["label_name"]))
    except InputError as error:
        st.session_state["label_problem"] = str(error)


def begin_known() -> None:
    """Go on with a concept that has answers."""
    if picked := st.session_state["label_known"]:
        go_on_with(picked)


def go_on_with(concept: str) -> None:
    """Choose a concept, or let go of it if it has no name."""
    kept_address.say(NAMED, concept, about(state.current()))


def leave() -> None:
    """Let go of the concept."""
    go_on_with("")


def begin(chosen: state.Chosen) -> None:
    """Ask what is looked for."""
    st.markdown(
        f"Teach **{chosen.encoder}** a word of your own, and see whether its vectors know it."
    )
    with st.form("label_begin", border=False):
        st.text_input(
            "What do you look for?",
            key="label_name",
            placeholder="sings at dusk",
            max_chars=labelling.MOST_LETTERS,
        )
        st.form_submit_button("Begin", type="primary", on_click=begin_typed, key="label_go")
    if problem := st.session_state.pop("label_problem", ""):
        st.error(f"That is no name: {problem}.")
    known = cached_label.journal(cached_label.fingerprint(chosen.place, chosen.name)).concepts()
    if known:
        st.pills(
            "Or go on with",
            list(known),
            format_func=lambda name: f"{name} · {known[name]}",
            key="label_known",
            on_change=begin_known,
            help="Behind each, how many items have a yes or a no.",
        )
    for column, (title, words) in zip(st.columns(len(STEPS)), STEPS, strict=True):
        with column.container(border=True, height="stretch"):
            st.markdown(f"**{title}**")
            st.markdown(words)


def page(chosen: state.Chosen) -> None:
    """Draw the page."""
    concept = chosen_concept(chosen)
    try:
        if concept is None:
            st.title("Label")
            begin(chosen)
            return
        with st.container(horizontal=True, vertical_alignment="center"):
            st.title(f"Label: {plain(concept)}")
            st.button("Another word", icon=":material/arrow_back:", on_click=leave, key="label_end")
        loop(chosen, concept)
    except D2VError as error:
        st.warning(str(error))


page(state.current())
