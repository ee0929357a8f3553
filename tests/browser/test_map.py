"""The map page in a real browser: strokes, gallery, what is saved, ways, linked maps, links."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from app.permalink import read_view
from tests.browser.conftest import (
    PAGE_SECONDS,
    map_of,
    settle,
    still_box,
    wait_for_count,
    wait_until,
)
from tests.browser.test_scatter import LEFT_HALF, wait_for_echo

pytestmark = pytest.mark.slow


@pytest.fixture
def open_map(page, toy_address):
    """Return a function that opens the map of the toys, and waits until it is drawn."""

    def open_at(query=""):
        page.goto(f"{toy_address}/map?method=PCA{query}")
        settle(page)
        page.locator(".map[data-drawn][data-going=false]").first.wait_for()
        return page

    return open_at


def stroke(page, corners, *keys, tool="Lasso"):
    """Draw around a part of the map, given in shares of its sides, with some keys held."""
    page.locator(f".tool[aria-label={tool}]").first.click()
    left, top, width, height = still_box(page.locator(".stage").first)
    spots = [(left + x * width, top + y * height) for x, y in corners]
    for key in keys:
        page.keyboard.down(key)
    page.mouse.move(*spots[0])
    page.mouse.down()
    for spot in spots[1:]:
        page.mouse.move(*spot, steps=4)
    page.mouse.up()
    for key in keys:
        page.keyboard.up(key)


ROWS_LEFT_OF = """const { width } = map.camera;
    const [share, more] = [%s, %s];  // more: pixels
    const rows = [...Array(map.data.count).keys()];
    return rows.filter((row) => map.placeOf(row)[0] < share * width + more);"""
LINE = 3
"""Pixels: what is so near to a line may be on either side of it."""


def test_strokes_add_and_take_away_and_what_is_saved_is_what_was_drawn(open_map):
    page = open_map()
    left, middle = (set(map_of(page, ROWS_LEFT_OF % (share, LINE))) for share in (0.5, 0.7))
    stroke(page, LEFT_HALF)
    stroke(page, [(0.3, 0.02), (0.7, 0.98)], "Shift", tool="Box")  # before the server has answered
    stroke(page, [(0.01, 0.01), (0.3, 0.99)], "Alt", tool="Box")
    wait_for_echo(page)
    taken = set(map_of(page, ROWS_LEFT_OF % (0.3, -LINE)))
    lit = map_of(page, "return [...map.selection.rows]")

    assert set(lit) <= (left | middle) - taken
    assert len(lit) > 5
    assert lit == sorted(lit)
    assert map_of(page, "return Number(root.dataset.echoed)") == len(lit)

    wait_for_count(page.locator(".gallery .tile"), min(24, len(lit)))
    page.get_by_text("Save", exact=True).first.click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Ids").click()
    lines = download.value.path().read_text().splitlines()
    cards = map_of(
        page,
        """const base = `${map.data.base}/item/${map.data.media}`;
        return Promise.all([...map.selection.rows].map(async (row) => {
            const { id, kind } = await (await fetch(`${base}/${row}/card`)).json();
            return `${id}\\t${kind}`;
        }));""",
    )
    assert lines == ["id\tmodality", *cards]


STOP_AFTER_TWO = """(gallery) => {
    const [all, said] = [".all", ".said"].map((name) => gallery.querySelector(name));
    const counted = new Set();
    gallery.played = [];
    new MutationObserver(() => {
        const { playing } = gallery.dataset;
        if (playing !== (gallery.played.at(-1) ?? "")) gallery.played.push(playing);
        counted.add(said.textContent.split(":")[0]);
        const isSaid = counted.has("1 of 24") || counted.has("2 of 24");
        if (gallery.played.length === 2 && isSaid && playing) all.click();
    }).observe(gallery, { attributes: true, childList: true, subtree: true });
}"""
"""Notes what is played, and presses the button when the second sound is."""


def test_all_sounds_of_a_selection_are_played_one_after_the_other(open_map):
    page = open_map()
    page.locator(".map canvas.overlay").focus()
    page.keyboard.press("v")
    wait_for_echo(page)
    gallery = page.locator(".gallery")
    gallery.evaluate(STOP_AFTER_TWO)
    gallery.get_by_role("button", name="Play all 24 sounds").click()
    wait_until(lambda: gallery.evaluate("(e) => e.played.at(-1)") == "", "no second sound")
    sounds = map_of(page, "return [...map.selection.rows].filter((row) => map.kinds[row] === 1)")
    played = gallery.evaluate("(gallery) => gallery.played")

    assert len(sounds) == 24
    assert [int(row) for row in played[:-1]] == sounds[: len(played) - 1]
    assert gallery.locator(".all").inner_text() == "▶ Play all 24 sounds"
    assert gallery.get_attribute("data-playing") == ""


def test_a_way_through_the_layers_is_held_by_hand_and_ends_at_a_layer(open_map):
    page = open_map("&view_of_map=Through+the+layers")
    slider = page.locator(".journey input")
    frames = map_of(page, "return map.journey.frames.map((frame) => [...frame])")
    map_of(
        page,
        """const slider = root.querySelector(".journey input");
        slider.value = 0.5; slider.dispatchEvent(new Event("input"));""",
    )
    half = page.locator(".map").evaluate(
        "({itemMap: {motion}}) => [[...motion.positions()], motion.share()]"
    )

    assert half[1] == pytest.approx(0.5)
    for at, (a, b) in zip(half[0], zip(frames[0], frames[1], strict=True), strict=True):
        assert at == pytest.approx((a + b) / 2, abs=1e-5)

    slider.focus()
    page.keyboard.press("ArrowLeft")  # to the stop before
    page.get_by_text("is the first stop.").wait_for()
    settle(page)
    layer = page.get_by_role("combobox", name="Layer").first
    wait_until(lambda: layer.input_value().startswith("input of"), "the page names another layer")
    assert map_of(page, "return [...map.xy]") == frames[0]
    assert slider.get_attribute("aria-valuetext") == "input of block 1 (embed)"


def is_told(page):
    """Tell whether the address says what is in view."""
    said = parse_qs(urlsplit(page.url).query).get("at", [""])[0]
    seen = "const { x, y, scale, fitted } = map.camera; return [x, y, scale / fitted];"
    return read_view(said) == pytest.approx(tuple(map_of(page, seen)), rel=1e-3, abs=1e-4)


def test_a_link_shows_the_same_to_somebody_else(open_map, browser):
    page = open_map("&colour=size&names=true&item=07:audio")
    stroke(page, LEFT_HALF)
    wait_for_echo(page)
    before = map_of(page, "return map.have.geometry")
    page.get_by_role("radio", name="Centred").click()
    wait_until(lambda: map_of(page, "return map.have.geometry") != before, "it is not centred")
    settle(page)
    page.locator(".tool[aria-label=Closer]").click()
    wait_until(lambda: is_told(page), "the address does not say what is in view")
    settle(page)
    state = """return JSON.stringify([map.have.geometry, map.have.colours, map.have.items,
        [...map.selection.rows], map.data.names, map.chosen, map.camera.x, map.camera.y]
        .concat([Math.round(100 * map.camera.scale / map.camera.fitted)]));"""
    seen, url = json.loads(map_of(page, state)), page.url

    context = browser.new_context(viewport={"width": 1400, "height": 900})
    other = context.new_page()
    other.set_default_timeout(PAGE_SECONDS * 1000)
    other.goto(url)
    settle(other)
    other.wait_for_selector(f'.map[data-selected="{len(seen[3])}"]')
    found = json.loads(map_of(other, state))
    context.close()

    assert found[:6] == seen[:6]
    assert found[6:8] == pytest.approx(seen[6:8], abs=1e-3)
    assert found[8] == pytest.approx(seen[8], abs=1)
    assert seen[8] > 120

    page.get_by_role("link", name="Layers").click()
    page.get_by_role("heading", name="What is in each layer?").wait_for()
    assert not {"sel", "at", "item"} & set(parse_qs(urlsplit(page.url).query))
    page.get_by_role("link", name="Map").click()
    page.wait_for_selector(f'.map[data-selected="{len(seen[3])}"]')
    wanted = parse_qs(urlsplit(url).query)
    wait_until(lambda: parse_qs(urlsplit(page.url).query) == wanted, f"not the same as {url}")
    again = json.loads(map_of(page, state))
    assert again[:6] == seen[:6]
    assert again[6:] == pytest.approx(seen[6:], abs=1e-3)


SIDES = """(root) => { const [one, two] = [...document.querySelectorAll("*")]
    .flatMap((e) => e.shadowRoot ? [...e.shadowRoot.querySelectorAll(".map")] : [])
    .concat([...document.querySelectorAll(".map")]).map((r) => r.itemMap); %s }"""


def test_two_maps_share_what_is_looked_at_and_what_is_selected(open_map):
    page = open_map("&view_of_map=Side+by+side")
    for number in (0, 1):
        page.locator(".map[data-drawn][data-going=false]").nth(number).wait_for()

    def sides(code):
        return page.locator(".map").first.evaluate(SIDES % code)

    left, top, *_ = still_box(page.locator(".stage").first)
    x, y = sides("return one.placeOf(5);")
    page.mouse.move(left + x, top + y)
    is_echoed = "return one.looking.row >= 0 && two.echo === one.looking.row;"
    wait_until(lambda: sides(is_echoed), "the second map does not ring what the first looks at")

    stroke(page, LEFT_HALF)
    one, two = sides("return [one, two].map((map) => [...map.selection.rows]);")
    assert one == two  # at once, before the server has said anything
    assert len(one) > 5
    page.get_by_text(f"{len(one)} selected:").wait_for()
    settle(page)
    assert sides("return [one, two].map((map) => map.selection.rows.length);") == [len(one)] * 2
    assert sides("return [one, two].map((map) => map.selection.awaited);") == [None, None]


@pytest.mark.parametrize("width", [390, 1400])
def test_nothing_is_wider_than_the_screen_by_day_and_by_night(browser, toy_address, width):
    scheme = "dark" if width == 390 else "light"
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(PAGE_SECONDS * 1000)
    page.goto(f"{toy_address}/map?method=PCA&space=Aligned&view_of_map=Through+the+layers&find=owl")
    settle(page)
    page.wait_for_selector(".map[data-drawn]")
    wide = "document.documentElement.scrollWidth"
    wait_until(lambda: page.evaluate(wide) <= width, "the page is wider than the screen")
    left, _, long, _ = still_box(page.locator(".journey input"))
    context.close()

    assert long > 90
    assert left + long <= width
