"""The picture of the map page: our component, or plotly where a browser cannot draw that.

It also keeps what was selected, by the items and not by the picture: a selection made on one layer
is lit up on the next.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app import cached, state
from app.map_chart import Marked, map_figure
from app.routes import ASSETS
from app.scatter.component import NOTHING, Scene, Selected, coordinates_of, scatter
from app.scatter.paint import kinds_of, paint
from app.selecting import read_drawn, select
from app.shelves import put_up
from app.views.item_panel import hover_words
from d2v_core.errors import InputError

MAP, CHART = "map", "map_chart"
MOST_PLAIN = 5000
"""Points without WebGL; more make a browser crawl."""


@dataclass(frozen=True)
class Picture:
    """What is to be drawn.

    Attributes:
        points: all items with `x`, `y`, `trust`, `row` and the columns of the items.
        coordinates: (items, 2), 32 bits: where they are drawn.
        shown: which of them are to be seen.
        colour: column.
        marked: the chosen item and its partners.
        lines: whether to lead lines to partners and neighbours.
    """

    points: pd.DataFrame
    coordinates: np.ndarray
    shown: np.ndarray
    colour: str
    marked: Marked
    lines: bool


def draw_picture(chosen: state.Chosen, picture: Picture, choose: Any) -> None:  # noqa: ANN401
    """Draw the map.

    Args:
        chosen: store, run and layer.
        picture: what to draw.
        choose: called with the row that was clicked.
    """
    if st.session_state.get("no_webgl") or not ASSETS.served:
        draw_plain(picture, choose)
        return
    where = (chosen.place, chosen.name, chosen.tap)
    items = cached.identity(*where, len(picture.points))
    media, near = put_up(*where)
    colours, legend = paint(picture.points, picture.colour, picture.shown)
    scatter(
        Scene(
            items=items,
            coordinates=picture.coordinates,
            kinds=kinds_of(picture.points["modality"]),
            colours=colours,
            legend=legend,
            label=f"Map of {int(picture.shown.sum())} items coloured by {picture.colour}; "
            "the table below has them too",
            media=media,
            near=near if picture.lines else None,
            chosen=picture.marked.row,
            partners=picture.marked.partners if picture.lines else (),
            selected=selected(items),
        ),
        key=MAP,
        on_selection=lambda: keep_selection(items, picture.shown),
        on_chosen=lambda: on_chosen(len(picture.points), choose),
        on_engine=on_engine,
    )


def selected(items: str) -> Selected:
    """Return what is selected of these items."""
    of, kept = st.session_state.get("selected", ("", Selected()))
    return kept if of == items else Selected()


def keep_selection(items: str, shown: np.ndarray) -> None:
    """Decide what the outline that was drawn holds, and keep it."""
    value = st.session_state[MAP].get("selection")
    try:
        kept = decide(value, shown)
    except InputError as error:
        kept = Selected(str(value.get("stamp")) if isinstance(value, dict) else NOTHING)
        st.session_state["selection_problem"] = str(error)
    st.session_state["selected"] = (items, kept)


def decide(value: object, shown: np.ndarray) -> Selected:
    """Return what a selection of the browser holds, of the items that are shown.

    Raises:
        InputError: if it is no selection, or of a map that is gone.
    """
    drawn = read_drawn(value, len(shown))
    if drawn is None:
        return Selected()
    if drawn.rows is not None:
        return Selected(drawn.stamp, drawn.rows)
    coordinates = coordinates_of(drawn.geometry)
    if coordinates is None or len(coordinates) != len(shown):
        raise InputError("the map that this was drawn on is gone; draw it once more")
    assert drawn.polygon is not None  # one of the two
    return Selected(drawn.stamp, select(coordinates, drawn.polygon, [shown]))


def on_chosen(items: int, choose: Any) -> None:  # noqa: ANN401
    """Choose what was clicked on the component."""
    row = st.session_state[MAP].get("chosen")
    if type(row) is int and 0 <= row < items:
        choose(row)


def on_engine() -> None:
    """Remember that this browser has no WebGL 2."""
    if st.session_state[MAP].get("engine") == "none":
        st.session_state["no_webgl"] = st.session_state["lacks_webgl"] = True


def draw_plain(picture: Picture, choose: Any) -> None:  # noqa: ANN401
    """Draw with plotly, without WebGL: of many items only some."""
    points = picture.points[picture.shown]
    if st.session_state.get("lacks_webgl"):
        st.caption(":material/info: This browser has no WebGL 2, so this is a plainer drawing.")
    if len(points) > MOST_PLAIN:
        st.caption(
            f":material/info: Drawn are {MOST_PLAIN} of {len(points)} items, drawn by lot; all are "
            "in the table below, and the filter leads to fewer."
        )
        points = points.sample(MOST_PLAIN, random_state=0).sort_values("row")
    points = points.assign(hover=hover_words(points))
    figure = map_figure(
        points,
        picture.colour,
        marked=Marked(picture.marked.row, picture.marked.partners if picture.lines else ()),
        dark=st.context.theme.type == "dark",
        webgl=False,
    )
    st.plotly_chart(
        figure,
        theme=None,
        key=CHART,
        on_select=lambda: on_click(choose),
        selection_mode="points",
        config={"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d"]},
        alt=f"Map of {len(points)} items coloured by {picture.colour}; the table below has them",
    )


def on_click(choose: Any) -> None:  # noqa: ANN401
    """Choose what was clicked on plotly's chart."""
    rows = [point.get("customdata") for point in st.session_state[CHART]["selection"]["points"]]
    rows = [row[0] if isinstance(row, list) else row for row in rows if row is not None]
    if rows:
        choose(int(rows[0]))
