"""Choices that are made for a widget by something else: a click on a figure, a button elsewhere.

A widget that has a usual choice must not be given another one in the same breath: Streamlit warns,
and rightly, that it cannot tell which of the two is meant. So whoever makes the choice says so
here, and the widget leaves its usual choice away that once.
"""

from typing import Any, TypeVar

import streamlit as st

FOLLOWED = "followed_choices"
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
