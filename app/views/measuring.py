"""Measurements that a page needs: taken from the store, made at once, or in the background."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from app import cached, places, tasks
from app.views import waiting
from d2v_core.errors import D2VError

if TYPE_CHECKING:
    from app.measured import Wanted


def obtain(
    place: str, wanted: "Sequence[Wanted]", what: str, *, key: str, on_request: str = ""
) -> "tuple[dict[Wanted, dict[str, Any]], list[str]]":
    """Return what is measured, and see that the rest will be.

    What takes a moment in all is measured while the visitor looks at a bar. Longer work is done in
    a process of its own: the page can be used and left meanwhile, and is drawn anew at its end.

    Args:
        place: of the store.
        wanted: the measurements.
        what: is being done, for the bar.
        key: of the widgets.
        on_request: what the button says that starts what takes longer; without it, it starts by
            itself.

    Returns:
        The measurements there are, and why others cannot be made.
    """
    from app import measured

    found, missing = _kept(place, wanted)
    problems: list[str] = []
    store = cached.store(place)
    if not measured.are_quick(store, missing):
        _wait(place, wanted, what, key=key, on_request=on_request)
        return found, problems
    bar = st.empty()
    for number, one in enumerate(missing):
        name = Path(store.recipe(one.name).encoder).name
        share, words = number / len(missing), f"{number + 1} of {len(missing)}"
        bar.progress(share, text=f"{what}: **{name}**, {words}")
        try:
            found[one] = measured.measure(store, one)
        except D2VError as error:
            problems.append(str(error))
    bar.empty()
    return found, list(dict.fromkeys(problems))


def _kept(
    place: str, wanted: "Sequence[Wanted]"
) -> "tuple[dict[Wanted, dict[str, Any]], list[Wanted]]":
    found, missing = {}, []
    for one in wanted:
        try:
            found[one] = cached.measured(place, one)
        except cached.NotMeasured:
            missing.append(one)
    return found, missing


def _wait(place: str, wanted: "Sequence[Wanted]", what: str, *, key: str, on_request: str) -> None:
    """Draw how a measurement in the background is, and what starts it."""
    from app import measured

    where = str(Path(place).resolve()) if Path(place).exists() else place
    command = measured.command(where, wanted)
    folder = places.task_folder("measure", *command[1:])
    standing = tasks.standing(folder)
    if standing == "unknown" and not on_request:
        waiting.begin(folder, command)
        standing = tasks.standing(folder)
    if standing in tasks.GOING:
        waiting.wait_for(folder, what, key=key)
        return
    if standing in ("failed", "lost"):
        waiting.wait_for(folder, what, key=key)
    words = "Try again" if standing in ("failed", "lost") else on_request or "Measure"
    st.button(
        words,
        key=f"{key}_begin",
        icon=":material/play_arrow:",
        on_click=waiting.begin,
        args=(folder, command),
    )


def align_all(place: str) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return the alignment of every trained run by what it is called, and what cannot be measured.

    A run whose alignment is being measured in the background is not among them.
    """
    from app import showing
    from app.measured import Wanted

    recipes = {choice.name: choice.recipe for choice in cached.choices(place)}
    names = [name for name, recipe in recipes.items() if recipe.role == "trained"]
    wanted = [Wanted("align", name) for name in names]
    found, problems = obtain(place, wanted, "Measuring runs and their controls", key="align_all")
    called = showing.called_by(recipes)
    return {called[one.name]: result for one, result in found.items()}, problems
