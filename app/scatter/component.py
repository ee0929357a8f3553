"""The component as Streamlit sees it: arrays go to the routes, their hashes to the browser."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

import numpy as np
from streamlit.components.v2 import component

from app.routes import ASSETS, STATIC, code_hash, prefix

DENSITY_FROM = 50_000
"""More items in view than these are drawn as density."""

EVENTS = ("selection", "chosen", "engine", "step", "view")
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


@dataclass(frozen=True)
class Stop:
    """A map on the way of a slider.

    Attributes:
        name: in words.
        coordinates: as those of a scene.
    """

    name: str
    coordinates: np.ndarray


@dataclass(frozen=True)
class Place:
    """Words at a place of the map."""

    text: str
    x: float
    y: float


@dataclass(frozen=True)
class Focus:
    """What to bring into the middle.

    Attributes:
        stamp: names it; a map goes there when the stamp is a new one.
        rows: items to zoom to.
        places: places, x and y, that only have to be in view.
    """

    stamp: str
    rows: tuple[int, ...] = ()
    places: tuple[tuple[float, float], ...] = ()


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

    stops: tuple[Stop, ...] = ()
    """Maps of the same items that a slider leads through; `coordinates` are one of them."""

    stop: int = 0
    """Which of them is shown."""

    names: tuple[Place, ...] = ()
    """Words on the map; where two overlap the first stays."""

    guests: tuple[Place, ...] = ()
    """Items that were brought and are none of these."""

    found: tuple[int, ...] = ()
    """Rows that a search has found: ringed."""

    focus: Focus | None = None
    """What to bring into the middle, once."""

    view: tuple[float, float, float] | None = None
    """Middle of the view and zoom, 1 for the whole map, that a map begins with."""

    link: str | None = None
    """Maps of one name and the same items share what is looked at and selected."""


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
        "steps": [
            {"name": stop.name, "geometry": ASSETS.put(_bytes(stop.coordinates))}
            for stop in scene.stops
        ],
        "step": scene.stop,
        "names": [asdict(name) for name in scene.names],
        "guests": [asdict(guest) for guest in scene.guests],
        "found": list(scene.found),
        "focus": asdict(scene.focus) if scene.focus else None,
        "view": scene.view,
        "link": scene.link,
        "selected": {
            "stamp": scene.selected.stamp,
            "count": len(rows),
            "rows": ASSETS.put(_bytes(rows.astype(np.uint32))) if len(rows) else None,
        },
    }


def coordinates_of(geometry: str) -> np.ndarray | None:
    """Return the coordinates (items, 2) that a hash names; None if it names none, or no more."""
    content = ASSETS.array(geometry)
    if content is None or len(content) % 8:  # a browser may name any array
        return None
    return np.frombuffer(content, dtype="<f4").reshape(-1, 2)


def scatter(scene: Scene, *, key: str, on: Mapping[str, Callable[[], None]]) -> None:
    """Draw the map. What happens on it is in `st.session_state[key]` when a callback is called.

    Args:
        scene: what to draw.
        key: of the component.
        on: what to call when `selection` has changed, see `app.selecting.read_drawn`; when the row
            `chosen` was clicked; when `engine` is "none", which cannot draw it; when the slider was
            let go at `step`; when `view` has changed, middle and zoom or None for the whole map.
    """
    calls: dict[str, Any] = {f"on_{name}_change": on.get(name, _nothing) for name in EVENTS}
    _component()(key=key, data=scene_data(scene), **calls)


def _nothing() -> None:
    """Let it happen."""


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
