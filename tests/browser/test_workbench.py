"""The app in a real browser: every page opens, a click on a sound lets it be heard."""

import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from app import workbench
from tests.app.conftest import fill
from tests.conftest import ROOT

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update --use-angle=swiftshader "
    "--enable-unsafe-swiftshader"
).split()
PAGES = ("", "map", "layers", "meet")
HARMLESS = ("_stcore/health", "_stcore/host-config")  # Streamlit looks for itself below the page
START_SECONDS, PAGE_SECONDS = 90, 240

pytestmark = pytest.mark.slow


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


@pytest.fixture(scope="module")
def browser():
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("there is no Chromium on this machine")
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


def click_on_a_sound(page):
    """Click a point of the trace of sounds, where plotly says it is; return its row."""
    page.wait_for_selector(".js-plotly-plot .main-svg", timeout=PAGE_SECONDS * 1000)
    page.wait_for_timeout(1500)  # let the layout come to rest
    spot = page.evaluate(
        """() => {
            const gd = document.querySelector('.js-plotly-plot');
            const sounds = gd._fullData.find(trace => trace.name === 'sounds');
            const {xaxis, yaxis} = gd._fullLayout;
            const at = gd.getBoundingClientRect();
            const near = (i, trace, j) => Math.hypot(
                xaxis.l2p(sounds.x[i]) - xaxis.l2p(trace.x[j]),
                yaxis.l2p(sounds.y[i]) - yaxis.l2p(trace.y[j]));
            // the loneliest one, so that no other point lies over it
            let best = -1, widest = -1;
            for (let i = 0; i < sounds.x.length; i++) {
                let nearest = Infinity;
                for (const trace of gd._fullData.filter(t => t.customdata))
                    for (let j = 0; j < trace.x.length; j++)
                        if (trace !== sounds || i !== j)
                            nearest = Math.min(nearest, near(i, trace, j));
                if (nearest > widest) { widest = nearest; best = i; }
            }
            return {x: at.left + xaxis._offset + xaxis.l2p(sounds.x[best]),
                    y: at.top + yaxis._offset + yaxis.l2p(sounds.y[best]),
                    row: Number(sounds.customdata[best]), gap: widest};
        }"""
    )
    page.mouse.move(spot["x"], spot["y"])
    page.mouse.click(spot["x"], spot["y"])
    return spot["row"]


def duration_of_first_sound(page):
    """Return the length of the first player's sound, once the browser has read it."""
    player = page.locator("audio").first
    player.wait_for(timeout=30_000)
    for _ in range(60):
        seconds = player.evaluate("player => player.duration")
        if seconds is not None and seconds > 0:
            return seconds
        page.wait_for_timeout(250)
    return 0.0


def check_click(page):
    """Click a sound; see that it is shown, can be heard, and has neighbours of all kinds."""
    click_on_a_sound(page)
    panel = page.get_by_role("heading", name="A sound: ")
    panel.wait_for(timeout=60_000)
    settle(page)
    assert ":audio" in page.url.replace("%3A", ":")
    assert duration_of_first_sound(page) > 0
    assert page.get_by_text("Nearest pictures").count() == 1
    assert page.locator('[data-testid="stImage"] img').count() >= 4
    assert page.locator("blockquote").count() >= 3
    assert page.get_by_text("Its own picture").count() == 1


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_without_a_word_of_error(page, toy_address, name):
    page.goto(f"{toy_address}/{name}")
    settle(page)

    assert page.locator('[data-testid="stAlertContentError"]').count() == 0


def test_a_click_on_a_sound_lets_it_be_heard_among_its_neighbours(page, toy_address):
    page.goto(f"{toy_address}/map?method=PCA")
    settle(page)
    check_click(page)


def test_the_page_of_an_item_can_be_passed_on(page, toy_address):
    page.goto(f"{toy_address}/map?method=PCA&item=07:audio")
    settle(page)

    page.get_by_role("heading", name="A sound: owl").wait_for(timeout=30_000)
    assert page.get_by_text("PCA, trustworthiness").count() == 1


def test_the_map_needs_no_webgl(serve, toy_address):
    """Few points are drawn as SVG: a browser without WebGL shows them as well."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("there is no Chromium on this machine")
    command = [
        sys.executable, "-c", NO_WEBGL, chromium, f"{toy_address}/map?method=PCA",
        *FLAGS[:-2], "--disable-3d-apis",
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PAGE_SECONDS, check=False
    )

    assert done.stdout.strip() == "no webgl, 72 points", done.stderr


# A second engine, in a process of its own: Playwright allows one a process.
NO_WEBGL = """
import sys
from playwright.sync_api import sync_playwright
with sync_playwright() as engine:
    browser = engine.chromium.launch(executable_path=sys.argv[1], args=sys.argv[3:])
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.goto(sys.argv[2])
    page.wait_for_selector(".js-plotly-plot path.point", state="attached", timeout=100_000)
    page.wait_for_timeout(1500)
    has = page.evaluate("!!document.createElement('canvas').getContext('webgl')")
    points = page.evaluate(
        '''[...document.querySelector('.js-plotly-plot').calcdata].filter(
            trace => trace[0].trace.customdata).reduce((n, trace) => n + trace.length, 0)'''
    )
    print("webgl" if has else "no webgl", points, sep=", ", end=" points\\n")
    browser.close()
"""


@pytest.fixture(scope="module")
def sample_address(serve):
    if not list(workbench.SAMPLE_RUNS.glob("*/config.json")):
        pytest.skip("there are no trained runs in sample_data/runs: `make sample` makes them")
    return serve()


@pytest.mark.parametrize("name", PAGES)
def test_every_page_of_the_sample_opens(page, sample_address, name):
    page.goto(f"{sample_address}/{name}")
    settle(page)

    assert page.locator('[data-testid="stAlertContentError"]').count() == 0


def test_a_click_on_a_song_of_the_sample(page, sample_address):
    page.goto(f"{sample_address}/map?method=PCA")
    settle(page)
    check_click(page)
