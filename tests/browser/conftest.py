"""A server and a browser for the tests that need both."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.app.conftest import fill
from tests.conftest import ROOT

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update --use-angle=swiftshader "
    "--enable-unsafe-swiftshader --use-fake-device-for-media-stream --use-fake-ui-for-media-stream"
).split()
"""The last two: a camera that shows a clock and a microphone that beeps, for whoever asks."""

HARMLESS = ("_stcore/health", "_stcore/host-config")  # Streamlit looks for itself below the page
PAGE_SECONDS = 240
"""For whatever is waited for: a machine may have much else to do."""


def wait_until(is_so, what):
    """Wait until something is so, of what comes to a page some time after it was asked for."""
    end = time.monotonic() + PAGE_SECONDS
    while not is_so():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def wait_for_count(places, count):
    """Wait until there are so many of what a locator finds."""
    end = time.monotonic() + PAGE_SECONDS
    while (found := places.count()) != count:
        assert time.monotonic() < end, f"{found} and not {count} of {places}"
        time.sleep(0.05)


def free_port():
    """Return a port that nobody has; not one of those that the system gives to whoever connects."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 20_000 + 1000 * (worker % 10)  # every worker has its own
    for number in range(1000):
        with socket.socket() as probe:
            port = first + (os.getpid() + number) % 1000
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    pytest.fail("no port is free")


class Server:
    """The app at an address of its own; it can be killed and started again there."""

    def __init__(self, log, *arguments):
        self.log, port = Path(log), free_port()
        self.address = f"http://127.0.0.1:{port}"
        self.command = [sys.executable, "-m", "streamlit", "run", "app/main.py"]
        self.command += ["--server.port", str(port), "--server.headless", "true", "--", *arguments]
        self.process = None

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(self._answers, f"no answer from {self.address}")

    def _answers(self):
        assert self.process.poll() is None, f"the server has ended: {self.log.read_text()}"
        try:
            with urllib.request.urlopen(f"{self.address}/_stcore/health", timeout=PAGE_SECONDS):
                return True
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def kill(self):
        """End it as a power cut would, and the maps that it makes; trainings are not its own."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@pytest.fixture(scope="module")
def serve(tmp_path_factory):
    """Return a function that starts the app and returns its address; all are ended afterwards."""
    started = []

    def start(*arguments):
        started.append(Server(tmp_path_factory.mktemp("log") / "app.log", *arguments))
        started[-1].start()
        return started[-1].address

    yield start
    for server in started:
        server.kill()


@pytest.fixture(scope="module")
def toy_address(serve, toys, tmp_path_factory):
    return serve("--store", fill(tmp_path_factory.mktemp("stores") / "toys", toys))


def chromium_or_skip():
    """Return where Chromium is; skip the test if there is none."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("there is no Chromium on this machine")
    return chromium


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = chromium_or_skip()
    with playwright.sync_playwright() as engine:
        opened = engine.chromium.launch(executable_path=chromium, args=FLAGS)
        yield opened
        opened.close()


@contextmanager
def window(browser, **look):
    """Open a window; if anything goes wrong in it, or leaves this machine, the test fails."""
    context = browser.new_context(**look)
    page, wrong = context.new_page(), []
    page.set_default_timeout(PAGE_SECONDS * 1000)
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("response", lambda r: r.status >= 400 and wrong.append(f"{r.status} {r.url}"))
    page.on(
        "console",  # which says of a missing file no more than that, and not which
        lambda m: m.type == "error" and "status of 404" not in m.text and wrong.append(m.text),
    )
    page.on(
        "request",
        lambda r: (
            r.url.startswith("http")
            and "127.0.0.1" not in r.url
            and wrong.append(f"left this machine: {r.url}")
        ),
    )
    yield page
    shown = page.evaluate("[...document.querySelectorAll('[src]')].map((e) => e.src)")
    context.close()
    assert [line for line in wrong if not is_harmless(line, shown)] == []


def is_harmless(line, shown):
    """Tell whether it is one of Streamlit's own habits.

    It removes the file of a picture or a sound with the element that shows it, also if the browser
    is about to ask for it. A file is missing only if something on the page still shows it.
    """
    is_gone = "/media/" in line and not any(source and source in line for source in shown)
    return line.endswith(HARMLESS) or is_gone


@pytest.fixture
def page(browser):
    with window(browser, viewport={"width": 1400, "height": 900}) as opened:
        yield opened


SETTLED = """() => document.querySelector("h1")
    && document.querySelector("[data-testid=stApp]")?.dataset.testScriptState === "notRunning"
    && !document.querySelector("[data-stale=true], [data-testid=stSkeleton]")"""


def settle(page):
    """Wait until the script has run to its end, and nothing of the run before is left.

    It says nothing of what a click has just asked for: that may not have begun. And what was sent
    last may not be drawn. So wait for what is expected, and do not look for it once.
    """
    page.wait_for_function(SETTLED, timeout=PAGE_SECONDS * 1000)
    assert page.locator('[data-testid="stException"]').all_inner_texts() == []


STILL = """(element) => new Promise((done) => {
    let before = "", same = 0;
    const look = () => {
        const { x, y, width, height } = element.getBoundingClientRect();
        const now = [x, y, width, height];
        same = String(now) === before && width > 0 ? same + 1 : 0;
        before = String(now);
        if (same >= 3) done(now);
        else requestAnimationFrame(look);
    };
    look();
})"""


def still_box(element):
    """Return left, top, width and height of an element, once it rests where it is."""
    element.scroll_into_view_if_needed()
    return element.evaluate(STILL)


def map_of(page, code):
    """Run JavaScript that knows the `root` of the map and the `map` itself; return its value."""
    page.wait_for_selector(".map[data-drawn][data-going=false]", timeout=PAGE_SECONDS * 1000)
    return page.locator(".map").evaluate(f"async (root) => {{ const map = root.itemMap; {code} }}")


def place_of(page, row):
    """Return where an item is on the screen."""
    left, top, *_ = still_box(page.locator(".stage"))
    x, y = map_of(page, f"return map.placeOf({row})")
    return left + x, top + y


def click_on(page, row):
    """Click an item."""
    x, y = place_of(page, row)
    page.mouse.move(x, y)
    page.mouse.click(x, y)
