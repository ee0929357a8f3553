"""The map in a real browser: what is seen, heard and selected, and that it stays."""

import subprocess
import sys

import pytest

from tests.browser.conftest import (
    FLAGS,
    PAGE_SECONDS,
    chromium_or_skip,
    click_on,
    map_of,
    place_of,
    settle,
    still_box,
    wait_for_count,
    wait_until,
)

pytestmark = pytest.mark.slow
KIND = {"image": 0, "audio": 1, "text": 2}


@pytest.fixture
def errors():
    """Lines of the console that are errors."""
    return []


@pytest.fixture
def toy_map(page, toy_address, errors):
    """The map of the toys, drawn."""
    page.on(
        "console", lambda m: m.type == "error" and "404" not in m.text and errors.append(m.text)
    )
    page.goto(f"{toy_address}/map?method=PCA")
    settle(page)
    map_of(page, "return 0")
    yield page
    # Streamlit looks for its own health below the page; the `page` fixture tells 404s apart
    assert [error for error in errors if "404 (Not Found)" not in error] == []


def row_of(page, kind):
    """Return the row of a kind with the most room around it."""
    return map_of(
        page,
        f"""const rows = [...Array(map.data.count).keys()];
        const gap = (i) => Math.min(...rows.filter((j) => j !== i).map((j) => Math.hypot(
            map.xy[2 * i] - map.xy[2 * j], map.xy[2 * i + 1] - map.xy[2 * j + 1])));
        return rows.filter((i) => map.kinds[i] === {KIND[kind]})
            .sort((a, b) => gap(b) - gap(a))[0];""",
    )


def hover(page, kind):
    """Point at an item of a kind; return its row and its card."""
    page.mouse.move(*place_of(page, row_of(page, kind)), steps=3)
    card = page.locator(".map .card")
    card.wait_for()
    row = map_of(page, "return map.looking.row")  # of several in one place any may be taken
    assert map_of(page, f"return map.kinds[{row}]") == KIND[kind]
    return row, card


def lasso(page, corners):
    """Draw around a part of the map, given in shares of its sides; wait for the server."""
    page.locator(".tool[aria-label=Lasso]").click()
    left, top, width, height = still_box(page.locator(".stage"))
    spots = [(left + x * width, top + y * height) for x, y in corners]
    page.mouse.move(*spots[0])
    page.mouse.down()
    for spot in spots[1:]:
        page.mouse.move(*spot, steps=4)
    page.mouse.up()
    wait_for_echo(page)


def wait_for_echo(page):
    has_answered = (
        "return map.selection.awaited === null && root.dataset.echo === map.selection.stamp"
    )
    wait_until(lambda: map_of(page, has_answered), "the server did not answer the selection")
    settle(page)


LEFT_HALF = [(0.02, 0.02), (0.5, 0.02), (0.5, 0.98), (0.02, 0.98)]


PIXELS = """
await new Promise((done) => requestAnimationFrame(done));
const { gl } = map.drawing;
const rows = [...Array(map.data.count).keys()];
const colour = (i) => [...map.colours.slice(4 * i, 4 * i + 3)];
const apart = (i, j) => Math.hypot(
    map.xy[2 * i] - map.xy[2 * j], map.xy[2 * i + 1] - map.xy[2 * j + 1]);
const inPlace = (i) => rows.filter((j) => apart(i, j) < 1e-5);
const gap = (i) => Math.min(...rows.filter((j) => apart(i, j) >= 1e-5).map((j) => apart(i, j)));
const plain = rows.filter((i) => inPlace(i).every((j) => String(colour(j)) === String(colour(i))));
const left = map.camera.view();
const pixel = new Uint8Array(4);
const found = plain.sort((a, b) => gap(b) - gap(a)).slice(0, 20).map((i) => {
    // so close that nothing else is within 40 pixels of the middle
    Object.assign(map.camera, { x: map.xy[2 * i], y: map.xy[2 * i + 1], scale: 40 / gap(i) });
    map.drawing.draw(map, 1, false);  // pixels can only be read right after drawing
    const [across, down] = [gl.canvas.width / 2, gl.canvas.height / 2];
    gl.readPixels(across, down, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
    const inside = [...pixel];
    gl.readPixels(across + 25, down, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
    return [colour(i), inside, [...pixel]];
});
Object.assign(map.camera, left);
map.redraw();
return found;
"""


def test_items_are_drawn_where_they_are_in_their_colours_and_nothing_beside_them(toy_map):
    found = map_of(toy_map, PIXELS)

    assert len({tuple(colour) for colour, _, _ in found}) > 1
    for colour, (*pixel, alpha), beside in found:
        assert alpha >= 0.88 * 255
        assert [part * 255 / alpha for part in pixel] == pytest.approx(colour, abs=5)
        assert beside == [0, 0, 0, 0]


def test_the_card_of_a_picture_shows_it(toy_map):
    _, card = hover(toy_map, "image")
    card.locator("img").wait_for()

    assert (
        card.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)")
        == 224
    )
    assert card.locator("strong").inner_text() in ("robin", "owl", "duck")
    assert "A picture, " in map_of(toy_map, "return map.elements.said.textContent")


def test_the_card_of_a_sentence_quotes_it(toy_map):
    _, card = hover(toy_map, "text")

    assert card.locator("blockquote").inner_text() in map_of(
        toy_map, "return map.elements.said.textContent"
    )


def test_a_sound_plays_only_after_it_was_switched_on_and_its_playhead_moves(toy_map):
    _, card = hover(toy_map, "audio")
    assert "Sound is off" in card.inner_text()
    assert map_of(toy_map, "return map.looking.card.player.audio.paused")

    toy_map.mouse.move(5, 5)
    toy_map.locator(".tool[aria-label=Sound]").click()
    _, card = hover(toy_map, "audio")
    card.locator(".playhead:not([hidden])").wait_for()
    ends = map_of(
        toy_map,
        """const head = () => parseFloat(map.elements.card.querySelector(".playhead").style.left);
        const first = head(); await new Promise((done) => setTimeout(done, 300));
        const item = `${map.data.base}/item/${map.data.media}/${map.looking.row}`;
        const { seconds } = await (await fetch(`${item}/axes`)).json();
        return [first, head(), map.looking.card.player.audio.duration, seconds];""",
    )

    assert 0 <= ends[0] <= ends[1] <= 100
    assert ends[1] > 0
    assert ends[2] == pytest.approx(ends[3], abs=0.01)
    assert ends[3] > 0.1
    toy_map.mouse.move(5, 5)
    assert map_of(toy_map, "return map.looking.card.player.audio.paused")


def test_lines_lead_to_the_true_neighbours(toy_map):
    row, _ = hover(toy_map, "image")
    wait_until(lambda: map_of(toy_map, "return map.looking.near.row") == row, "no neighbours come")
    near = map_of(toy_map, "return map.looking.near")

    cosines = [n["cosine"] for n in near["list"]]
    assert len(cosines) == 9
    assert cosines == sorted(cosines, reverse=True)
    assert row not in [n["row"] for n in near["list"]]


def test_a_lasso_is_decided_by_the_server_as_the_browser_lit_it_up(toy_map):
    lasso(toy_map, LEFT_HALF)
    lit, echoed, inside, around = map_of(
        toy_map,
        """const { width } = map.camera;
        const rows = [...Array(map.data.count).keys()];
        const leftOf = (line) => rows.filter((row) => map.placeOf(row)[0] < line);
        return [[...map.selection.rows], Number(root.dataset.echoed),
            leftOf(width / 2 - 3), leftOf(width / 2 + 3)];""",  # on the line it may go either way
    )

    assert 10 < len(lit) < 62
    assert set(inside) <= set(lit) <= set(around)
    assert echoed == len(lit)
    toy_map.get_by_text(f"{len(lit)} selected:").wait_for()


def test_many_items_are_density_and_what_is_not_selected_is_grey(toy_map):
    lasso(toy_map, LEFT_HALF)
    drawn, left, right, few = map_of(
        toy_map,
        """map.densityFrom = 10;
        const drawn = map.drawing.draw(map, 1, false);
        const { gl } = map.drawing, half = gl.canvas.width / 2;
        const hues = (from) => {  // pixels that are seen, and how many of them have a hue
            const all = new Uint8Array(4 * half * gl.canvas.height);
            gl.readPixels(from, 0, half, gl.canvas.height, gl.RGBA, gl.UNSIGNED_BYTE, all);
            let seen = 0, hued = 0;
            for (let at = 0; at < all.length; at += 4) {
                const parts = all.slice(at, at + 3);
                seen += all[at + 3] > 0;
                hued += Math.max(...parts) - Math.min(...parts) > 8;
            }
            return [seen, hued];
        };
        const found = [drawn, hues(0), hues(half)];
        map.shownCount = 10;  // as if all others were hidden
        return [...found, map.drawing.draw(map, 1, false)];""",
    )

    assert drawn == "density"
    assert few == "points"
    assert left[0] > 20
    assert left[1] > 0.5 * left[0]
    assert right[0] > 20
    assert right[1] < 0.1 * right[0]


def test_zoom_and_selection_stay_when_colours_and_layer_change(toy_map):
    lasso(toy_map, LEFT_HALF)
    toy_map.locator(".tool[aria-label=Closer]").click()
    toy_map.locator(".tool[aria-label=Closer]").click()
    before = map_of(toy_map, "root.mark = 1; return [map.camera.view(), [...map.selection.rows]]")
    hashes = map_of(toy_map, "return map.have")
    asked = []
    toy_map.on("request", lambda r: "/d2v/array/" in r.url and asked.append(r.url.split("/")[-1]))

    choose(toy_map, "Colour", "modality")
    recoloured = map_of(toy_map, "return map.have")
    assert recoloured["colours"] != hashes["colours"]
    assert asked == [recoloured["colours"]]  # no geometry
    assert map_of(toy_map, "return [map.camera.view(), [...map.selection.rows]]") == before

    choose(toy_map, "Layer", "block 1")
    switched = map_of(toy_map, "return map.have")
    assert switched["geometry"] != hashes["geometry"]
    assert map_of(toy_map, "return [map.camera.view(), [...map.selection.rows]]") == before
    assert map_of(toy_map, "return root.mark") == 1  # it is the same map


def choose(page, label, option):
    """Choose in a box of Streamlit; wait until the map has followed."""
    before = map_of(page, "return JSON.stringify(map.have)")
    page.get_by_role("combobox", name=label).first.click()
    page.get_by_role("option", name=option).first.click()
    have = "return JSON.stringify(map.have)"
    wait_until(lambda: map_of(page, have) != before, f"the map did not follow {label}")
    settle(page)


def test_a_selection_comes_back_after_another_page(toy_map):
    lasso(toy_map, LEFT_HALF)
    rows = map_of(toy_map, "return [...map.selection.rows]")
    toy_map.get_by_role("link", name="Layers").click()
    toy_map.wait_for_selector(".map", state="detached")
    settle(toy_map)
    toy_map.get_by_role("link", name="Map", exact=True).click()
    toy_map.wait_for_selector(f'.map[data-selected="{len(rows)}"]')

    assert map_of(toy_map, "return [...map.selection.rows]") == rows


def look_by_keys(page):
    """Go to another item by the first arrow key that leads to one; return its row."""
    page.locator(".map canvas.overlay").focus()
    for key in ("ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown"):
        page.keyboard.press(key)
        row = map_of(page, "return map.looking.row")
        if row >= 0:
            return row
    pytest.fail("no arrow key leads anywhere")


def test_every_item_is_reached_and_chosen_by_keys_alone(toy_map):
    reached = map_of(
        toy_map,
        """const { rowBeside } = await import(`${map.data.code}/grid.js`);
        const seen = new Set([0]);
        for (const from of seen)  // a set is walked through while it grows
            for (const way of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
                const row = rowBeside(map.xy, from, way, map.colours);
                if (row >= 0) seen.add(row);
            }
        return seen.size;""",
    )
    assert reached == 72

    row = look_by_keys(toy_map)
    toy_map.keyboard.press("Enter")
    toy_map.wait_for_url("**item=**")
    settle(toy_map)
    assert map_of(toy_map, "return map.chosen") == row


def test_keys_select_single_items_and_all_in_view_and_let_go(toy_map):
    look_by_keys(toy_map)
    toy_map.keyboard.press(" ")
    wait_for_echo(toy_map)
    toy_map.get_by_text("1 selected:").wait_for()

    toy_map.keyboard.press("v")
    wait_for_echo(toy_map)
    toy_map.get_by_text("72 selected:").wait_for()

    toy_map.keyboard.press("Escape")
    wait_for_echo(toy_map)
    wait_for_count(toy_map.get_by_text("72 selected"), 0)


def test_a_map_stays_when_streamlit_clears_up_after_an_overtaken_call(toy_map):
    """It does so while the map is in use; the map goes only when its place has left the page."""
    stays, goes = map_of(
        toy_map,
        """const { mount } = await import(`${map.data.code}/main.js`);
        const place = document.body.appendChild(document.createElement("div"));
        const parentElement = place.attachShadow({ mode: "open" });
        const nothing = () => {};
        const component = { parentElement, data: map.data, name: "other",
            setStateValue: nothing, setTriggerValue: nothing };
        const clearUp = mount(component);
        const own = parentElement.querySelector(".map");
        const turn = () => new Promise((done) => setTimeout(done, 50));
        clearUp(); await turn();
        mount(component);
        const stays = parentElement.querySelector(".map") === own && !own.itemMap.isGone;
        place.remove();
        clearUp(); await turn();
        return [stays, own.itemMap.isGone];""",
    )

    assert stays
    assert goes


def test_a_lost_context_comes_back_with_all_that_was_drawn(toy_map):
    lasso(toy_map, LEFT_HALF)
    shown = """map.drawing.draw(map, 1, false); const { gl } = map.drawing;
        const all = new Uint8Array(gl.canvas.width * gl.canvas.height * 4);
        gl.readPixels(0, 0, gl.canvas.width, gl.canvas.height, gl.RGBA, gl.UNSIGNED_BYTE, all);
        return all.reduce((sum, part) => sum + part, 0);"""
    before = map_of(toy_map, shown)
    map_of(
        toy_map,
        """const lose = map.drawing.gl.getExtension("WEBGL_lose_context");
        const until = async (state) => { while (root.dataset.context !== state)
            await new Promise((done) => setTimeout(done, 20)); };
        lose.loseContext(); await until("lost"); lose.restoreContext(); await until("restored");""",
    )

    assert before > 10_000
    assert map_of(toy_map, shown) == before


def test_a_click_and_the_way_back_without_a_word_in_the_console(toy_map):
    row = row_of(toy_map, "text")
    click_on(toy_map, row)
    toy_map.get_by_role("heading", name="A sentence: ").wait_for()

    wait_until(lambda: ":text" in toy_map.url.replace("%3A", ":"), "no item in the address")


def test_a_narrow_screen_shows_all_of_it(browser, toy_address):
    page = browser.new_page(viewport={"width": 390, "height": 844}, has_touch=True)
    page.set_default_timeout(PAGE_SECONDS * 1000)
    page.goto(f"{toy_address}/map?method=PCA")
    settle(page)
    page.touchscreen.tap(*place_of(page, row_of(page, "image")))
    page.locator(".map .card.docked").wait_for()
    wide = "document.documentElement.scrollWidth"
    wait_until(lambda: page.evaluate(wide) <= 390, "the page is wider than the screen")
    stage, bar = (page.locator(s).bounding_box() for s in (".stage", ".map .bar"))
    page.close()

    assert stage["x"] >= 0
    assert stage["x"] + stage["width"] <= 390
    assert bar["y"] >= stage["y"] + stage["height"]  # tools cover no item


def test_without_webgl_there_is_a_plainer_drawing_and_a_word(toy_address):
    command = [
        sys.executable, "-c", NO_WEBGL, chromium_or_skip(), f"{toy_address}/map?method=PCA",
        *FLAGS[:-2], "--disable-3d-apis",
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PAGE_SECONDS, check=False
    )

    assert done.stdout.split("\n")[:2] == [
        "no webgl, 72 points",
        "This browser has no WebGL 2, so this is a plainer drawing.",
    ], done.stderr


# A second engine, in a process of its own: Playwright allows one a process.
NO_WEBGL = """
import sys
from playwright.sync_api import sync_playwright
with sync_playwright() as engine:
    browser = engine.chromium.launch(executable_path=sys.argv[1], args=sys.argv[3:])
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(200_000)
    page.goto(sys.argv[2])
    page.locator(".js-plotly-plot path.point").nth(71).wait_for(state="attached")
    has = page.evaluate("!!document.createElement('canvas').getContext('webgl2')")
    points = page.evaluate(
        '''[...document.querySelector('.js-plotly-plot').calcdata].filter(
            trace => trace[0].trace.customdata).reduce((n, trace) => n + trace.length, 0)'''
    )
    print("webgl" if has else "no webgl", points, sep=", ", end=" points\\n")
    print(page.get_by_text("This browser has no WebGL 2, so").inner_text().split("info ")[-1])
    browser.close()
"""
