"""The question, the answer in a picture and in words: of the shipped runs before all else."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app import answers, state
from app.charts import score_dots
from app.views.explained import brief
from app.words import PLURAL, SINGULAR, tap_words

DRAWN = "answer_drawn"
"""In the state of the session: the answer stands on the page already."""


def draw_early(*, is_start: bool) -> None:
    """Draw the answer for the shipped runs before stores and models are imported.

    Only on the start page, only of the sample, and only if the file with the answer was made from
    the runs that are there.
    """
    found = answers.shipped() if is_start and state.wants_sample() else {}
    st.session_state[DRAWN] = bool(found)
    if found:
        draw_question(is_sample=True)
        draw_answer(found)


def draw_question(*, is_sample: bool) -> None:
    """Draw what is asked."""
    question = next(iter(answers.QUESTIONS.values()))
    st.title(question if is_sample else "What lands near what?")
    st.markdown(
        "data2vec trains pictures, sounds and sentences with one recipe: does that alone put the "
        "same things in the same place, or does it take pairs?"
    )


def draw_answer(found: Mapping[str, Mapping[str, Any]]) -> None:
    """Draw the sentences, the runs side by side, and the figures under them."""
    wanted = answers.wanted_of(found)
    rows = answers.rows_of(found, wanted) if wanted else []
    if not wanted or not rows:
        st.info("The items have no labels, so kinds cannot be looked for; see *Do they meet?*")
        return
    for sentence in answers.sentences(found, wanted):
        st.markdown(sentence)
    what = f"{SINGULAR[wanted[1]]} looks for {PLURAL[wanted[0]]} of its own kind"
    st.subheader(what)
    figure = score_dots([(n, r, s) for n, r, _, s in rows], "mean average precision")
    st.plotly_chart(figure, key="start_scores", config={"displayModeBar": False}, alt=what)
    st.caption(
        f"Mean average precision is 1 if {PLURAL[wanted[0]]} of the right kind always come before "
        "all others; grey bars are what guessing gives. Dots are runs, lines are 95 % intervals "
        "over kinds. Measured on test items, at the layer that was best on the others.",
        help=brief("mean average precision", "chance", "confidence interval", "control"),
    )
    with st.expander("The figures"):
        draw_table(rows)


def draw_table(rows: list[answers.Row]) -> None:
    """Draw the figures behind the picture."""
    from app.tables import score_table  # with pandas, which the picture does not wait for

    table = score_table(
        ({"run": name, "what it is": role, "layer (tap)": tap_words(tap)}, score)
        for name, role, tap, score in rows
    )
    st.dataframe(table, hide_index=True)
