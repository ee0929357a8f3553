"""Choices that are made for a widget: no usual choice beside them, and so no warning."""

import logging
from types import SimpleNamespace

import pytest
import streamlit as st
from streamlit.elements.lib import policies
from streamlit.testing.v1 import AppTest

from app import following


def page():
    """Draw a choice that a button makes as well."""
    import streamlit as st

    from app.following import follow, usual

    st.button("make it b", key="make", on_click=follow, args=("letter", "b"))
    chosen = st.selectbox("letter", ["a", "b", "c"], index=usual("letter", 2), key="letter")
    st.markdown(f"chosen: {chosen}")


def careless_page():
    """Draw the same, with the usual choice beside the one that was made."""
    import streamlit as st

    st.session_state["letter"] = "b"
    st.selectbox("letter", ["a", "b", "c"], index=2, key="letter")


@pytest.fixture
def warnings(monkeypatch, caplog):
    """Return what Streamlit warns of; it is silent in tests unless there seems to be a server."""
    monkeypatch.setattr(policies, "runtime", SimpleNamespace(exists=lambda: True))
    monkeypatch.setattr(policies, "_shown_default_value_warning", False)
    monkeypatch.setattr(logging.getLogger("streamlit"), "propagate", True)
    return caplog


def test_what_follows_is_chosen_and_then_left_alone(warnings):
    app = AppTest.from_function(page).run()
    assert app.markdown[0].value == "chosen: c"

    app.button[0].click().run()
    assert app.markdown[0].value == "chosen: b"

    app.selectbox[0].select("a").run()
    assert app.markdown[0].value == "chosen: a"
    assert "default value" not in warnings.text


def test_streamlit_does_warn_of_two_choices(warnings):
    AppTest.from_function(careless_page).run()

    assert "created with a default value but also" in warnings.text


def test_the_usual_choice_is_left_away_once(monkeypatch):
    monkeypatch.setattr(st, "session_state", {})
    following.follow("layer", "block_02.resid")

    assert st.session_state["layer"] == "block_02.resid"
    assert [following.usual("layer", 5), following.usual("layer", 5)] == [None, 5]
    assert following.usual("other", 1) == 1
