"""The routes serve what a hash names, for ever, and nothing else."""

import hashlib
import io
import json
import re

import numpy as np
import pytest
import soundfile
from PIL import Image
from starlette.applications import Starlette

from app import routes
from app.routes import ASSETS, STATIC, Assets, code_hash
from app.shelves import MediaShelf, NearShelf, put_up
from d2v_core.errors import InputError
from d2v_core.store import Store


@pytest.fixture
def served(monkeypatch):
    """Return a function that asks the routes as a browser would, by the address alone."""
    import asyncio

    monkeypatch.setattr(ASSETS, "served", False)
    app = Starlette(routes=routes.routes())

    def ask(path, **headers):
        sent = []
        scope = {
            "type": "http", "method": "GET", "path": path, "raw_path": path.encode(),
            "query_string": b"", "root_path": "", "http_version": "1.1", "scheme": "http",
            "server": ("127.0.0.1", 80),
            "headers": [(k.lower().encode(), v.encode()) for k, v in headers.items()],
        }  # fmt: skip

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message)

        asyncio.run(app(scope, receive, send))
        body = b"".join(message.get("body", b"") for message in sent)
        found = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
        return sent[0]["status"], found, body

    return ask


class Echo:
    """A shelf that says which row it was asked for."""

    def __len__(self):
        return 3

    def get(self, row, kind):
        if kind == "gone":
            raise InputError("the file is not there")
        return (f"{row}{kind}".encode() * 5, "text/plain") if kind == "name" else None


@pytest.fixture
def echo():
    return ASSETS.put_shelf("echo of the tests", Echo)


def test_an_array_comes_back_by_the_hash_of_its_bytes(served):
    content = np.arange(5, dtype="<f4").tobytes()
    name = ASSETS.put(content)
    status, headers, body = served(f"/d2v/array/{name}")

    assert name == hashlib.sha256(content).hexdigest()
    assert (status, body) == (200, content)
    assert headers["cache-control"] == "public, max-age=31536000, immutable"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize(
    "path",
    [
        "/d2v/array/" + "0" * 64,
        "/d2v/array/" + "A" * 64,
        "/d2v/array/main.py",
        "/d2v/array/../main.py",
        "/d2v/array/..%2fmain.py",
        "/d2v/item/" + "0" * 64 + "/0/name",
        "/d2v/item/echo/0/name",
        "/d2v/code/" + "0" * 64 + "/main.js",
        "/d2v/code/HASH/component.py",
        "/d2v/code/HASH/..%2fcomponent.py",
        "/d2v/code/HASH/../component.py",
        "/d2v/code/HASH/nosuch.js",
        "/d2v/code/HASH//etc/passwd",
    ],
)
def test_whatever_else_is_asked_for_is_not_found(served, path):
    status, headers, body = served(path.replace("HASH", code_hash()))

    assert status == 404
    assert b"import" not in body
    assert headers.get("cache-control") != routes._HEADERS["Cache-Control"]


@pytest.mark.parametrize("row", ["3", "-1", "1.0", "١", "0x1", "9" * 10, " 1", "a"])
def test_a_row_is_a_row_of_the_shelf(served, echo, row):
    assert served(f"/d2v/item/{echo}/2/name")[2] == b"2name" * 5
    assert served(f"/d2v/item/{echo}/{row}/name")[0] == 404
    assert served(f"/d2v/item/{echo}/2/other")[0] == 404


def test_what_is_gone_says_why_and_is_not_remembered(served, echo):
    status, headers, body = served(f"/d2v/item/{echo}/0/gone")

    assert status == 410
    assert json.loads(body) == {"reason": "the file is not there"}
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-", 206, slice(0, 25)),
        ("bytes=3-6", 206, slice(3, 7)),
        ("bytes=20-99", 206, slice(20, 25)),
        ("bytes=25-", 416, slice(0, 0)),
        ("bytes=6-3", 416, slice(0, 0)),
        ("lines=1-2", 200, slice(0, 25)),
    ],
)
def test_a_player_may_ask_for_a_part(served, echo, asked, status, part):
    got, headers, body = served(f"/d2v/item/{echo}/1/name", Range=asked)
    whole = b"1name" * 5

    assert (got, body) == (status, whole[part])
    if status == 206:
        assert headers["content-range"] == f"bytes {part.start}-{part.stop - 1}/25"


def test_the_files_of_the_component_are_served_as_what_they_are(served):
    for file in STATIC.iterdir():
        status, headers, body = served(f"/d2v/code/{code_hash()}/{file.name}")
        assert (status, body) == (200, file.read_bytes())
        assert headers["content-type"].startswith(("text/javascript", "text/css"))
        assert headers["x-content-type-options"] == "nosniff"


def test_other_code_has_another_address(tmp_path, monkeypatch):
    before = code_hash()
    for file in STATIC.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(routes, "STATIC", tmp_path)
    assert code_hash() == before

    (tmp_path / "main.js").write_text("// other")
    assert code_hash() != before


def test_the_code_asks_nobody_else_and_makes_no_html_of_data():
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function"
    for file in STATIC.iterdir():
        text = file.read_text(encoding="utf-8")
        assert not re.search(forbidden, text), file.name
        addresses = set(re.findall(r"https?://[^\s\"']+", text))
        assert addresses <= {"http://www.w3.org/2000/svg"}, file.name  # a name, not an address


def test_the_arrays_asked_for_longest_ago_go_first():
    assets = Assets(most_bytes=250)
    names = [assets.put(bytes([n]) * 100) for n in range(2)]
    assert assets.array(names[0]) is not None  # now the other one is the older
    last = assets.put(b"x" * 100)

    assert assets.array(names[1]) is None
    assert assets.array(names[0]) == bytes(100)
    assert assets.array(last) == b"x" * 100
    assert assets.array(assets.put(b"y" * 999)) == b"y" * 999  # alone it may be larger


def test_below_a_base_path_the_routes_are_there_too(monkeypatch):
    monkeypatch.setattr(routes.st, "get_option", lambda _name: "/birds/")

    assert routes.prefix() == "/birds/d2v"
    assert all(route.path.startswith("/birds/d2v/") for route in routes.routes())


@pytest.fixture
def shelves(toy_store):
    recipes = Store(toy_store).recipes()
    name = next(n for n, recipe in recipes.items() if recipe.role == "trained")
    tap = recipes[name].taps[-1]
    items = Store(toy_store).read(name, taps=(tap,)).items
    return toy_store, name, tap, items


def row_of(items, ident, modality):
    return items.index[(items["id"] == ident) & (items["modality"] == modality)][0]


def test_the_shelf_that_nobody_looked_at_for_longest_goes_first(monkeypatch):
    monkeypatch.setattr(routes, "MOST_SHELVES", 2)
    assets = Assets()
    first, second = (assets.put_shelf(name, Echo) for name in ("first", "second"))
    assert assets.shelf(first) is not None  # somebody hovers over that map

    third = assets.put_shelf("third", Echo)

    assert [assets.shelf(name) is None for name in (first, second, third)] == [False, True, False]


def test_a_shelf_has_cards_pictures_sounds_and_their_axes(shelves):
    place, name, tap, items = shelves
    shelf = MediaShelf(place, name, tap)
    picture, sound, text = (row_of(items, "01", m) for m in ("image", "audio", "text"))
    card = json.loads(shelf.get(text, "card")[0])

    assert len(shelf) == len(items)
    assert (card["id"], card["kind"], card["label"]) == ("01", "text", "owl")
    assert card["text"] == items["text"][text]
    with Image.open(io.BytesIO(shelf.get(picture, "picture")[0])) as image:
        assert image.format == "WEBP"
        assert max(image.size) == 224
    samples, rate = soundfile.read(io.BytesIO(shelf.get(sound, "sound")[0]))
    axes = json.loads(shelf.get(sound, "axes")[0])
    assert (len(samples) / rate, rate / 2000) == (axes["seconds"], axes["khz"])
    with Image.open(io.BytesIO(shelf.get(sound, "picture")[0])) as image:
        assert image.height == 257  # one row a frequency, from 0 to half the sampling rate
    assert shelf.get(picture, "sound") is None
    assert shelf.get(text, "picture") is None


def test_neighbours_are_the_nearest_by_cosine_in_the_layer(shelves):
    place, name, tap, items = shelves
    x = Store(place).read(name, taps=(tap,)).layers[tap].astype(float)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    near = json.loads(NearShelf(place, name, tap).get(5, "near")[0])
    cosines = x @ x[5]

    assert len(near) == 9  # three of each modality
    assert [n["cosine"] for n in near] == pytest.approx([cosines[n["row"]] for n in near], abs=1e-5)
    assert [n["cosine"] for n in near] == sorted((n["cosine"] for n in near), reverse=True)
    for modality in ("image", "audio", "text"):
        rows = np.flatnonzero((items["modality"] == modality) & (items.index != 5))
        best = max(n["cosine"] for n in near if n["row"] in rows)
        assert best == pytest.approx(cosines[rows].max(), abs=1e-5)


def test_shelves_are_named_after_items_and_layer(shelves):
    place, name, tap, _ = shelves
    media, near = put_up(place, name, tap)
    other_media, other_near = put_up(place, name, "embed")

    assert (media, near) == put_up(place, name, tap)
    assert media == other_media
    assert near != other_near
    assert isinstance(ASSETS.shelf(near), NearShelf)
