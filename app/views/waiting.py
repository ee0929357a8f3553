"""Work in the background, as a page shows it: a bar with the time left, a way to stop, the end."""

from pathlib import Path

import streamlit as st

from app import supervisor, tasks
from app.noting import Noted
from app.training_words import seconds_words

EVERY_SECONDS = 1.0


def bar_words(noted: Noted | None, what: str) -> tuple[float, str]:
    """Return how far a bar is, and what stands on it."""
    if noted is None:
        return 0.0, f"{what}: starting"
    share = min(1.0, noted.done / noted.of) if noted.of else 0.0
    left = "" if noted.seconds_left is None else f", about {seconds_words(noted.seconds_left)} left"
    stage = f" ({noted.stage})" if noted.stage else ""
    return share, f"{what}: {share:.0%}{left}{stage}"


def wait_for(folder: Path, what: str, *, key: str) -> str:
    """Draw how a task is while it is at work, again and again; return how it stands.

    When it has ended, the page is drawn anew.

    Args:
        folder: of the task.
        what: it does, for the bar.
        key: of the widgets.
    """
    now = tasks.standing(folder)
    if now in tasks.GOING:
        st.fragment(_draw, run_every=EVERY_SECONDS)(folder, what, key)
    elif now == "failed":
        st.error(tasks.why_failed(folder), icon=":material/error:")
    elif now == "lost":
        st.warning(
            f"{what}: nothing has been heard of it for a while; start it again.",
            icon=":material/sensors_off:",
        )
    return now


def _draw(folder: Path, what: str, key: str) -> None:
    now = tasks.standing(folder)
    if now not in tasks.GOING:
        st.rerun()
    share, words = bar_words(tasks.how_far(folder), what)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(share, text=words)
        st.button(
            "Stop",
            key=f"{key}_stop",
            icon=":material/stop:",
            disabled=now == "stopping",
            on_click=stop,
            args=(folder,),
        )


def stop(folder: Path) -> None:
    """Ask a task to end, as the callback of a button."""
    tasks.stop(folder)


def begin(folder: Path, command: list[str]) -> None:
    """Start a task, as the callback of a button."""
    supervisor.begin(folder, command)
