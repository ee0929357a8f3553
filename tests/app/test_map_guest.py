"""Something new on a map that stays: where it lands, and that nothing else moves."""

import io
import json
from functools import partial

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from app import comparing, guests, mapping, uploads, workbench
from app.asking import Query
from app.routes import ASSETS
from app.wishes import MapWish, SpaceWish
from d2v_core.errors import StoreError
from d2v_core.store import Store
from probes import trust
from tests.app.test_views import words

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_umap")]
SENTENCE = "One robin sits here, number 0."


@pytest.fixture(scope="module")
def place(toys, tmp_path_factory):
    """A store whose encoders can be opened again."""
    place = tmp_path_factory.mktemp("guests") / "store"
    for encoder in ("random:tiny", "lowlevel"):
        workbench.embed(encoder, toys, place)
    return str(place)


@pytest.fixture(scope="module")
def name(place):
    return workbench.name_of(Store(place), "random:tiny")


@pytest.fixture(scope="module")
def tap(place, name):
    return Store(place).recipe(name).taps[-1]


@pytest.mark.parametrize("space", ["raw", "centred", "aligned"])
@pytest.mark.parametrize("over", ["", "layers"])
def test_an_item_that_is_there_already_lands_on_itself(place, name, tap, space, over):
    store = Store(place)
    wish = MapWish(name, tap, "pca", space, over=over)
    before = mapping.make(store, wish)[0]
    guest = guests.place_guest(store, wish, tap, Query("text", SENTENCE))
    points = before[before["step"] == tap] if over else before
    row = guest.nearest[0]
    spread = points[["x", "y"]].std().to_numpy()

    assert (points["id"].iloc[row], points["modality"].iloc[row]) == ("00", "text")
    assert guest.cosine > 0.999
    assert guest.how == ("neighbours" if over else "projection")
    off = np.array([guest.x, guest.y]) - points[["x", "y"]].iloc[row].to_numpy()
    assert np.abs(off / spread).max() < (0.6 if over else 0.05)
    after = mapping.make(store, wish)[0]
    assert before[["x", "y"]].to_numpy().tobytes() == after[["x", "y"]].to_numpy().tobytes()


def test_low_level_features_take_no_guest(place):
    low = workbench.name_of(Store(place), "lowlevel")
    with pytest.raises(StoreError, match="holds low-level features, which are no model"):
        guests.place_guest(
            Store(place), MapWish(low, "lowlevel", "pca"), "lowlevel", Query("text", SENTENCE)
        )


def scene(app):
    return json.loads(app.get("bidi_component")[0].proto.json)


def test_words_land_on_the_page_and_no_point_moves(open_app, place, monkeypatch):
    monkeypatch.setattr(ASSETS, "served", True)
    app = open_app(place, page="map", method="PCA", run="random:tiny")
    before = scene(app)
    app.text_input(key="guest_words").input(SENTENCE).run()
    after = scene(app)

    assert not app.exception
    assert before["geometry"] == after["geometry"]
    assert [guest["text"] for guest in after["guests"]] == [SENTENCE]
    assert "It lies on the map's own axes. Nearest in the model: sentence of robin" in words(app)
    assert "No point has moved: map `" in words(app)


def test_a_picture_lands_and_what_is_none_is_refused(open_app, place, monkeypatch, tmp_path):
    monkeypatch.setattr(ASSETS, "served", True)
    monkeypatch.setattr(uploads, "kept_root", lambda: tmp_path / "asked")
    app = open_app(place, page="map", method="PCA", run="random:tiny")
    app.segmented_control(key="guest_way").set_value("A picture").run()
    file = io.BytesIO()
    Image.new("RGB", (32, 32), (200, 60, 40)).save(file, format="PNG")
    app.file_uploader(key="guest_image").upload("a.png", file.getvalue()).run()
    assert not app.exception
    told = scene(app)
    assert [guest["text"] for guest in told["guests"]] == ["your picture"]
    assert len(set(told["found"])) == 5  # the nearest are ringed, and listed
    listed = [button for button in app.button if (button.key or "").startswith("near_")]
    assert [int(button.key.removeprefix("near_")) for button in listed] == told["found"]
    listed[1].click().run()
    assert not app.exception
    assert scene(app)["chosen"] == told["found"][1]

    app.file_uploader(key="guest_image").upload("b.png", b"no picture").run()
    assert "This cannot be used:" in words(app)
    assert scene(app)["guests"] == scene(app)["found"] == []


def test_a_run_that_cannot_read_it_says_why(open_app, place, monkeypatch):
    monkeypatch.setattr(ASSETS, "served", True)
    app = open_app(place, page="map", method="PCA", run="lowlevel", guest_words=SENTENCE)

    assert not app.exception
    assert "It cannot be placed: " in words(app)
    assert "which are no model" in words(app)


def test_of_very_many_items_the_change_of_some_is_known(place, name, monkeypatch):
    taps = Store(place).recipe(name).taps
    sides = ((name, taps[0]), (name, taps[-1]))
    whole, about = comparing.compare(Store(place), *sides, space=SpaceWish())
    monkeypatch.setattr(trust, "FEWEST_JUDGED", 20)
    monkeypatch.setattr(comparing, "drawn_by_lot", partial(trust.drawn_by_lot, pairs=1))
    monkeypatch.setattr(Store, "kept", lambda _self, _key: None)  # or it would be found again
    some, fewer = comparing.compare(Store(place), *sides, space=SpaceWish())
    known = some["changed"].notna()

    assert (about["n"], fewer["n"], known.sum()) == (72, 20, 20)
    pd.testing.assert_frame_equal(some[known], whole[known])
    assert whole["changed"].nunique() > 1
    assert fewer["changed"] == pytest.approx(some["changed"].mean())


def test_two_stores_of_other_items_are_not_compared(place, toys, tmp_path, name, tap):
    import dataclasses

    from d2v_core.data.folder import read_folder
    from d2v_core.embed import embed
    from d2v_core.encoders import open_encoder

    store, folder = Store(tmp_path / "two", create=True), read_folder(toys)
    encoder = open_encoder("random:tiny")
    fewer = dataclasses.replace(folder, items=folder.items[:30], fingerprint="fewer")
    sides = [(embed(encoder, part, store).name, tap) for part in (folder, fewer)]

    with pytest.raises(StoreError, match="were embedded on different items; only the same items"):
        comparing.compare(store, *sides, space=SpaceWish())
    table, about = comparing.compare(store, sides[0], sides[0], space=SpaceWish())
    assert (table["changed"] == 0).all()
    assert about["changed"] == 0
    assert about["chance"] == pytest.approx(1 - 10 / 71)
