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
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from streamlit import runtime

from app import routes
from app.scatter.component import Scene, Selected, coordinates_of, scatter
from app.selecting import fold, read_drawn

CLOUDS = 12
BROWSER = ["--headless", "--no-sandbox", "--disable-quic", "--no-first-run"]
SOFTWARE = ["--disable-gpu", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
WAIT_MS = 300_000


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


@contextmanager
def serving(points: int) -> Iterator[str]:
    """Serve the page; give its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(Path(__file__).resolve())]
    command += ["--server.port", str(port), "--server.headless", "true"]
    command += ["--browser.gatherUsageStats", "false", "--", "--points", str(points)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        while process.poll() is None:
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=5).close()
                break
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


class Visit:
    """One visit of the page in a browser.

    Args:
        tab: of Playwright.
    """

    def __init__(self, tab: Any) -> None:  # noqa: ANN401
        self.tab = tab
        self.root = tab.locator(".map")

    def ask(self, code: str) -> Any:  # noqa: ANN401
        """Run JavaScript that knows `root` and `map`."""
        return self.root.evaluate(f"async (root) => {{ const map = root.itemMap; {code} }}")

    def seconds_until(self, act: Callable[[], None], is_done: str) -> float:
        """Do something; return how long it takes until an expression of the page holds.

        The clock runs in the browser, from the event that the action causes to the frame that
        answers it, so that Playwright's own time does not count.
        """
        self.ask(
            "root.dataset.before = JSON.stringify({...root.dataset});"
            "const before = {...root.dataset}; let start = null;"
            "for (const kind of ['pointerup', 'click']) document.addEventListener(kind,"
            " () => { start ??= performance.now(); }, {capture: true, once: true});"
            f"const look = () => (start !== null && ({is_done}))"
            " ? (root.dataset.took = performance.now() - start) : requestAnimationFrame(look);"
            "delete root.dataset.took; look();"
        )
        act()
        self.tab.wait_for_selector(".map[data-took]", timeout=WAIT_MS)
        return float(self.root.get_attribute("data-took")) / 1000

    def press(self, name: str, changed: str) -> float:
        """Press a button of the page; return the seconds until an attribute has changed."""
        button = self.tab.get_by_role("button", name=name)
        is_done = f"root.dataset.{changed} !== before.{changed}"
        seconds = self.seconds_until(button.click, is_done)
        self.tab.wait_for_timeout(1000)  # a change of layer is still under way
        return seconds

    def select(self) -> float:
        """Draw a lasso around about half of the map; return the seconds until the answer."""
        box = self.tab.locator(".stage").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.tab.locator(".tool[aria-label=Lasso]").click()
        self.tab.mouse.move(x + box["width"] / 4, y)
        self.tab.mouse.down()
        for turn in np.linspace(0, 2 * np.pi, 40):
            right, down = box["width"] / 4 * np.cos(turn), box["height"] / 3 * np.sin(turn)
            self.tab.mouse.move(x + right, y + down)
        done = "map.selection.awaited === null && root.dataset.echo !== before.echo"
        seconds = self.seconds_until(self.tab.mouse.up, done)
        assert int(self.root.get_attribute("data-echoed")) == self.ask("return map.selectedCount")
        return seconds

    def frames(self, zoom: float) -> tuple[float, float]:
        """Move about for two seconds; return frames a second and the longest wait in ms."""
        return tuple(
            self.ask(
                f"map.camera.fit(); map.camera.zoomAt(300, 200, {zoom}); map.moved();"
                "await new Promise((r) => setTimeout(r, 600));"
                "const times = []; const start = performance.now();"
                "await new Promise((done) => { const step = (now) => { times.push(now);"
                " map.camera.pan(3 * Math.sin(now / 300), 2 * Math.cos(now / 300)); map.moved();"
                " map.drawing.gl?.finish();"
                " now - start < 2000 ? requestAnimationFrame(step) : done(); };"
                " requestAnimationFrame(step); });"
                "const gaps = times.slice(1).map((t, i) => t - times[i]);"
                "return [1000 * gaps.length / (times.at(-1) - times[0]), Math.max(...gaps)];"
            )
        )


def measure(points: int, *, repeat: int, flags: list[str]) -> dict[str, Any]:
    """Return what was measured for one number of items."""
    from playwright.sync_api import sync_playwright

    found: dict[str, Any] = {"points": points}
    with serving(points) as address, sync_playwright() as engine:
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


def spread(seconds: list[float]) -> dict[str, float]:
    """Return median, least and largest."""
    return {"median": statistics.median(seconds), "least": min(seconds), "most": max(seconds)}


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
