"""The figures of the lessons. They take results and draw."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.charts import GREY, MODALITY_COLOURS, OKABE_ITO, SHAPES
from app.words import PLURAL

if TYPE_CHECKING:
    from d2v_core.teaching.collapse import Moment
    from d2v_core.teaching.parts import PartCount
    from probes.result import Score

BLUE, ORANGE, _, PINK, SKY, VERMILLION, *_ = OKABE_ITO
NARROW = {"l": 10, "r": 10, "t": 30, "b": 10}
BELOW: dict[str, Any] = {"orientation": "h", "yanchor": "top", "y": -0.2, "x": 0}
BARE: dict[str, Any] = {"showticklabels": False, "showgrid": False, "zeroline": False}
TWO_CLOUDS = (("first cloud", PINK, "circle"), ("second cloud, turned", SKY, "diamond"))
"""Of items of the same sense: colours that stand for none."""

SIGNALS = {
    "loss": "loss: what is minimised",
    "mean_cosine": "cosine between pictures (1: all alike)",
    "effective_rank": "effective rank",
    "target_std": "spread of the target",
}
"""What is drawn of a training, and what it is called."""

RUN_LOOKS = ((BLUE, "solid", "circle"), (VERMILLION, "dash", "diamond"))
"""The published recipe, and the one that was changed."""


def training_curves(runs: "Mapping[str, Sequence[Moment]]", steps: int) -> go.Figure:
    """Draw trainings beside each other: four signals, a line each.

    Args:
        runs: by what they are called, the published one first.
        steps: that the axis goes to.
    """
    figure = make_subplots(
        2, 2, subplot_titles=list(SIGNALS.values()), vertical_spacing=0.2, horizontal_spacing=0.08
    )
    for place, signal in enumerate(SIGNALS):
        row, column = place // 2 + 1, place % 2 + 1
        for (called, moments), (colour, dash, symbol) in zip(runs.items(), RUN_LOOKS, strict=False):
            line = go.Scatter(
                x=[moment.step for moment in moments],
                y=[getattr(moment, signal) for moment in moments],
                name=called,
                legendgroup=called,
                showlegend=place == 0,
                mode="lines+markers",
                line={"color": colour, "dash": dash, "width": 2.5},
                marker={"symbol": symbol, "size": 6},
                hovertemplate="step %{x}: %{y:.3g}<extra>" + called + "</extra>",
            )
            figure.add_trace(line, row=row, col=column)
    figure.update_xaxes(range=[0, steps + 1])
    figure.update_xaxes(title="step", row=2)
    figure.update_yaxes(rangemode="tozero")
    return figure.update_layout(
        height=470, margin={**NARROW, "b": 60}, legend={**BELOW, "y": -0.14}
    )


def clouds(
    fixed: np.ndarray,
    moved: np.ndarray,
    looks: Sequence[tuple[str, str, str]],
) -> go.Figure:
    """Draw two flat clouds of the same items, partners joined by a line.

    Args:
        fixed: places of the items in one cloud.
        moved: in the other.
        looks: name, colour and shape of each cloud.
    """
    figure = go.Figure()
    across = np.stack([fixed[:, 0], moved[:, 0], np.full(len(fixed), np.nan)], axis=1).ravel()
    up = np.stack([fixed[:, 1], moved[:, 1], np.full(len(fixed), np.nan)], axis=1).ravel()
    lines = go.Scatter(x=across, y=up, mode="lines", name="partners", hoverinfo="skip")
    figure.add_trace(lines.update(line={"color": GREY, "width": 1}))
    for points, (title, colour, shape) in zip((fixed, moved), looks, strict=True):
        dots = go.Scatter(x=points[:, 0], y=points[:, 1], mode="markers", name=title)
        dots.update(hovertemplate=f"{title}, item %{{pointNumber}}<extra></extra>")
        mark = {"color": colour, "symbol": shape, "size": 11}
        figure.add_trace(dots.update(marker={**mark, "line": {"width": 1, "color": "white"}}))
    furthest = 1.1 * float(np.abs(np.concatenate([fixed, moved])).max())
    span = [-furthest, furthest]
    return figure.update_layout(
        height=420,
        margin=NARROW,
        xaxis={**BARE, "range": span},
        yaxis={**BARE, "range": span, "scaleanchor": "x"},
        legend={**BELOW, "y": -0.03},
    )


def senses_look(between: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return name, colour and shape of senses."""
    return [(PLURAL[m], MODALITY_COLOURS[m], SHAPES[m]) for m in between]


def growing(
    curves: "Mapping[str, Sequence[tuple[int, Score]]]", axis: str, *, score: str
) -> go.Figure:
    """Draw scores that grow with pairs, beside a control and chance.

    Args:
        curves: by name, the true one first and the control second: where, and the score.
        axis: what grows from left to right.
        score: what is measured.
    """
    figure = go.Figure()
    looks = ((BLUE, "solid", "circle"), (PINK, "dash", "diamond-open"))
    for (name, points), (colour, dash, symbol) in zip(curves.items(), looks, strict=False):
        known = [(x, s) for x, s in points if s.value is not None]
        values = [float(s.value or 0.0) for _, s in known]
        bars = {
            "array": [(s.high or v) - v for (_, s), v in zip(known, values, strict=True)],
            "arrayminus": [
                v - (v if s.low is None else s.low) for (_, s), v in zip(known, values, strict=True)
            ],
            "thickness": 1.5,
        }
        figure.add_trace(
            go.Scatter(
                x=[str(x) for x, _ in known],
                y=values,
                error_y=bars,
                name=name,
                mode="lines+markers",
                line={"color": colour, "dash": dash, "width": 2.5},
                marker={"symbol": symbol, "size": 9},
                hovertemplate=[_said(name, x, s) for x, s in known],
            )
        )
    chance = [(x, s.chance) for x, s in next(iter(curves.values())) if s.chance is not None]
    dots = {"color": GREY, "dash": "dot", "width": 2}
    line = go.Scatter(x=[str(x) for x, _ in chance], y=[y for _, y in chance], name="chance")
    figure.add_trace(line.update(mode="lines", line=dots))
    return figure.update_layout(
        height=380,
        margin=NARROW,
        xaxis={"title": axis, "type": "category"},
        yaxis={"title": score, "range": [0, 1.02]},
        legend=BELOW,
    )


def _said(name: str, x: int, score: "Score") -> str:
    ends = "" if score.low is None else f" ({score.low:.2f} to {score.high:.2f})"
    return f"{name}, {x}: {score.value:.2f}{ends}, n = {score.n}<extra></extra>"


def weights(counts: "Mapping[str, Sequence[PartCount]]") -> go.Figure:
    """Draw how many weights of each run belong to one sense and how many to all.

    Args:
        counts: by run.
    """
    owners = ("image", "audio", "text", "shared")
    colours = {**MODALITY_COLOURS, "shared": GREY}
    figure = go.Figure()
    for owner in owners:
        sums = [sum(p.weights for p in parts if p.owner == owner) for parts in counts.values()]
        said = "all senses" if owner == "shared" else f"{PLURAL[owner]} only"
        bar = go.Bar(y=list(counts), x=sums, orientation="h", name=said)
        bar.update(
            marker_color=colours[owner], marker_pattern_shape="/" if owner == "shared" else ""
        )
        figure.add_trace(bar.update(hovertemplate=f"{said}: %{{x:,}}<extra>%{{y}}</extra>"))
    return figure.update_layout(
        barmode="stack",
        height=130 + 55 * len(counts),
        margin=NARROW,
        xaxis={"title": "learnt weights"},
        yaxis={"autorange": "reversed", "automargin": True},
        legend={**BELOW, "y": -0.35, "traceorder": "normal"},
    )


def layer_bars(shares: Mapping[str, Sequence[tuple[str, float]]]) -> go.Figure:
    """Draw what each layer has in an average, as it is and normalised.

    Args:
        shares: by way of averaging, layers and their shares.
    """
    figure = go.Figure()
    looks = ((ORANGE, "/"), (BLUE, ""))
    for (name, layers), (colour, pattern) in zip(shares.items(), looks, strict=False):
        bar = go.Bar(x=[n for n, _ in layers], y=[s for _, s in layers], name=name)
        bar.update(marker_color=colour, marker_pattern_shape=pattern)
        figure.add_trace(bar.update(hovertemplate="%{x}: %{y:.0%}<extra></extra>"))
    return figure.update_layout(
        height=300,
        margin=NARROW,
        yaxis={"title": "share of the average", "tickformat": ".0%", "rangemode": "tozero"},
        legend=BELOW,
    )


def small_map(points: np.ndarray, groups: Sequence[str] | None, title: str) -> go.Figure:
    """Draw a map as small as one of several, without axes: they mean nothing.

    Args:
        points: places.
        groups: what items are coloured by; None draws all alike.
        title: of the map.
    """
    names = sorted(set(groups)) if groups else []
    colours = [OKABE_ITO[names.index(g) % 7] for g in groups] if groups else BLUE
    symbols = ["circle", "diamond", "square", "triangle-up", "cross"]
    marks = [symbols[names.index(g) // 7 % 5] for g in groups] if groups else "circle"
    dots = go.Scatter(x=points[:, 0], y=points[:, 1], mode="markers")
    dots.update(marker={"color": colours, "symbol": marks, "size": 6, "opacity": 0.8})
    dots.update(hovertemplate=[f"{g}<extra></extra>" for g in groups] if groups else None)
    if not groups:
        dots.update(hoverinfo="skip")
    return go.Figure(dots).update_layout(
        height=290,
        margin={"l": 5, "r": 5, "t": 34, "b": 5},
        title={"text": title, "font": {"size": 15}},
        xaxis=BARE,
        yaxis={**BARE, "scaleanchor": "x"},
        showlegend=False,
    )
