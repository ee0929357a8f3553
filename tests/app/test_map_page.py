"""The map page: what every control changes, what is refused in words, what a link restores."""

import json
import shutil
import time
from functools import partial

import pytest

from app import cached_map, mapping
from app.background import MapJobs
from app.noting import Noted
from app.routes import ASSETS
from app.wishes import MapWish
from app.workbench import name_of
from d2v_core.store import Store
from probes import trust
from tests.app.test_views import words

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_umap", "served")]

TAP = "joint"


@pytest.fixture
def served(monkeypatch):
    monkeypatch.setattr(ASSETS, "served", True)


@pytest.fixture
def open_map(open_app, toy_store):
    """Return a function that opens the map of the toys."""

    def run(place=toy_store, **query):
        return open_app(place, page="map", **{"method": "PCA", **query})

    return run


def first(app, name):
    """Return what the address has of a name."""
    value = app.query_params[name]
    return value[0] if isinstance(value, list) else value


def scene(app, number=0):
    """Return what a map is told."""
    return json.loads(app.get("bidi_component")[number].proto.json)


def test_the_gap_is_printed_and_changes_with_the_space(open_map):
    app = open_map()
    before, raw = scene(app), words(app)
    app.segmented_control(key="space").set_value("centred").run()
    centred = scene(app)

    assert not app.exception
    assert "Gap: pictures–sounds **" in raw
    assert "(chance 0." in raw
    assert " → **" not in raw
    assert " → **" in words(app)
    assert before["geometry"] != centred["geometry"]
    assert before["near"] != centred["near"]  # neighbours are those of the space

    app.segmented_control(key="space").set_value("aligned").run()
    assert "Turned onto pictures by 18 train pairs: what lies together here shows" in words(app)
    assert scene(app)["geometry"] not in (before["geometry"], centred["geometry"])

    app.selectbox(key="pairs").select(8).run()
    assert "Turned onto pictures by 8 train pairs" in words(app)


def test_a_map_of_a_run_that_was_not_shown_to_share_a_space_is_called_none(open_map, changed_store):
    place, _ = changed_store(lambda table: table)  # without controls nothing can be shown
    app = open_map(place)

    assert "No joint map: the run was not shown to share a space between its senses" in words(app)


def test_without_pairs_the_map_stays_as_it_is_and_says_why(open_map, changed_store):
    def apart(table):
        parts = {"image_file_name": 0, "audio_file_name": 1, "text": 2}
        for column, number in parts.items():
            table.loc[[n % 3 != number for n in range(len(table))], column] = None
        return table

    place, _ = changed_store(apart)
    app = open_map(place, space="Aligned")

    assert not app.exception
    assert "have 0 pairs to learn a turn from; it takes 8" in words(app)
    assert "This is the map as it is." in words(app)
    assert scene(app)["count"] == 24


def test_one_sense_has_no_gap(open_map, changed_store):
    place, _ = changed_store(lambda table: table.drop(columns=["image_file_name", "text"]))
    app = open_map(place, space="Centred")

    assert not app.exception
    assert "has sounds only: there is no other sense to bring together" in words(app)
    assert "Gap:" not in words(app)


def test_settings_have_words_and_ask_for_another_map(open_map):
    app = open_map(method="UMAP")
    assert "How many neighbours hold an item" in words(app)
    app.segmented_control(key="method").set_value("tsne").run()

    assert not app.exception
    assert "About how many neighbours hold an item. Try two" in words(app)
    assert "t-SNE is being computed" in app.get("progress")[0].proto.text


def test_a_way_through_the_layers_is_told_to_the_browser_and_the_layer_is_its_stop(open_map):
    app = open_map(view_of_map="Through the layers")
    last = scene(app)
    app.sidebar.selectbox(key="layer").select_index(1).run()
    first = scene(app)

    assert not app.exception
    assert last["steps"][0]["name"] == "input of block 1 (embed)"
    assert last["steps"] == first["steps"]
    assert (last["step"], first["step"]) == (len(last["steps"]) - 1, 1)
    assert first["geometry"] == first["steps"][1]["geometry"]
    assert "of the nearest neighbours become others, and half of the items move" in words(app)

    app.sidebar.selectbox(key="layer").select_index(0).run()
    assert "is the first stop." in words(app)
    app.segmented_control(key="method").set_value("tsne").run()
    assert "t-SNE cannot go on from map to map, so this way is shown by UMAP." in words(app)


@pytest.mark.parametrize("colour", ["trust", "continuity", "hub"])
def test_a_map_is_coloured_by_how_far_it_can_be_believed(open_map, colour):
    app = open_map(colour=colour)

    assert not app.exception
    assert scene(app)["legend"]["title"] == colour
    assert scene(app)["legend"]["scale"]["low"] < scene(app)["legend"]["scale"]["high"]
    assert ", continuity **" in words(app)


@pytest.fixture
def of_many(monkeypatch):
    """Treat a few items as many: some are judged with the map, all only in the background."""
    monkeypatch.setattr(trust, "FEWEST_JUDGED", 20)
    monkeypatch.setattr("probes.maps.drawn_by_lot", partial(trust.drawn_by_lot, pairs=1))
    monkeypatch.setattr(cached_map, "QUICK_ITEMS", 10)
    noted = partial(Noted, done=250, of=1000, seconds_left=130.0, stage="judging the map")
    monkeypatch.setattr(MapJobs, "how_far", lambda _self, _job: noted(at=time.time()))


@pytest.mark.usefixtures("of_many")
def test_of_many_items_some_are_judged_and_the_rest_only_if_somebody_wants_to_see_it(
    open_map, changed_store
):
    place, _ = changed_store(lambda table: table)  # no map is kept in it
    app = open_map(place, colour="label")
    items = scene(app)["count"]
    assert f"(n = 20 of {items} items, drawn by lot)" in words(app)
    assert not app.get("progress")

    app.selectbox(key="colour").select("trust").run()
    assert not app.exception
    assert f"Trust is known of 20 of the {items} items, drawn by lot, each" in words(app)
    bar = app.get("progress")[0].proto
    assert bar.value == 25
    assert bar.text == "Counting trust of every item (judging the map), about 2 min left."
    assert scene(app)["legend"]["kinds"][0]["count"] < 20  # only those that were judged are drawn

    mapping.faithful(Store(place), MapWish(name_of(Store(place), "toy"), TAP, "pca"))
    app.run()
    assert not app.get("progress")
    assert f"(n = {items})" in words(app)
    assert "items, drawn by lot" not in words(app)


def test_a_map_that_takes_long_is_made_when_it_is_asked_for(open_map, monkeypatch):
    monkeypatch.setattr(cached_map, "takes", lambda _place, _wish: 3000.0)
    app = open_map(method="UMAP")

    assert "UMAP of so many items takes about 50 min on two cores" in words(app)
    assert not app.get("progress")
    app.button(key="map_ask").click().run()
    assert "takes about" not in words(app)
    assert "UMAP is being computed" in app.get("progress")[0].proto.text


def test_a_map_that_has_failed_says_why_and_may_be_tried_again(open_map, monkeypatch):
    forgotten = []
    monkeypatch.setattr(MapJobs, "ensure", lambda _self, _job: "failed")
    monkeypatch.setattr(MapJobs, "why", lambda _self, _job: "d2v: out of luck")
    monkeypatch.setattr(MapJobs, "forget", lambda _self, job: forgotten.append(job.tap))
    app = open_map(method="UMAP")
    assert "The UMAP could not be made: out of luck. Until then this is PCA." in words(app)

    app.button(key="map_again_False").click().run()
    assert forgotten == [TAP]


def test_names_of_groups_lie_on_the_map_if_wanted(open_map):
    assert scene(open_map())["names"] == []
    names = scene(open_map(names="true", colour="label"))["names"]

    assert sorted(name["text"] for name in names) == ["duck", "owl", "robin"]


def test_words_are_found_ringed_selected_and_in_the_address(open_map):
    app = open_map(find="owl sits")
    assert not app.exception
    assert "8 found" in words(app)
    ringed = scene(app)
    assert len(ringed["found"]) == len(ringed["focus"]["rows"]) == 8
    assert ringed["selected"]["count"] == 0

    app.button(key="found_all").click().run()
    assert not app.exception
    assert scene(app)["selected"]["count"] == 8
    assert "**8 selected**: 8 sentences · owl 8" in words(app)
    assert scene(app, 1)["rows"] == ringed["found"]  # the tiles
    assert first(app, "sel").count(".") == 1

    app.button(key=f"found_{ringed['found'][0]}").click().run()
    assert first(app, "item").endswith(":text")


def test_only_the_senses_that_are_wanted_are_shown(open_map):
    app = open_map(colour="label")
    app.get_by_key("show_senses").set_value(["audio"]).run()

    assert not app.exception
    assert sum(kind["count"] for kind in scene(app)["legend"]["kinds"]) == 24


def test_what_is_not_found_is_said(open_map):
    app = open_map(find="nightingale")

    assert "Nothing has all these words in its id, label or sentence." in words(app)
    assert scene(app)["found"] == []


def test_a_selection_says_what_is_typical_of_it_and_is_saved(open_map):
    app = open_map(find="owl sits")
    app.button(key="found_all").click().run()
    app.segmented_control(key="selection_part").set_value("lift").run()
    assert not app.exception
    (table,) = [t.value for t in app.dataframe if "lift" in t.value]
    assert table["value"].tolist()[:2] == ["owl", "sentences"]
    assert "correction for all" in words(app)

    app.segmented_control(key="selection_part").set_value("save").run()
    assert not app.exception
    assert [b.label for b in app.get("download_button")] == [
        "Ids",
        "CSV",
        "Parquet",
        "Zip with media",
    ]


def test_another_selection_begins_with_its_first_tiles(open_map):
    def ids(modality):
        rows = [f"{n:02}\t{m}" for n in range(24) for m in (modality, "audio")]
        return "\n".join(["id\tmodality", *rows]).encode()

    app = open_map()
    app.file_uploader(key="find_file").upload("a.tsv", ids("image")).run()
    front = scene(app, 1)["rows"]
    app.get_by_key("gallery_page").set_value(2).run()
    assert not set(front) & set(scene(app, 1)["rows"])
    app.file_uploader(key="find_file").set_value(("b.tsv", ids("text"), "text/plain")).run()

    assert not app.exception
    assert "48 selected" in words(app)
    assert app.get_by_key("gallery_page").value == 1


def test_a_file_of_ids_selects_what_it_names(open_map):
    app = open_map()
    app.file_uploader(key="find_file").upload(
        "ids.tsv", b"id\tmodality\n07\taudio\nx\ttext\n"
    ).run()
    assert not app.exception
    assert "1 selected; 1 of the file are not here." in words(app)

    app = open_map()
    app.file_uploader(key="find_file").upload("ids.tsv", b"name\nowl\n").run()
    assert "no column id; the columns are name" in words(app)


STATE = {
    "view_of_map": "Side by side",
    "method": "PCA",
    "space": "Aligned",
    "pairs": "8",
    "colour": "size",
    "lines": "false",
    "names": "true",
    "find": "owl",
    "item": "07:audio",
    "at": "0.1,-0.2,2",
    "show_splits": "train",
    "other_layer": "block 1 (block_01.resid)",
}


def test_an_address_restores_everything_and_the_page_writes_the_same_address(open_map):
    app = open_map(**STATE)
    told = scene(app)

    assert not app.exception
    assert app.segmented_control(key="space").value == "aligned"
    assert app.selectbox(key="pairs").value == 8
    assert app.selectbox(key="other_layer").value == "block_01.resid"
    assert (told["legend"]["title"], told["near"]) == ("size", None)
    assert told["view"] == [0.1, -0.2, 2.0]
    assert len(told["names"]) > 1
    assert len(told["found"]) == 24
    assert sum(kind["count"] for kind in told["legend"]["kinds"]) == 54  # of the train split
    assert "A sound: owl" in words(app)
    assert {name: first(app, name) for name in STATE} == STATE


def test_what_was_chosen_by_hand_is_what_an_address_shows(open_map):
    app = open_map()
    app.selectbox(key="colour").select("size").run()
    app.segmented_control(key="space").set_value("centred").run()
    app.sidebar.selectbox(key="layer").select_index(1).run()
    app.multiselect(key="show_labels").select("owl").run()
    app.text_input(key="find").input("owl").run()
    app.button(key="found_all").click().run()
    app.toggle(key="names").set_value(True).run()
    other = open_map(
        colour="size", space="Centred", layer="block 1 (block_01.resid)", show_labels="owl",
        find="owl", names="true", sel=first(app, "sel"),
    )  # fmt: skip
    mine, its = scene(app), scene(other)
    for told in (mine, its):
        told["selected"].pop("stamp")
        told["focus"].pop("stamp")

    assert not other.exception
    assert its == mine
    assert its["selected"]["count"] == 24


def test_a_link_of_other_items_or_cut_off_selects_nothing_and_says_so(open_map):
    app = open_map(sel="00000000.eNpjYGBgAAAABAAB")

    assert not app.exception
    assert scene(app)["selected"]["count"] == 0
    assert "This could not be selected: the link's selection is of other items" in words(app)


def test_side_by_side_the_same_layer_twice_has_changed_nothing(open_map):
    app = open_map(view_of_map="Side by side", other_layer="shared space (joint)")
    left, right = scene(app), scene(app, 1)

    assert not app.exception
    assert "**0%** are others on the other side; 86% would be by chance (n = 72)." in words(app)
    assert left["geometry"] == right["geometry"]
    assert left["items"] == right["items"]
    assert left["link"] == right["link"]
    assert left["legend"]["scale"]["low"] == left["legend"]["scale"]["high"] == 0
    (table,) = [t.value for t in app.dataframe if "CKA" in t.value]
    assert set(table["CKA"]) <= {"1.000", "–"}

    app.selectbox(key="other_layer").select_index(0).run()
    assert scene(app, 1)["geometry"] != left["geometry"]
    assert scene(app)["legend"]["scale"]["high"] > 0
    assert "**0%** are others" not in words(app)


def test_another_run_stands_beside_and_the_colour_of_change_stays_there(open_map):
    app = open_map(view_of_map="Side by side", colour="changed")
    app.selectbox(key="other_run").select_index(1).run()
    assert not app.exception
    assert "**twin**, input of block 1 (embed)" in words(app)

    app.segmented_control(key="view_of_map").set_value("one").run()
    assert not app.exception
    assert app.selectbox(key="colour").value == "label"


def test_what_the_address_lost_on_another_page_comes_back_and_not_in_another_store(
    open_app, toy_store, tmp_path
):
    other = str(shutil.copytree(toy_store, tmp_path / "other"))
    app = open_app(
        toy_store, other, page="map", method="PCA", find="owl", item="07:audio", at="0.1,-0.2,2"
    )
    app.button(key="found_all").click().run()
    said = {name: first(app, name) for name in ("item", "sel", "at")}

    def leave():
        for name in said:  # as a browser does when the page changes
            if name in app.query_params:
                del app.query_params[name]

    leave()
    app.run()
    assert not app.exception
    assert {name: first(app, name) for name in said} == said
    assert scene(app)["view"] == [0.1, -0.2, 2.0]
    assert scene(app)["selected"]["count"] == 24

    app.sidebar.selectbox(key="store").set_value(other).run()
    assert not app.exception
    assert not set(said) & set(app.query_params)
    assert scene(app)["selected"]["count"] == 0
    assert "could not be selected" not in words(app)

    app.sidebar.selectbox(key="store").set_value(toy_store).run()
    assert {name: first(app, name) for name in said} == said
    assert scene(app)["selected"]["count"] == 24
