"""Draws the exhibits of the report on a page: figures, a legend, how to read them, the numbers."""

from collections.abc import Callable
from html import escape
from typing import Any
from urllib.parse import quote

import plotly.graph_objects as go
import streamlit as st

from app.report.page import Key, keys_of
from app.report.parts import Drawing, Exhibit, Option
from app.views.explained import brief_of

Pick = Callable[[go.Figure, dict[str, Any]], None]
"""What a click does, given the figure and the point as Streamlit describes it."""

BESIDE = 3  # figures
SVG = "http://www.w3.org/2000/svg"
DASHES = {"dash": "6 4", "dot": "2 3", "1px,4px": "2 3", "longdashdot": "9 3 2 3"}
SHAPES = {
    "circle": "M15 2.5a4.5 4.5 0 1 0 .01 0z",
    "square": "M11 3h8v8h-8z",
    "diamond": "M15 1.5l5.5 5.5-5.5 5.5L9.5 7z",
    "triangle-up": "M15 2l5.2 9H9.8z",
    "cross": "M13 2h4v3h3v4h-3v3h-4V9h-3V5h3z",
    "x": "M11 3l8 8m0-8l-8 8",
    "line-ns": "M15 1v12",
}
"""Outlines of the marks in a field of 30 by 14."""


def draw_exhibit(exhibit: Exhibit, *, key: str, pick: Pick | None = None) -> None:
    """Draw an exhibit.

    Args:
        exhibit: what is drawn.
        key: of its widgets.
        pick: what a click on a point does; None if nothing.
    """
    words = f"{exhibit.title} {exhibit.how} {exhibit.cannot}"
    st.subheader(exhibit.title, help=brief_of(words))
    options = [option for option in exhibit.options if option.drawings]
    if options:
        _draw_option(_choose(options, key), key=key, pick=pick)
    st.caption(exhibit.how)
    if options:
        with st.expander("What it cannot tell, and the numbers", icon=":material/table_rows:"):
            st.markdown(exhibit.cannot)
            _draw_tables(exhibit)
    else:
        st.caption(f"What it cannot tell: {exhibit.cannot}")
        _draw_tables(exhibit)


def _draw_tables(exhibit: Exhibit) -> None:
    for table in exhibit.tables:
        if len(table.shown):
            st.markdown(f"**{table.title}**")
            st.dataframe(table.shown, hide_index=True)


def _choose(options: list[Option], key: str) -> Option:
    """Return the option to show; ask if there are several."""
    if len(options) == 1:
        return options[0]
    names = [option.name for option in options]
    chosen = st.segmented_control(
        "Show", names, default=names[0], required=True, key=f"{key}_option",
        format_func=lambda name: name[:1].upper() + name[1:], label_visibility="collapsed",
        persist_state="session",
    )  # fmt: skip
    return options[names.index(chosen) if chosen in names else 0]


def _draw_option(option: Option, *, key: str, pick: Pick | None) -> None:
    keys = keys_of(option)
    if keys:
        st.html(legend(keys))
    for first in range(0, len(option.drawings), BESIDE):
        row = option.drawings[first : first + BESIDE]
        for number, column in enumerate(st.columns(len(row))):
            with column:
                draw_figure(row[number], key=f"{key}_{option.name}_{first + number}", pick=pick)
    if option.note:
        st.caption(option.note)


def draw_figure(drawing: Drawing, *, key: str, pick: Pick | None = None) -> None:
    """Draw one figure, its title above it."""
    if drawing.title:
        st.markdown(f"**{drawing.title}**")
    figure = drawing.figure
    height = figure.layout.height or 340
    figure.update_layout(
        showlegend=False, height=height, margin={"l": 10, "r": 10, "t": 12, "b": 10}
    )
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    shown: dict[str, Any] = {"config": {"displayModeBar": False}, "alt": drawing.alt, "key": key}
    if pick is None:
        st.plotly_chart(figure, **shown)
        return
    figure.update_layout(clickmode="event+select", dragmode=False)

    def picked() -> None:
        points = st.session_state[key]["selection"]["points"]
        if points:
            pick(figure, points[0])

    st.plotly_chart(figure, on_select=picked, selection_mode="points", **shown)


def legend(keys: list[Key]) -> str:
    """Return a legend as HTML: a line and a mark for each name."""
    entries = "".join(
        f'<span style="display:inline-flex;align-items:center;gap:.3rem;white-space:nowrap">'
        f"{_sample(one)}{escape(one.name)}</span>"
        for one in keys
    )
    return (
        f'<div style="display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;font-size:.9rem">{entries}</div>'
    )


def _sample(key: Key) -> str:
    """Return a line and a mark as a picture; Streamlit lets no SVG into a page."""
    colour, parts = escape(key.colour), []
    if key.dash:
        dashes = DASHES.get(key.dash)
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        parts.append(
            f'<line x1="1" y1="7" x2="29" y2="7" stroke="{colour}" stroke-width="2"{dashed}/>'
        )
    if key.symbol:
        shape = SHAPES[key.symbol.removesuffix("-open")]
        fill = "none" if key.symbol.endswith("-open") else colour
        parts.append(f'<path d="{shape}" fill="{fill}" stroke="{colour}" stroke-width="1.5"/>')
    drawn = f'<svg xmlns="{SVG}" width="30" height="14" viewBox="0 0 30 14">{"".join(parts)}</svg>'
    return f'<img alt="" width="30" height="14" src="data:image/svg+xml,{quote(drawn)}">'
