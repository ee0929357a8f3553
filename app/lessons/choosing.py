"""What a visitor chooses inside a lesson: an item, a run, two senses."""

from pathlib import Path
from typing import cast

import streamlit as st

from app import cached
from app.lessons import doors
from app.lessons.material import Material
from app.words import PLURAL, ROLES
from d2v_core.modality import MODALITIES, Modality

CALLED: dict[str, str] = {"image": "Picture", "audio": "Sound"}
PREFERRED: tuple[tuple[Modality, Modality], ...] = (
    ("image", "audio"),
    ("image", "text"),
    ("audio", "text"),
)
APART = "separate"
"""The shipped run whose senses were trained apart."""


def choose_item(material: Material, modality: Modality, key: str) -> tuple[Modality, str] | None:
    """Draw the choice of an item; return it, or None after saying why there is none."""
    names = doors.offered(material.data, modality)
    if not names:
        st.info(f"There are no {PLURAL[modality]} in this data folder.")
        return None
    name = st.selectbox(
        CALLED[modality], list(names), format_func=lambda i: names[i], key=f"{key}_{modality}"
    )
    return modality, name


def choose_run(material: Material, key: str, *, prefer: str = APART) -> str:
    """Draw the choice of a representation of the store; return its name."""
    found = {choice.name: choice for choice in cached.choices(material.chosen.place)}
    called = {name: Path(choice.recipe.encoder).name for name, choice in found.items()}
    names = list(found)
    preferred = [name for name in names if called[name] == prefer] or [material.chosen.name]
    name = st.selectbox(
        "Run",
        names,
        index=names.index(preferred[0]),
        format_func=lambda n: called[n] if list(called.values()).count(called[n]) == 1 else n,
        key=key,
        help="Of the store that is chosen on the left. The controls can be looked at as well.",
    )
    st.caption(ROLES[found[name].recipe.role].capitalize())
    return name


def choose_between(material: Material, name: str, key: str) -> tuple[Modality, Modality] | None:
    """Draw the choice of two senses that have pairs; None after saying that there are none."""
    there = present(material, name)
    options = [pair for pair in PREFERRED if set(pair) <= set(there)]
    usable = [p for p in options if doors.paired(material.chosen.place, name, p) is not None]
    if not usable:
        st.info(
            "This store has no two senses with enough pairs (two to be found, two to learn from). "
            "Choose the sample on the left, or data whose rows have two senses."
        )
        return None
    return st.selectbox(
        "Senses",
        usable,
        format_func=lambda pair: f"{PLURAL[pair[0]]} and {PLURAL[pair[1]]}",
        key=key,
    )


def present(material: Material, name: str) -> list[Modality]:
    """Return the modalities that a representation has."""
    recipe = cached.store(material.chosen.place).recipe(name)
    data = cached.representation(material.chosen.place, name, recipe.taps[-1])
    there = set(data.items["modality"])
    return [cast(Modality, m) for m in MODALITIES if m in there]
