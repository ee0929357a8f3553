"""Lesson 2: student and teacher, and how they can come to agree on nothing."""

import time
from typing import TYPE_CHECKING, cast

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.lessons import doors
from app.lessons.figures import layer_bars, training_curves
from app.lessons.lesson import Lesson, Part
from app.lessons.material import Material
from app.lessons.quiz import Choice, Question
from app.words import PLURAL
from d2v_core.errors import D2VError
from d2v_core.modality import MODALITIES, Modality

if TYPE_CHECKING:
    from d2v_core.teaching.collapse import Moment

PUBLISHED: tuple[bool, float] = (True, 0.998)
DECAYS = {0.0: "at once (0)", 0.9: "fast (0.9)", 0.998: "slowly (0.998)"}
STEPS = 120
WENT = {
    "healthy": ":green[:material/check_circle: **{}**]: the loss falls, and pictures stay apart "
    "(mean cosine {:.2f}, effective rank {:.1f}).",
    "collapsed": ":red[:material/error: **{}**]: collapsed. The lowest loss is {:.2f}, and yet all "
    "pictures have become nearly one vector (mean cosine {:.3f}, effective rank {:.1f}).",
    "unstable": ":orange[:material/warning: **{}**]: unstable. The loss ends far above its lowest "
    "point ({:.2f}): the student chases a target that runs away from it.",
}
"""How a training went, in words."""


def see_collapse(material: Material) -> None:
    """Train twice, live: as published, and with a guard removed."""
    left, right = st.columns(2)
    with left:
        normalise = st.toggle(
            "Normalise the target",
            key="guard_norm",
            help="As published: every layer of the teacher is given mean 0 and variance 1 first.",
        )
    with right:
        decay = st.select_slider(
            "The teacher follows the student",
            list(DECAYS),
            value=0.998,
            format_func=lambda x: DECAYS[x],
            key="guard_decay",
            help="τ, the share of itself that the teacher keeps at every step.",
        )
    started = st.session_state.setdefault("trainings_started", set())
    chosen = (normalise, float(decay))
    st.button(
        "Train both for some seconds",
        key="train_both",
        type="primary",
        icon=":material/play_arrow:",
        on_click=started.add,
        args=(chosen,),
    )
    if chosen not in started:
        st.caption("Two tiny networks of 48 channels, 240 pictures, 120 steps, on this computer.")
        return
    try:
        runs = _train(material.data, chosen)
    except D2VError as error:
        st.info(str(error))
        return
    for called, moments in runs.items():
        st.markdown(_in_words(called, moments))
    st.caption(
        "Blue is as published. In a real training the workbench watches these very signals and "
        "stops with a reason. The spread of a normalised target is near 1 in any case: that is why "
        "it cannot be the only thing one looks at."
    )


def _train(data: str, chosen: "tuple[bool, float]") -> "dict[str, list[Moment]]":
    """Train what was not trained yet, drawing as it goes; return all moments."""
    plans = {"as published": PUBLISHED}
    if chosen != PUBLISHED:
        plans["changed"] = chosen
    runs: dict[str, list[Moment]] = {called: [] for called in plans}
    bar, chart, start = st.empty(), st.empty(), time.monotonic()
    for number, (called, (normalise, decay)) in enumerate(plans.items()):
        is_kept = (data, normalise, decay) in doors.trainings()
        for moment in doors.train(data, normalise=normalise, decay=decay):
            runs[called].append(moment)
            if not is_kept:
                done = min(1.0, (number + moment.step / STEPS) / len(plans))
                left = (time.monotonic() - start) * (1 - done) / done
                words = (
                    f"Training, {called}: step {moment.step} of {STEPS}, about {left:.0f} s left"
                )
                bar.progress(done, text=words)
                if moment.step % 30 == 0:
                    _draw(chart, runs, f"live_{number}_{moment.step}")
    bar.empty()
    _draw(chart, runs, "done")
    return runs


def _draw(chart: DeltaGenerator, runs: "dict[str, list[Moment]]", key: str) -> None:
    chart.plotly_chart(
        training_curves({c: m for c, m in runs.items() if m}, STEPS),
        key=f"collapse_{key}",
        config={"displayModeBar": False},
        alt="loss, cosine, effective rank and spread of the target over steps of both trainings",
    )


def _in_words(called: str, moments: "list[Moment]") -> str:
    last, went = moments[-1], doors.went(moments)
    lowest = min(moment.loss for moment in moments)
    if went == "healthy":
        numbers: tuple[float, ...] = (last.mean_cosine, last.effective_rank)
    elif went == "collapsed":
        late = max(moments[len(moments) // 2 :], key=lambda moment: moment.mean_cosine)
        numbers = (lowest, late.mean_cosine, late.effective_rank)
    else:
        numbers = (lowest,)
    return WENT[went].format(called.capitalize(), *numbers)


def see_layers(material: Material) -> None:
    """Draw what each layer has in the target, and how alike the layers are."""
    there = [m for m in MODALITIES if doors.offered(material.data, m)]
    if not there:
        st.info("There are no items in this data folder.")
        return
    modality = st.segmented_control(
        "Sense",
        there,
        default=there[0],
        required=True,
        format_func=lambda m: PLURAL[m],
        key="layers_of",
    )
    try:
        parts = doors.layer_parts(material.run, material.data, cast(Modality, modality))
    except D2VError as error:
        st.info(str(error))
        return
    names = [f"block {part.block}" for part in parts]
    shares = {
        "as they are": [(n, p.raw_share) for n, p in zip(names, parts, strict=True)],
        "normalised first": [(n, p.normalised_share) for n, p in zip(names, parts, strict=True)],
    }
    left, right = st.columns([3, 2])
    left.plotly_chart(
        layer_bars(shares),
        key="layer_shares",
        config={"displayModeBar": False},
        alt="share of each layer in the average, as it is and normalised",
    )
    with right:
        for name, part in zip(names, parts, strict=True):
            st.metric(
                f"{name.capitalize()} is like the others",
                f"{part.likeness:.2f}",
                help="Mean correlation with the other layers; 1 would make them one, 0 unrelated.",
            )
    st.caption(
        "Measured on 16 items. Normalised, every layer has the same say; as they are, the loudest "
        "one has most."
    )


COLLAPSE = Question(
    "collapse",
    "The student predicts what its own slow copy says. We take away a guard, the norm of the "
    "target: what the teacher says is used as it is. What happens?",
    (
        Choice(
            "The loss rises: without the norm nothing can be learnt.",
            "The other way round: without it the task gets far too easy.",
        ),
        Choice(
            "The loss falls to nearly nothing, and all pictures become one vector.",
            "The two agree on saying the same of everything. That is perfectly predictable and "
            "perfectly useless: a collapse. A low loss alone proves nothing.",
            is_right=True,
        ),
        Choice(
            "Nothing much: a norm is a detail.",
            "It is one of the details that hold the whole thing up.",
        ),
    ),
)
LAYERS = Question(
    "layers",
    "The target is an average over the last layers of the teacher, not the last one alone. Do "
    "these layers say the same?",
    (
        Choice(
            "Yes; the average only takes out noise.",
            "If they did, their correlation would be 1.",
        ),
        Choice(
            "In part: they overlap, and each knows something of its own.",
            "So the average is a richer target than any single layer. And because each is "
            "normalised first, none drowns the others.",
            is_right=True,
        ),
        Choice(
            "No, they have nothing in common.",
            "If they had nothing in common, their correlation would be 0, and their average a "
            "mush.",
        ),
    ),
)
LESSON = Lesson(
    key="teacher",
    title="Student and teacher",
    idea=(
        "The teacher is no expert: it is the average of the student's own past. At every step it "
        "keeps the share τ of itself and takes the rest from the student. What it says about the "
        "whole picture is what the student has to predict from a part. Nothing stops the two from "
        "agreeing on nonsense, except a few guards."
    ),
    parts=(
        Part(
            "Cause a collapse",
            "Two trainings side by side, one of them without a guard.",
            COLLAPSE,
            see_collapse,
        ),
        Part(
            "Why an average of layers?",
            "A network of several blocks thinks in several steps.",
            LAYERS,
            see_layers,
        ),
    ),
    sources=(
        "J.-B. Grill and others, 2020: Bootstrap Your Own Latent: A New Approach to "
        "Self-Supervised Learning (BYOL)",
        "M. Caron and others, 2021: Emerging Properties in Self-Supervised Vision Transformers "
        "(DINO)",
        "A. Baevski and others, 2022: data2vec: A General Framework for Self-supervised Learning "
        "in Speech, Vision and Language",
        "Q. Garrido and others, 2023: RankMe: Assessing the Downstream Performance of Pretrained "
        "Self-Supervised Representations by Their Rank",
    ),
)
