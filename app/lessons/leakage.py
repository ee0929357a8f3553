"""A part of lesson 6: an exam whose answers were in the book."""

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import cached
from app.lessons.choosing import choose_run, present
from app.lessons.figures import growing
from app.lessons.lesson import Part
from app.lessons.material import Material
from app.lessons.quiz import Choice, Question
from app.words import PLURAL

if TYPE_CHECKING:
    from probes.leakage import Torn
    from probes.result import Score

MOST = 4000
"""Items that take part; of more, as many are drawn by lot."""

FEWEST = 4
"""Items of the typical group that make groups of the data worth tearing; else kinds are torn."""


@st.cache_data(max_entries=32, show_spinner=False)
def torn(place: str, name: str, modality: str) -> "tuple[tuple[Torn, ...], str, str]":
    """Tear the groups of one modality at the last layer.

    Returns:
        The shares of told coins by items a group, which column the groups are, and what a probe of
        the workbench says to torn groups.

    Raises:
        ValueError: if there are too few groups of several items.
    """
    from probes.leakage import refusal, torn_groups

    tap = cached.store(place).recipe(name).taps[-1]
    data = cached.representation(place, name, tap).of(modality)
    typical = data.items["group"].value_counts().median() if data.items["group"].any() else 0
    column = "group" if typical >= FEWEST else "label"
    rows = np.flatnonzero(data.items[column].notna())
    if len(rows) > MOST:
        rows = np.sort(np.random.default_rng(0).choice(rows, size=MOST, replace=False))
    groups = data.items[column].to_numpy()[rows].astype(str)
    rng = np.random.default_rng(0)
    found = torn_groups(data.layers[tap][rows].astype(np.float64), groups, rng=rng)
    return found, column, refusal(groups, rng=rng)


def see_leak(material: Material) -> None:
    """Tell coins from vectors, with groups torn and with groups whole."""
    left, right = st.columns(2)
    with left:
        name = choose_run(material, "leak_run")
    with right:
        there = present(material, name)
        modality = st.selectbox("Items", there, format_func=PLURAL.__getitem__, key="leak_sense")
    try:
        with st.spinner("Tossing coins, 300 times"):
            found, column, said = torn(material.chosen.place, name, modality)
    except ValueError as error:
        st.info(f"No exam can be held with these items: {error}.")
        return
    most = found[-1]
    one, two = st.columns(2)
    _metric(one, "Items dealt out one by one", most.by_item)
    _metric(two, f"Every {column} dealt out as a whole", most.by_group)
    st.plotly_chart(
        growing(
            {
                f"one by one: each {column} torn": [(t.size, t.by_item) for t in found],
                f"each {column} as a whole": [(t.size, t.by_group) for t in found],
            },
            f"items of each {column}",
            score="coins told rightly",
        ),
        key="leak_chart",
        config={"displayModeBar": False},
        alt=f"share of coins told rightly by items of each {column}, torn and whole, with chance",
    )
    st.markdown(
        "Nothing was learnt that holds for anybody new: the nearest item of train was a relative, "
        "and its coin was looked up. One item alone has no relatives, so at the left there is "
        "nothing to look up. Try an untrained run, *random*: it does not need to know anything, "
        "only to put relatives near each other."
    )
    if said:
        st.markdown("A probe of this workbench, asked to learn from torn groups, answers:")
        st.code(said, language=None, wrap_lines=True)
    st.caption(_what(most, column, modality))


def _metric(place: DeltaGenerator, title: str, score: "Score") -> None:
    place.metric(
        title,
        f"{100 * (score.value or 0):.0f} %",
        f"{100 * (score.low or 0):.0f} to {100 * (score.high or 0):.0f} %, chance 50 %",
        delta_color="off",
        delta_arrow="off",
        help="Share of test items whose nearest item of train has their coin; 95 % interval.",
    )


def _what(most: "Torn", column: str, modality: str) -> str:
    """Return what was computed, and what groups are elsewhere."""
    stand_in = (
        "Here a label stands in for a recording, as few items of these data share one. "
        if column == "label"
        else ""
    )
    return (
        f"{stand_in}{most.groups} of them with {most.size} {PLURAL[modality]} each; a quarter is "
        f"tested on. Coins, items and splits are drawn {most.by_item.n} times; lines are 95 % "
        "intervals over the draws. In real data groups are slices of one recording, songs of one "
        "bird, pictures of one camera, sentences of one author."
    )


LEAK = Question(
    "leak",
    "For every recording somebody tosses a coin: heads or tails. All slices of a recording get its "
    "coin as their label. Then all slices are mixed: three quarters are learnt from, one quarter "
    "is the exam. How often does a probe tell the coin of a slice it never saw?",
    (
        Choice(
            "Half of the time: nobody can hear a coin in a song.",
            "True, nobody can. But a slice of the same recording lies in train, sounds alike, and "
            "has the answer written on it.",
        ),
        Choice(
            "Far more often than half of the time.",
            "It recognises the recording and looks its coin up. On a new recording it is no better "
            "than the coin itself. So whole groups have to go to train or to test, and the score "
            "of a split that tears them is no score at all.",
            is_right=True,
        ),
        Choice(
            "Less than half of the time.",
            "To be wrong more often than a coin, one has to know something too.",
        ),
    ),
)
PART = Part(
    "Do not believe every exam",
    "A probe is an exam for vectors. Items of one group are relatives: slices of one recording, "
    "or, where a recording is one item only, things of one kind.",
    LEAK,
    see_leak,
)
