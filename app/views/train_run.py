"""One run: how far it is, whether it learns or collapses, and what can be done with it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from app import cached_data, run_curves, run_folders, tasks, training_words
from app.costs import preset_of
from app.run_folders import Run
from app.tasks import JOB, QUEUED
from app.training_charts import knn_curves, loss_curves, signal_curves
from app.training_words import SIGNALS, STANDINGS
from app.views.explained import brief
from app.views.train_after import data_of, draw_after
from app.views.train_runs import share_of, standing_of
from app.views.train_watch import draw_learning
from app.views.waiting import bar_words
from app.words import PLURAL
from d2v_core.errors import D2VError

if TYPE_CHECKING:
    import plotly.graph_objects as go

EVERY_SECONDS = 2.0
PLAIN = {"displayModeBar": False}


def draw_run(run: Run) -> None:
    """Draw a run, again and again while it is going."""
    every = EVERY_SECONDS if run.is_going else None
    st.fragment(draw_live, run_every=every)(run.folder, seen=standing_still(run))
    if run.is_going:
        st.caption("When it has ended, its items can be embedded for the other pages.")
    elif run.checkpoints:
        draw_after(run)
    if data_of(run) is not None:
        draw_learning(run, Path(str(run.data)))


def standing_still(run: Run) -> tuple[bool, bool, int]:
    """Return what the rest of the page depends on: is it going, on known data, what was saved."""
    return run.is_going, run.data is not None, len(run.checkpoints)


def draw_live(folder: Path, *, seen: tuple[bool, bool, int]) -> None:
    """Draw all that changes with every step; draw the whole page anew when something else does."""
    run = run_folders.read_run(folder)
    if standing_still(run) != seen:
        st.rerun()
    lines = run_folders.numbers(folder)
    draw_head(run)
    draw_buttons(run)
    draw_problem(run, lines)
    if not lines:
        if run.standing == "running":
            st.caption("It has begun: reading the data. The first numbers come in some seconds.")
        elif run.is_complete:
            st.caption("Nothing was trained, so there are no curves: that is its use as a control.")
        return
    chance = chance_of(run)
    draw_health(run, lines, chance)
    draw_curves(lines, chance)


def draw_head(run: Run) -> None:
    """Draw name, standing and progress."""
    words, icon, colour = STANDINGS[standing_of(run)]
    about = [", ".join(PLURAL[m] for m in run.modalities)] if run.modalities else []
    task = tasks.read_task(run.folder / JOB) or tasks.read_task(run.folder / QUEUED)
    if task and (preset := preset_of(task.command)):
        about.append(f"preset `{preset}`")
    if run.data:
        about.append(f"learnt from {Path(run.data).name}")
    st.subheader(run.name)
    st.markdown(f":{colour}-badge[:material/{icon}: {words}] {' · '.join(about)}")
    if run.standing in ("running", "stopping"):
        share, text = bar_words(run.noted, "Training")
        st.progress(share, text=text)
    elif run.is_going and not run.is_elsewhere:
        st.caption("It waits until the one before it has ended.")
    elif run.steps:
        st.progress(share_of(run), text=f"{run.step:,} of {run.steps:,} steps are saved")


def draw_buttons(run: Run) -> None:
    """Draw what can be done with it."""
    with st.container(horizontal=True):
        if run.standing == "queued":
            st.button(
                "Take it back",
                key="stop",
                icon=":material/undo:",
                on_click=stop_it,
                args=(run.folder,),
            )
        elif run.standing in ("running", "stopping"):
            st.button(
                "Stop",
                key="stop",
                icon=":material/stop:",
                on_click=stop_it,
                args=(run.folder,),
                disabled=run.standing == "stopping",
                help="It finishes its step, saves, and can be gone on with.",
            )
            if tasks.waited(run.folder) > tasks.PATIENCE_SECONDS:
                st.button(
                    "Stop at once",
                    key="kill",
                    icon=":material/dangerous:",
                    on_click=kill_it,
                    args=(run.folder,),
                    help="Without saving: what was learnt since the last checkpoint is lost.",
                )
        elif run.can_resume and not has_collapsed(run):
            words = "Go on" if run.step else "Start again"
            st.button(
                words,
                key="resume",
                icon=":material/play_arrow:",
                on_click=resume_it,
                args=(run.folder,),
            )
    if problem := st.session_state.pop("run_problem", ""):
        st.error(problem, icon=":material/error:")


def has_collapsed(run: Run) -> bool:
    """Tell whether a run was ended by the trainer because it collapsed: it would do so again."""
    return run.standing == "failed" and " collapsed: " in tasks.why_failed(run.folder)


def stop_it(folder: Path) -> None:
    """Ask a run to end, as the callback of a button."""
    tasks.stop(folder)


def kill_it(folder: Path) -> None:
    """End a run without waiting, as the callback of a button."""
    tasks.stop(folder, at_once=True)


def resume_it(folder: Path) -> None:
    """Go on with a run, as the callback of a button."""
    try:
        run_folders.resume_run(folder)
    except D2VError as error:
        words = str(error)
        st.session_state["run_problem"] = words[:1].upper() + words[1:]


def draw_problem(run: Run, lines: Sequence[Mapping[str, Any]]) -> None:
    """Say why a run failed or is lost, and what to do."""
    if run.standing == "failed":
        st.error(tasks.why_failed(run.folder), icon=":material/error:")
        for sentence in training_words.advice(signals_of(run, lines)):
            st.markdown(f"* {sentence}")
    elif run.standing == "lost":
        st.warning(
            "Nothing has been heard of it for a while: the machine was switched off, or somebody "
            "ended it. What was saved is there; *Go on* continues from it.",
            icon=":material/sensors_off:",
        )


def signals_of(run: Run, lines: Sequence[Mapping[str, Any]]) -> list[training_words.Signal]:
    """Return the signals of collapse as they were last measured."""
    share = share_done(run, lines) if lines else 0.0
    return training_words.signals(run_curves.newest(lines), cached_data.limits(), share)


def share_done(run: Run, lines: Sequence[Mapping[str, Any]]) -> float:
    """Return the share of the steps that are done."""
    return int(lines[-1]["step"]) / run.steps if run.steps else 1.0


def chance_of(run: Run) -> dict[str, float]:
    """Return the chance level by modality; nothing if the data are gone."""
    if run.data is None or not Path(run.data).exists():
        return {}
    try:
        looked = cached_data.looked(run.data)
    except D2VError:
        return {}
    return cached_data.chance(run.data, looked.folder.fingerprint)


def draw_health(run: Run, lines: Sequence[Mapping[str, Any]], chance: Mapping[str, float]) -> None:
    """Say whether it learns or collapses: which signal, what it means, what to try."""
    found, share = signals_of(run, lines), share_done(run, lines)
    sentence, colour = training_words.health(found, share)
    if colour == "red" and run.standing != "failed":
        st.error(sentence, icon=":material/warning:")
        for line in training_words.advice(found):
            st.markdown(f"* {line}")
    elif colour == "orange":
        st.warning(sentence, icon=":material/visibility:")
    elif colour == "green":
        st.markdown(f":green[:material/check_circle:] {sentence}")
    elif run.standing != "failed":
        st.markdown(f":material/hourglass_empty: {sentence}")
    deaf = training_words.learns_nothing(run_curves.newest(lines), chance, share)
    if deaf:
        st.warning(deaf, icon=":material/hearing_disabled:")
    if found:
        with st.expander("All signals of collapse"):
            st.dataframe(training_words.signal_table(found), hide_index=True)


def draw_curves(lines: Sequence[Mapping[str, Any]], chance: Mapping[str, float]) -> None:
    """Draw loss, neighbours, rank and spread of the targets over steps."""
    limits = cached_data.limits()
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown(
            "**Loss**: how wrong the guesses are. Low alone proves nothing: a collapsed "
            "network guesses well.",
            help=brief("loss", "mask", "teacher", "contrastive loss"),
        )
        draw_figure(
            loss_curves(training_words.losses(lines)), "loss", alt="Loss by term over steps"
        )
    with right:
        st.markdown(
            "**Do neighbours share a label?** On held-out items, against chance.",
            help=brief("kNN probe", "chance", "split"),
        )
        if curves := run_curves.curves_of(lines, "knn"):
            alt = "kNN accuracy by sense over steps, with chance"
            draw_figure(knn_curves(curves, chance), "knn", alt=alt)
        else:
            st.caption("Not measured yet, or the data have no labels in train and val.")
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown(
            "**Directions in use** (effective rank): how many the vectors of items fill.",
            help=brief("effective rank", "collapse"),
        )
        if curves := run_curves.curves_of(lines, "effective_rank"):
            limit = limits["effective_rank"][1]
            figure = signal_curves(curves, "effective rank", limit=limit, log=True)
            draw_figure(figure, "rank", alt="Effective rank by sense over steps")
        else:
            st.caption("Not measured yet.")
    with right:
        st.markdown(
            f"**Spread of the targets** (std): {SIGNALS['target_std'][1]}.",
            help=brief("target spread", "target", "moving average"),
        )
        if curves := run_curves.curves_of(lines, "target_std"):
            figure = signal_curves(curves, "target std", limit=limits["target_std"][1])
            draw_figure(figure, "targets", alt="Spread of the targets by sense over steps")
        else:
            st.caption("What this run learns by has no targets of a teacher.")


def draw_figure(figure: "go.Figure", key: str, *, alt: str) -> None:
    """Draw a figure without Plotly's buttons."""
    st.plotly_chart(figure, key=key, config=PLAIN, alt=alt)
