"""Make data: one item of the made world while sliders move, then a whole data set of such items."""

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from app import cached_data, places, supervisor, tasks
from app.charts import spectrogram
from app.data_words import FACTOR_WORDS
from app.plain_text import plain
from app.run_folders import check_name, free_name
from app.training_words import seconds_words
from app.views import data_choice, waiting
from d2v_core.errors import D2VError

if TYPE_CHECKING:
    from d2v_core.data.aviary.world import Factors

MADE = "made_aviary"
ITEM = "aviary_item_number"
ENLARGED = 5
"""Times that the 64 pixels of a picture are enlarged, as squares: they are what a model sees."""

ITEMS_A_SECOND = 60
"""On two cores, about; half of what they manage when they have nothing else to do."""

MOST_ITEMS = 20_000
SHARED = ("species", "size", "count", "time", "mood")
PICTURE = ("facing", "scenery", "hue_shift")
SOUND = ("room", "loudness_db", "noise_db")
SCALES = {"hue_shift": (-12.0, 12.0), "loudness_db": (-15.0, -4.0), "noise_db": (-78.0, -40.0)}


def make(*, then: Callable[[], None]) -> None:
    """Draw one item with its sliders, and the making of many.

    Args:
        then: called when there is something new to look at.
    """
    st.markdown(
        "A world made for this question: what is **shared** can be seen, heard and read alike; "
        "what is **private** is in one sense only. Nothing is recorded or photographed; each "
        "factor is known exactly, so any layer can be asked for it."
    )
    one_item()
    st.divider()
    st.subheader("A whole data set of them")
    many(then)


@st.fragment
def one_item() -> None:
    """Draw one item while sliders move."""
    from d2v_core.data.aviary.world import make_factors

    number = st.session_state.setdefault(ITEM, 0)
    if "aviary_species" not in st.session_state:
        put(make_factors(0, number))
    left, middle, right = st.columns([4, 3, 4], gap="medium")
    with left:
        chosen = sliders()
        st.button("Another one", icon=":material/casino:", key="aviary_other", on_click=another)
    item = cached_data.aviary_item(number, tuple(chosen.items()))
    words = f"{item.factors.count} {item.factors.species}, {item.factors.time}"
    with middle:
        pixels = np.kron(item.picture, np.ones((ENLARGED, ENLARGED, 1), np.uint8))
        st.image(pixels, width="stretch", alt=f"Picture: {words}")
        st.markdown(f"> {plain(item.sentence)}")
    with right:
        from d2v_core.data.playback import picture_of, playback_of

        sound = playback_of(item.song)
        st.plotly_chart(
            spectrogram(picture_of(sound.decibels), sound.seconds, 8.0),
            key="aviary_spectrogram",
            config={"displayModeBar": False},
            alt=f"Spectrogram: {words}",
        )
        st.audio(sound.wav, format="audio/wav", alt=f"Sound: {words}")
        st.caption("Up is high, right is later, bright is loud.")


def put(factors: "Factors") -> None:
    """Set all sliders to the factors of an item."""
    for name, value in dataclasses.asdict(factors).items():
        st.session_state[f"aviary_{name}"] = value + 1 if name == "phrasing" else value


def another() -> None:
    """Go on to the next item of the world."""
    from d2v_core.data.aviary.world import make_factors

    st.session_state[ITEM] += 1
    put(make_factors(0, st.session_state[ITEM]))


def sliders() -> dict[str, Any]:
    """Draw the sliders; return the factors that they stand for."""
    from d2v_core.data.aviary import world

    options: dict[str, tuple[Any, ...]] = {
        "species": world.SPECIES,
        "size": world.SIZES,
        "count": world.COUNTS,
        "time": world.TIMES,
        "mood": world.MOODS,
        "facing": world.FACINGS,
        "scenery": world.SCENERIES,
        "room": world.ROOMS,
    }
    st.markdown("**Shared**: seen, heard and said")
    chosen = {name: control(name, options) for name in SHARED}
    with st.expander("Private to one sense"):
        chosen |= {name: control(name, options) for name in (*PICTURE, *SOUND)}
        phrasing = st.slider(FACTOR_WORDS["phrasing"], 1, world.PHRASINGS, key="aviary_phrasing")
    return {**chosen, "phrasing": phrasing - 1}


def control(name: str, options: dict[str, tuple[Any, ...]]) -> Any:  # noqa: ANN401
    """Draw the control of one factor; return its value."""
    key, words = f"aviary_{name}", FACTOR_WORDS[name]
    if name in SCALES:
        return st.slider(words, *SCALES[name], step=0.1, key=key)
    if name == "species":
        return st.selectbox(words, options[name], key=key)
    return st.select_slider(words, options[name], key=key)


def many(then: Callable[[], None]) -> None:
    """Draw the making of a whole data set, and how far those are that are being made."""
    left, middle, right = st.columns(3, vertical_alignment="bottom")
    with left:
        items = st.number_input(
            "Items", 32, MOST_ITEMS, 1000, step=100, key="aviary_items", help="Each in all senses."
        )
    with middle:
        seed = st.number_input(
            "Seed", 0, 10**6, 0, key="aviary_seed", help="Another number, other items."
        )
    with right:
        stem = f"aviary-{items}" if not seed else f"aviary-{items}-seed-{seed}"
        name = st.text_input(
            "Call it", free_name(stem, places.brought_root()), key=f"aviary_name_{stem}"
        )
    seconds = 5 + items / ITEMS_A_SECOND
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Make it", key="aviary_make", icon=":material/brush:", type="primary"):
            begin(int(items), int(seed), name)
        st.caption(
            f"About {seconds_words(seconds)} on two cores, {items * 40 / 1000:,.0f} MB. It goes on "
            "if you close this page."
        )
    for folder in places.task_folders("aviary"):
        draw_making(folder, then)


def begin(items: int, seed: int, name: str) -> None:
    """Start the making, or say why not."""
    try:
        name = check_name(name, places.brought_root(), what="data folder")
    except D2VError as error:
        words = str(error)
        st.error(words[:1].upper() + words[1:], icon=":material/error:")
        return
    folder = places.task_folder("aviary", name)
    command = [sys.executable, "-m", "app.cli", "data", "make", "aviary"]
    command += ["--out", str(places.brought_root() / name)]
    command += ["--items", str(items), "--seed", str(seed)]
    supervisor.begin(folder, command)
    st.session_state[MADE] = str(folder)


def show(out: Path, then: Callable[[], None]) -> None:
    """Go to what was made, as the callback of a button."""
    data_choice.remember(out)
    then()


def out_of(folder_task: tasks.Task | None) -> str:
    """Return the folder that a task makes; empty if it does not say."""
    command = folder_task.command if folder_task else []
    return command[command.index("--out") + 1] if "--out" in command[:-1] else ""


def draw_making(folder: Path, then: Callable[[], None]) -> None:
    """Draw how far a data set is that is being made, and the way to it when it is done."""
    task = tasks.read_task(folder / tasks.QUEUED) or tasks.read_task(folder / tasks.JOB)
    out = Path(out_of(task))
    now = tasks.standing(folder)
    is_ours = st.session_state.get(MADE) == str(folder)
    if now in tasks.GOING:
        waiting.wait_for(folder, f"Making {out.name}", key=f"make_{folder.name}")
    elif is_ours and now == "done" and out.exists():
        with st.container(horizontal=True, vertical_alignment="center"):
            st.success(f"**{out.name}** is ready.", icon=":material/check_circle:")
            st.button(
                "Look at it",
                key="look_at_made",
                type="primary",
                on_click=show,
                args=(out, then),
            )
    elif is_ours and now == "stopped":
        st.info(f"Making {out.name} was stopped; nothing is left of it.")
    elif is_ours:
        waiting.wait_for(folder, f"Making {out.name}", key=f"make_{folder.name}")
