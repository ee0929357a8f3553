"""Items that cannot be decoded: passed over the same way every time, counted, named once."""

import dataclasses
import json

import pytest
import torch

from d2v_core.data.folder import read_folder
from d2v_core.data.steps import ItemCache, TrainSteps
from d2v_core.data.walk import Walk
from d2v_core.errors import InputError, MediaError
from d2v_core.metrics import read_metrics
from d2v_core.monitor import Monitor
from d2v_core.train import train
from tests.conftest import smallest, write_toys


@pytest.fixture
def root(tmp_path):
    return write_toys(tmp_path / "toys")


def damage(root, *names):
    for name in names:
        (root / name).write_bytes(b"not what it was")
    return read_folder(root)


class Fixed(Walk):
    """Goes where it is told to."""

    def __init__(self, items):
        super().__init__(len(items))
        self.items = items

    def __getitem__(self, place):
        return self.items[place]


def ids_of(steps, modality):
    return [item.id for item in steps.items[modality]]


def test_the_next_item_of_the_walk_stands_in(root):
    config = smallest("separate", audio=None, text=None)
    whole = TrainSteps(read_folder(root), config)
    ids = ids_of(whole, "image")
    walk = whole.walks["image"]
    bad = [ids[walk[1]], ids[walk[2]]]
    before = whole[0].parts[0]["image"]
    broken = TrainSteps(damage(root, *(f"{name}.png" for name in bad)), config)
    step = broken[0]

    assert step.skipped == tuple(
        f"image of item {name}: not a picture in a format that can be read" for name in bad
    )
    # Places 0, 1, 2, 3 hold the items 0, 3, 3, 3, each with the crop and masks of its own place.
    after = step.parts[0]["image"]
    assert torch.equal(after.values[[0, 3]], before.values[[0, 3]])
    assert torch.equal(after.mask, before.mask)
    assert not torch.equal(after.values[1], before.values[1])
    assert not torch.equal(after.values[1], after.values[2])
    other = TrainSteps(read_folder(root), config)
    other.walks["image"] = Fixed([walk[0], walk[3], walk[3], walk[3]])
    assert torch.equal(after.values, other[0].parts[0]["image"].values)


def test_a_pair_is_passed_over_as_a_whole(root):
    config = smallest()
    whole = TrainSteps(read_folder(root), config)
    row = whole.pairs[0].rows[whole.pair_walks[0][0]]
    name, before = row["audio"].id, whole[0].paired.inputs
    broken = TrainSteps(damage(root, f"{name}.wav"), config)
    after = broken[0].paired.inputs

    assert broken[0].skipped == (
        f"audio of item {name}: not a recording in a format that can be read",
    )
    for modality in ("image", "text"):
        assert not torch.equal(before[modality].values[0], after[modality].values[0])
        assert torch.equal(before[modality].values[1:], after[modality].values[1:])


def test_a_training_counts_them_lists_them_and_names_each_once(root, tmp_path):
    folder, told = damage(root, "00.png", "04.wav", "16.png"), []
    train(folder, smallest(), tmp_path / "run", report=lambda p: told.extend(p.skipped))
    listed = [json.loads(x) for x in (tmp_path / "run" / "skipped.jsonl").read_text().splitlines()]

    assert [line["reason"] for line in listed] == told
    assert len(set(told)) == len(told)
    assert set(told) == {
        "image of item 00: not a picture in a format that can be read",
        "image of item 16: not a picture in a format that can be read",
        "audio of item 04: not a recording in a format that can be read",
    }
    counts = [line["skipped"] for line in read_metrics(tmp_path / "run")]
    assert counts == sorted(counts)
    assert counts[-1] == 3


def test_nothing_is_listed_where_nothing_is_wrong(root, tmp_path):
    train(read_folder(root), smallest("separate", audio=None, text=None), tmp_path / "run")

    assert not (tmp_path / "run" / "skipped.jsonl").exists()
    assert {line["skipped"] for line in read_metrics(tmp_path / "run")} == {0}


def test_a_resumed_run_passes_over_the_same_items(root, tmp_path):
    folder, whole, cut = damage(root, "00.png", "04.wav"), tmp_path / "whole", tmp_path / "cut"
    train(folder, smallest(), whole)

    class KilledError(Exception):
        pass

    def die(progress):
        if progress.step == 5:
            raise KilledError

    with pytest.raises(KilledError):
        train(folder, smallest(), cut, report=die)
    train(folder, smallest(), cut, resume=True)

    for name in ("skipped.jsonl", "metrics.jsonl"):
        assert (cut / name).read_text() == (whole / name).read_text()


def test_a_folder_that_is_mostly_damaged_is_refused_before_anything_is_written(root, tmp_path):
    folder = read_folder(root)
    sounds = [item.file.name for item in folder.of("audio") if item.split == "train"]
    folder = damage(root, *sounds[: len(sounds) // 2])
    TrainSteps(folder, smallest()).refuse_damage()
    folder = damage(root, *sounds[: len(sounds) // 2 + 1])

    with pytest.raises(
        InputError,
        match=r"10 of the first 18 audio items cannot be decoded, for example audio of item \d\d: "
        "not a recording in a format that can be read; see what is usable with d2v data check",
    ):
        train(folder, smallest(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_pairs_without_a_single_one_that_can_be_decoded_are_refused(root):
    config = smallest()
    config = dataclasses.replace(config, pairs=dataclasses.replace(config.pairs, fraction=0.1))
    pairs = TrainSteps(read_folder(root), config).pairs[0].rows
    folder = damage(root, *(row["image"].file.name for row in pairs))

    with pytest.raises(InputError, match=f"none of {len(pairs)} items can be decoded, for example"):
        TrainSteps(folder, config)[0]


def test_the_monitor_leaves_out_what_cannot_be_decoded(root):
    config = smallest("separate", audio=None, text=None)
    images = [item.file.name for item in read_folder(root).of("image")]
    whole = Monitor(read_folder(root), config, ItemCache(config))
    left = Monitor(damage(root, images[0]), config, ItemCache(config))

    assert len(left.labels["image"]) == len(whole.labels["image"]) - 1
    assert left.banks["image"] == whole.banks["image"] - 1
    assert len(left.batches["image"][0].values) == len(left.labels["image"])


def test_a_cache_tries_once_and_gives_the_reason_again(root, monkeypatch):
    config = smallest("separate", audio=None, text=None)
    item = damage(root, "00.png").of("image")[0]
    cache = ItemCache(config)
    for _ in range(2):
        with pytest.raises(MediaError, match="image of item 00: not a picture in a format"):
            cache(item)
        item.file.unlink(missing_ok=True)
