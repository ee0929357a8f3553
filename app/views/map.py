"""Map: all items of all modalities in one picture; click one to see, hear and read it."""

from typing import Any

import pandas as pd
import streamlit as st

from app import cached, state
from app.map_chart import GL_FROM, Marked, colour_columns, map_figure
from app.tables import number
from app.views.item_panel import draw_item, draw_surroundings, hover_words
from app.words import METHODS, PLURAL
from d2v_core.errors import D2VError

CHART, TABLE = "map_chart", "map_table"
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


def on_click(items: pd.DataFrame) -> None:
    """Choose the item that was clicked on the map."""
    rows = [point.get("customdata") for point in st.session_state[CHART]["selection"]["points"]]
    rows = [row[0] if isinstance(row, list) else row for row in rows if row is not None]
    if rows:
        choose_row(items, int(rows[0]))


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


def shown_points(items: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Return points with all that is to be drawn, after asking what to show."""
    table = items.assign(
        x=points["x"].to_numpy(),
        y=points["y"].to_numpy(),
        trust=points["trust"].to_numpy(),
        row=range(len(items)),
        hover=hover_words(items),
    )
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
        if len(items) > GL_FROM:
            st.toggle(
                "Draw without WebGL", key="no_webgl", persist_state="session",
                help="Slower; for browsers that show an empty map.",
            )  # fmt: skip
    keep = table["modality"].isin(kept or senses)
    keep &= table["label"].isin(labels) if labels else True
    keep &= table["split"].isin(splits) if splits else True
    return table[keep]


def draw_trust(about: dict[str, Any]) -> None:
    """Say how far the picture can be believed."""
    score = about["trustworthiness"]
    interval = (
        "" if score["low"] is None else f" ({number(score['low'])} to {number(score['high'])})"
    )
    st.caption(
        f"{METHODS[about['method']]}, trustworthiness **{number(score['value'])}**{interval}, "
        f"chance {number(score['chance'])}, n = {score['n']}. At 1, neighbours on the map are "
        "neighbours in the model; sizes of groups and distances between them mean little. "
        "Drag to zoom, double-click to zoom out."
    )


def draw_table(items: pd.DataFrame, shown: pd.DataFrame) -> None:
    """Draw the same items as a table, where one can be picked without a mouse."""
    with st.expander("The same as a table, to pick an item from", icon=":material/table_rows:"):
        columns = [c for c in shown if c not in ("x", "y", "row", "hover", "media")]
        st.dataframe(
            shown[columns],
            hide_index=True,
            height=300,
            key=TABLE,
            on_select=lambda: on_pick(items, shown["row"].tolist()),
            selection_mode="single-row",
        )


@st.fragment
def explore(chosen: state.Chosen, points: pd.DataFrame, about: dict[str, Any]) -> None:
    """Draw map and item; a click redraws only this."""
    data = chosen.read()
    items = data.items
    row = chosen_row(items)
    surroundings = cached.around(chosen.place, chosen.name, chosen.tap, row, 4)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            colour = st.selectbox(
                "Colour", colour_columns(items), key="colour", bind="query-params", width=180
            )
            shown = shown_points(items, points)
            lines = st.toggle("Lines to its partners", value=True, key="lines")
        partners = tuple(a.partner for a in surroundings if lines and a.partner is not None)
        dark = st.context.theme.type == "dark"
        webgl = not st.session_state.get("no_webgl", False)
        marked = Marked(row, partners)
        figure = map_figure(shown, colour, marked=marked, dark=dark, webgl=webgl)
        st.plotly_chart(
            figure,
            theme=None,
            key=CHART,
            on_select=lambda: on_click(items),
            selection_mode="points",
            config={"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d"]},
            alt=f"Map of {len(shown)} items coloured by {colour}; the table below has them all",
        )
        draw_trust(about)
    with right:
        draw_item(chosen, items.iloc[row])
    draw_surroundings(chosen, items, row, surroundings)
    draw_table(items, shown)


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
