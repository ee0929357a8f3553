"""The form that starts a training: what from, in which arm, how large; what it costs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from app import cached_data, run_folders
from app.costs import cost_of
from app.following import settle, settle_among, usual
from app.looking import Looked
from app.run_folders import MOST_STEPS, Start
from app.training_words import ARMS, OBJECTIVES, SIZES, WITH_PERCENT
from app.views import data_choice
from app.views.explained import brief
from d2v_core.errors import ConfigError, D2VError
from d2v_core.modality import MODALITIES

FEW_ITEMS = 500
"""With fewer to learn from, a sense may collapse."""

USUAL_ARM = "shared-pairs"
"""Where there are pairs: they also keep a sense with few items from collapsing."""

WITHOUT_OBJECTIVE = ("contrastive", "random")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What was chosen of a preset."""

    size: str
    arm: str
    percent: int
    objective: str = "data2vec2"

    @property
    def preset(self) -> str:
        """Return its name."""
        arm = f"{self.arm}-{self.percent}" if self.arm in WITH_PERCENT else self.arm
        parts = [self.size, "" if self.arm in WITHOUT_OBJECTIVE else self.objective, arm]
        return "-".join(part for part in parts if part)


def start_form(root: Path, *, then: Callable[[str], None]) -> None:
    """Draw the form.

    Args:
        root: the folder of all runs.
        then: called with the name of a run that was started.
    """
    left, right = st.columns([3, 2], gap="large")
    with left:
        found = choose_data()
        if found is None:
            return
        path, looked = found
        arm = choose_arm(looked)
    with right, st.container(border=True):
        size = st.selectbox(
            "Size", list(SIZES), format_func=lambda name: SIZES[name][0], key="train_size",
            bind="query-params", persist_state="session",
        )  # fmt: skip
        st.caption(SIZES[size][2])
        percent = 100
        if arm in WITH_PERCENT:
            percent = st.slider(
                "Share of the pairs that is used, in %", 5, 100, 50, step=5, key="train_percent",
                bind="query-params", persist_state="session",
            )  # fmt: skip
        start, name = further(path, looked, Wanted(size=size, arm=arm, percent=percent), root)
        st.markdown(f":material/schedule: {cost_of(start.preset, start.steps or 0, root).words}")
        if others := [run.name for run in run_folders.runs(root) if run.is_going]:
            st.caption(f"One at a time: it begins after {', '.join(others[:3])}.")
        if st.button("Start", key="start", icon=":material/play_arrow:", type="primary"):
            begin(start, name, root, then)


def choose_data() -> tuple[str, Looked] | None:
    """Draw the choice of data; return folder and content, or None after saying what to do."""
    path = data_choice.choose("Learn from")
    if path is None:
        st.info("There are no data to learn from yet; the page *Data* brings or makes some.")
        st.page_link("views/data.py", label="Data", icon=":material/folder_open:")
        return None
    looked = data_choice.look_at(path)
    if looked is None:
        return None
    if not looked.counts:
        st.warning("Nothing in this folder can be used; the page *Data* says why.")
        return None
    st.caption(f"{data_choice.counts_words(looked.counts)}.")
    train = looked.rows[looked.rows["split"] == "train"]
    few: dict[str, int] = {
        m: int(train[m].sum()) for m in looked.counts if train[m].sum() < FEW_ITEMS
    }
    if few:
        counts = data_choice.counts_words(few)
        st.info(
            f"Only {counts} to learn from. That is enough to see a training at work; with so few "
            "a sense may collapse, and what is learnt is little. *Data* makes thousands.",
            icon=":material/info:",
        )
    return path, looked


def choose_arm(looked: Looked) -> str:
    """Draw the arms that these data allow; return the one that was chosen."""
    has_pairs = bool(looked.pairs)
    fit = [name for name, (_, _, senses) in ARMS.items() if senses == 1 or has_pairs]
    first = fit.index(USUAL_ARM) if USUAL_ARM in fit else 0
    settle_among("train_arm", fit, fit[first])
    arm = st.radio(
        "What is asked",
        fit,
        format_func=lambda name: ARMS[name][0],
        captions=[ARMS[name][1] for name in fit],
        help=brief("arm", "trunk", "contrastive loss", "shuffled pairs", "random twin"),
        index=usual("train_arm", first),
        key="train_arm",
        bind="query-params",
        persist_state="session",
    )
    if not has_pairs:
        st.caption("What learns from pairs is not offered: no row of these data has two senses.")
    return arm or fit[first]


def further(path: str, looked: Looked, wanted: Wanted, root: Path) -> tuple[Start, str]:
    """Draw the settings that have usual values; return what is wanted, and the run's name."""
    with st.expander("More settings", icon=":material/tune:"):
        if wanted.arm not in WITHOUT_OBJECTIVE:
            offered = [name for name in OBJECTIVES if name != "hubert" or "audio" in looked.counts]
            settle_among("train_objective", offered, offered[0])
            objective = st.selectbox(
                "What is guessed",
                offered,
                index=usual("train_objective", 0),
                format_func=lambda name: OBJECTIVES[name][0],
                key="train_objective",
                bind="query-params",
                persist_state="session",
                help=brief("latent prediction", "reconstruction", "student", "teacher"),
            )
            objective = objective or offered[0]
            st.caption(OBJECTIVES[objective][1])
            wanted = Wanted(
                size=wanted.size, arm=wanted.arm, percent=wanted.percent, objective=objective
            )
        preset = wanted.preset
        steps = ask_steps(preset)
        seed = st.number_input(
            "Seed", 0, 10**6, 0, key="train_seed", help="Of weights, masks and order.",
            bind="query-params", persist_state="session",
        )  # fmt: skip
        name = st.text_input(
            "Name of the run",
            run_folders.free_name(preset, root),
            key=f"name_{preset}_{len(run_folders.runs(root))}",
            max_chars=64,
        )
        typed = st.text_area(
            "Any other setting, one NAME=VALUE a line",
            key="train_settings",
            placeholder="optim.lr=5e-4\noptim.batch=32",
            height=80,
            help="As for `d2v train --set`. A name that is none is refused, with those there are.",
        )
    start = Start(
        data=path,
        preset=preset,
        steps=int(steps),
        seed=int(seed),
        without=tuple(m for m in MODALITIES if m not in looked.counts),
        settings=tuple(lines_of(typed)),
    )
    return start, name


def ask_steps(preset: str) -> int:
    """Ask for the steps of a preset; return 0 if it has none."""
    many = cached_data.steps_of(preset)
    if not many:
        return 0
    settle("train_steps", preset, many)
    value = usual("train_steps", many)
    steps = st.number_input(
        "Steps", 1, MOST_STEPS, "min" if value is None else value, step=max(1, many // 8),
        key="train_steps", bind="query-params", persist_state="session",
    )  # fmt: skip
    return int(steps)


def lines_of(typed: str) -> list[tuple[str, str]]:
    """Return the settings that were typed; a line without "=" is kept, to be refused by name."""
    parts = (line.partition("=") for line in typed.splitlines() if line.strip())
    return [(name.strip(), value.strip()) for name, _, value in parts]


def begin(start: Start, name: str, root: Path, then: Callable[[str], None]) -> None:
    """Start a training, or say why not."""
    try:
        for setting, value in start.settings:
            if not value:
                raise ConfigError(
                    f"{setting!r} is no setting; a line is NAME=VALUE, as in optim.lr=5e-4"
                )
        run = run_folders.start_run(start, name, root)
    except D2VError as error:
        words = str(error)
        st.error(words[:1].upper() + words[1:], icon=":material/error:")
        return
    then(run.name)
    st.rerun()
