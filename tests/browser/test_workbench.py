"""The app in a real browser: every page opens, a click on a sound lets it be heard."""

import pytest

from app import workbench
from tests.browser.conftest import click_on, map_of, settle, wait_for_count, wait_until

PAGES = ("", "map", "layers", "meet")

pytestmark = pytest.mark.slow

PATIENCE_MS = 120_000


def lonely_sound(page):
    """Return the row of the sound that has most room around it, so that none lies over it."""
    map_of(page, "return 0")  # waits until it is drawn
    return map_of(
        page,
        """let best = -1, widest = -1;
        for (let i = 0; i < map.data.count; i++) {
            if (map.kinds[i] !== 1) continue;
            const [x, y] = map.placeOf(i);
            let nearest = Infinity;
            for (let j = 0; j < map.data.count; j++) {
                const [a, b] = map.placeOf(j);
                if (i !== j) nearest = Math.min(nearest, Math.hypot(x - a, y - b));
            }
            if (nearest > widest) { widest = nearest; best = i; }
        }
        return best;""",
    )


def duration_of_first_sound(page):
    """Return the length of the first player's sound, once the browser has read it."""
    player = page.locator("audio").first
    player.wait_for()
    for _ in range(600):
        seconds = player.evaluate("player => player.duration")
        if seconds is not None and seconds > 0:
            return seconds
        page.wait_for_timeout(250)
    return 0.0


def check_click(page):
    """Click a sound; see that it is shown, can be heard, and has neighbours of all kinds."""
    click_on(page, lonely_sound(page))
    panel = page.get_by_role("heading", name="A sound: ")
    panel.wait_for()
    settle(page)
    wait_until(lambda: ":audio" in page.url.replace("%3A", ":"), "no sound in the address")
    assert duration_of_first_sound(page) > 0
    wait_for_count(page.get_by_text("Nearest pictures"), 1)
    page.locator('[data-testid="stImage"] img').nth(3).wait_for()
    page.locator("blockquote").nth(2).wait_for()
    wait_for_count(page.get_by_text("Its own picture"), 1)


def test_a_click_on_a_sound_lets_it_be_heard_among_its_neighbours(page, toy_address):
    page.goto(f"{toy_address}/map?method=PCA")
    settle(page)
    check_click(page)


def test_the_page_of_an_item_can_be_passed_on(page, toy_address):
    page.goto(f"{toy_address}/map?method=PCA&item=07:audio")
    settle(page)

    page.get_by_role("heading", name="A sound: owl").wait_for()
    wait_for_count(page.get_by_text("PCA, trustworthiness"), 1)


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


def hear_all(page):
    """Wait until all sounds are read: one that goes before it was is a file that is not there."""
    settle(page)
    page.wait_for_function(
        "() => [...document.querySelectorAll('audio')].every(player => player.readyState > 0)",
        timeout=PATIENCE_MS,
    )


def test_a_file_the_camera_and_the_microphone_are_asked_with(page, sample_address):
    page.goto(f"{sample_address}/ask?run=paired&ask_with=A+picture")
    settle(page)
    picture = next((workbench.SAMPLE_DATA / "images").glob("*.png"))
    page.locator('input[type="file"]').set_input_files(picture)
    found = page.get_by_text("Nearest sounds")
    found.wait_for(timeout=PATIENCE_MS)
    hear_all(page)

    page.get_by_role("radio", name="The camera").click()
    found.wait_for(state="detached", timeout=PATIENCE_MS)  # what the file found is gone with it
    page.wait_for_function("() => document.querySelector('video')?.readyState > 2")  # it shows
    page.get_by_role("button", name="Take Photo").click(timeout=PATIENCE_MS)
    found.wait_for(timeout=PATIENCE_MS)
    hear_all(page)

    page.get_by_role("radio", name="A sound").click()
    page.get_by_role("radio", name="The microphone").click()
    page.get_by_role("button", name="Record").click(timeout=PATIENCE_MS)
    page.wait_for_timeout(1000)  # of beeps
    page.get_by_role("button", name="Stop recording").click()
    page.get_by_text("Nearest pictures").wait_for(timeout=PATIENCE_MS)
    hear_all(page)
    assert page.locator('[data-testid="stAlertContentError"]').count() == 0
