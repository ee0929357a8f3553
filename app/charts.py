"""The figures of both faces. They take results and draw; colours are those of Okabe and Ito."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from PIL import Image

from app.words import PLURAL, PROBES, tap_words

OKABE_ITO = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#F0E442",
    "#999999",
)
GREY = "#8A939B"
SHAPES = {"image": "circle", "audio": "triangle-up", "text": "square"}
MODALITY_COLOURS: dict[str, str] = dict(zip(SHAPES, OKABE_ITO, strict=False))

ROLE_LOOKS = {
    "trained": (OKABE_ITO[0], "circle"),
    "shuffled pairs": (OKABE_ITO[3], "diamond-open"),
    "random twin": (OKABE_ITO[1], "square-open"),
    "low-level features": (OKABE_ITO[2], "triangle-up-open"),
}
"""Colour and shape of a run and of its controls, wherever they stand beside each other."""


def layer_curves(
    results: Sequence[Mapping[str, Any]],
    modality: str,
    *,
    names: Mapping[str, str] | None = None,
    roles: Mapping[str, str] | None = None,
    probes: Sequence[str] = tuple(PROBES),
) -> go.Figure:
    """Draw accuracy over layers for one modality: a colour a representation, a dash a probe.

    The first representation has its intervals as bands; those of the others show on hovering.

    Args:
        results: of `workbench.probe`, the one that matters first.
        modality: which of their tables.
        names: what representations are called; their table's names if None.
        roles: of the representations; their colours follow from it.
        probes: which of linear and knn.
    """
    figure = go.Figure()
    tables = {
        r["representation"]: r["modalities"][modality]
        for r in results
        if "rows" in r["modalities"].get(modality, {})
    }
    taps = list(dict.fromkeys(row["tap"] for t in tables.values() for row in t["rows"]))
    across = [tap for tap in taps if tap != "lowlevel"] or taps
    for order, (name, table) in enumerate(tables.items()):
        role = (roles or {}).get(name)
        colour = ROLE_LOOKS[role][0] if role else OKABE_ITO[order % len(OKABE_ITO)]
        called = (names or {}).get(name, name)
        for probe in probes:
            rows = [r for r in table["rows"] if r["probe"] == probe and r["score"]["value"]]
            if rows:
                _curve(figure, rows, across, colour=colour, called=f"{called}, {PROBES[probe]}")
                if order == 0:
                    _band(figure, rows, colour)
        if order == 0:
            _stars(figure, [b for b in table["best"] if b["probe"] in probes], colour)
    chances = [row["score"]["chance"] for t in tables.values() for row in t["rows"]]
    if chances and chances[0] is not None:
        dots = {"color": GREY, "dash": "dot", "width": 2}
        line = go.Scatter(x=across, y=[chances[0]] * len(across), name="chance", line=dots)
        figure.add_trace(line.update(mode="lines", hovertemplate="chance %{y:.3f}<extra></extra>"))
    return figure.update_layout(
        height=430,
        margin={"l": 50, "r": 10, "t": 40, "b": 20},
        title={"text": PLURAL[modality].capitalize(), "font": {"size": 16}},
        yaxis={"range": [0, 1.02], "title": "accuracy on test"},
        xaxis={"tickvals": across, "ticktext": [_short(tap) for tap in across]},
        legend={"orientation": "h", "yanchor": "top", "y": -0.12, "x": 0},
        hovermode="closest",
    )


def _short(tap: str) -> str:
    words = tap_words(tap).partition(" (")[0]
    return {"input of block 1": "input", "shared space": "shared"}.get(words, words)


def _curve(
    figure: go.Figure,
    rows: list[Mapping[str, Any]],
    across: list[str],
    *,
    colour: str,
    called: str,
) -> None:
    """Draw one probe of one representation; a single layer is a line right across."""
    dash = "solid" if rows[0]["probe"] == "linear" else "dash"
    single = len(rows) == 1
    drawn = rows * len(across) if single else rows
    scores = [row["score"] for row in drawn]
    hover = [
        f"{called}<br>{tap_words(row['tap'])}<br>{_figures(row['score'])}<extra></extra>"
        for row in drawn
    ]
    figure.add_trace(
        go.Scatter(
            x=across if single else [row["tap"] for row in rows],
            y=[score["value"] for score in scores],
            name=called,
            mode="lines" if single else "lines+markers",
            line={"color": colour, "dash": "longdashdot" if single and dash == "solid" else dash},
            hovertemplate=hover,
        )
    )


def _band(figure: go.Figure, rows: list[Mapping[str, Any]], colour: str) -> None:
    known = [row for row in rows if row["score"]["low"] is not None]
    x = [row["tap"] for row in known]
    y = [row["score"]["high"] for row in known] + [row["score"]["low"] for row in known[::-1]]
    band = go.Scatter(x=x + x[::-1], y=y, fill="toself", fillcolor=_faint(colour))
    band.update(line={"width": 0}, mode="lines", hoverinfo="skip", showlegend=False)
    figure.add_trace(band)


def _stars(figure: go.Figure, best: Sequence[Mapping[str, Any]], colour: str) -> None:
    stars = go.Scatter(
        x=[b["tap"] for b in best],
        y=[b["score"]["value"] for b in best],
        mode="markers",
        name="chosen on val",
        marker={"symbol": "star", "size": 15, "color": colour, "line": {"width": 1}},
        hoverinfo="skip",
    )
    figure.add_trace(stars)


def score_dots(rows: Sequence[tuple[str, str, Mapping[str, Any]]], title: str) -> go.Figure:
    """Draw scores as dots with their intervals, and the chance level of each as a bar.

    Args:
        rows: name, role and score as JSON, from top to bottom.
        title: of the axis.
    """
    figure = go.Figure()
    known = [row for row in rows if row[2]["value"] is not None]
    for role, (colour, symbol) in ROLE_LOOKS.items():
        part = [(name, score) for name, its, score in known if its == role]
        if part:
            figure.add_trace(_dots(part, role, colour, symbol))
    chance = [(name, score["chance"]) for name, _, score in known if score["chance"] is not None]
    figure.add_trace(
        go.Scatter(
            x=[value for _, value in chance],
            y=[name for name, _ in chance],
            mode="markers",
            name="chance",
            marker={"symbol": "line-ns-open", "size": 22, "color": GREY, "line": {"width": 3}},
            hovertemplate="chance %{x:.3f}<extra></extra>",
        )
    )
    names = [name for name, _, _ in rows]
    return figure.update_layout(
        height=110 + 44 * len(names),
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        xaxis={"title": title, "range": [0, 1.02]},
        yaxis={"categoryorder": "array", "categoryarray": names[::-1], "automargin": True},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
    )


def _dots(
    part: Sequence[tuple[str, Mapping[str, Any]]], role: str, colour: str, symbol: str
) -> go.Scatter:
    """Return the scores of one role, with their intervals where they have one."""
    above = [None if s["high"] is None else s["high"] - s["value"] for _, s in part]
    below = [None if s["low"] is None else s["value"] - s["low"] for _, s in part]
    bars = {"array": above, "arrayminus": below, "color": colour, "thickness": 2.5, "width": 6}
    return go.Scatter(
        x=[score["value"] for _, score in part],
        y=[name for name, _ in part],
        mode="markers",
        name=role,
        marker={"color": colour, "symbol": symbol, "size": 12, "line": {"width": 2}},
        error_x=bars,
        hovertemplate=[f"{name}<br>{_figures(s)}<extra></extra>" for name, s in part],
    )


def cells_to_pick(matrix: Mapping[str, Any], figure: go.Figure) -> go.Scatter:
    """Return unseen marks over the cells of a heatmap: these can be clicked, cells cannot.

    Args:
        matrix: what the heatmap shows; the layer of its row goes with every mark.
        figure: the heatmap, whose words show on hovering.
    """
    traces: Any = figure.data  # plotly's own type knows nothing of traces
    heat = next(trace for trace in traces if trace.type == "heatmap")
    cells = [(i, j) for i in range(len(heat.y)) for j in range(len(heat.x))]
    return go.Scatter(
        x=[heat.x[j] for _, j in cells],
        y=[heat.y[i] for i, _ in cells],
        mode="markers",
        marker={"symbol": "square", "size": 34, "opacity": 0.01, "color": GREY},
        customdata=[[matrix["taps_x"][i]] for i, _ in cells],
        hovertext=[heat.hovertext[i][j] for i, j in cells],
        hoverinfo="text",
        showlegend=False,
        selected={"marker": {"opacity": 0.01}},
        unselected={"marker": {"opacity": 0.01}},
    )


def spectra(layers: Sequence[tuple[str, Sequence[float]]]) -> go.Figure:
    """Draw the share of variance of every axis of some layers, from the widest axis on.

    Args:
        layers: tap and shares, the first layer first; later ones are drawn stronger.
    """
    figure = go.Figure()
    for number, (tap, shares) in enumerate(layers):
        known = [share for share in shares if share > 0]
        figure.add_trace(
            go.Scatter(
                x=list(range(1, len(known) + 1)),
                y=known,
                name=tap_words(tap),
                mode="lines",
                line={"color": OKABE_ITO[0], "width": 2},
                opacity=(number + 3) / (len(layers) + 2),
                hovertemplate=f"{tap_words(tap)}<br>axis %{{x}}: %{{y:.2%}}<extra></extra>",
            )
        )
    figure.update_xaxes(type="log", title="axis", dtick=1)
    figure.update_yaxes(type="log", title="share of variance", tickformat="~g")
    return figure.update_layout(height=320, showlegend=False)


def spectrogram(pixels: np.ndarray, seconds: float, khz: float) -> go.Figure:
    """Draw the picture of a sound over time and frequency.

    Args:
        pixels: RGB, the highest frequency in the first row.
        seconds: from the left to the right.
        khz: frequency at the top; 0 at the bottom.
    """
    figure = go.Figure(go.Scatter(x=[0, seconds], y=[0, khz], mode="markers", opacity=0))
    figure.update_traces(hoverinfo="skip")
    figure.add_layout_image(
        source=Image.fromarray(pixels),
        xref="x",
        yref="y",
        x=0,
        y=khz,
        sizex=seconds,
        sizey=khz,
        sizing="stretch",
        layer="above",
    )
    return figure.update_layout(
        height=230,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        xaxis={"title": "seconds", "showgrid": False, "range": [0, seconds], "zeroline": False},
        yaxis={"title": "kHz", "showgrid": False, "range": [0, khz], "zeroline": False},
        dragmode=False,
        showlegend=False,
    )


def _figures(score: Mapping[str, Any]) -> str:
    """Return value, interval, chance and n in one line."""
    parts = [f"{score['value']:.3f}"]
    if score["low"] is not None:
        parts[0] += f" ({score['low']:.3f} to {score['high']:.3f})"
    if score["chance"] is not None:
        parts.append(f"chance {score['chance']:.3f}")
    return ", ".join([*parts, f"n = {score['n']}"])


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.15)"
