"""What the visitor has chosen, the same on all pages: a store, a run in it, a layer of the run."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from app import cached
from app import places as home_places
from d2v_core.errors import StoreError

if TYPE_CHECKING:
    from d2v_core.store import Representation

SAMPLE = "sample"
"""Stands for the store of the sample, which is made when it is first looked at."""

SAMPLE_WORDS = "Sample: the made aviary"

CHECKPOINTS, LEARNING = ": its checkpoints", "learning"
"""Behind a run's name, what the store of its checkpoints is called; and that store's folder."""


@dataclass(frozen=True)
class Chosen:
    """What all pages are about.

    Attributes:
        place: of the store.
        name: of the representation.
        tap: which layer.
        encoder: what the representation is called by people.
        role: what it is to a claim.
        is_sample: whether the store is that of the sample.
    """

    place: str
    name: str
    tap: str
    encoder: str
    role: str
    is_sample: bool

    def read(self) -> "Representation":
        """Return the items and the chosen layer."""
        return cached.representation(self.place, self.name, self.tap)


def named_stores(arguments: list[str]) -> list[str]:
    """Return the stores named on the command line: `--store PATH`, repeated."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--store", action="append", default=[])
    return list(dict.fromkeys(parser.parse_known_args(arguments)[0].store))


def places() -> list[str]:
    """Return the stores that can be chosen: named, the sample, opened here, made in the browser.

    The first is the same for every visitor: addresses leave it away.
    """
    opened = st.session_state.setdefault("opened", [])
    made = [str(path) for path in home_places.made_stores()]
    return list(dict.fromkeys([*named_stores(sys.argv[1:]), SAMPLE, *opened, *made]))


def called(place: str) -> str:
    """Return what a store is called, its name first: this is also what addresses say."""
    if place == SAMPLE:
        return SAMPLE_WORDS
    path = Path(place)
    if path.parent.parent == home_places.runs_root():
        return f"{path.parent.name}{CHECKPOINTS}"
    folder, _, name = place.rstrip("/").rpartition("/")
    return name if not folder or Path(folder) == home_places.stores_root() else f"{name} ({folder})"


def adopt() -> None:
    """Open the store that an address names, by what it is called or by its folder, if it is here.

    Only a folder of this machine: a link must not make the workbench call another one.
    """
    wanted = st.query_params.get("store", "")
    if not wanted or "store" in st.session_state or wanted in map(called, places()):
        return
    name, _, folder = wanted.removesuffix(")").partition(" (")
    watched = home_places.runs_root() / wanted.removesuffix(CHECKPOINTS) / LEARNING
    for path in (Path(wanted), Path(folder or ".") / name, watched):
        if path.is_absolute() and home_places.is_store(path):
            opened = [p for p in st.session_state["opened"] if p != str(path)]
            st.session_state["opened"] = [str(path), *opened]
            st.session_state["store"] = str(path)
            return


def wants_sample() -> bool:
    """Tell whether the sample is what will be shown, before its store is opened."""
    named = st.session_state.get("store", st.query_params.get("store"))
    return places()[0] == SAMPLE if named is None else named in (SAMPLE, SAMPLE_WORDS)


def open_store() -> None:
    """Add the store that was typed in, or say why not."""
    place = st.session_state["typed_store"].strip()
    st.session_state["store_problem"] = ""
    if not place:
        return
    try:
        found = cached.store(place).names()
    except (StoreError, ValueError, OSError) as error:  # a URI that LanceDB cannot read
        st.session_state["store_problem"] = str(error)
        return
    if not found:
        st.session_state["store_problem"] = (
            f"{place} holds no representation; `d2v embed ENCODER DATA --out {place}` adds one"
        )
        return
    st.session_state["opened"] = [place, *st.session_state.get("opened", [])]
    st.session_state["store"] = place
    st.session_state["typed_store"] = ""


def remember(chosen: Chosen | None) -> None:
    """Keep the choice for the page that is about to be drawn."""
    st.session_state["chosen"] = chosen


def current() -> Chosen:
    """Return the choice."""
    return st.session_state["chosen"]
