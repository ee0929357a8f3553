"""The map: all items of all modalities, a shape a modality, coloured by any column."""

from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from app.charts import GREY, MODALITY_COLOURS, OKABE_ITO, SHAPES
from app.words import PLURAL

MOST_CATEGORIES = 20
GL_FROM = 3000
"""Fewer points are drawn as SVG, which needs no WebGL; more would be slow."""

MANY = (
    *OKABE_ITO,
    *("#332288", "#117733", "#882255", "#AA4499", "#999933", "#88CCEE", "#661100", "#6699CC"),
    *("#DDCC77", "#44AA99", "#CC6677", "#7F7F7F"),
)
"""Okabe and Ito's colours first, then Tol's; with so many nobody can rely on colour alone."""

OWN_SCALES = ("trust", "continuity", "hub", "changed")
"""Columns that are made for a map and are no columns of the data."""

NOT_COLOURS = {"id", "text", "media", "modality", "label", "row", "x", "y", "group", *OWN_SCALES}
HEIGHT = 600
MISSING = "not known"
FONT = '"Source Sans", "Source Sans Pro", sans-serif'


@dataclass(frozen=True)
class Marked:
    """Rows to point out: the chosen item and its partners in the other modalities."""

    row: int
    partners: tuple[int, ...]


def colour_columns(items: pd.DataFrame) -> list[str]:
    """Return what a map can be coloured by: modality, label, then any column that has few values.

    A column of numbers may have many values.
    """
    found = ["modality"]
    if "label" in items and 1 < items["label"].nunique() <= MOST_CATEGORIES:
        found = ["label", "modality"]
    for name in items.columns:
        if name in NOT_COLOURS:  # counting the values of a million names takes a while
            continue
        if 2 <= items[name].nunique() <= MOST_CATEGORIES or is_scale(items, name):
            found.append(str(name))
    return [*found, "trust"]


def is_scale(points: pd.DataFrame, name: str) -> bool:
    """Return whether a column is a scale of numbers, not a few values with a colour each."""
    column = points[name]
    is_number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    return name in OWN_SCALES or (bool(is_number) and column.nunique() > MOST_CATEGORIES)


def map_figure(
    points: pd.DataFrame, colour: str, *, marked: Marked | None, dark: bool, webgl: bool = True
) -> go.Figure:
    """Draw the map.

    Args:
        points: x, y, trust, row, hover and the columns of the items; what is to be shown.
        colour: which column.
        marked: rows to point out, where they are among the points.
        dark: whether the page is.
        webgl: draw many points on the graphics card; few never are.
    """
    figure = go.Figure()
    scatter = go.Scattergl if webgl and len(points) > GL_FROM else go.Scatter
    has_scale = is_scale(points, colour)
    palette = {} if has_scale else palette_of(points, colour)
    for modality in [m for m in SHAPES if (points["modality"] == m).any()]:
        part = points[points["modality"] == modality]
        values = part[colour] if has_scale else _as_text(part[colour])
        marker = {"symbol": SHAPES[modality], "size": 9, "opacity": 0.85}
        marker |= (
            {"color": values.astype(float).to_numpy(), "coloraxis": "coloraxis"}
            if has_scale
            else {"color": [palette[value] for value in values]}
        )
        marker["line"] = {"width": 0.5, "color": "rgba(255,255,255,0.6)" if dark else "#FFFFFF"}
        figure.add_trace(
            scatter(
                x=part["x"],
                y=part["y"],
                mode="markers",
                name=PLURAL[modality],
                marker=marker,
                customdata=part["row"].to_numpy(),
                hovertext=part["hover"],
                hovertemplate="%{hovertext}<extra></extra>",
                unselected={"marker": {"opacity": 0.85}},
                showlegend=False,
            )
        )
    _shape_legend(figure, points, dark)
    if not has_scale and colour != "modality":
        _colour_legend(figure, palette)
    if marked is not None:
        _mark(figure, points, marked, dark)
    return _lay_out(figure, colour, dark)


def palette_of(points: pd.DataFrame, colour: str) -> dict[str, str]:
    """Return the colour of every value, the same whatever is shown besides."""
    if colour == "modality":
        return dict(MODALITY_COLOURS)
    values = sorted(set(_as_text(points[colour]).unique()) - {MISSING})
    colours = dict(zip(values, MANY, strict=False))
    return {**colours, MISSING: GREY}


def _as_text(column: pd.Series) -> pd.Series:
    return column.astype("string").fillna(MISSING)


def _shape_legend(figure: go.Figure, points: pd.DataFrame, dark: bool) -> None:
    ink = "#E8EDF1" if dark else "#1D2730"
    for modality, symbol in SHAPES.items():
        count = int((points["modality"] == modality).sum())
        if count:
            figure.add_trace(_key(f"{count} {PLURAL[modality]}", ink, symbol, "legend"))


def _colour_legend(figure: go.Figure, palette: dict[str, str]) -> None:
    for value, colour in palette.items():
        if value != MISSING:
            figure.add_trace(_key(value, colour, "circle", "legend2"))


def _key(name: str, colour: str, symbol: str, legend: str) -> go.Scatter:
    """Return a trace that draws nothing but its entry in a legend."""
    marker = {"color": colour, "symbol": symbol, "size": 10}
    return go.Scatter(x=[None], y=[None], mode="markers", name=name, marker=marker, legend=legend)


def _mark(figure: go.Figure, points: pd.DataFrame, marked: Marked, dark: bool) -> None:
    """Ring the chosen item, and lead a line to each of its partners."""
    ink = "#FFFFFF" if dark else "#000000"
    at = points.drop_duplicates("row").set_index("row")[["x", "y"]]
    if marked.row not in at.index:
        return
    x, y = at.loc[marked.row]
    for row in marked.partners:
        if row in at.index:
            end = at.loc[row]
            figure.add_trace(
                go.Scatter(
                    x=[x, end["x"]],
                    y=[y, end["y"]],
                    mode="lines+markers",
                    line={"color": ink, "width": 1.5, "dash": "dot"},
                    marker={"symbol": "circle-open", "size": [0, 15], "line": {"width": 2}},
                    hoverinfo="skip",
                    showlegend=False,
                )
            )
    ring = {"symbol": "circle-open", "size": 20, "color": ink, "line": {"width": 3}}
    figure.add_trace(
        go.Scatter(x=[x], y=[y], mode="markers", marker=ring, hoverinfo="skip", showlegend=False)
    )


def _lay_out(figure: go.Figure, colour: str, dark: bool) -> go.Figure:
    ink = "#E8EDF1" if dark else "#1D2730"
    axis = {"visible": False, "zeroline": False}
    legend = {"orientation": "h", "x": 0, "itemclick": False, "itemdoubleclick": False}
    return figure.update_layout(
        height=HEIGHT,
        margin={"l": 4, "r": 4, "t": 34, "b": 4},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": ink, "size": 13, "family": FONT},
        xaxis=axis,
        yaxis={**axis, "scaleanchor": "x", "scaleratio": 1},
        legend={**legend, "yanchor": "bottom", "y": 1.0},
        legend2={**legend, "yanchor": "top", "y": 0.0},
        coloraxis={
            "colorscale": "Viridis",
            "colorbar": {"title": {"text": colour, "side": "right"}, "thickness": 14, "len": 0.9},
        },
        hoverlabel={"align": "left", "font": {"size": 13}},
        dragmode="zoom",
        uirevision="map",
    )
