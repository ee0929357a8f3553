"""One visit of the map in a browser, timed by the browser's own clock."""

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

BROWSER = ["--headless", "--no-sandbox", "--disable-quic", "--no-first-run"]
SOFTWARE = ["--disable-gpu", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
WAIT_MS = 300_000


@contextmanager
def serving(script: Path, *arguments: str) -> Iterator[tuple[str, int]]:
    """Serve a Streamlit app; give its address and its process's number."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(script.resolve())]
    command += ["--server.port", str(port), "--server.headless", "true"]
    command += ["--browser.gatherUsageStats", "false", "--", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        while process.poll() is None:
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=5).close()
                break
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.2)
        yield address, process.pid
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
            "for (const kind of ['pointerdown', 'pointerup', 'click'])"
            " document.addEventListener(kind, () => { start ??= performance.now(); },"
            " {capture: true, once: true});"
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


def spread(seconds: list[float]) -> dict[str, float]:
    """Return median, least and largest."""
    return {"median": statistics.median(seconds), "least": min(seconds), "most": max(seconds)}
