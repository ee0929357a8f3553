"""How fast the map is in a browser: first picture, recolouring, layer switch, selection, moving.

    python benchmarks/map_component.py --points 2000 20000 100000 1000000

Streamlit runs this same file: it imports it to find the server, and then runs it as the page. The
items are drawn from twelve clouds; nothing is read from disk. The browser is Chromium with its
software renderer unless `--gpu` is given: compare rows, do not take them for a graphics card.
Every figure is the median of `--repeat` measurements, with the least and the largest.
"""

import argparse
import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from streamlit import runtime
from visit import BROWSER, SOFTWARE, WAIT_MS, Visit, serving, spread

from app import routes
from app.scatter.component import Scene, Selected, coordinates_of, scatter
from app.selecting import fold, read_drawn

CLOUDS = 12


@st.cache_resource
def made(points: int, layer: int) -> np.ndarray:
    """Return where items lie in one of two layers, (items, 2) of 32 bits."""
    rng = np.random.default_rng(layer)
    centres = rng.normal(size=(CLOUDS, 2)) * 2
    spread = rng.normal(size=(points, 2)) * 0.4
    return (centres[np.arange(points) % CLOUDS] + spread).astype(np.float32)


@st.cache_resource
def painted(points: int, column: int) -> np.ndarray:
    """Return colours by one of two columns."""
    colours = np.random.default_rng(column).integers(0, 256, (CLOUDS, 4)).astype(np.uint8)
    colours[:, 3] = 255
    return colours[np.arange(points) % CLOUDS]


@st.fragment
def page(points: int) -> None:
    """Draw the map with two buttons: another colouring, another layer."""
    column = st.session_state.setdefault("column", 0)
    layer = st.session_state.setdefault("layer", 0)
    st.button("Recolour", on_click=lambda: st.session_state.update(column=1 - column))
    st.button("Switch", on_click=lambda: st.session_state.update(layer=1 - layer))

    def keep() -> None:
        drawn = read_drawn(st.session_state["map"].get("selection"), points)
        if drawn is not None:
            rows = fold(
                Selected().rows,
                drawn.strokes,
                coordinates=coordinates_of,
                shown=np.ones(points, dtype=bool),
            )
            st.session_state["kept"] = Selected(drawn.stamp, rows)

    scatter(
        Scene(
            items=f"made {points}",
            coordinates=made(points, layer),
            kinds=(np.arange(points) % 3).astype(np.uint8),
            colours=painted(points, column),
            legend={"title": "cloud", "kinds": [], "values": []},
            label="Map of made items",
            selected=st.session_state.get("kept", Selected()),
        ),
        key="map",
        on={"selection": keep},
    )


def measure(points: int, *, repeat: int, flags: list[str]) -> dict[str, Any]:
    """Return what was measured for one number of items."""
    from playwright.sync_api import sync_playwright

    found: dict[str, Any] = {"points": points}
    with (
        serving(Path(__file__), "--points", str(points)) as (address, _),
        sync_playwright() as engine,
    ):
        browser = engine.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        firsts, problems = [], []
        for _ in range(repeat):
            tab = browser.new_page(viewport={"width": 1200, "height": 800})
            tab.on("pageerror", lambda error: problems.append(str(error)))
            tab.on("websocket", lambda ws: ws.on("close", lambda _: problems.append("closed")))
            start = time.perf_counter()
            tab.goto(address)
            tab.wait_for_selector(".map[data-drawn]", timeout=WAIT_MS)
            firsts.append(time.perf_counter() - start)
            visit = Visit(tab)
            if len(firsts) < repeat:
                tab.close()
                problems.clear()  # that connection was closed by us
        found["first_picture_s"] = spread(firsts)
        found["recolour_s"] = spread([visit.press("Recolour", "colours") for _ in range(repeat)])
        found["layer_switch_s"] = spread([visit.press("Switch", "geometry") for _ in range(repeat)])
        found["selection_echo_s"] = spread([visit.select() for _ in range(repeat)])
        found["selected"] = visit.ask("return map.selectedCount")
        for name, zoom in (("whole", 1), ("closer", 6)):
            rate, longest = visit.frames(zoom)
            found[f"moving_{name}"] = {"frames_a_second": rate, "longest_ms": longest}
        found["problems"] = [*problems]
        browser.close()
    return found


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, nargs="+", default=[2000, 20_000, 100_000, 1_000_000])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--gpu", action="store_true", help="let Chromium use a graphics card")
    return parser.parse_args()


if __name__ == "__main__":
    given = arguments()
    if runtime.exists():
        page(given.points[0])
    else:
        for number in given.points:
            flags = BROWSER + ([] if given.gpu else SOFTWARE)
            print(json.dumps(measure(number, repeat=given.repeat, flags=flags)), flush=True)
else:
    server = st.App(__file__, routes=routes.routes())
