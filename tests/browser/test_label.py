"""Labelling in a real browser, with nothing but a keyboard; the server is ended in between."""

import pytest

from app import labelling
from tests.app.conftest import fill
from tests.browser.conftest import PAGE_SECONDS, Server, settle, wait_until

pytestmark = pytest.mark.slow

QUESTIONS = 50
SEEN_MS = 320
"""A key is taken for an answer only if there was time to look."""


@pytest.fixture(scope="module")
def place(toys, tmp_path_factory):
    return fill(tmp_path_factory.mktemp("stores") / "toys", toys, controls=False)


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def server(place, home, tmp_path):
    server = Server(tmp_path / "app.log", "--store", place, "--home", str(home))
    server.start()
    yield server
    server.kill()


def asked(page):
    """Return what is asked about: the line below the keys."""
    return page.locator(".st-key-label_asked").inner_text().split(" · ")[0]


def press(page, key):
    """Press a key and wait for the next question; return what was asked about."""
    before, answers = asked(page), kept_words(page)
    page.wait_for_timeout(SEEN_MS)
    page.keyboard.press(key)
    page.wait_for_function(
        "before => document.querySelector('.st-key-label_kept')?.innerText !== before", arg=answers
    )
    settle(page)
    return before


def kept_words(page):
    return page.locator(".st-key-label_kept").inner_text()


def journal(home):
    (path,) = (home / "labels").iterdir()
    return labelling.read(path)


def tab_to(page, label):
    """Go to a field with the tab key."""
    for _ in range(60):
        if page.evaluate("() => document.activeElement.getAttribute('aria-label')") == label:
            return
        page.keyboard.press("Tab")
    pytest.fail(f"the tab key does not lead to {label!r}")


def test_fifty_labels_by_keyboard_alone_survive_the_server(browser, server, home):
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(PAGE_SECONDS * 1000)
    page.goto(f"{server.address}/label")
    settle(page)
    tab_to(page, "What do you look for?")
    page.keyboard.type("is a duck")
    page.keyboard.press("Enter")
    page.locator(".st-key-label_kept").wait_for()
    settle(page)

    told = [press(page, "120"[number % 3] if number > 1 else "12"[number]) for number in range(20)]
    again = told[-1]
    press(page, "u")
    wait_until(lambda: asked(page) == again, "what was taken back is not asked again")
    press(page, "1")
    for sense, questions in (("Sounds", 15), ("Sentences", 15)):
        was = asked(page)
        page.get_by_role("radio", name=sense).focus()
        page.keyboard.press("Space")
        wait_until(lambda was=was: asked(page) != was, f"no question about {sense}")
        settle(page)
        for number in range(questions):
            press(page, "12"[number % 2])
    said = journal(home)
    assert len(said.standing("is a duck")) == QUESTIONS
    assert len(said.answers) == QUESTIONS + 1  # that which was taken back is in the journal
    assert len(said.taken_back) == 1
    page.get_by_text("Right about sentences it has not met").first.wait_for()

    server.kill()
    server.start()
    page.goto(f"{server.address}/label?concept=is+a+duck")
    settle(page)
    page.locator(".st-key-label_kept").wait_for()
    kept = f"Answers that are kept: {QUESTIONS}"
    wait_until(lambda: kept in kept_words(page), "not all answers are there again")
    assert len(journal(home).standing("is a duck")) == QUESTIONS
    press(page, "u")  # the same person, after the restart
    assert len(journal(home).standing("is a duck")) == QUESTIONS - 1
    page.close()


BEYOND = """() => { const m = document.querySelector("[data-testid=stMain]");
    return m.scrollWidth - m.clientWidth; }"""


def below(element):
    """Return where an element ends, in pixels from the top of the window."""
    box = element.bounding_box()
    return box["y"] + box["height"]


def test_it_fits_a_telephone(browser, server):
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
    page.set_default_timeout(PAGE_SECONDS * 1000)
    page.goto(f"{server.address}/label?concept=is+a+duck")
    settle(page)
    page.locator(".st-key-label_kept").wait_for()
    last = page.locator(".st-key-label_undo")

    wait_until(lambda: page.evaluate(BEYOND) <= 1, "the page is wider than the screen")
    wait_until(lambda: below(last) <= 844, "the keys are not on the first screen")
    page.close()
