"""The labelling page's door to the libraries; see `app.cached`."""

import functools
import hashlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import streamlit as st

from app import cached, cached_map, labelling
from d2v_core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from app.labelling import Journal
    from probes.active import Judged, Question

ALL = "all"
"""Stands for all senses at once."""


class Pool(NamedTuple):
    """The items that are asked about, by id and modality: in every run of the same data alike."""

    items: "pd.DataFrame"
    x: np.ndarray
    """Vectors (items, dim), 32 bits."""

    keys: list[tuple[str, str]]


class Learnt(NamedTuple):
    """What follows from the answers so far."""

    codes: np.ndarray
    exam: np.ndarray
    margins: np.ndarray | None
    question: "Question | None"
    judged: "Judged"


def pool(place: str, name: str, tap: str, sense: str) -> Pool:
    """Return the items of one sense, or of all; those whose vectors are no numbers are left out."""
    return _pool(place, name, tap, sense, cached.held(place, name))


@st.cache_resource(max_entries=6, show_spinner=False)
def _pool(place: str, name: str, tap: str, sense: str, holds: str) -> Pool:
    data = cached.representation(place, name, tap)
    found = np.isfinite(data.layers[tap]).all(axis=1)
    if sense != ALL:
        found &= (data.items["modality"] == sense).to_numpy()
    items = data.items.iloc[np.flatnonzero(found)]
    items = items.sort_values(["id", "modality"], key=lambda column: column.astype(str))
    x = np.ascontiguousarray(data.layers[tap][items.index.to_numpy()], dtype=np.float32)
    keys = list(zip(items["id"].astype(str), items["modality"].astype(str), strict=True))
    return Pool(items.reset_index(drop=True), x, keys)


def journal(fingerprint: str) -> "Journal":
    """Return what was said of some data, by anybody until now."""
    path = labelling.path_of(fingerprint)
    try:
        found = path.stat()
    except OSError:
        return labelling.read(path)  # there is none, or it says why not
    return _journal(str(path), found.st_mtime_ns, found.st_size)


@st.cache_resource(max_entries=8, show_spinner=False)
def _journal(path: str, changed: int, size: int) -> "Journal":
    from pathlib import Path

    return labelling.read(Path(path))


def learn(pool: Pool, journal: "Journal", concept: str, sense: str) -> Learnt:
    """Learn from the answers; raise ValueError if nothing can be."""
    from probes import active

    codes = labelling.codes_of(journal, concept, pool.keys)
    seed = hashlib.sha256(f"{concept}|{sense}".encode()).digest()[:8]
    exam = active.set_apart(len(codes), np.random.default_rng(int.from_bytes(seed)))
    margins = active.margins_of(pool.x, active.teaching(codes, exam))
    question = active.next_question(pool.x, codes, exam, margins=margins)
    return Learnt(codes, exam, margins, question, active.judge(codes, exam, margins=margins))


@functools.lru_cache(maxsize=64)
def fingerprint(place: str, name: str) -> str:
    """Return what names the data of a run; a name is of one run for ever."""
    return cached.store(place).recipe(name).data_fingerprint


def with_labels(place: str, name: str, items: "pd.DataFrame") -> "pd.DataFrame":
    """Return items with a column for every concept that people have answered about."""
    try:
        found = labelling.columns_of(journal(fingerprint(place, name)), items)
    except InputError:  # the labelling page says so
        return items
    return items.assign(**found) if found else items


def shares_space(place: str, name: str) -> bool:
    """Tell whether some of a run's senses were shown to share a space."""
    return "aligned" in (cached_map.verdicts(place, name) or [])
