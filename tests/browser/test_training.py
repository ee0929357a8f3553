"""Data and training in a real browser: an upload, and a run that outlives the server."""

import io
import zipfile

import pytest

from app import run_folders, tasks
from tests.browser.conftest import Server, settle, wait_for_count, wait_until

pytestmark = pytest.mark.slow

SMALL = "trunk.dim=32\ntrunk.heads=2\noptim.batch=2\npairs.batch=4"
STEPS = 3000
"""So many that it is not done before it is stopped."""

STOP_SECONDS = 30
"""A step and a checkpoint take one on a quiet machine."""


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def server(home, tmp_path):
    made = Server(tmp_path / "app.log", "--home", str(home))
    made.start()
    yield made
    made.kill()
    for run in run_folders.runs(home / "runs"):
        tasks.stop(run.folder, at_once=True)


def newest_step(run):
    lines = run_folders.numbers(run)
    return lines[-1]["step"] if lines else 0


def test_a_training_outlives_the_server_and_stops_when_it_is_asked_to(page, server, home, toys):
    page.goto(f"{server.address}/train?data={toys}")
    settle(page)
    page.get_by_text("More settings").click()
    page.get_by_role("spinbutton", name="Steps").fill(str(STEPS))
    others = page.get_by_role("textbox", name="Any other setting")
    others.fill(SMALL)
    others.press("Control+Enter")
    settle(page)
    page.get_by_role("button", name="Start", exact=True).click()
    page.locator(".js-plotly-plot path.js-line").first.wait_for()
    page.get_by_text("Training: ").wait_for()
    run = home / "runs" / "tiny-data2vec2-shared-pairs-50"
    assert tasks.is_at_work(run)

    page.goto("about:blank")
    server.kill()
    before = newest_step(run)
    wait_until(lambda: newest_step(run) > before + 2, "the run ended with the server")
    server.start()
    page.goto(f"{server.address}/train?train_do=Runs")
    settle(page)
    page.get_by_role("heading", name=run.name).wait_for()
    again = newest_step(run)
    wait_until(lambda: newest_step(run) > again, "the run does not go on")

    page.get_by_role("button", name="Stop", exact=True).click()
    wait_until(lambda: tasks.standing(run) == "stopped", "it does not stop")
    wished = (run / tasks.STOP).stat().st_mtime
    assert tasks.read_task(run / tasks.JOB).ended - wished < STOP_SECONDS
    page.get_by_role("button", name="Go on", exact=True).wait_for()
    settle(page)
    assert run_folders.read_run(run).standing == "stopped"
    assert run_folders.read_run(run).step >= again


def test_an_archive_is_brought_looked_at_and_heard(page, server, toys):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(toys.iterdir()):
            archive.write(path, f"toys/{path.name}")
    page.goto(f"{server.address}/data?data_do=Bring+your+own")
    settle(page)
    page.locator('input[type="file"]').set_input_files(
        {"name": "toys.zip", "mimeType": "application/zip", "buffer": file.getvalue()}
    )
    page.get_by_role("button", name="Unpack").click()
    page.get_by_role("button", name="Look at it").click()
    page.get_by_text("1 to 24 of 24 rows").wait_for()
    settle(page)

    pictures = page.locator('[data-testid="stImage"] img')
    wait_for_count(pictures, 48)  # a picture and a spectrogram of each of 24 items
    player = page.locator("audio").first
    player.scroll_into_view_if_needed()
    wait_until(lambda: (player.evaluate("p => p.duration") or 0) > 0, "the sound was not read")
    assert player.evaluate("p => p.duration") == pytest.approx(0.25, abs=0.1)
    assert page.locator("blockquote").first.inner_text().startswith("One robin sits here")
