"""Words of the trade beside what they are used for: a sentence each, and the way to the rest.

Streamlit opens links in a tab of its own, which knows only what its address says: the links carry
the choice that all pages share.
"""

from urllib.parse import urlencode

import streamlit as st

from app import glossary

SHARED = ("store", "run", "layer", "lesson")
"""What an address says that decides what the page is about."""


def _address() -> str:
    """Return the page that is open, as far as its address decides what it is about."""
    chosen = {name: st.query_params[name] for name in SHARED if name in st.query_params}
    return f"?{urlencode(chosen)}&" if chosen else "?"


def brief(*names: str) -> str:
    """Return words of the glossary for the `help=` of a text; see `app.glossary.brief`."""
    return glossary.brief(*names, address=_address())


def brief_of(text: str) -> str | None:
    """Return the words that a text speaks of; see `app.glossary.brief_of`."""
    return glossary.brief_of(text, address=_address())
