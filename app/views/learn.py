"""Learn: six short lessons. Predict, then see it on the shipped models or on your own."""

import streamlit as st

from app import state
from app.lessons.all import LESSONS
from app.lessons.lesson import Lesson, Part
from app.lessons.material import Material, material
from app.lessons.quiz import ask, is_open, solved
from app.views.explained import brief_of

BY_KEY = {lesson.key: lesson for lesson in LESSONS}
KEYS = list(BY_KEY)


def called(key: str) -> str:
    """Return number and title of a lesson, with a tick if it is done."""
    lesson = BY_KEY[key]
    tick = "✓ " if lesson.is_done(solved()) else ""
    return f"{tick}{KEYS.index(key) + 1}. {lesson.title}"


def choose() -> Lesson:
    """Draw how far the visitor is, and the choice of a lesson; return it."""
    done = sum(lesson.is_done(solved()) for lesson in LESSONS)
    st.progress(done / len(LESSONS), text=f"{done} of {len(LESSONS)} lessons done in this session")
    if "lesson" not in st.session_state:  # the address has its name, the pill its title
        named = st.query_params.get("lesson", "")
        st.session_state["lesson"] = named if named in BY_KEY else KEYS[0]
    key = st.pills(
        "Lesson",
        KEYS,
        required=True,
        format_func=called,
        key="lesson",
        label_visibility="collapsed",
        persist_state="session",
    )
    st.query_params["lesson"] = key or KEYS[0]
    return BY_KEY[key or KEYS[0]]


def draw_part(number: int, part: Part, about: Material) -> None:
    """Draw a question and, once something was guessed, what answers it."""
    st.subheader(f"{number}. {part.title}")
    st.markdown(part.before, help=brief_of(part.before))
    with st.container(border=True):
        ask(part.question)
    if is_open(part.question):
        st.fragment(part.see)(about)


def go_on(lesson: Lesson) -> None:
    """Draw the way to the next lesson, or the end."""
    place = KEYS.index(lesson.key)
    if all(other.is_done(solved()) for other in LESSONS):
        st.success("All six lessons are done. The other pages are yours now.", icon="🎓")
    if place + 1 < len(KEYS):
        st.button(
            f"Next: {BY_KEY[KEYS[place + 1]].title}",
            key="next_lesson",
            icon=":material/arrow_forward:",
            type="primary" if lesson.is_done(solved()) else "secondary",
            on_click=_open,
            args=(KEYS[place + 1],),
        )


def _open(key: str) -> None:
    st.session_state["lesson"] = key


def page(chosen: state.Chosen) -> None:
    """Draw the page."""
    st.title("Learn")
    about = material(chosen)
    if about is None:
        st.info(
            "There is nothing to learn with: neither this store's run and data nor the shipped "
            "ones are here. `make sample` makes the shipped ones."
        )
        return
    lesson = choose()
    st.header(lesson.title)
    st.markdown(lesson.idea, help=brief_of(lesson.idea))
    for number, part in enumerate(lesson.parts, start=1):
        draw_part(number, part, about)
    st.divider()
    go_on(lesson)
    st.caption(f"{about.words} Choose another store or run on the left to see it on your own data.")
    with st.expander("Where this comes from"):
        st.markdown("\n".join(f"* {source}" for source in lesson.sources))


page(state.current())
