"""Questions with a checked answer, and a word on every wrong one."""

from dataclasses import dataclass

import streamlit as st

SOLVED, TRIED, SHOWN = "lessons_solved", "lessons_tried", "lessons_shown"
"""Where the session keeps what was solved, what was answered last, and what was shown unasked."""


@dataclass(frozen=True)
class Choice:
    """One possible answer.

    Attributes:
        text: of the answer.
        feedback: what to say to somebody who chose it; of the right one, why it is right.
        is_right: whether it is.
    """

    text: str
    feedback: str
    is_right: bool = False


@dataclass(frozen=True)
class Question:
    """A prediction to make.

    Attributes:
        key: its name in the session.
        ask: the question.
        choices: the answers, one of them right.
    """

    key: str
    ask: str
    choices: tuple[Choice, ...]

    def __post_init__(self) -> None:
        right = [choice for choice in self.choices if choice.is_right]
        if len(right) != 1:
            raise ValueError(f"question {self.key!r} has {len(right)} right answers, not 1")

    @property
    def right(self) -> Choice:
        """Return the right answer."""
        return next(choice for choice in self.choices if choice.is_right)


def solved() -> set[str]:
    """Return the keys of the questions that were answered rightly in this session."""
    return st.session_state.setdefault(SOLVED, set())


def is_open(question: Question) -> bool:
    """Tell whether what the question is about may be shown: it was answered, or shown unasked."""
    tried: dict[str, str] = st.session_state.setdefault(TRIED, {})
    shown: set[str] = st.session_state.setdefault(SHOWN, set())
    return question.key in tried or question.key in shown


def ask(question: Question) -> None:
    """Draw a question with its answers and, once one was checked, what there is to say to it."""
    key = question.key
    tried: dict[str, str] = st.session_state.setdefault(TRIED, {})
    texts = [choice.text for choice in question.choices]
    st.radio(
        f"**Predict:** {question.ask}",
        texts,
        index=None,
        key=f"guess_{key}",
        persist_state="session",
        disabled=key in solved(),
    )
    with st.container(horizontal=True):
        st.button(
            "Check my guess",
            key=f"check_{key}",
            type="primary",
            icon=":material/done:",
            disabled=key in solved() or st.session_state.get(f"guess_{key}") is None,
            on_click=_check,
            args=(question,),
        )
        if not is_open(question):
            st.button(
                "Show it without a guess",
                key=f"show_{key}",
                type="tertiary",
                on_click=_show,
                args=(key,),
            )
    chosen = next((c for c in question.choices if c.text == tried.get(key)), None)
    if chosen is not None:
        say(chosen)


def say(chosen: Choice) -> None:
    """Draw the word on an answer."""
    if chosen.is_right:
        st.success(f"**Yes.** {chosen.feedback}", icon=":material/check_circle:")
    else:
        st.warning(
            f"**Not quite.** {chosen.feedback} Look at what is below, then guess again.",
            icon=":material/replay:",
        )


def _check(question: Question) -> None:
    guess = st.session_state.get(f"guess_{question.key}")
    chosen = next((c for c in question.choices if c.text == guess), None)
    if chosen is None:
        return
    st.session_state.setdefault(TRIED, {})[question.key] = chosen.text
    if chosen.is_right:
        solved().add(question.key)


def _show(key: str) -> None:
    st.session_state.setdefault(SHOWN, set()).add(key)
