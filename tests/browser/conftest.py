"""A server and a browser for the tests that need both."""

import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

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
START_SECONDS, PAGE_SECONDS = 90, 240


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def serve(tmp_path_factory):
    """Return a function that starts the app and returns its address; all are ended afterwards."""
    started = []

    def start(*arguments):
        port = free_port()
        command = [sys.executable, "-m", "streamlit", "run", "app/main.py"]
        command += ["--server.port", str(port), "--server.headless", "true", "--", *arguments]
        with (tmp_path_factory.mktemp("log") / "app.log").open("wb") as log:
            started.append(subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log))
        address = f"http://127.0.0.1:{port}"
        wait_for(f"{address}/_stcore/health")
        return address

    yield start
    for process in started:
        process.terminate()
        process.wait(timeout=30)


def wait_for(address):
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.3)
    pytest.fail(f"no answer from {address} in {START_SECONDS} s")


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


@pytest.fixture
def page(browser):
    """A page that fails its test if anything goes wrong in the browser, or leaves this machine."""
    opened = browser.new_page(viewport={"width": 1400, "height": 900})
    wrong = []
    opened.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    opened.on("response", lambda r: r.status >= 400 and wrong.append(f"{r.status} {r.url}"))
    opened.on(
        "console",  # which says of a missing file no more than that, and not which
        lambda m: m.type == "error" and "status of 404" not in m.text and wrong.append(m.text),
    )
    opened.on(
        "request",
        lambda r: (
            r.url.startswith("http")
            and "127.0.0.1" not in r.url
            and wrong.append(f"left this machine: {r.url}")
        ),
    )
    yield opened
    opened.close()
    assert [line for line in wrong if not line.endswith(HARMLESS)] == []


def settle(page):
    """Wait until the script has run to its end."""
    page.wait_for_selector("h1", timeout=PAGE_SECONDS * 1000)
    page.wait_for_selector(
        '[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=PAGE_SECONDS * 1000
    )
    assert page.locator('[data-testid="stException"]').count() == 0


def map_of(page, code):
    """Run JavaScript that knows the `root` of the map and the `map` itself; return its value."""
    page.wait_for_selector(".map[data-drawn][data-going=false]", timeout=PAGE_SECONDS * 1000)
    return page.locator(".map").evaluate(f"async (root) => {{ const map = root.itemMap; {code} }}")


def place_of(page, row):
    """Return where an item is on the screen."""
    page.locator(".stage").scroll_into_view_if_needed()
    box = page.locator(".stage").bounding_box()
    x, y = map_of(page, f"return map.placeOf({row})")
    return box["x"] + x, box["y"] + y


def click_on(page, row):
    """Click an item."""
    x, y = place_of(page, row)
    page.mouse.move(x, y)
    page.mouse.click(x, y)
