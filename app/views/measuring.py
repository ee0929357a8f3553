"""Measurements that a page waits for, with a bar that shows how far they are."""

from typing import Any

import streamlit as st

from app import cached
from d2v_core.errors import D2VError


def align_all(place: str) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return the alignment of every trained run by its name, and what could not be measured."""
    found: dict[str, dict[str, Any]] = {}
    problems = []
    runs = [choice for choice in cached.choices(place) if choice.recipe.role == "trained"]
    bar = st.empty()
    for number, choice in enumerate(runs):
        name = choice.recipe.encoder
        bar.progress(number / len(runs), text=f"Measuring **{name}** and its controls")
        try:
            found[name if name not in found else choice.name] = cached.align(place, choice.name)
        except D2VError as error:
            problems.append(str(error))
    bar.empty()
    return found, problems
