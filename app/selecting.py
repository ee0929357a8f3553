"""What a person has selected on a map: pure functions that the server decides with.

The browser sends the outline that was drawn, or a few rows, never a hundred thousand ids. It lights
up the same items by the same formula on the same 32-bit coordinates, so both agree to the item.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from d2v_core.errors import InputError

MOST_CORNERS = 2000
"""Of an outline; the browser thins its own to fewer."""

MOST_ROWS = 1000
"""That may be sent one by one; more are an outline."""


MOST_STROKES = 64
"""That may be sent at once."""

How = Literal["new", "add", "subtract"]


@dataclass(frozen=True)
class Stroke:
    """One thing that was drawn or picked; one of `polygon` and `rows` is None.

    Attributes:
        how: what it does to what was selected before.
        geometry: hash of the coordinates that an outline was drawn on.
        polygon: corners (corners, 2) in the coordinates that were sent; the last joins the first.
        rows: items picked one by one.
    """

    how: How
    geometry: str
    polygon: np.ndarray | None
    rows: np.ndarray | None


@dataclass(frozen=True)
class Drawn:
    """A selection as the browser sent it.

    Attributes:
        stamp: names it, so that the browser knows its own when it comes back.
        base: stamp of the selection that the strokes go on from.
        strokes: in order.
    """

    stamp: str
    base: str
    strokes: tuple[Stroke, ...]


def select(
    coords: np.ndarray, polygon: np.ndarray, filters: Sequence[np.ndarray] = ()
) -> np.ndarray:
    """Return the rows that lie inside an outline and pass all filters, ascending.

    An outline that crosses itself is filled by the even-odd rule. A point on an edge belongs to one
    of two outlines that share the edge, never to both: left and lower edges are inside.

    Args:
        coords: (items, 2); compared in 64 bits whatever they are.
        polygon: (corners, 2); fewer than three corners hold nothing.
        filters: boolean masks (items,); an item has to pass every one.
    """
    passes = np.ones(len(coords), dtype=bool)
    for mask in filters:
        passes &= mask
    if len(polygon) < 3:  # a line has no inside
        return np.empty(0, dtype=np.int64)
    corners = np.asarray(polygon, dtype=np.float64)
    low, high = corners.min(axis=0), corners.max(axis=0)
    passes &= ((coords >= low) & (coords <= high)).all(axis=1)
    near = np.flatnonzero(passes)
    return near[_inside(np.asarray(coords[near], dtype=np.float64), corners)]


def _inside(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Tell by the number of edges to the right of each point, odd or even.

    Points are sorted by height first, so that an edge looks only at those beside it: a long outline
    costs little more than a short one.
    """
    order = np.argsort(points[:, 1], kind="stable")
    x, y = points[order, 0], points[order, 1]
    odd = np.zeros(len(points), dtype=bool)
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y1 == y2:  # beside no point
            continue
        first, last = np.searchsorted(y, (min(y1, y2), max(y1, y2)), side="left")
        beside = slice(first, last)
        odd[beside] ^= x[beside] < (x2 - x1) * (y[beside] - y1) / (y2 - y1) + x1
    found = np.empty(len(points), dtype=bool)
    found[order] = odd
    return found


def passes(table: pd.DataFrame, wanted: Mapping[str, Sequence[Any]]) -> list[np.ndarray]:
    """Return a filter for every column of which only some values are wanted.

    Args:
        table: the items.
        wanted: by column the values to keep; none means all.
    """
    return [
        np.asarray(table[name].isin(list(values)), dtype=bool)
        for name, values in wanted.items()
        if len(values)
    ]


def read_drawn(value: object, items: int) -> Drawn | None:
    """Return what the browser sent, or None if it let go of its selection.

    Args:
        value: anything at all; it came over the network.
        items: how many there are on the map.

    Raises:
        InputError: if it is no selection on this map.
    """
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise InputError(f"a selection is an object, got {type(value).__name__}")
    stamp, base, strokes = (value.get(name) for name in ("stamp", "base", "strokes"))
    if not (isinstance(stamp, str) and isinstance(base, str)):
        raise InputError("a selection needs a stamp and a base, both texts")
    if not isinstance(strokes, list) or not 1 <= len(strokes) <= MOST_STROKES:
        raise InputError(f"a selection is a list of 1 to {MOST_STROKES} strokes")
    return Drawn(stamp, base, tuple(_read_stroke(stroke, items) for stroke in strokes))


def fold(
    before: np.ndarray,
    strokes: Sequence[Stroke],
    *,
    coordinates: Callable[[str], np.ndarray | None],
    shown: np.ndarray,
) -> np.ndarray:
    """Return the rows that are selected after some strokes, ascending.

    Args:
        before: rows that were selected.
        strokes: what was drawn since.
        coordinates: returns those that a hash names, None if they are gone.
        shown: which items an outline can catch, (items,) booleans.

    Raises:
        InputError: if an outline is of a map that is gone.
    """
    chosen = np.zeros(len(shown), dtype=bool)
    chosen[before] = True
    for stroke in strokes:
        caught = stroke.rows
        if stroke.polygon is not None:
            x = coordinates(stroke.geometry)
            if x is None or len(x) != len(shown):
                raise InputError("the map that this was drawn on is gone; draw it once more")
            caught = select(x, stroke.polygon, [shown])
        if stroke.how == "new":
            chosen[:] = False
        chosen[caught] = stroke.how != "subtract"
    return np.flatnonzero(chosen)


def _read_stroke(value: object, items: int) -> Stroke:
    if not isinstance(value, Mapping) or value.get("how") not in get_args(How):
        raise InputError(f"a stroke says how: {', '.join(get_args(How))}")
    if value.get("rows") is not None:
        return Stroke(value["how"], "", None, _read_rows(value["rows"], items))
    geometry = value.get("geometry")
    if not isinstance(geometry, str):
        raise InputError("an outline needs the hash of the map that it was drawn on")
    return Stroke(value["how"], geometry, _read_polygon(value.get("polygon")), None)


def _read_rows(value: object, items: int) -> np.ndarray:
    if not isinstance(value, list) or len(value) > MOST_ROWS:
        raise InputError(f"rows of a selection are a list of at most {MOST_ROWS}")
    if not all(type(row) is int and 0 <= row < items for row in value):
        raise InputError(f"rows of a selection are whole numbers from 0 to {items - 1}")
    return np.unique(np.array(value, dtype=np.int64))


def _read_polygon(value: object) -> np.ndarray:
    if not isinstance(value, list) or not 3 <= len(value) <= MOST_CORNERS:
        raise InputError(f"an outline is a list of 3 to {MOST_CORNERS} corners")
    for corner in value:
        if not isinstance(corner, list) or len(corner) != 2 or not all(map(_is_finite, corner)):
            raise InputError("a corner of an outline is two finite numbers")
    return np.array(value, dtype=np.float64)


def _is_finite(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # pyright: ignore[reportArgumentType]
