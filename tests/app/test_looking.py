"""What is in a data folder, and what is said of it."""

import shutil
import sys

import numpy as np
import pandas as pd
import pytest
import soundfile

from app import data_words, places
from app.data_charts import split_bars
from app.looking import (
    CLIP_SECONDS,
    NO_LABEL,
    chance_of,
    clip,
    look,
    matching,
    page_of,
    pages,
    size_of,
    sizes,
    spread,
    torn_groups,
    with_modalities,
)
from d2v_core.data.items import Problem
from d2v_core.errors import InputError, MediaError


def rows(**columns):
    """Return rows of pictures; `splits` and `labels` are letters."""
    count = len(next(iter(columns.values())))
    table = {"id": [str(n) for n in range(count)], "label": None, "group": None, "split": "train"}
    table |= {"image": True, "audio": False, "text": False}
    return pd.DataFrame(table | columns)


@pytest.fixture(scope="module")
def looked(toys):
    return look(toys)


def test_counts_pairs_and_splits_of_the_toys(looked):
    assert looked.counts == {"image": 24, "audio": 24, "text": 24}
    assert set(looked.pairs.values()) == {24}
    table = looked.splits_by_label()
    assert table["label"].tolist() == ["duck", "owl", "robin", "all"]
    assert table.iloc[-1][["train", "val", "test", "all"]].tolist() == [18, 3, 3, 24]
    assert (table[["train", "val", "test"]].sum(axis=1) == table["all"]).all()


def test_a_folder_with_few_sounds(with_few_sounds):
    looked = look(with_few_sounds)

    assert looked.counts["audio"] == 6
    assert looked.pairs[("image", "audio")] == 6
    assert looked.pairs[("image", "text")] == 24


def test_an_empty_folder_has_no_rows_and_none_is_refused(tmp_path):
    assert len(look(tmp_path).rows) == 0
    assert look(tmp_path).counts == {}

    with pytest.raises(InputError, match="does not exist; wanted is a folder"):
        look(tmp_path / "gone")


def test_sizes_are_those_of_the_files(looked):
    table = sizes(looked).set_index("what")

    assert table.loc["pictures", ["shortest", "longest"]].tolist() == [64, 64]
    assert table.loc["sounds", "shortest"] == pytest.approx(0.25)
    assert table.loc["sounds", "longest"] == pytest.approx((4000 + 800) / 16000)
    assert table["of"].tolist() == [24, 24, 24]


def test_what_has_no_size_is_left_out(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    (tmp_path / "b.wav").write_bytes(b"no sound")
    looked = look(tmp_path)

    assert [size_of(item) for item in looked.folder.items] == [None, None]
    assert len(sizes(looked)) == 0
    assert len(data_words.size_table(sizes(looked))) == 0


def test_filters_pages_and_spreading(looked):
    ids = looked.rows["id"].tolist()
    assert matching(looked.rows, labels=[], splits=[]) == ids
    assert matching(looked.rows, labels=["owl"], splits=["test"]) == ["13"]
    assert matching(looked.rows, labels=[NO_LABEL], splits=[]) == []
    assert [page_of(ids, n, 10) for n in (1, 3, 4)] == [ids[:10], ids[20:], []]
    assert [pages(n, 24) for n in (0, 24, 25)] == [1, 1, 2]
    assert spread(range(10), 3) == [0, 3, 6]
    assert spread(range(3), 3) == [0, 1, 2]


def test_rows_that_must_have_a_modality(with_few_sounds):
    table = look(with_few_sounds).rows

    assert len(with_modalities(table, ["audio"])) == 6
    assert len(with_modalities(table, ["audio", "text"])) == 6
    assert len(with_modalities(table, [])) == 24


def test_torn_groups_are_found_and_whole_ones_are_not():
    table = rows(group=["a", "a", "b", "b", None], split=["train", "train", "train", "test", "val"])

    assert torn_groups(table) == ["b"]


@pytest.mark.parametrize(
    ("train", "val", "expected"),
    [
        ("aab", "aaab", 3 / 4),  # always "a"
        ("aab", "bbb", 1 / 3),  # each as often as it occurs
        ("ab", "ab", 1 / 2),
        ("ab", "ccab", 1 / 2),  # "c" cannot be told, and is not asked for
    ],
)
def test_chance_is_the_better_of_two_ways_to_guess(train, val, expected):
    table = rows(label=list(train + val), split=["train"] * len(train) + ["val"] * len(val))

    assert chance_of(table) == {"image": pytest.approx(expected)}


def test_without_labels_there_is_no_chance():
    assert chance_of(rows(split=["train", "val"])) == {}


def test_a_long_sound_is_cut_and_its_length_is_told(tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.1, int(12.5 * 8000))
    soundfile.write(tmp_path / "long.wav", noise, 8000)
    sound, seconds = clip(tmp_path / "long.wav")

    assert sound.seconds == pytest.approx(CLIP_SECONDS, abs=0.01)
    assert seconds == pytest.approx(12.5)
    (tmp_path / "no.wav").write_bytes(b"no sound")
    with pytest.raises(MediaError):
        clip(tmp_path / "no.wav")


def test_groups_are_spoken_of(toys, tmp_path):
    assert "No row names a **group**" in data_words.groups_words(look(toys))[1]

    shutil.copytree(toys, tmp_path / "data")
    table = pd.read_csv(tmp_path / "data" / "metadata.csv", dtype=str)
    table["group"] = [f"g{n // 3}" for n in range(24)]  # as the splits go
    table.to_csv(tmp_path / "data" / "metadata.csv", index=False)
    is_fine, words = data_words.groups_words(look(tmp_path / "data"))
    assert is_fine
    assert "**8 groups**" in words

    table["group"] = "one"
    table.to_csv(tmp_path / "data" / "metadata.csv", index=False)
    is_fine, words = data_words.groups_words(look(tmp_path / "data"))
    assert not is_fine
    assert "1 of 1 groups are torn** between splits: one." in words


def test_pairs_are_spoken_of(with_few_sounds, tmp_path):
    assert "6 of pictures and sounds" in data_words.pairs_words(look(with_few_sounds))

    (tmp_path / "a.txt").write_text("a robin")
    assert "so there are no pairs" in data_words.pairs_words(look(tmp_path))


def test_problems_and_bars(looked):
    table = data_words.problem_table([Problem("a.png", "is broken")])
    assert table.to_dict("records") == [{"file": "a.png", "reason": "is broken"}]

    figure = split_bars(looked.splits_by_label())
    assert [trace.name for trace in figure.data] == ["train", "val", "test"]
    assert sum(sum(trace.x) for trace in figure.data) == 24  # the sums are no bar


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (" ", "no folder was named"),
        ("/no/such/folder", "there is no '/no/such/folder' on this machine"),
        ("a\0b", "on this machine; type a path that is"),
        (__file__, "is a file; wanted is a folder, or a .parquet file"),
    ],
)
def test_a_path_that_is_no_data_folder_is_refused(typed, message):
    with pytest.raises(InputError, match=message):
        places.open_folder(typed)


def test_places_are_below_the_home_that_was_named(tmp_path, monkeypatch, toys):
    monkeypatch.setattr(sys, "argv", ["main.py", "--store", "x", "--home", str(tmp_path)])
    assert places.runs_root() == tmp_path / "runs"
    assert places.data_folders(tmp_path / "nosample") == []

    for name in ("Zebra", "ant", ".part"):
        (places.brought_root() / name).mkdir(parents=True)
    (tmp_path / "data" / "own").mkdir(parents=True)
    found = places.data_folders(toys)
    assert [path.name for path in found] == ["toys", "ant", "Zebra", "own"]
    assert places.open_folder(f"  {found[1]} ") == found[1]


def test_a_task_has_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["main.py", "--home", str(tmp_path)])
    first = places.task_folder("check", "a", "b")

    assert first == places.task_folder("check", "a", "b")
    assert first != places.task_folder("check", "ab")
    assert places.task_folders("check") == []
    first.mkdir(parents=True)
    assert places.task_folders("check") == [first]
