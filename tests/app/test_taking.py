"""A selection taken away and brought back; what a search finds; what a link holds."""

import io
import zipfile

import numpy as np
import pandas as pd
import pytest

from app import taking, workbench
from app.exporting import vector_column
from app.finding import find_rows
from app.permalink import (
    LONGEST,
    pack_rows,
    read_selection,
    read_view,
    selection_text,
    unpack_rows,
    view_text,
)
from app.representing import lift_table, lifts, sure
from d2v_core.data.folder import read_folder
from d2v_core.errors import InputError
from d2v_core.store import Store

ROWS = np.array([0, 1, 5, 40, 71])
ITEMS = "ab" * 32


@pytest.fixture(scope="module")
def toy(toy_store):
    store = Store(toy_store)
    return store.read(workbench.name_of(store, "toy"), taps=("joint",))


@pytest.fixture(scope="module")
def part(toy):
    """The selected items, as the page has them."""
    table = toy.items.assign(x=0.5, y=-0.5, trust=1.0, row=range(len(toy.items)))
    return table.iloc[ROWS]


@pytest.mark.parametrize("save", [taking.as_ids, taking.as_csv])
def test_what_was_saved_brings_the_same_selection_back(toy, part, save):
    brought = taking.read_ids(save(part), toy.items)

    assert brought.rows.tolist() == ROWS.tolist()
    assert brought.unknown == 0


def test_an_id_without_a_modality_means_all_its_items(toy):
    brought = taking.read_ids(b"id\n07\nnobody\n", toy.items)

    assert toy.items["id"].iloc[brought.rows].tolist() == ["07"] * 3
    assert brought.unknown == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe\x00", "this is no table of text: save a selection as ids or CSV"),
        (b"", "this is no table of text"),
        (b"name\nowl\n", "no column id; the columns are name"),
        (b"id\nnobody\n", "none of the 1 items of this file are here"),
        (b"x" * (taking.MOST_IDS_BYTES + 1), "20 MB are no list of ids"),
    ],
)
def test_files_that_name_nothing_are_refused(toy, content, message):
    with pytest.raises(InputError, match=message):
        taking.read_ids(content, toy.items)


def test_parquet_has_the_vectors_of_the_layer(toy, part):
    table = pd.read_parquet(io.BytesIO(taking.as_parquet(part, toy.layers["joint"], "joint")))

    assert table["id"].tolist() == toy.items["id"].iloc[ROWS].tolist()
    assert np.stack(table[vector_column("joint")]) == pytest.approx(toy.layers["joint"][ROWS])
    assert "row" not in table


def test_the_zip_is_a_data_folder_of_the_same_items(toy, part, tmp_path):
    with zipfile.ZipFile(io.BytesIO(taking.as_folder(part, toy.recipe))) as archive:
        archive.extractall(tmp_path)
        names = archive.namelist()
    folder = read_folder(tmp_path)
    wanted = {(i, m) for i, m in zip(part["id"], part["modality"], strict=True)}

    assert not folder.problems
    assert {(item.id, item.modality) for item in folder.items} == wanted
    assert {item.label for item in folder.items} == set(part["label"])
    assert taking.MISSING not in names


def test_media_that_are_gone_are_named_in_the_zip(toy, part):
    lost = part.assign(media="nowhere.png")
    with zipfile.ZipFile(io.BytesIO(taking.as_folder(lost, toy.recipe))) as archive:
        said = archive.read(taking.MISSING).decode()

    assert said.count("nowhere.png is not there") == (part["modality"] != "text").sum()


def test_media_that_are_too_large_are_refused(toy, part, monkeypatch):
    monkeypatch.setattr(taking, "MOST_ZIP_BYTES", 10)
    with pytest.raises(InputError, match="take more than 0 MB; select fewer"):
        taking.as_folder(part, toy.recipe)


def items(**columns):
    return pd.DataFrame(
        {
            "id": ["a1", "b2", "owl"],
            "label": ["owl", None, "duck"],
            "text": [None, "An OWL (at dawn)", None],
            **columns,
        }
    )


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("owl", [2, 0, 1]),  # the item of that id first
        ("dawn owl", [1]),
        ("(at", [1]),  # no pattern, just text
        ("A1", [0]),
        ("nightingale", []),
        ("  ", []),
    ],
)
def test_all_words_are_found_wherever_they_stand(words, found):
    assert find_rows(items(), words).tolist() == found


@pytest.mark.parametrize("rows", [[], [0], [7, 8, 9, 71], range(72)])
def test_a_selection_comes_through_an_address(rows):
    rows = np.array(list(rows), dtype=np.int64)

    assert unpack_rows(pack_rows(rows, ITEMS, 72), ITEMS, 72).tolist() == rows.tolist()


def test_a_long_selection_is_kept_in_the_store(tmp_path):
    store, count = Store(tmp_path / "store", create=True), 40_000
    rows = np.flatnonzero(np.random.default_rng(0).random(count) < 0.5)
    text = selection_text(store, rows, ITEMS, count)

    assert len(pack_rows(rows, ITEMS, count)) > LONGEST
    assert len(text) == 17
    assert read_selection(store, text, ITEMS, count).tolist() == rows.tolist()
    with pytest.raises(InputError, match="too long for a link, and is not kept here"):
        read_selection(store, "@0123456789abcdef", ITEMS, count)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (pack_rows(ROWS, "cd" * 32, 72), "the link's selection is of other items than these"),
        (pack_rows(ROWS, ITEMS, 72)[:-6], "the link's selection cannot be read; it was cut off"),
        (pack_rows(ROWS, ITEMS, 9000), "the link's selection cannot be read; it was cut off"),
        (f"{ITEMS[:8]}.ünsinn", "the link's selection cannot be read; it was cut off"),
    ],
)
def test_links_that_name_nothing_are_refused(text, message):
    with pytest.raises(InputError, match=message):
        unpack_rows(text, ITEMS, 72)


def test_a_view_comes_through_an_address():
    assert read_view(view_text((0.5, -1.25, 3.0))) == (0.5, -1.25, 3.0)
    assert read_view([0.5, -1.25, 3]) == (0.5, -1.25, 3.0)
    assert view_text(None) == ""
    for nothing in (None, "", "1,2", "1,2,x", "1,2,nan", "1,2,0", [1, 2], [1, 2, "inf"], 7):
        assert read_view(nothing) is None


def test_what_is_typical_of_a_selection_is_found_and_nothing_of_a_random_one(toy):
    owls = np.flatnonzero((toy.items["label"] == "owl") & (toy.items["modality"] == "image"))
    found = lifts(toy.items, toy.partner_keys(), owls)
    best = sure(found)
    everything = lifts(toy.items, toy.partner_keys(), np.arange(72))

    assert [(r.column, r.value) for r in best[:2]] == [("label", "owl"), ("modality", "image")]
    assert best[0].lift == pytest.approx(3.0)  # 8 of 24 rows
    assert (best[0].chosen, best[0].of_chosen, best[0].all, best[0].of_all) == (8, 8, 8, 24)
    assert sure(everything) == []
    assert lift_table(best)["in the selection"].iloc[0] == "8 of 8"
    with pytest.raises(InputError, match="no item is chosen"):
        lifts(toy.items, toy.partner_keys(), np.array([], dtype=int))


def test_numbers_are_compared_by_quarters(toy):
    grown = toy.items.assign(weight=np.arange(72) / 7)
    found = lifts(grown, toy.partner_keys(), np.arange(12))
    quarters = [row for row in found if row.column == "weight"]

    assert len(quarters) == 4
    assert max(quarters, key=lambda row: row.lift).value.startswith("-0.001 to ")
