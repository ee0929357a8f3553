"""Map: all items of all modalities in one picture; click one to see, hear and read it."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app import cached, state
from app.map_chart import Marked, colour_columns
from app.selecting import passes
from app.tables import number
from app.views.item_panel import draw_item, draw_surroundings
from app.views.map_picture import Picture, draw_picture
from app.views.selected import draw_selected
from app.words import METHODS, PLURAL
from d2v_core.errors import D2VError

TABLE = "map_table"
MOST_LISTED = 5000  # rows of the table; Streamlit sends them all with every click

NOT_LISTED = ("x", "y", "row", "hover", "media")
POLL_SECONDS = 2


def default_item(items: pd.DataFrame) -> tuple[str, str]:
    """Return the item that is shown before anybody has clicked: a bird's picture from test."""
    part = items
    wishes = {"modality": "image", "split": "test", "is_bird": True, "held_out_species": False}
    for column, value in wishes.items():
        if column in part and (part[column] == value).any():
            part = part[part[column] == value]
    first = part.iloc[0]
    return str(first["id"]), str(first["modality"])


def chosen_row(items: pd.DataFrame) -> int:
    """Return the row of the chosen item; of the default one if it is not in these data.

    The item is remembered by id and modality, so that it stays when run or layer change, and it is
    in the address of the page.
    """
    named = st.query_params.get("item", "").rpartition(":")
    for ident, modality in ((named[0], named[2]), default_item(items)):
        found = items.index[(items["id"] == ident) & (items["modality"] == modality)]
        if len(found):
            return int(found[0])
    return 0


def choose_row(items: pd.DataFrame, row: int) -> None:
    """Remember an item."""
    own = items.iloc[row]
    st.query_params["item"] = f"{own['id']}:{own['modality']}"


def on_pick(items: pd.DataFrame, rows: list[int]) -> None:
    """Choose the item that was picked in the table."""
    picked = st.session_state[TABLE]["selection"]["rows"]
    if picked:
        choose_row(items, rows[picked[0]])


def read_map(chosen: state.Chosen, method: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the wanted map, or the quick one while the wanted one is being made."""
    where = (chosen.place, chosen.name, chosen.tap)
    made = cached.umap_map(*where) if method == "umap" else None
    if method == "umap" and made is None:
        wait_for_umap(chosen)
    if made is None:
        with st.spinner("Drawing the map"):
            made = cached.pca_map(*where)
    return made


@st.fragment(run_every=POLL_SECONDS)
def wait_for_umap(chosen: state.Chosen) -> None:
    """See that the map is being made, and draw the page anew when it is there."""
    where = (chosen.place, chosen.name, chosen.tap)
    if cached.umap_map(*where) is not None:
        st.rerun()
    status, why = cached.ensure_umap(*where)
    if status == "failed":
        st.warning(f"The UMAP could not be made: {why} This is PCA.")
        if st.button("Try again", key="umap_again"):
            cached.map_jobs().forget(cached.Job(*where))
            st.rerun()
        return
    words = "UMAP waits for another map" if status == "waiting" else "UMAP is being computed"
    st.info(
        f"{words}, about 20 seconds the first time. Until then this is PCA.",
        icon=":material/hourglass_top:",
    )


def ask_shown(items: pd.DataFrame) -> np.ndarray:
    """Ask what to show; return which items pass."""
    senses = [m for m in PLURAL if (items["modality"] == m).any()]
    with st.popover("Show only", icon=":material/filter_alt:"):
        kept = st.pills(
            "Senses", senses, selection_mode="multi", default=senses, key="show_senses",
            format_func=PLURAL.__getitem__, persist_state="session",
        )  # fmt: skip
        labels = st.multiselect(
            "Labels", sorted(items["label"].dropna().unique()), key="show_labels",
            placeholder="all labels", persist_state="session",
        )  # fmt: skip
        splits = st.multiselect(
            "Splits", sorted(items["split"].dropna().unique()), key="show_splits",
            placeholder="all splits", persist_state="session",
        )  # fmt: skip
        st.toggle(
            "Draw without WebGL", key="no_webgl", persist_state="session",
            help="Plainer, and at most 5000 items; for browsers that show an empty map.",
        )  # fmt: skip
    wanted = {"modality": kept or senses, "label": labels, "split": splits}
    return np.logical_and.reduce([np.ones(len(items), bool), *passes(items, wanted)])


def draw_trust(about: dict[str, Any], residual: float | None) -> None:
    """Say how far the picture can be believed, and that it was turned."""
    turned = (
        ""
        if residual is None
        else "It is turned to lie on the PCA of the last layer as well as may be; "
        f"{residual:.0%} of its spread does not."
    )
    score = about["trustworthiness"]
    interval = (
        "" if score["low"] is None else f" ({number(score['low'])} to {number(score['high'])})"
    )
    st.caption(
        f"{METHODS[about['method']]}, trustworthiness **{number(score['value'])}**{interval}, "
        f"chance {number(score['chance'])}, n = {score['n']}. At 1, neighbours on the map are "
        f"neighbours in the model; sizes of groups and distances between them mean little. {turned}"
    )


def draw_table(items: pd.DataFrame, shown: pd.DataFrame) -> None:
    """Draw the same items as a table, where one can be picked without a mouse."""
    with st.expander("The same as a table, to pick an item from", icon=":material/table_rows:"):
        if len(shown) > MOST_LISTED:
            st.caption(
                f"The first {MOST_LISTED} of {len(shown)}; a selection or a filter leads to fewer."
            )
        listed = shown.head(MOST_LISTED)
        st.dataframe(
            listed[[c for c in listed if c not in NOT_LISTED]],
            hide_index=True,
            height=300,
            key=TABLE,
            on_select=lambda: on_pick(items, listed["row"].tolist()),
            selection_mode="single-row",
        )


@st.fragment
def explore(chosen: state.Chosen, points: pd.DataFrame, about: dict[str, Any]) -> None:
    """Draw map and item; a click redraws only this."""
    items = chosen.read().items
    row = chosen_row(items)
    place = cached.placed(chosen.place, chosen.name, chosen.tap, about["method"], len(items))
    table = items.assign(
        x=points["x"].to_numpy(),
        y=points["y"].to_numpy(),
        trust=points["trust"].to_numpy(),
        row=range(len(items)),
    )
    left, right = st.columns([3, 2], gap="medium")
    with left:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            colour = st.selectbox(
                "Colour", colour_columns(items), key="colour", bind="query-params", width=180
            )
            shown = ask_shown(items)
            lines = st.toggle(
                "Lines", value=True, key="lines",
                help="Dotted to the item's own picture, sound or sentence; solid to its true "
                "nearest neighbours, in the model and not on the map, the nearest the boldest.",
            )  # fmt: skip
        own = (items["id"] == items["id"].iloc[row]).to_numpy()
        partners = tuple(int(r) for r in np.flatnonzero(own) if r != row)
        picture = Picture(table, place.coordinates, shown, colour, Marked(row, partners), lines)
        draw_picture(chosen, picture, lambda r: choose_row(items, r))
        chosen_rows = draw_selected(chosen, table, shown)
        draw_trust(about, place.residual)
    with right:
        draw_item(chosen, items.iloc[row])
    surroundings = cached.around(chosen.place, chosen.name, chosen.tap, row, 4)
    draw_surroundings(chosen, items, row, surroundings)
    draw_table(items, table[shown] if chosen_rows is None else table.iloc[chosen_rows])


def page(chosen: state.Chosen) -> None:
    """Draw the page."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.title("What lands where?")
        method = st.segmented_control(
            "Kind of map", list(METHODS), default="umap", key="method", bind="query-params",
            format_func=METHODS.__getitem__, required=True, label_visibility="collapsed",
        )  # fmt: skip
    try:
        points, about = read_map(chosen, method or "umap")
        explore(chosen, points, about)
    except D2VError as error:
        st.warning(str(error))


page(state.current())
