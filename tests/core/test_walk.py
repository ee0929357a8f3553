"""The order of items: every one once an epoch, those of similar length together."""

import collections
import dataclasses

import numpy as np
import pytest
import soundfile
import torch

from d2v_core.data.folder import read_folder
from d2v_core.data.items import Item
from d2v_core.data.steps import TrainSteps
from d2v_core.data.walk import CHUNK, TokenCounts, Walk, letters
from d2v_core.modality_config import ImageConfig, MaskConfig, MelConfig, TextConfig, WaveConfig
from tests.conftest import smallest

MASK = MaskConfig(ratio=0.5)


def by(lengths):
    return lambda numbers: [lengths[n] for n in numbers]


def lengths_of(count, seed=0):
    return np.random.default_rng(seed).integers(5, 100, count).tolist()


@pytest.mark.parametrize("count", [1, 7, 16, 100, 1000, 1003])
@pytest.mark.parametrize("sorts", [True, False])
def test_every_item_comes_once_an_epoch(count, sorts):
    walk = Walk(count, 0, batch=16, length_of=by(lengths_of(count)) if sorts else None)

    for epoch in range(3):
        seen = [walk[epoch * count + n] for n in range(count)]
        assert sorted(seen) == list(range(count))


@pytest.mark.parametrize("sorts", [True, False])
def test_an_entry_does_not_depend_on_what_was_asked_before(sorts):
    """So a resumed run sees what it would have seen, and two processes see what one would."""
    length_of = by(lengths_of(300)) if sorts else None
    places = list(range(900))
    once = [Walk(300, 7, "audio", batch=8, length_of=length_of)[n] for n in places[::37]]
    walk = Walk(300, 7, "audio", batch=8, length_of=length_of)

    assert [walk[n] for n in places][::37] == once
    assert [walk[n] for n in reversed(places)][::-1][::37] == once


@pytest.mark.parametrize("sorts", [True, False])
def test_epochs_and_seeds_differ(sorts):
    length_of = by(lengths_of(300)) if sorts else None

    def epoch(seed, number):
        walk = Walk(300, seed, batch=10, length_of=length_of)
        return [walk[n] for n in range(300 * number, 300 * (number + 1))]

    assert epoch(0, 0) != epoch(0, 1)
    assert epoch(0, 0) != epoch(1, 0)


def batches_of(walk, batch, count):
    return [[walk[n] for n in range(a, a + batch)] for a in range(0, count, batch)]


def test_batches_hold_what_is_of_similar_length_and_come_in_any_order():
    lengths = lengths_of(16 * CHUNK * 3)
    walk = Walk(len(lengths), 0, batch=16, length_of=by(lengths))
    batches = batches_of(walk, 16, len(lengths))
    spreads = [max(lengths[n] for n in b) - min(lengths[n] for n in b) for b in batches]
    longest = [max(lengths[n] for n in batch) for batch in batches]

    assert max(spreads) < 20  # of 95
    first = longest[:CHUNK]
    assert first != sorted(first)
    assert first != sorted(first, reverse=True)


def test_where_epochs_meet_only_one_batch_is_mixed():
    lengths = lengths_of(1003)
    walk = Walk(1003, 0, batch=16, length_of=by(lengths))
    batches = batches_of(walk, 16, 3 * 1003 // 16 * 16)
    spreads = [max(lengths[n] for n in b) - min(lengths[n] for n in b) for b in batches]
    mixed = [n for n, spread in enumerate(spreads) if spread > 30]

    assert set(mixed) <= {1003 // 16, 2 * 1003 // 16}


def test_which_items_meet_changes_from_epoch_to_epoch():
    """Sorting the whole epoch would put the same neighbours together for ever."""
    lengths = lengths_of(16 * CHUNK * 4)
    walk = Walk(len(lengths), 0, batch=16, length_of=by(lengths))

    def neighbours(epoch):
        start = epoch * len(lengths)
        found = [[walk[start + a + n] for n in range(16)] for a in range(0, len(lengths), 16)]
        return {frozenset((a, b)) for batch in found for a in batch for b in batch if a != b}

    first, second = neighbours(0), neighbours(1)
    assert len(first & second) < 0.3 * len(first)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """480 sounds of 0.5 to 10 s, as short as files can be: 16 kHz, 8 bits, silence."""
    folder = tmp_path_factory.mktemp("lengths")
    rng = np.random.default_rng(0)
    for n in range(480):
        count = int(16000 * rng.uniform(0.5, 10))
        soundfile.write(folder / f"{n}.wav", np.zeros(count), 16000, subtype="PCM_U8")
    return folder


def items_of(folder):
    paths = sorted(folder.glob("*.wav"), key=lambda path: int(path.stem))
    return [Item(p.stem, "audio", p, None, "train", None, {}) for p in paths]


def padding(lengths, batches):
    """Return the share of a batch's room that padding takes."""
    room = sum(len(batch) * max(lengths[n] for n in batch) for batch in batches)
    return 1 - sum(lengths[n] for batch in batches for n in batch) / room


def test_little_is_padded(recordings):
    """From 0.5 to 10 s: 43 % of the room is padding in batches drawn at random, 5 % in ours."""
    config = MelConfig(mask=MASK, train_frames=1008)
    lengths = TokenCounts(items_of(recordings), config)(list(range(480)))
    ours = Walk(480, 0, batch=16, length_of=by(lengths))
    drawn = Walk(480, 0, batch=16)

    assert padding(lengths, batches_of(drawn, 16, 480)) > 0.35
    assert padding(lengths, batches_of(ours, 16, 480)) < 0.06


def test_little_of_a_real_batch_is_padding(recordings):
    """Here of the batches that one of two processes gets."""
    config = smallest("separate", image=None, text=None)
    audio = dataclasses.replace(config.audio, train_frames=1008)
    optim = dataclasses.replace(config.optim, batch=16)
    config = dataclasses.replace(config, audio=audio, optim=optim)
    steps = TrainSteps(read_folder(recordings), config, rank=1, world=2)
    batches = [steps[n].parts[0]["audio"] for n in range(12)]
    room = sum(len(x.lengths) * x.tokens for x in batches)

    assert {len(x.lengths) for x in batches} == {8}
    assert 1 - sum(int(x.lengths.sum()) for x in batches) / room < 0.06


@pytest.mark.parametrize(
    ("config", "most"),
    [
        (MelConfig(mask=MASK, train_frames=208), 13),
        (MelConfig(mask=MASK, train_frames=496), 31),
        (WaveConfig(mask=MASK, train_samples=80000), 250),
    ],
)
def test_counts_are_those_of_the_tokens_that_training_sees(config, most, recordings):
    items = items_of(recordings)[:20]
    counts = TokenCounts(items, config)(list(range(20)))
    exact = [
        min(soundfile.info(str(i.file)).frames / 16000 / (0.16 if most < 100 else 0.02), most)
        for i in items
    ]

    assert counts == [int(x) for x in exact]
    assert max(counts) == most


def test_a_header_is_read_once(recordings, monkeypatch):
    calls = collections.Counter()
    info = soundfile.info

    def counting(name):
        calls[name] += 1
        return info(name)

    monkeypatch.setattr(soundfile, "info", counting)
    counts = TokenCounts(items_of(recordings)[:20], MelConfig(mask=MASK))
    counts([3, 4, 5])
    counts([5, 6])

    assert sum(calls.values()) == len(calls) == 4


def test_texts_are_counted_in_bytes_as_far_as_they_are_read(tmp_path):
    config = TextConfig(mask=MASK, max_tokens=10)
    (tmp_path / "a.txt").write_text("seven b")

    def item(source):
        return Item("1", "text", source, None, "train", None, {})

    assert letters(item("übung"), config) == 6
    assert letters(item("a longer sentence"), config) == 10
    assert letters(item(tmp_path / "a.txt"), config) == 7
    assert letters(item(tmp_path / "none.txt"), config) == 0
    subwords = TextConfig(mask=MASK, vocabulary="gpt2", size=50257, max_tokens=10)
    assert letters(item("a longer sentence, of more than forty letters"), subwords) == 40


def test_what_has_no_header_is_short(tmp_path):
    (tmp_path / "0.wav").write_bytes(b"no sound")
    (tmp_path / "1.wav").mkdir()

    assert TokenCounts(items_of(tmp_path), MelConfig(mask=MASK))([0, 1]) == [0, 0]


def test_pictures_are_never_sorted(toys):
    steps = TrainSteps(read_folder(toys), smallest())

    assert isinstance(smallest().image, ImageConfig)
    assert steps.walks["image"].length_of is None
    assert steps.walks["audio"].length_of is not None
    assert steps.pair_walks[0].length_of is None


@pytest.mark.parametrize("world", [2, 4])
def test_many_processes_see_together_what_one_sees(world, toys):
    folder, config = read_folder(toys), smallest()
    one = TrainSteps(folder, config)
    many = [TrainSteps(folder, config, rank=rank, world=world) for rank in range(world)]

    for step in (0, 5):
        parts = [steps[step] for steps in many]
        whole = one[step]
        for modality, batch in whole.parts[0].items():
            lengths = torch.cat([part.parts[0][modality].lengths for part in parts])
            assert torch.equal(lengths, batch.lengths)
        values = torch.cat([part.paired.inputs["image"].values for part in parts])
        assert torch.equal(values, whole.paired.inputs["image"].values)
