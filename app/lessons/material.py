"""What the lessons are about: the chosen store where that is possible, else what is shipped."""

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from app import cached, state


@dataclass(frozen=True)
class Material:
    """Model, items and embeddings of the lessons.

    Attributes:
        chosen: store, run and layer chosen on the left; the embeddings come from there.
        run: folder of the model that is looked at.
        data: folder of the pictures and sounds.
        words: what model and items they are, in words.
    """

    chosen: state.Chosen
    run: str
    data: str
    words: str


@st.cache_data(max_entries=64, show_spinner=False)
def run_folder(place: str, name: str) -> str:
    """Return the run folder that a representation came from, or nothing if it is not one."""
    from app import workbench

    for found in workbench.encoder_places(cached.store(place), name):
        if (Path(found) / "config.json").is_file():
            return found
    return ""


def material(chosen: state.Chosen) -> Material | None:
    """Return what the lessons are about, or None if neither the store nor the sample has it."""
    from app import workbench

    shipped = workbench.SAMPLE_RUNS / "separate"
    own_run = run_folder(chosen.place, chosen.name)
    run = own_run or (str(shipped) if (shipped / "config.json").is_file() else "")
    own_data = cached.store(chosen.place).recipe(chosen.name).data
    has_data = bool(own_data) and Path(own_data).is_dir()
    data = own_data if has_data else str(workbench.SAMPLE_DATA)
    if not run or not Path(data).is_dir():
        return None
    whose = f"the run **{Path(run).name}**" + ("" if own_run else ", which is shipped")
    is_aviary = Path(data).resolve() == workbench.SAMPLE_DATA.resolve()
    items = "the made aviary" if is_aviary else f"`{data}`"
    return Material(chosen, run, data, f"Model: {whose}. Pictures and sounds: {items}.")
