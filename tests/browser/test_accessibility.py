"""Every page through axe, which knows what keyboards and screen readers need."""

import pytest

from tests.browser.conftest import PAGE_SECONDS, settle

pytestmark = pytest.mark.slow

GRAVE = {"serious", "critical"}
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]


@pytest.fixture(scope="module")
def axe():
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe is not installed"
    )
    return axe.Axe()


def pages_of(page, address):
    """Return the addresses of all pages in the navigation."""
    page.goto(address)
    settle(page)
    links = page.locator('[data-testid="stSidebarNavLink"]')
    links.first.wait_for()
    return links.evaluate_all("links => links.map(link => link.href)")


RESTS = """() => document.getAnimations().every((animation) => animation.playState !== "running"
    || animation.effect.getComputedTiming().endTime === Infinity)"""
"""What fades in has not its colours yet. What turns for ever, as a spinner does, does not count."""


def grave_findings(axe, page):
    """Return what is seriously wrong, a line an element."""
    page.wait_for_function(RESTS, timeout=PAGE_SECONDS * 1000)
    found = axe.run(page, options={"runOnly": {"type": "tag", "values": STANDARDS}})
    return [
        f"{rule['id']}: {node['target'][-1]} {node['html'][:160]}"
        for rule in found.response["violations"]
        if rule["impact"] in GRAVE
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_shuts_anybody_out(page, toy_address, axe, scheme):
    page.emulate_media(color_scheme=scheme)
    found = {}
    for address in pages_of(page, toy_address):
        page.goto(address)
        settle(page)
        if findings := grave_findings(axe, page):
            found[address] = findings

    assert not found


def test_axe_finds_what_is_wrong(page, toy_address, axe):
    page.goto(toy_address)
    settle(page)
    page.evaluate("() => document.body.append(document.createElement('button'))")

    assert any(line.startswith("button-name") for line in grave_findings(axe, page))
