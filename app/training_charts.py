"""The figures of a training: loss by term, neighbours over steps, items on maps that move."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from app.charts import GREY, MODALITY_COLOURS, OKABE_ITO, SHAPES
from app.map_chart import palette_of
from app.words import PLURAL

MOST_PLACES = 400
"""Of a curve; a screen shows no more."""

MOST_MARKERS = 30
LOG_TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
LIMIT = OKABE_ITO[5]
MARGIN = {"l": 10, "r": 10, "t": 10, "b": 10}
DASHES = ("solid", "dash", "dot", "dashdot")
FRAME_MS, MOVE_MS = 900, 600


def loss_curves(terms: Mapping[str, Sequence[tuple[int, float]]]) -> go.Figure:
    """Draw every term of the loss over steps; colours by sense, pairs in the others.

    Args:
        terms: step and value by the name of the term.
    """
    figure = go.Figure()
    of_sense = {PLURAL[m]: colour for m, colour in MODALITY_COLOURS.items()}
    others = iter(OKABE_ITO[len(MODALITY_COLOURS) :] * 2)
    used: dict[str, int] = {}
    for name, curve in terms.items():
        head = name.partition(":")[0]
        colour = of_sense.get(head) or next(others)
        dash = DASHES[used.get(head, 0) % len(DASHES)]
        used[head] = used.get(head, 0) + 1
        x, y = thinned(curve)
        figure.add_trace(
            go.Scatter(
                x=x,
                y=y,
                name=name,
                mode="lines" if len(x) > 1 else "markers",
                line={"color": colour, "dash": dash, "width": 2},
                hovertemplate=f"{name}<br>step %{{x}}: %{{y:.3f}}<extra></extra>",
            )
        )
    return _laid_out(figure, "loss, by term", rangemode="tozero")


def knn_curves(
    curves: Mapping[str, Sequence[tuple[int, float]]], chance: Mapping[str, float]
) -> go.Figure:
    """Draw the accuracy of nearest neighbours over steps by modality, with its chance level.

    Args:
        curves: step and accuracy by modality.
        chance: by modality the share of the most frequent label; a modality may be missing.
    """
    figure = go.Figure()
    for modality, curve in curves.items():
        x, y = thinned(curve)
        figure.add_trace(
            go.Scatter(
                x=x,
                y=y,
                name=PLURAL[modality],
                mode="lines+markers",
                line={"color": MODALITY_COLOURS[modality], "width": 2},
                marker={"symbol": SHAPES[modality], "size": 7},
                hovertemplate=f"{PLURAL[modality]}<br>step %{{x}}: %{{y:.3f}}<extra></extra>",
            )
        )
    steps = [step for curve in curves.values() for step, _ in curve]
    levels = {m: level for m, level in chance.items() if m in curves}
    for level in sorted(set(levels.values())):
        whose = [m for m, its in levels.items() if its == level]
        is_all = len(whose) == len(levels)
        of = "" if is_all else f" of {' and '.join(PLURAL[m] for m in whose)}"
        figure.add_trace(
            go.Scatter(
                x=[min(steps, default=0), max(steps, default=1)],
                y=[level, level],
                name=f"chance{of} {level:.2f}",
                mode="lines",
                line={
                    "color": GREY if is_all else MODALITY_COLOURS[whose[0]],
                    "dash": "dot",
                    "width": 2,
                },
                hovertemplate=f"chance {level:.3f}<extra></extra>",
            )
        )
    return _laid_out(figure, "share of labels told", range=[0, 1.02])


def signal_curves(
    curves: Mapping[str, Sequence[tuple[int, float]]],
    title: str,
    *,
    limit: float | None = None,
    log: bool = False,
) -> go.Figure:
    """Draw one signal of collapse over steps by modality, with the limit that it must not pass.

    Args:
        curves: step and value by modality.
        title: of the axis.
        limit: None for none.
        log: whether the axis is logarithmic.
    """
    figure = go.Figure()
    for modality, curve in curves.items():
        x, y = thinned(curve)
        figure.add_trace(
            go.Scatter(
                x=x,
                y=y,
                name=PLURAL[modality],
                mode="lines+markers" if len(x) <= MOST_MARKERS else "lines",
                line={"color": MODALITY_COLOURS[modality], "width": 2},
                marker={"symbol": SHAPES[modality], "size": 7},
                hovertemplate=f"{PLURAL[modality]}<br>step %{{x}}: %{{y:.3g}}<extra></extra>",
            )
        )
    steps = [step for curve in curves.values() for step, _ in curve]
    if limit is not None and steps:
        figure.add_trace(
            go.Scatter(
                x=[min(steps), max(steps)],
                y=[limit, limit],
                name=f"collapsed below {limit:g}",
                mode="lines",
                line={"color": LIMIT, "dash": "dot", "width": 2},
                hovertemplate=f"collapsed below {limit:g}<extra></extra>",
            )
        )
    if log:
        return _laid_out(figure, title, type="log", tickvals=LOG_TICKS)
    return _laid_out(figure, title, rangemode="tozero")


def thinned(curve: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    """Return at most MOST_PLACES of a curve, the first and the last among them."""
    if len(curve) > MOST_PLACES:
        places = np.linspace(0, len(curve) - 1, MOST_PLACES).round().astype(int)
        curve = [curve[n] for n in places]
    return [step for step, _ in curve], [value for _, value in curve]


def _laid_out(figure: go.Figure, title: str, **axis: Any) -> go.Figure:  # noqa: ANN401
    return figure.update_layout(
        height=330,
        margin=MARGIN,
        xaxis={"title": "step", "rangemode": "tozero", "tickformat": ",d"},
        yaxis={"title": title, **axis},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        hovermode="closest",
        showlegend=True,
        uirevision="training",
    )


def learning_figure(points: pd.DataFrame, colour: str, *, dark: bool) -> go.Figure:
    """Draw the maps of all checkpoints as one that moves, with a slider over the steps.

    Args:
        points: a row an item and checkpoint: step, modality, x, y, hover and the colour's column;
            the items in the same order at every step.
        colour: which column, with few values.
        dark: whether the page is.
    """
    steps = sorted(points["step"].unique())
    palette = palette_of(points, colour)
    last = points[points["step"] == steps[-1]]
    modalities = [m for m in SHAPES if (last["modality"] == m).any()]
    figure = go.Figure()
    for modality in modalities:
        part = last[last["modality"] == modality]
        values = part[colour].astype("string").fillna("not known")
        figure.add_trace(
            go.Scatter(
                x=part["x"],
                y=part["y"],
                mode="markers",
                name=f"{len(part)} {PLURAL[modality]}",
                marker={
                    "symbol": SHAPES[modality],
                    "size": 7,
                    "opacity": 0.85,
                    "color": [palette[value] for value in values],
                },
                hovertext=part["hover"],
                hovertemplate="%{hovertext}<extra></extra>",
                showlegend=False,
            )
        )
    shown = list(range(len(modalities)))
    figure.frames = [
        go.Frame(
            name=str(step),
            data=[
                go.Scatter(x=part["x"], y=part["y"])
                for m in modalities
                if len(part := points[(points["step"] == step) & (points["modality"] == m)])
            ],
            traces=shown,
        )
        for step in steps
    ]
    ink = "#E8EDF1" if dark else "#1D2730"
    _keys(figure, modalities, palette if colour != "modality" else {}, ink)
    return _animated(figure, points, [str(step) for step in steps], ink)


def _keys(figure: go.Figure, modalities: list[str], palette: dict[str, str], ink: str) -> None:
    """Add the legend: shapes are senses, colours are values."""
    entries = [(PLURAL[m], ink if palette else MODALITY_COLOURS[m], SHAPES[m]) for m in modalities]
    entries += [(v, c, "circle") for v, c in palette.items() if v != "not known"]
    for name, colour, symbol in entries:
        marker = {"color": colour, "symbol": symbol, "size": 9}
        figure.add_trace(go.Scatter(x=[None], y=[None], mode="markers", name=name, marker=marker))


def _animated(figure: go.Figure, points: pd.DataFrame, steps: list[str], ink: str) -> go.Figure:
    """Add the slider and the button; axes stay, so that only points move."""
    move = {
        "frame": {"duration": FRAME_MS, "redraw": False},
        "transition": {"duration": MOVE_MS, "easing": "cubic-in-out"},
    }
    at_once = {"mode": "immediate", **move, "frame": {"duration": 0, "redraw": False}}
    stops = [{"label": s, "method": "animate", "args": [[s], at_once]} for s in steps]
    onwards = [steps, {**move, "mode": "immediate"}]
    play = [{"label": "▶ Play", "method": "animate", "args": onwards}]
    pause = [{"label": "❚❚", "method": "animate", "args": [[None], at_once]}]

    def axis(name: str) -> dict[str, Any]:
        low, high = points[name].min(), points[name].max()
        edge = 0.05 * max(high - low, 1e-9)
        return {"visible": False, "range": [low - edge, high + edge]}

    return figure.update_layout(
        height=620,
        margin=MARGIN,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": ink},
        xaxis=axis("x"),
        yaxis={**axis("y"), "scaleanchor": "x"},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0, "itemclick": False},
        sliders=[
            {
                "steps": stops,
                "active": len(steps) - 1,
                "currentvalue": {"prefix": "step "},
                "pad": {"t": 10},
                "x": 0.14,
                "len": 0.86,
                "transition": {"duration": MOVE_MS},
            }
        ],
        updatemenus=[
            {
                "type": "buttons",
                "direction": "left",
                "buttons": [*play, *pause],
                "showactive": False,
                "x": 0,
                "y": 0,
                "xanchor": "left",
                "yanchor": "top",
                "pad": {"t": 28},
                "bgcolor": "rgba(128,128,128,0.15)",
                "font": {"color": ink},
            }
        ],
        hoverlabel={"align": "left"},
        dragmode=False,
    )
