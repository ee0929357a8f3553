"""Embedding: all layers, once, whatever the batch; skipped items are named; broken runs resume."""

import dataclasses
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import numpy as np
import pandas as pd
import pytest
import torch

from d2v_core import embed as embed_module
from d2v_core.data.folder import read_folder
from d2v_core.embed import embed, recipe_of
from d2v_core.encoders import open_encoder
from d2v_core.encoders.lowlevel import LowLevelEncoder
from d2v_core.encoders.run import of_learner, trained
from d2v_core.errors import CheckpointError, InputError, StoreError
from d2v_core.learner import Learner
from d2v_core.store import Store
from d2v_core.train import train
from tests.conftest import smallest


@pytest.fixture
def encoder():
    return of_learner("toy", Learner(smallest()))


@pytest.fixture
def folder(toys):
    return read_folder(toys)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store", create=True)


def test_every_item_gets_a_row_and_every_tap_a_column(encoder, folder, store):
    result = embed(encoder, folder, store)
    read = store.read(result.name)

    assert (result.added, result.already, result.skipped) == (72, 0, ())
    assert list(read.layers) == ["embed", "block_01.resid", "block_02.resid", "joint"]
    assert read.layers["embed"].shape == (72, 32)
    assert read.layers["joint"].shape == (72, 16)
    assert read.items["modality"].value_counts().to_dict() == {"image": 24, "audio": 24, "text": 24}
    row = read.items[(read.items["id"] == "04") & (read.items["modality"] == "audio")].iloc[0]
    assert (row["label"], row["split"], row["media"], row["size"]) == ("owl", "train", "04.wav", 0)
    assert store.recipe(result.name) == recipe_of(encoder, folder)


def test_two_that_embed_the_same_at_once_lose_nothing_and_double_nothing(
    encoder, folder, store, monkeypatch
):
    """Both look what is there before either has written; each would make the table and all rows."""
    together, done = threading.Barrier(2), Store.done

    def look(store, recipe):
        found = done(store, recipe)
        together.wait(timeout=300)
        return found

    monkeypatch.setattr(Store, "done", look)
    monkeypatch.setattr("d2v_core.embed.CHUNK", 16)

    def work(_):
        return embed(encoder, folder, Store(store.place))

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(work, range(2)))

    read = store.read(store.only())
    assert len(read.items) == len(read.items[["id", "modality"]].drop_duplicates()) == 72
    assert sum(result.added for result in results) == 72


def test_two_that_make_the_same_table_at_once_take_turns(store, monkeypatch):
    """LanceDB would let the second one overwrite what the first has made, in one of some tries."""
    made, both = [], threading.Barrier(2)
    create = store.database.create_table

    def slowly(*arguments, **options):
        made.append("begun")
        time.sleep(0.2)
        result = create(*arguments, **options)
        made.append("ended")
        return result

    def keep(number):
        other = Store(store.place)
        monkeypatch.setattr(other.database, "create_table", slowly)
        both.wait(timeout=300)
        other.keep("key", pd.DataFrame({"number": [number]}), {})

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(keep, range(2)))

    assert made == ["begun", "ended"] * 2
    assert store.kept("key")[0]["number"].tolist() in ([0], [1])


def test_a_second_run_is_a_no_op(encoder, folder, store):
    first = embed(encoder, folder, store)
    version = store.database.open_table(first.name).version
    second = embed(encoder, folder, store)

    assert (second.added, second.already) == (0, 72)
    assert store.database.open_table(first.name).version == version


def test_a_broken_run_resumes_without_a_row_lost_or_double(encoder, folder, store, monkeypatch):
    monkeypatch.setattr("d2v_core.embed.CHUNK", 10)
    whole = store.read(embed(encoder, folder, store).name)
    other = Store(store.place + "-2", create=True)

    def die(done, _of):
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed(encoder, folder, other, report=die)
    assert len(other.done(recipe_of(encoder, folder))) == 20
    assert embed(encoder, folder, other).added == 52
    resumed = other.read(other.only())

    assert resumed.items.equals(whole.items)
    for tap, x in whole.layers.items():
        np.testing.assert_allclose(resumed.layers[tap], x, atol=2e-3)


def test_an_item_alone_is_what_it_is_in_a_padded_batch(encoder, folder):
    for modality in ("audio", "text"):
        tensors = [encoder.load(item) for item in folder.of(modality)[:6]]
        together = encoder.encode(modality, tensors).pooled
        assert len({len(x) for x in tensors}) > 1
        for tap, layer in enumerate(together):
            alone = torch.cat([encoder.encode(modality, [x]).pooled[tap] for x in tensors])
            torch.testing.assert_close(alone, layer, atol=1e-4, rtol=0)


def test_damaged_items_are_named_and_the_rest_is_stored(toys, encoder, store, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(toys, copy)
    (copy / "03.png").write_bytes((copy / "03.png").read_bytes()[:200])
    (copy / "05.wav").write_bytes(b"")
    (copy / "07.png").unlink()
    result = embed(encoder, read_folder(copy), store)

    assert {problem.file for problem in result.skipped} >= {"03.png", "05.wav"}
    assert any("07.png" in f"{p.file} {p.reason}" for p in result.skipped)
    assert result.added == len(store.read(result.name).items) >= 68


def test_untrained_encoders_repeat_and_differ_from_trained_ones(folder, tmp_path):
    assert open_encoder("random:tiny-shared").hash == open_encoder("random:tiny-shared").hash
    run = tmp_path / "run"
    train(folder, smallest(), run)
    first = trained(run / "checkpoints" / "step_00000000")

    assert trained(run).hash != first.hash
    assert trained(run).name == "run"
    assert first.name == "run-step_00000000"


def test_low_level_statistics_have_their_meaning(folder):
    """The mean of an 8 x 8 thumbnail is the colour; byte shares sum to 1."""
    encoder = LowLevelEncoder()
    image = encoder.load(folder.of("image")[0])[:192].view(3, 64).mean(dim=1)
    text = encoder.load(folder.of("text")[0])

    assert image[0] > image[1]  # the first toy is reddish
    assert text.sum().item() == pytest.approx(1.0)


def test_unknown_encoders_are_refused(tmp_path):
    with pytest.raises(InputError, match="there is no encoder 'nosuch'; name a run folder"):
        open_encoder("nosuch")
    with pytest.raises(CheckpointError, match="is not a run folder: it has no config.json"):
        open_encoder(str(tmp_path))


def test_a_store_that_is_not_there(tmp_path):
    with pytest.raises(StoreError, match=r"there is no store at .*nosuch; make one with"):
        Store(tmp_path / "nosuch")


def test_names_and_taps_that_are_not_there(encoder, folder, store):
    name = embed(encoder, folder, store).name
    with pytest.raises(StoreError, match=f"has no representation 'x'; it has {name}"):
        store.read("x")
    with pytest.raises(StoreError, match="has no tap top; it has embed, block_01.resid"):
        store.read(name, taps=("top",))
    embed(LowLevelEncoder(), folder, store)
    with pytest.raises(StoreError, match="holds 2 representations .* choose one with --name"):
        store.only()


def test_values_that_are_not_finite_are_refused(encoder, folder, store):
    torch.nn.init.constant_(encoder.student.prenets["image"].norm.weight, torch.nan)
    with pytest.raises(StoreError, match="not finite in half precision for 24 items"):
        embed(encoder, folder, store)


class Loud(LowLevelEncoder):
    """Its values are a thousand million times those of its parent."""

    def encode(self, modality, batch):
        found = super().encode(modality, batch)
        return dataclasses.replace(found, pooled=tuple(1e9 * x for x in found.pooled))


def test_values_too_large_for_half_precision_are_kept_in_single(folder, store, tmp_path):
    encoder = Loud()
    with pytest.raises(StoreError, match="them; keep them in another store, with --precision floa"):
        embed(encoder, folder, store)
    wide = Store(tmp_path / "wide", create=True, precision="float32")
    name = embed(encoder, folder, wide).name
    (x,) = wide.read(name).layers.values()

    assert wide.recipe(name).precision == "float32"
    assert 65_504 < np.abs(x).max() < np.inf
    assert embed(encoder, folder, wide).added == 0


def test_no_other_precision_larger_numbers_or_mixed_ones(encoder, folder, store):
    torch.nn.init.constant_(encoder.student.prenets["image"].norm.weight, torch.nan)
    with pytest.raises(StoreError, match="among them$"):  # nothing keeps what is no number
        embed(encoder, folder, store)
    with pytest.raises(StoreError, match="no precision 'int8'; choose float16 or float32"):
        Store(store.place, precision="int8")
    low = LowLevelEncoder()
    name = embed(low, folder, store).name
    with pytest.raises(
        StoreError, match=f"has {name} in float16 already; for float32 embed into another store"
    ):
        embed(low, folder, Store(store.place, precision="float32"))


def test_batches_hold_what_is_of_one_length(folder, monkeypatch):
    """Padding is a fifth at most where there are enough items, and no batch is too large."""
    encoder = LowLevelEncoder()
    lengths = [100 + (37 * n) % 900 for n in range(200)]
    window = [(n, torch.zeros(length)) for n, length in enumerate(lengths)]
    items = [folder.of("audio")[0]] * len(lengths)
    monkeypatch.setattr("d2v_core.embed.NUMBERS", 12_000)

    batches = [
        list(map(len, batch.values())) for _, batch in embed_module._batches(encoder, items, window)
    ]

    assert sorted(list(chain(*batches))) == sorted(lengths)
    assert list(chain(*batches)) == sorted(lengths)
    assert max(map(len, batches)) <= encoder.batch
    assert max(len(b) * max(b) for b in batches) <= 12_000
    assert all(max(b) <= 1.25 * min(b) for b in batches if len(b) > 4)
    assert len(batches) < 20
