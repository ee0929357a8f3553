"""The picture of the map page: our component, or plotly where a browser cannot draw that."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from app import cached, state
from app.map_chart import Marked, map_figure
from app.permalink import read_view
from app.routes import ASSETS
from app.scatter.component import Focus, Place, Scene, Stop, scatter
from app.scatter.paint import kinds_of, paint
from app.scatter.regions import are_places_named, source_words
from app.shelves import put_up
from app.views.item_panel import hover_words
from app.views.map_selection import keep_selection, keep_view, selected
from app.wishes import SpaceWish

MAP = "map"
MOST_PLAIN = 5000
"""Points without WebGL; more make a browser crawl."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """What is to be drawn."""

    points: pd.DataFrame
    """All items with `x`, `y`, `row` and all that they can be coloured by."""

    coordinates: np.ndarray
    """(items, 2), 32 bits: where they are drawn."""

    shown: np.ndarray
    """Which of them are to be seen."""

    colour: str
    """Column."""

    marked: Marked
    """The chosen item and its partners."""

    lines: bool
    """Whether to lead lines to partners and neighbours."""

    space: SpaceWish
    """That neighbours are looked for in."""

    stops: tuple[Stop, ...] = ()
    """Maps that a slider leads through."""

    stop: int = 0
    """Which of them this is."""

    names: tuple[Place, ...] = ()
    """Words on the map."""

    guests: tuple[Place, ...] = ()
    """Items that were brought."""

    found: tuple[int, ...] = ()
    """Rows to ring."""

    focus: Focus | None = None
    """What to bring into the middle."""

    link: str | None = None
    """Name that linked maps share."""

    layer: tuple[str, str] | None = None
    """Representation and tap, if they are others than the chosen."""


def draw_picture(
    chosen: state.Chosen,
    picture: Picture,
    choose: Callable[[int], None],
    *,
    key: str = MAP,
    go: Callable[[int], None] | None = None,
) -> None:
    """Draw the map.

    Args:
        chosen: store, run and layer.
        picture: what to draw.
        choose: called with the row that was clicked.
        key: of the map.
        go: called with the stop at which the slider was let go.
    """
    if st.session_state.get("no_webgl") or not ASSETS.served:
        draw_plain(picture, choose, key=f"{key}_chart")
        return
    where = (chosen.place, *(picture.layer or (chosen.name, chosen.tap)))
    count = len(picture.points)
    items = cached.identity(*where, count)
    media, near = put_up(*where, picture.space)
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
            selected=selected(chosen.place, items, count),
            stops=picture.stops,
            stop=picture.stop,
            names=picture.names,
            guests=picture.guests,
            found=picture.found,
            focus=picture.focus,
            view=read_view(st.query_params.get("at")) if key == MAP else None,
            link=picture.link,
        ),
        key=key,
        on={
            "selection": lambda: keep_selection(chosen, key, picture.shown),
            "chosen": lambda: _on_row(key, "chosen", count, choose),
            "engine": lambda: on_engine(key),
            "step": lambda: _on_row(key, "step", len(picture.stops), go or _stay),
            "view": (lambda: keep_view(chosen, key)) if key == MAP else _stay,
        },
    )
    if picture.names and are_places_named(picture.points, picture.colour, picture.shown):
        st.caption(source_words(picture.colour))


def _stay(*_: int) -> None:
    """Go nowhere."""


def _on_row(key: str, what: str, count: int, then: Callable[[int], None]) -> None:
    """Do something with a number from the browser if it is one of `count`."""
    row = st.session_state[key].get(what)
    if type(row) is int and 0 <= row < count:
        then(row)


def on_engine(key: str) -> None:
    """Remember that this browser has no WebGL 2."""
    if st.session_state[key].get("engine") == "none":
        st.session_state["no_webgl"] = st.session_state["lacks_webgl"] = True


def draw_plain(picture: Picture, choose: Callable[[int], None], *, key: str) -> None:
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
        key=key,
        on_select=lambda: on_click(key, choose),
        selection_mode="points",
        config={"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d"]},
        alt=f"Map of {len(points)} items coloured by {picture.colour}; the table below has them",
    )


def on_click(key: str, choose: Callable[[int], None]) -> None:
    """Choose what was clicked on plotly's chart."""
    rows = [point.get("customdata") for point in st.session_state[key]["selection"]["points"]]
    rows = [row[0] if isinstance(row, list) else row for row in rows if row is not None]
    if rows:
        choose(int(rows[0]))
