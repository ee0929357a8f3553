"""Lesson 4: one recipe, three senses; what is shared, and what is not."""

from pathlib import Path

import pandas as pd
import streamlit as st

from app.lessons import doors
from app.lessons.figures import weights
from app.lessons.lesson import Lesson, Part
from app.lessons.material import Material
from app.lessons.quiz import Choice, Question
from app.words import PLURAL
from d2v_core.errors import D2VError

SHIPPED = ("separate", "shared", "paired")
"""Runs whose weights are counted, if they are there."""


def see_weights(material: Material) -> None:
    """Draw the weights of the shipped runs and of the chosen one, by whose they are."""
    from app import workbench

    runs = [workbench.SAMPLE_RUNS / name for name in SHIPPED]
    places = [str(run) for run in runs if (run / "config.json").is_file()]
    if Path(material.run).resolve() not in [Path(place).resolve() for place in places]:
        places.append(material.run)
    try:
        counts = {Path(place).name: doors.parts(place) for place in places}
    except D2VError as error:
        st.info(str(error))
        return
    st.plotly_chart(
        weights(counts),
        key="weights",
        config={"displayModeBar": False},
        alt="weights of each run that belong to one sense or to all",
    )
    with st.expander("Part by part"):
        rows = [
            {
                "run": run,
                "part": part.part,
                "used by": "all senses" if part.owner == "shared" else PLURAL[part.owner],
                "weights": part.weights,
            }
            for run, parts in counts.items()
            for part in parts
        ]
        st.dataframe(pd.DataFrame(rows), hide_index=True)
    st.caption(
        "Counted in the files of the runs. *separate*: one recipe, three networks. *shared*: one "
        "trunk, but each sense still has its own way in. *paired*: as *shared*, with a head that "
        "learns from pairs."
    )


def see_recipe(material: Material) -> None:
    """Draw what the recipe says for each sense, side by side."""
    try:
        table = doors.recipe_table(material.run)
    except D2VError as error:
        st.info(str(error))
        return
    same = {row for row in table.index if table.loc[row].nunique() == 1}
    shown = table.rename(columns=PLURAL)
    shown.insert(0, "the same for all?", ["yes" if row in same else "no" for row in table.index])
    st.table(shown, border="horizontal")
    st.caption(f"Read from the settings of the run {Path(material.run).name}.")


SHARED = Question(
    "shared",
    "One recipe trains pictures, sounds and sentences. In the run *separate*, which is data2vec as "
    "published, which weights do pictures and sounds have in common?",
    (
        Choice(
            "All of them: it is one model for everything.",
            "It is one recipe for everything, followed three times.",
        ),
        Choice(
            "The trunk, where the thinking is done.",
            "That is what the run *shared* does. As published, each sense has a trunk of its own.",
        ),
        Choice(
            "None.",
            "The same cake baked in three kitchens: the recipe is common, the cakes are not. That "
            "is why vectors of different senses cannot simply be compared.",
            is_right=True,
        ),
    ),
)
RECIPE = Question(
    "recipe",
    "So what is it that is the same for all three senses?",
    (
        Choice(
            "How the input is cut into tokens.",
            "Squares of a picture, squares of a spectrogram, bytes of a sentence: that is where "
            "the senses differ most.",
        ),
        Choice(
            "How much is hidden, and in what shape.",
            "A sentence has no squares. Share and shape are chosen for each sense.",
        ),
        Choice(
            "The task: predict the teacher's averaged layers at hidden places.",
            "That is the discovery: the same task, whatever comes in.",
            is_right=True,
        ),
    ),
)
LESSON = Lesson(
    key="senses",
    title="One recipe, three senses",
    idea=(
        "Before data2vec, every sense had its own way to learn: words, pixels, sounds. data2vec "
        "gives all of them one task. One task is not one model, and one model is not one space."
    ),
    parts=(
        Part("Count the weights", "Whose is which weight?", SHARED, see_weights),
        Part("Read the recipe", "What was set, sense by sense?", RECIPE, see_recipe),
    ),
    sources=(
        "A. Baevski and others, 2022: data2vec: A General Framework for Self-supervised Learning "
        "in Speech, Vision and Language",
    ),
)
