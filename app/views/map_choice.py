"""What the map shows: one layer or a way through many, by which method, in which space."""

import streamlit as st

from app import cached_map, state
from app.map_words import ABOUT_MAPS, ABOUT_SPACES, MAPS, SETTINGS, SPACES, VIEWS
from app.views.explained import brief
from app.wishes import ALL_PAIRS, DEFAULTS, MapWish, settings_of

ANCHORS = (8, 16, 32, 64, 128, 256)
FEWEST_STOPS = 2


def choose_view(chosen: state.Chosen) -> str:
    """Ask whether one layer is looked at, a way through many, or two maps side by side."""
    views = [view for view in VIEWS if view != "steps" or _has_steps(chosen)]
    found = st.segmented_control(
        "What is shown", views, default="one", key="view_of_map", bind="query-params",
        format_func=VIEWS.__getitem__, required=True, label_visibility="collapsed",
        persist_state="session",
    )  # fmt: skip
    return found or "one"


def _has_steps(chosen: state.Chosen) -> bool:
    return len(cached_map.checkpoints(chosen.place, chosen.name)) >= FEWEST_STOPS


def choose_wish(chosen: state.Chosen, view: str) -> MapWish:
    """Ask for method, settings and space; return the map that is wanted."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        method = st.segmented_control(
            "Kind of map", list(MAPS), default="umap", key="method", bind="query-params",
            format_func=MAPS.__getitem__, required=True, persist_state="session",
            help=brief("UMAP", "PCA", "t-SNE", "trustworthiness"),
        ) or "umap"  # fmt: skip
        with st.popover("Settings", icon=":material/tune:"):
            settings = ask_settings(method)
        space = st.segmented_control(
            "Space", list(SPACES), default="raw", key="space", bind="query-params",
            format_func=SPACES.__getitem__, required=True, persist_state="session",
            help="; ".join(f"**{SPACES[name]}**: {said}" for name, said in ABOUT_SPACES.items()),
        ) or "raw"  # fmt: skip
        pairs = ask_pairs(chosen) if space == "aligned" else ALL_PAIRS
    over = view if view in ("layers", "steps") else ""
    if over and method == "tsne":
        method, settings = "umap", {}
        st.caption("t-SNE cannot go on from map to map, so this way is shown by UMAP.")
    name = chosen.name
    if view == "steps":  # the way is the same whichever of its checkpoints is chosen
        name = cached_map.checkpoints(chosen.place, chosen.name)[0][1]
    return MapWish(
        name,
        chosen.tap,
        method,
        space,  # pyright: ignore[reportArgumentType]  # one of SPACES
        pairs,
        settings_of(method, settings),
        over,  # pyright: ignore[reportArgumentType]
    )


def ask_settings(method: str) -> dict[str, float]:
    """Ask for the settings of a method, each with what it does."""
    st.caption(ABOUT_MAPS[method])
    found = {}
    for name, usual in DEFAULTS[method].items():
        label, values, said = SETTINGS[name]
        chosen = st.segmented_control(
            label, list(values), default=values[values.index(usual)], key=name,
            bind="query-params", required=True, persist_state="session",
            format_func=lambda value: f"{value:g}",
        )  # fmt: skip
        st.caption(said)
        found[name] = usual if chosen is None else chosen
    return found


def ask_pairs(chosen: state.Chosen) -> int:
    """Ask by how many pairs the senses are turned."""
    there = cached_map.pairs_there(chosen.place, chosen.name, chosen.tap)
    options = [*(count for count in ANCHORS if count < there), ALL_PAIRS]
    found = st.selectbox(
        "Pairs", options, index=len(options) - 1, key="pairs", bind="query-params", width=110,
        format_func=lambda count: str(count) if count else f"all {there}", persist_state="session",
        help="How many pairs of the train split teach the turn. The gap is measured on held-out "
        "items, which have no part in it.",
    )  # fmt: skip
    return ALL_PAIRS if found is None else found
