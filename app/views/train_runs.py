"""The list of runs with their standing, and the choice of one."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app import places, run_folders
from app.run_folders import Run
from app.training_words import STANDINGS, seconds_words
from app.words import PLURAL

CHOSEN = "training"
EVERY_SECONDS = 2.0
ROWS_SHOWN = 8
MARKS = {
    "queued": "⏳",
    "running": "▶",
    "stopping": "▶",
    "stopped": "⏸",
    "done": "✓",
    "failed": "✗",
    "lost": "?",
    "unknown": "?",
    "elsewhere": "▶",
}
"""Before a standing in a table, where icons cannot be."""


def standing_of(run: Run) -> str:
    """Return how a run stands, training elsewhere included."""
    return "elsewhere" if run.is_elsewhere else run.standing


def share_of(run: Run) -> float:
    """Return which share of the steps of a run is done."""
    done = run.noted.done if run.noted and run.standing in ("running", "stopping") else run.step
    of = run.noted.of if run.noted and run.standing in ("running", "stopping") else run.steps
    if not of:
        return 1.0 if run.is_complete else 0.0
    return min(1.0, done / of)


def runs_table(found: Sequence[Run]) -> pd.DataFrame:
    """Return runs as rows for the eye."""
    rows = []
    for run in found:
        standing = standing_of(run)
        words = STANDINGS[standing][0]
        if run.queue_place:
            words += f", number {run.queue_place}"
        left = run.noted.seconds_left if run.noted and standing == "running" else None
        rows.append(
            {
                "run": run.name,
                "standing": f"{MARKS[standing]} {words}",
                "done": 100 * share_of(run),
                "time left": "" if left is None else seconds_words(left),
                "steps": "" if run.steps is None else f"{run.steps:,}",
                "senses": ", ".join(PLURAL[m] for m in run.modalities),
                "data": run.data.rpartition("/")[2] if run.data else "",
            }
        )
    return pd.DataFrame(rows)


def choose_run(found: list[Run]) -> Run | None:
    """Draw the list and the choice of a run; return the run."""
    is_going = any(run.is_going for run in found)
    st.fragment(draw_list, run_every=EVERY_SECONDS if is_going else None)()
    names = [run.name for run in found]
    following = st.session_state.pop(f"next_{CHOSEN}", None)
    if following in names:
        st.session_state[CHOSEN] = following
    name = st.selectbox(
        "Look at",
        names,
        key=CHOSEN,
        bind="query-params",
        persist_state="session",
        width=420,
    )
    return next((run for run in found if run.name == name), None)


def draw_list() -> None:
    """Draw the list."""
    table = runs_table(run_folders.runs(places.runs_root()))
    st.dataframe(
        table,
        hide_index=True,
        height=38 + 35 * min(ROWS_SHOWN, len(table)),
        column_config={
            "done": st.column_config.ProgressColumn(
                "done", min_value=0, max_value=100, format="%.0f %%", width="small"
            )
        },
        alt="All runs with their standing",
    )
