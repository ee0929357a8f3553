"""The component as Streamlit sees it: arrays go to the routes, their hashes to the browser."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from streamlit.components.v2 import component

from app.routes import ASSETS, STATIC, code_hash, prefix

DENSITY_FROM = 50_000
"""More items in view than these are drawn as density."""

NOTHING = "none"
"""Stamp of a selection that holds nothing."""


@dataclass(frozen=True)
class Selected:
    """What is selected, as the server decided.

    Attributes:
        stamp: names it; the browser knows its own by it.
        rows: ascending.
    """

    stamp: str = NOTHING
    rows: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))


@dataclass(frozen=True, kw_only=True)
class Scene:
    """All that one map shows. Rows of all arrays are the same items."""

    items: str
    """Names the items and their order: maps of the same items move into each other."""

    coordinates: np.ndarray
    """(items, 2), 32 bits; both axes have one scale."""

    kinds: np.ndarray
    """Number of the shape, (items,) bytes: 0 circle, 1 triangle, 2 square."""

    colours: np.ndarray
    """Red, green, blue, and 255 if it is seen or 0 if not: (items, 4) bytes."""

    legend: Mapping[str, Any]
    """See `app.scatter.paint.paint`."""

    label: str
    """What the map is, for those who do not see it."""

    media: str | None = None
    """Hash of the shelf of cards, pictures and sounds."""

    near: str | None = None
    """Hash of the shelf of nearest neighbours; None draws no lines to them."""

    chosen: int = -1
    """The row that is ringed; -1 if none."""

    partners: tuple[int, ...] = ()
    """Rows that a dotted line leads to from there."""

    selected: Selected = field(default_factory=Selected)
    """What is lit up."""

    density_from: int = DENSITY_FROM
    """Items in view from which on the density is drawn."""


def scene_data(scene: Scene) -> dict[str, Any]:
    """Put the arrays where the routes find them; return what the browser is told.

    Raises:
        ValueError: if arrays are not of the same items, or of another type than the browser reads.
    """
    count = len(scene.coordinates)
    for name, array, shape, kind in (
        ("coordinates", scene.coordinates, (count, 2), np.float32),
        ("kinds", scene.kinds, (count,), np.uint8),
        ("colours", scene.colours, (count, 4), np.uint8),
    ):
        if array.shape != shape or array.dtype != kind:
            raise ValueError(
                f"{name} must be {shape} of {np.dtype(kind)}, got {array.shape} of {array.dtype}"
            )
    rows = scene.selected.rows
    return {
        "base": prefix(),
        "code": f"{prefix()}/code/{code_hash()}",
        "items": scene.items,
        "count": count,
        "geometry": ASSETS.put(_bytes(scene.coordinates)),
        "kinds": ASSETS.put(_bytes(scene.kinds)),
        "colours": ASSETS.put(_bytes(scene.colours)),
        "legend": dict(scene.legend),
        "label": scene.label,
        "media": scene.media,
        "near": scene.near,
        "hasSound": bool(scene.media) and bool((scene.kinds == 1).any()),
        "chosen": scene.chosen,
        "partners": list(scene.partners),
        "densityFrom": scene.density_from,
        "selected": {
            "stamp": scene.selected.stamp,
            "count": len(rows),
            "rows": ASSETS.put(_bytes(rows.astype(np.uint32))) if len(rows) else None,
        },
    }


def coordinates_of(geometry: str) -> np.ndarray | None:
    """Return the coordinates (items, 2) that a hash names; None if they were dropped."""
    content = ASSETS.array(geometry)
    return None if content is None else np.frombuffer(content, dtype="<f4").reshape(-1, 2)


def scatter(
    scene: Scene,
    *,
    key: str,
    on_selection: Callable[[], None],
    on_chosen: Callable[[], None],
    on_engine: Callable[[], None],
) -> None:
    """Draw the map. What happens on it is in `st.session_state[key]` when a callback is called.

    Args:
        scene: what to draw.
        key: of the component.
        on_selection: called when `selection` has changed, see `app.selecting.read_drawn`.
        on_chosen: called when the row `chosen` was clicked.
        on_engine: called when `engine` is "none": this browser cannot draw it.
    """
    _component()(
        key=key,
        data=scene_data(scene),
        on_selection_change=on_selection,
        on_chosen_change=on_chosen,
        on_engine_change=on_engine,
    )


@cache
def _component() -> Callable[..., Any]:
    """Register the component, once a process."""
    return component(
        "d2v_map",
        css=(STATIC / "style.css").read_text(encoding="utf-8"),
        js=(STATIC / "loader.js").read_text(encoding="utf-8"),
    )


def _bytes(array: np.ndarray) -> bytes:
    """Return the bytes as browsers read them: in C order, little end first."""
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()
