"""The figures of the report: drawn without a background, which the page has."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from app.charts import GREY, SHAPES
from app.report.runs import Look
from app.tables import number, score_cells
from app.words import PLURAL, tap_words

Score = Mapping[str, Any]
MOST_CELLS = 100  # of a heatmap whose numbers are written into it
LIGHT_FROM = 0.5  # of 0 to 1 in Viridis: dark ink is easier to read from here on


class Series(NamedTuple):
    """A score at some layers of a run."""

    name: str
    look: Look
    points: Sequence[tuple[str, Score]]
    """Tap and score."""


def hover(name: str, score: Score, tap: str | None = None) -> str:
    """Return what a point says: value, interval, chance and n."""
    cells = score_cells(score)
    lines = [f"<b>{name}</b>", *([tap_words(tap)] if tap else [])]
    lines.append(f"{cells['value']} (95 %: {cells['95 % interval']})")
    return "<br>".join([*lines, f"chance {cells['chance']}, n = {cells['n']}"]) + "<extra></extra>"


def short(tap: str) -> str:
    """Return a tap so that it fits under an axis."""
    words = tap_words(tap).partition(" (")[0]
    return {"input of block 1": "input", "shared space": "shared"}.get(words, words)


def curves(series: Sequence[Series], *, axis: str, span: tuple[float, float] | None) -> go.Figure:
    """Draw scores over layers, a line a run; a run of one layer is a line right across.

    Args:
        series: the runs.
        axis: what is on the vertical axis.
        span: from where to where it goes; as the scores are if None.
    """
    figure = go.Figure()
    defined = [
        part._replace(points=[(tap, s) for tap, s in part.points if s["value"] is not None])
        for part in series
    ]
    defined = [part for part in defined if part.points]
    taps = list(
        dict.fromkeys(tap for part in defined for tap, _ in part.points if len(part.points) > 1)
    )
    taps = taps or list(dict.fromkeys(tap for part in defined for tap, _ in part.points))
    for part in defined:
        is_level = len(part.points) == 1 and len(taps) > 1
        points = [(tap, part.points[0][1]) for tap in taps] if is_level else part.points
        figure.add_trace(_curve(part, points, is_level=is_level))
    chances = {
        round(s["chance"], 4) for p in defined for _, s in p.points if s["chance"] is not None
    }
    if len(chances) == 1:
        level = [chances.pop()] * len(taps)
        line = {"color": GREY, "dash": "1px,4px", "width": 2}
        figure.add_trace(go.Scatter(x=taps, y=level, name="chance", mode="lines", line=line))
        figure.data[-1].update(hovertemplate="chance %{y:.3f}<extra></extra>")
    figure.update_xaxes(tickvals=taps, ticktext=[short(tap) for tap in taps], type="category")
    return figure.update_yaxes(title=axis, range=span)


def _curve(part: Series, points: Sequence[tuple[str, Score]], *, is_level: bool) -> go.Scatter:
    scores = [score for _, score in points]
    said = [part.points[0]] * len(points) if is_level else points
    is_known = all(score["low"] is not None for score in scores)
    bars: dict[str, Any] | None = None
    if is_known and part.look.dash == "solid":
        bars = {
            "array": [s["high"] - s["value"] for s in scores],
            "arrayminus": [s["value"] - s["low"] for s in scores],
            "thickness": 1.2,
            "width": 3,
        }
    return go.Scatter(
        x=[tap for tap, _ in points],
        y=[score["value"] for score in scores],
        name=part.name,
        mode="lines" if is_level else "lines+markers",
        line={"color": part.look.colour, "dash": part.look.dash, "width": 2},
        marker={"symbol": part.look.symbol, "size": 8, "color": part.look.colour},
        error_y=bars,
        hovertemplate=[hover(part.name, score, tap) for tap, score in said],
    )


def dots(
    rows: Sequence[tuple[str, Look, Score]], *, axis: str, span: tuple[float, float] | None
) -> go.Figure:
    """Draw scores as dots with intervals from top to bottom, the chance of each as a bar."""
    figure = go.Figure()
    for name, look, score in rows:
        if score["value"] is None:
            continue
        is_known = score["low"] is not None
        bars = {
            "array": [score["high"] - score["value"] if is_known else None],
            "arrayminus": [score["value"] - score["low"] if is_known else None],
            "thickness": 2.5,
            "width": 6,
        }
        figure.add_trace(
            go.Scatter(
                x=[score["value"]],
                y=[name],
                mode="markers",
                marker={"color": look.colour, "symbol": look.symbol, "size": 12},
                error_x=bars,
                hovertemplate=hover(name, score),
                showlegend=False,
            )
        )
    chance = [(name, s["chance"]) for name, _, s in rows if s["chance"] is not None]
    figure.add_trace(
        go.Scatter(
            x=[value for _, value in chance],
            y=[name for name, _ in chance],
            mode="markers",
            name="chance",
            marker={"symbol": "line-ns-open", "size": 20, "color": GREY, "line": {"width": 3}},
            hovertemplate="chance %{x:.3f}<extra></extra>",
            showlegend=bool(chance),
        )
    )
    names = [name for name, _, _ in rows]
    figure.update_yaxes(categoryorder="array", categoryarray=names[::-1], type="category")
    figure.update_xaxes(title=axis, range=span)
    return figure.update_layout(height=130 + 36 * len(names))


def heatmap(matrix: Mapping[str, Any], first: str, second: str) -> go.Figure:
    """Draw a measure on all pairs of layers of two modalities, one from another colour on."""
    rows, columns = matrix["taps_x"], matrix["taps_y"]
    words = [
        [
            _cell(
                matrix, i, j, f"{PLURAL[first]}: {tap_words(x)}<br>{PLURAL[second]}: {tap_words(y)}"
            )
            for j, y in enumerate(columns)
        ]
        for i, x in enumerate(rows)
    ]
    is_small = len(rows) * len(columns) <= MOST_CELLS
    heat = go.Heatmap(
        z=matrix["values"],
        x=[short(tap) for tap in columns],
        y=[short(tap) for tap in rows],
        zmin=0,
        zmax=1,
        colorscale="Viridis",
        hovertext=words,
        hoverinfo="text",
        colorbar={"thickness": 10, "len": 0.9},
        xgap=1,
        ygap=1,
    )
    figure = go.Figure(heat)
    if is_small:
        figure.add_traces(_numbers(matrix["values"], rows, columns))
    figure.update_xaxes(title=PLURAL[second], type="category")
    figure.update_yaxes(title=PLURAL[first], type="category")
    return figure.update_layout(height=90 + 44 * max(6, len(rows)))


def _numbers(
    values: Sequence[Sequence[float | None]], rows: Sequence[str], columns: Sequence[str]
) -> list[go.Scatter]:
    """Return the numbers in a heatmap: light ones on dark cells, dark ones on light cells."""
    known = [
        (short(columns[j]), short(rows[i]), value)
        for i, row in enumerate(values)
        for j, value in enumerate(row)
        if value is not None
    ]
    return [
        go.Scatter(
            x=[x for x, _, value in known if (value < LIGHT_FROM) == is_dark],
            y=[y for _, y, value in known if (value < LIGHT_FROM) == is_dark],
            text=[number(value, 2) for _, _, value in known if (value < LIGHT_FROM) == is_dark],
            mode="text",
            textfont={"color": "#FFFFFF" if is_dark else "#111111", "size": 12},
            hoverinfo="skip",
            showlegend=False,
        )
        for is_dark in (True, False)
    ]


def _cell(matrix: Mapping[str, Any], i: int, j: int, where: str) -> str:
    value = matrix["values"][i][j]
    if value is None:
        return f"{where}<br>undefined: {matrix['undefined']}"
    lines = [where, f"{value:.3f}, n = {matrix['n']}"]
    if matrix["chance"] is not None:
        p = matrix["p"][i][j]
        lines.append(f"chance {number(matrix['chance'][i][j])}, p = {p:.2g} for this pair alone")
    return "<br>".join(lines)


def map_points(
    columns: Mapping[str, Sequence[Any]], colours: Sequence[str] | None, scale: str | None
) -> go.Figure:
    """Draw the items of a map, a shape a modality.

    Args:
        columns: x, y, modality and hover of every item, and the column of the scale.
        colours: of every item, if they are of kinds.
        scale: the column of numbers that colours them instead.
    """
    figure = go.Figure()
    kind = go.Scattergl if len(columns["x"]) > 3000 else go.Scatter
    for modality, symbol in SHAPES.items():
        rows = [n for n, m in enumerate(columns["modality"]) if m == modality]
        if not rows:
            continue
        marker: dict[str, Any] = {"symbol": symbol, "size": 8, "opacity": 0.85}
        if colours is not None:
            marker["color"] = [colours[n] for n in rows]
        else:
            assert scale is not None  # one of the two is given
            marker |= {"color": [columns[scale][n] for n in rows], "coloraxis": "coloraxis"}
        figure.add_trace(
            kind(
                x=[columns["x"][n] for n in rows],
                y=[columns["y"][n] for n in rows],
                mode="markers",
                name=f"{len(rows)} {PLURAL[modality]}",
                marker=marker,
                hovertext=[columns["hover"][n] for n in rows],
                hovertemplate="%{hovertext}<extra></extra>",
            )
        )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, scaleanchor="x", scaleratio=1)
    bar = {"title": {"text": scale, "side": "right"}, "thickness": 12, "len": 0.9}
    return figure.update_layout(height=580, coloraxis={"colorscale": "Viridis", "colorbar": bar})
