"""Choices that are made for a widget by something else: a click on a figure, a button elsewhere.

A widget that has a usual choice must not be given another one in the same breath: Streamlit warns,
and rightly, that it cannot tell which of the two is meant. So whoever makes the choice says so
here, and the widget leaves its usual choice away that once.
"""

from collections.abc import Iterable
from typing import Any, TypeVar

import streamlit as st

FOLLOWED, ABOUT = "followed_choices", "choices_about"
T = TypeVar("T")


def follow(key: str, value: Any) -> None:  # noqa: ANN401  # whatever the widget offers
    """Make the choice of a widget that will be drawn next.

    Args:
        key: of the widget.
        value: one of its options.
    """
    st.session_state[key] = value
    st.session_state.setdefault(FOLLOWED, set()).add(key)


def usual(key: str, choice: T) -> T | None:
    """Return the usual choice of a widget; None if the choice was just made for it."""
    followed: set[str] = st.session_state.get(FOLLOWED, set())
    if key not in followed:
        return choice
    followed.discard(key)
    return None


def settle(key: str, about: str, choice: Any) -> None:  # noqa: ANN401  # whatever the widget offers
    """Make the usual choice of a widget again when it has come to be about something else.

    What an address says that was just opened is about whatever the page shows then.

    Args:
        key: of the widget, which will be drawn next with `usual(key, choice)`.
        about: what the choice is about: a run, a store, a folder.
        choice: the usual one.
    """
    of: dict[str, str] = st.session_state.setdefault(ABOUT, {})
    if of.get(key, about) != about:
        follow(key, choice)
    of[key] = about


def settle_among(key: str, options: Iterable[Any], choice: Any) -> None:  # noqa: ANN401
    """Make the usual choice of a widget again when the one that was made is not offered.

    Args:
        key: of the widget, which will be drawn next with `usual(key, choice)`.
        options: what is offered.
        choice: the usual one.
    """
    if key in st.session_state and st.session_state[key] not in options:
        follow(key, choice)
