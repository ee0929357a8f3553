"""Colours and shapes as the bytes that the canvas takes, and the legend that explains them."""

from typing import Any

import numpy as np
import pandas as pd
from plotly.colors import sample_colorscale, unlabel_rgb

from app.charts import GREY, SHAPES
from app.map_chart import MISSING, is_scale, palette_of
from app.words import PLURAL
from d2v_core.modality import MODALITIES

STEPS = 256
"""Colours of a scale."""


def kinds_of(modalities: pd.Series) -> np.ndarray:
    """Return the number of every item's modality, which is that of its shape: (items,) bytes."""
    return pd.Index(list(MODALITIES)).get_indexer(pd.Index(modalities)).astype(np.uint8)


def paint(
    points: pd.DataFrame, colour: str, shown: np.ndarray
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the colour of every item, and a legend.

    Args:
        points: all items, hidden ones too, with the column and `modality`.
        colour: which column.
        shown: which items are to be seen, (items,) booleans.

    Returns:
        Red, green, blue and seen (255) or hidden (0), (items, 4) bytes. The legend has `title`,
        `kinds` (name, shape, count of those shown) and either `values` (name, colour, count) or
        `scale` (low, high and colours from low to high).
    """
    painted = np.empty((len(points), 4), dtype=np.uint8)
    painted[:, 3] = np.where(shown, 255, 0)
    legend: dict[str, Any] = {"title": colour, "kinds": _kinds(points, shown)}
    if is_scale(points, colour):
        painted[:, :3], legend["scale"] = _paint_scale(points[colour])
    else:
        painted[:, :3], legend["values"] = _paint_values(points, colour, shown)
    return painted, legend


def _kinds(points: pd.DataFrame, shown: np.ndarray) -> list[dict[str, Any]]:
    counts = points["modality"][shown].value_counts()
    return [
        {"name": PLURAL[m], "shape": SHAPES[m], "number": number, "count": int(counts[m])}
        for number, m in enumerate(MODALITIES)
        if m in counts
    ]


def _paint_scale(column: pd.Series) -> tuple[np.ndarray, dict[str, Any]]:
    """Paint numbers from their least to their largest; what is no number is grey."""
    values = column.to_numpy(dtype=float, na_value=np.nan)
    known = np.isfinite(values)
    low, high = (values[known].min(), values[known].max()) if known.any() else (0.0, 1.0)
    texts = sample_colorscale("Viridis", np.linspace(0, 1, STEPS).tolist())
    colours = np.array([[round(part) for part in unlabel_rgb(text)] for text in texts], np.uint8)
    places = np.zeros(len(values), dtype=int)
    places[known] = np.round((values[known] - low) / max(high - low, 1e-300) * (STEPS - 1))
    painted = colours[places]
    painted[~known] = _rgb(GREY)
    stops = ["#" + bytes(colours[i]).hex().upper() for i in range(0, STEPS, 17)]
    return painted, {"low": float(low), "high": float(high), "colours": stops}


def _paint_values(
    points: pd.DataFrame, colour: str, shown: np.ndarray
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    palette = palette_of(points, colour)
    texts = points[colour].astype("string").fillna(MISSING)
    numbers = pd.Index(list(palette), dtype="string").get_indexer(pd.Index(texts))
    # what has no colour of its own, because there are more values than colours, is grey
    table = np.array([_rgb(hue) for hue in [*palette.values(), GREY]], dtype=np.uint8)
    counts = np.bincount(numbers[shown] + 1, minlength=len(palette) + 1)[1:]
    legend = [
        {"name": _called(name, colour), "colour": hue, "count": int(count)}
        for (name, hue), count in zip(palette.items(), counts, strict=True)
        if count
    ]
    return table[numbers], legend


def _called(value: str, colour: str) -> str:
    return PLURAL.get(value, value) if colour == "modality" else value


def _rgb(text: str) -> tuple[int, int, int]:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
