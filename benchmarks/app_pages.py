"""How fast the app is in a browser: first picture, layer switch, selection, twenty visitors.

    python benchmarks/app_pages.py            # 2,000, 20,000 and 100,000 items; 1,000,000 moved
    python benchmarks/app_pages.py --items 2000 --moved --visitors 5 --no-start

The server, the pages and the store are the real ones; the items of the map are drawn from twelve
clouds, with two layers. The first map of all is that of a store that nobody has looked at; then
everything has been opened once before the clock starts, as on a machine where somebody has looked
before. Maps are PCA. The start page is that of the sample. Chromium draws with its software
renderer. Figures are medians, with the least and the largest.
"""

import argparse
import json
import shutil
import tempfile
import time
import urllib.parse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from visit import BROWSER, SOFTWARE, WAIT_MS, Visit, serving, spread

from app.words import tap_words
from d2v_core.rows import rows_table
from d2v_core.store import Recipe, Store

APP = Path(__file__).resolve().parent.parent / "app" / "main.py"
CLOUDS, DIM = 12, 32
LAYERS = ("block_01.resid", "block_02.resid")
IN_ADDRESS = [urllib.parse.quote_plus(tap_words(tap)) for tap in LAYERS]
AT_ONCE = 200_000  # items written in one commit
SIZE = {"width": 1400, "height": 900}


def made(folder: Path, items: int) -> Path:
    """Write a store with items of two modalities and two layers; return its place."""
    rng = np.random.default_rng(0)
    kinds, numbers = np.arange(items) // 2 % CLOUDS, np.arange(items)
    fixed = pd.DataFrame(
        {
            "id": [f"item-{n:07d}" for n in numbers],
            "modality": np.where(numbers % 2, "text", "image"),
            "label": [f"kind {kind}" for kind in kinds],
            "split": np.where(numbers // 2 % 5, "train", "test"),
            "group": None,
            "text": [f"item number {n}" if n % 2 else None for n in numbers],
            "media": None,
        }
    )
    recipe = Recipe(
        encoder="made", encoder_hash="made", role="trained", data=str(folder),
        data_fingerprint=f"made {items}", taps=LAYERS, widths=(DIM,) * len(LAYERS), pooling="mean",
        versions={},
    )  # fmt: skip
    store = Store(folder / "store", create=True)
    centres = [rng.normal(size=(CLOUDS, DIM)) for _ in LAYERS]
    for start in range(0, items, AT_ONCE):
        rows = slice(start, start + AT_ONCE)
        own = kinds[rows]
        layers = [
            (centre[own] + rng.normal(size=(len(own), DIM))).astype(np.float32)
            for centre in centres
        ]
        pairs = pd.DataFrame({"pair": [f"pair-{n // 2:07d}" for n in numbers[rows]]})
        store.append(recipe, rows_table(fixed.iloc[rows].reset_index(drop=True), pairs), layers)
    return folder / "store"


def wait_for_map(tab: Any) -> None:  # noqa: ANN401
    """Wait until the map is drawn and nothing moves."""
    tab.wait_for_selector(".map[data-drawn][data-going=false]", timeout=WAIT_MS)


def switch_layer(visit: Visit, number: int) -> float:
    """Choose a layer in the sidebar; return the seconds until its places are there."""
    box = visit.tab.locator('[data-testid="stSelectbox"]').filter(has_text="Layer")
    box.locator("input").click()
    option = visit.tab.get_by_role("option", name=f"block {number} ")
    option.wait_for(timeout=WAIT_MS)
    done = "root.dataset.geometry !== before.geometry"
    seconds = visit.seconds_until(option.click, done)
    visit.tab.wait_for_timeout(2000)  # the points are still under way
    return seconds


def measure_map(browser: Any, items: int, repeat: int) -> dict[str, Any]:  # noqa: ANN401
    """Return first picture, layer switch and echo of a selection on the map page."""
    found: dict[str, Any] = {"items": items}
    with tempfile.TemporaryDirectory() as place:
        store = made(Path(place), items)
        with serving(APP, "--store", str(store)) as (address, pid):
            for layer in IN_ADDRESS[::-1]:  # everything once
                tab = browser.new_page(viewport=SIZE)
                start = time.perf_counter()
                tab.goto(f"{address}/map?store={store}&method=PCA&layer={layer}")
                wait_for_map(tab)
                is_first = "first_map_of_all_s" not in found
                what = "first_map_of_all_s" if is_first else "first_map_of_another_layer_s"
                found[what] = time.perf_counter() - start
                tab.close()
            tab = browser.new_page(viewport=SIZE)
            start = time.perf_counter()
            tab.goto(f"{address}/map?store={store}&method=PCA&layer={IN_ADDRESS[1]}")
            tab.wait_for_selector(".map[data-drawn]", timeout=WAIT_MS)
            found["first_picture_s"] = time.perf_counter() - start
            wait_for_map(tab)
            tab.wait_for_timeout(3000)
            visit = Visit(tab)
            switches = [switch_layer(visit, 1 + turn % 2) for turn in range(2 * repeat)]
            found["layer_switch_s"] = spread(switches)
            echoes = []
            for _ in range(repeat):
                echoes.append(visit.select())
                tab.wait_for_timeout(2000)
            found["selection_echo_s"] = spread(echoes)
            found["server_mib"] = resident_mib(pid)
            tab.close()
    return found


def measure_moved(browser: Any, items: int) -> dict[str, Any]:  # noqa: ANN401
    """Move a map of very many items about on its page; tell whether the connection stays."""
    found: dict[str, Any] = {"moved": items}
    with tempfile.TemporaryDirectory() as place:
        store = made(Path(place), items)
        with serving(APP, "--store", str(store)) as (address, pid):
            tab = browser.new_page(viewport=SIZE)
            problems: list[str] = []
            tab.on("pageerror", lambda error: problems.append(str(error)))
            tab.on("websocket", lambda ws: ws.on("close", lambda _: problems.append("closed")))
            start = time.perf_counter()
            tab.goto(f"{address}/map?store={store}&method=PCA&layer={IN_ADDRESS[1]}")
            tab.wait_for_selector(".map[data-drawn]", timeout=WAIT_MS)
            found["first_map_of_all_s"] = time.perf_counter() - start
            visit = Visit(tab)
            for name, zoom in (("whole", 1), ("closer", 6), ("close", 40)):
                rate, longest = visit.frames(zoom)
                found[f"moving_{name}"] = {"frames_a_second": rate, "longest_ms": longest}
            tab.wait_for_timeout(5000)  # a connection that was starved would break now
            found["selection_echo_s"] = visit.select()
            found |= {"problems": [*problems], "server_mib": resident_mib(pid)}
            tab.close()
    return found


def measure_start(browser: Any, repeat: int) -> dict[str, Any]:  # noqa: ANN401
    """Return the seconds to the first picture of the start page."""
    seconds = []
    with serving(APP) as (address, _):
        for _ in range(repeat + 1):
            context = browser.new_context(viewport=SIZE)  # nothing is kept of the last visit
            tab = context.new_page()
            start = time.perf_counter()
            tab.goto(address)
            tab.wait_for_selector(".js-plotly-plot .main-svg", timeout=WAIT_MS)
            seconds.append(time.perf_counter() - start)
            context.close()
    return {"start_cold_s": seconds[0], "start_s": spread(seconds[1:])}


def measure_visitors(browser: Any, visitors: int) -> dict[str, Any]:  # noqa: ANN401
    """Return the server's memory with one and with many visitors; each sees their own item."""
    with tempfile.TemporaryDirectory() as place:
        store = made(Path(place), 2000)
        with serving(APP, "--store", str(store)) as (address, pid):
            contexts, memory = [], []
            for visitor in range(visitors):
                context = browser.new_context(viewport=SIZE)
                tab = context.new_page()
                own = f"item-{visitor:07d}:{'text' if visitor % 2 else 'image'}"
                layer = IN_ADDRESS[visitor % 2]
                tab.goto(f"{address}/map?store={store}&method=PCA&layer={layer}&item={own}")
                wait_for_map(tab)
                contexts.append((tab, own.partition(":")[0]))
                memory.append(resident_mib(pid))
            strangers = [own for tab, own in contexts if not tab.get_by_text(own).count()]
    return {
        "visitors": visitors,
        "memory_of_one_mib": memory[0],
        "memory_of_all_mib": memory[-1],
        "who_see_another_item": strangers,
    }


def resident_mib(pid: int) -> float:
    """Return the memory that a process holds."""
    line = next(
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmRSS" in line
    )
    return int(line.split()[1]) / 1024


def main() -> None:
    """Print a line of JSON for every part."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--items", type=int, nargs="*", default=[2000, 20_000, 100_000])
    parser.add_argument("--moved", type=int, nargs="*", default=[1_000_000])
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--no-start", action="store_true", help="leave out the start page")
    given = parser.parse_args()
    with sync_playwright() as engine:
        browser = engine.chromium.launch(
            executable_path=shutil.which("chromium"), args=BROWSER + SOFTWARE
        )
        if not given.no_start:
            print(json.dumps(measure_start(browser, given.repeat)), flush=True)
        for items in given.items:
            print(json.dumps(measure_map(browser, items, given.repeat)), flush=True)
        for items in given.moved:
            print(json.dumps(measure_moved(browser, items)), flush=True)
        if given.visitors:
            print(json.dumps(measure_visitors(browser, given.visitors)), flush=True)
        browser.close()


if __name__ == "__main__":
    main()
