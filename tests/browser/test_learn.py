"""The lessons in a real browser: all open without an error, one is solved by clicking."""

import pytest

from app import workbench
from app.lessons.all import LESSONS
from tests.app.conftest import fill
from tests.browser.conftest import PAGE_SECONDS, settle, wait_for_count, wait_until
from tests.conftest import smallest
from tests.core.test_teaching import write_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(serve, toys, tmp_path_factory):
    """The app on toys that were embedded with a run in a folder."""
    root = tmp_path_factory.mktemp("lessons")
    run = write_run(root / "mine", smallest())
    workbench.embed(str(run), toys, root / "store")
    return serve("--store", str(root / "store"))


def show_all(page, parts):
    """Show every part of a lesson without a guess."""
    show = page.get_by_role("button", name="Show it without a guess")
    for left in range(parts, 0, -1):
        wait_for_count(show, left)
        settle(page)
        show.first.click()
    wait_for_count(show, 0)
    settle(page)


def test_every_lesson_opens_without_an_error(page, address):
    said = []
    page.on("console", lambda m: m.type == "error" and said.append(f"{m.text} {m.location}"))
    for lesson in LESSONS:
        page.goto(f"{address}/learn?lesson={lesson.key}")
        settle(page)
        page.get_by_role("heading", name=lesson.title).wait_for()
        show_all(page, len(lesson.parts))
        assert page.locator('[data-testid="stAlertContentError"]').count() == 0
        page.locator(".js-plotly-plot, [data-testid='stImage'] img").first.wait_for()
    harmless = ("_stcore/health", "_stcore/host-config")
    assert [line for line in said if not any(name in line for name in harmless)] == []


def test_a_lesson_is_solved_by_clicking(page, address):
    page.goto(f"{address}/learn?lesson=masking")
    settle(page)
    page.get_by_text("It sees less of the picture.").click()
    page.get_by_role("button", name="Check my guess").first.click()
    page.get_by_text("Exactly as many patches stay visible").wait_for()

    for part in LESSONS[0].parts:
        page.get_by_text(part.question.right.text, exact=True).click()
        page.locator(f".st-key-check_{part.question.key} button").click()
        page.get_by_text(part.question.right.feedback[:40]).wait_for()
    page.get_by_text("1 of 6 lessons done in this session").wait_for()
    page.get_by_role("button", name="Next: Student and teacher").click()
    page.get_by_role("heading", name="Student and teacher").wait_for()
    page.wait_for_url("**lesson=teacher**")


def test_a_word_is_looked_up_and_closed(page, address):
    page.goto(f"{address}/learn?term=effective-rank")
    window = page.get_by_test_id("stDialog")
    window.get_by_text("How many directions the embeddings really use").wait_for()
    window.get_by_text("Researcher").click()
    window.locator(".katex").first.wait_for()
    page.keyboard.press("Escape")
    window.wait_for(state="detached")
    page.wait_for_function("!window.location.search.includes('term=')")

    page.get_by_role("button", name="Words").click()
    window.get_by_text("words of this page first").wait_for()


def test_a_word_opens_in_a_tab_that_knows_the_store(page, address, toys, tmp_path):
    """A store opened in this visit is in the address, and in the links of the explanations."""
    place = fill(tmp_path / "visited", toys, controls=False)
    page.goto(f"{address}/learn?lesson=masking")
    settle(page)
    store = page.get_by_role("combobox", name="Store")
    before = store.input_value()
    page.get_by_text("Open a store").click()
    page.get_by_label("Folder of the store").fill(place)
    page.get_by_label("Folder of the store").press("Enter")
    page.wait_for_function("window.location.search.includes('store=')")
    wait_until(lambda: store.input_value() != before, "the store is not opened")
    settle(page)
    named = store.input_value()

    page.get_by_test_id("stMain").get_by_test_id("stTooltipIcon").first.hover()
    link = page.get_by_role("link", name="All of it").first
    with page.context.expect_page() as opened:
        link.click()
    tab = opened.value
    tab.set_default_timeout(PAGE_SECONDS * 1000)
    tab.get_by_test_id("stDialog").get_by_text("Explained for a").wait_for()

    assert "lesson=masking" in tab.url
    there = tab.get_by_role("combobox", name="Store", include_hidden=True)
    wait_until(lambda: there.input_value() == named, "the tab shows another store")
