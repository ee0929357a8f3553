"""Start: the question, the answer so far, and where to go next."""

import streamlit as st

from app import state
from app.views.answer import DRAWN, draw_answer, draw_question
from app.views.measuring import align_all

PLACES = (
    ("map.py", "Map", "All items in one picture: click one, hear it, and see what is near."),
    ("ask.py", "Ask", "A sentence, picture or sound of your own: what lies nearest to it?"),
    (
        "layers.py",
        "Layers",
        "What each layer knows of species, size, mood: of any column.",
    ),
    ("meet.py", "Do they meet?", "Every pair of senses, with controls and reasons."),
    ("learn.py", "Learn", "Short lessons on small models that run while you look."),
    ("data.py", "Data", "Look at the items, make a world of your own, or bring a folder."),
    ("train.py", "Train", "Train a small model and watch it learn, or collapse."),
    ("report.py", "Report", "Everything in one file that opens anywhere."),
)
BESIDE = 4


def page(chosen: state.Chosen) -> None:
    """Draw the page; the answer for the shipped runs may stand there already."""
    if not st.session_state.pop(DRAWN, False):
        draw_question(is_sample=chosen.is_sample)
        found, problems = align_all(chosen.place)
        for problem in problems:
            st.info(problem)
        if found:
            draw_answer(found)
        elif chosen.is_sample:
            st.info("No trained runs are here yet: `make sample` trains them.")
    where_next()


def where_next() -> None:
    """Point to the other pages."""
    st.subheader("Where to go next")
    for first in range(0, len(PLACES), BESIDE):
        for column, (file, title, words) in zip(
            st.columns(BESIDE), PLACES[first : first + BESIDE], strict=True
        ):
            with column.container(border=True, height="stretch"):
                st.page_link(f"views/{file}", label=f"**{title}**", icon=":material/arrow_forward:")
                st.markdown(words)


page(state.current())
