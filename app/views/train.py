"""Train: start a run, watch it learn or collapse, stop it, go on with it, look at the result."""

import streamlit as st

from app import places, run_folders, supervisor
from app.following import follow, usual
from app.run_folders import Run
from app.views.opening import follow_wish
from app.views.train_run import draw_run
from app.views.train_runs import CHOSEN, choose_run
from app.views.train_start import start_form

DO, DO_NEXT = "train_do", "train_do_next"
START, RUNS = "Start one", "Runs"


def page() -> None:
    """Draw the page."""
    follow_wish()
    root = places.runs_root()
    supervisor.tend(root)  # after a restart of the machine nobody else would go on with the queue
    found = run_folders.runs(root)
    st.title("Train")
    st.markdown(
        "A training runs in a process of its own: close this page, or end the app, and it goes on. "
        "One runs at a time; the others wait their turn."
    )
    if choose_what(found) == START:
        start_form(root, then=later)
        return
    if not found:
        st.info(
            "No training has been started yet: *Start one*. The smallest is done in minutes.",
            icon=":material/model_training:",
        )
        return
    chosen = choose_run(found)
    if chosen is not None:
        draw_run(chosen)


def choose_what(found: list[Run]) -> str:
    """Draw the choice between starting a run and looking at those there are."""
    following = st.session_state.pop(DO_NEXT, None)
    if following is not None:
        follow(DO, following)
    chosen = st.segmented_control(
        "What to do",
        [START, RUNS],
        default=usual(DO, RUNS if found else START),
        key=DO,
        bind="query-params",
        required=True,
        label_visibility="collapsed",
    )
    return chosen or RUNS


def later(name: str) -> None:
    """Look at a run when the page is drawn next."""
    st.session_state[DO_NEXT] = RUNS
    st.session_state[f"next_{CHOSEN}"] = name


page()
