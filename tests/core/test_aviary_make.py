"""Items and data folders: the same bytes again, complete or absent, refused in words."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image

from d2v_core.data import aviary
from d2v_core.data.aviary import make, make_aviary, make_item
from d2v_core.data.aviary.world import SPECIES, make_factors
from d2v_core.errors import InputError

COLUMNS = [
    "id",
    "image_file_name",
    "audio_file_name",
    "text",
    "label",
    "split",
    "group",
    "is_bird",
    "held_out_species",
    "species",
    "size",
    "count",
    "time",
    "mood",
    "facing",
    "scenery",
    "hue_shift",
    "loudness_db",
    "room",
    "noise_db",
    "phrasing",
]


def bytes_of(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.*"))
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("world") / "aviary"
    make_aviary(out, items=16, seed=5, workers=1)
    return out


def test_the_public_names_are_sorted_and_there():
    assert aviary.__all__ == sorted(aviary.__all__)
    assert all(getattr(aviary, name) for name in aviary.__all__)


def test_the_same_seed_and_index_make_the_same_item():
    one, again = make_item(2, 7), make_item(2, 7)

    assert one.factors == again.factors
    assert one.sentence == again.sentence
    np.testing.assert_array_equal(one.picture, again.picture)
    np.testing.assert_array_equal(one.song, again.song)


def test_another_seed_or_index_makes_another_item():
    one = make_item(2, 7)
    for other in (make_item(3, 7), make_item(2, 8)):
        assert one.factors != other.factors
        assert np.any(one.picture != other.picture)
        assert np.any(one.song != other.song)
        assert one.sentence != other.sentence


def test_an_item_has_the_shapes_and_types_promised():
    item = make_item(0, 0)

    assert item.picture.shape == (64, 64, 3)
    assert item.picture.dtype == np.uint8
    assert item.song.shape == (32000,)
    assert item.song.dtype == np.float32


@pytest.mark.parametrize(("seed", "index"), [(-1, 0), (0, -1)])
def test_negative_numbers_are_refused(seed, index):
    with pytest.raises(InputError) as refusal:
        make_item(seed, index)

    assert str(refusal.value) == (
        f"seed and index must be 0 or more, got seed={seed} and index={index}"
    )


def test_the_table_opens_and_every_file_is_there(folder):
    table = pd.read_csv(folder / "metadata.csv")

    assert list(table.columns) == COLUMNS
    assert len(table) == 16
    assert sorted(table["label"]) == sorted(SPECIES)
    assert not table.isna().any().any()
    for row in table.itertuples():
        with Image.open(folder / row.image_file_name) as image:
            assert (image.size, image.mode) == ((64, 64), "RGB")
        sound = soundfile.info(folder / row.audio_file_name)
        assert (sound.samplerate, sound.channels, sound.frames) == (16000, 1, 32000)


def test_the_table_says_what_the_factors_are(folder):
    with (folder / "metadata.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))

    for index, row in enumerate(rows):
        factors = make_factors(5, index)
        assert row["id"] == f"aviary-5-{index:06d}"
        assert row["label"] == row["species"] == factors.species
        assert row["split"] == factors.split
        assert row["group"] == factors.combination
        assert row["is_bird"] == str(factors.is_bird)
        assert row["held_out_species"] == str(factors.held_out_species)
        for name in COLUMNS[9:]:
            assert row[name] == str(getattr(factors, name))


def test_the_files_hold_the_item(folder):
    item = make_item(5, 3)
    with Image.open(folder / "images/000003.png") as image:
        np.testing.assert_array_equal(np.asarray(image), item.picture)
    sound, _ = soundfile.read(folder / "audio/000003.flac", dtype="float32")

    np.testing.assert_array_equal(sound, item.song)


def test_a_smaller_world_is_the_beginning_of_a_larger_one_byte_for_byte(folder, tmp_path):
    make_aviary(tmp_path / "small", items=5, seed=5, workers=1)
    small, large = bytes_of(tmp_path / "small"), bytes_of(folder)

    table = small.pop("metadata.csv")
    assert large["metadata.csv"].startswith(table)
    assert len(small) == 10
    assert small.items() <= large.items()


@pytest.mark.slow
def test_several_processes_write_the_same_bytes(tmp_path):
    done = []
    make_aviary(tmp_path / "one", items=40, seed=1, workers=1)
    make_aviary(tmp_path / "two", items=40, seed=1, workers=2, progress=done.append)

    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")
    assert done == [16, 32, 40]


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "there").mkdir()
    make_aviary(tmp_path / "there", items=1, workers=1)

    assert (tmp_path / "there" / "metadata.csv").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_a_folder_in_use_is_refused_and_kept(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")

    with pytest.raises(InputError) as refusal:
        make_aviary(tmp_path, items=1)

    assert str(refusal.value) == (
        f"{tmp_path} is not empty; choose another folder, or empty it first"
    )
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_file_or_link_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    for name in ("file", "link"):
        with pytest.raises(InputError) as refusal:
            make_aviary(tmp_path / name, items=1)
        assert str(refusal.value) == (f"{tmp_path / name} is not a folder; choose another name")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"items": 0}, "items must be 1 or more, got 0"),
        ({"items": 1, "seed": -3}, "seed must be 0 or more, got -3"),
        ({"items": 1, "workers": 0}, "workers must be 1 or more, got 0"),
    ],
)
def test_numbers_out_of_range_are_refused(tmp_path, arguments, message):
    with pytest.raises(InputError) as refusal:
        make_aviary(tmp_path / "out", **arguments)

    assert str(refusal.value) == message
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")

    with pytest.raises(InputError) as refusal:
        make_aviary(tmp_path / "file" / "out", items=1)
    assert str(refusal.value) == f"{tmp_path / 'file'} is not a folder; choose another place"

    with pytest.raises(InputError) as refusal:
        make_aviary(tmp_path / "file" / "deep" / "out", items=1)
    assert str(refusal.value) == f"cannot write to {tmp_path / 'file' / 'deep'}: Not a directory"


def test_a_broken_run_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(path, *_, **__):
        raise OSError(28, os.strerror(28), str(path))

    monkeypatch.setattr(make.soundfile, "write", full)
    with pytest.raises(InputError) as refusal:
        make_aviary(tmp_path / "out", items=2, workers=1)

    assert str(refusal.value) == f"cannot write to {tmp_path}: No space left on device"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_process_that_dies_is_reported(tmp_path):
    """A script without its guard: every process runs the script again, and dies of it."""
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from d2v_core.data.aviary import make_aviary\n"
        f"make_aviary(Path({str(tmp_path / 'out')!r}), items=32, workers=2)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "InputError: a process that made items died: not enough memory, or" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["script.py"]


@pytest.mark.slow
def test_240_items_are_balanced_and_small(tmp_path: Path):
    make_aviary(tmp_path / "out", items=240, workers=2)
    table = pd.read_csv(tmp_path / "out" / "metadata.csv")
    size = sum(path.stat().st_size for path in (tmp_path / "out").rglob("*.*"))

    assert set(table["label"].value_counts()) == {15}
    assert size < 8_000_000
