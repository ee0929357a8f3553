"""Decoding ahead: the same items in the same order, windows of bounded size, workers that die."""

import multiprocessing
import os
import signal
import threading
from contextlib import closing
from functools import partial

import numpy as np
import pytest
import torch
from torch.utils.data import get_worker_info

from d2v_core.data.decoded import decoded, windows
from d2v_core.data.folder import read_folder
from d2v_core.data.items import Item
from d2v_core.data.workers import usual_workers
from d2v_core.embed import embed
from d2v_core.encoders.run import of_learner
from d2v_core.errors import InputError, MediaError
from d2v_core.learner import Learner
from d2v_core.store import Store
from tests.conftest import smallest

ITEMS = [Item(str(n), "text", "a", None, "train", None, {}) for n in range(40)]


def counted(item):
    """Return as many numbers as the item's id says; refuse multiples of 7."""
    number = int(item.id)
    if number and number % 7 == 0:
        raise MediaError(f"{number} is a multiple of 7")
    return torch.full((number,), float(number))


def dies(item, load):
    """Decode an item; at the one that is too much for it the process is killed."""
    if item.id == "20" and get_worker_info() is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    return load(item)


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_items_come_in_their_order_with_their_reasons(workers):
    with closing(decoded(ITEMS, counted, workers=workers)) as found:
        every = list(found)

    assert len(every) == 40
    for number, one in enumerate(every):
        if isinstance(one, str):
            assert one == f"{number} is a multiple of 7"
        else:
            assert torch.equal(one, torch.full((number,), float(number)))
    assert [n for n, one in enumerate(every) if isinstance(one, str)] == [7, 14, 21, 28, 35]


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_window_is_full_by_number_or_by_bytes(workers):
    """Item n has 4n bytes: six items at first, then as few as reach 300 bytes."""
    with closing(windows(ITEMS, counted, most=6, most_bytes=300, workers=workers)) as made:
        every = list(made)

    assert [n for window in every for n, _ in window] == list(range(40))
    sizes = [[0 if isinstance(x, str) else x.nbytes for _, x in window] for window in every]
    assert [len(window) for window in every[:2]] == [6, 6]
    assert all(sum(window[:-1]) < 300 and len(window) <= 6 for window in sizes)
    assert all(sum(window) >= 300 or len(window) == 6 for window in sizes[:-1])
    assert len(sizes[-2]) < 6


@pytest.mark.slow
def test_the_next_window_comes_together_meanwhile():
    def threads_while_a_window_is_looked_at(workers):
        before = threading.active_count()
        with closing(windows(ITEMS, counted, most=10, most_bytes=999, workers=workers)) as made:
            next(made)
            return threading.active_count() - before

    assert threads_while_a_window_is_looked_at(0) == 0
    assert threads_while_a_window_is_looked_at(1) > 0


@pytest.mark.slow
def test_no_worker_stays_when_nobody_wants_more():
    with closing(decoded(10 * ITEMS, counted, workers=2)) as found:
        next(found)
        assert len(multiprocessing.active_children()) == 2
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_store_is_the_same_whoever_decodes(toys, tmp_path, monkeypatch, workers):
    monkeypatch.setattr("d2v_core.embed.CHUNK", 10)
    encoder = of_learner("toy", Learner(smallest()))
    here, there = (Store(tmp_path / name, create=True) for name in ("here", "there"))
    name = embed(encoder, read_folder(toys), here).name
    done = embed(encoder, read_folder(toys), there, workers=workers)

    assert done.added == 72
    assert here.read(name).items.equals(there.read(name).items)
    for tap, x in here.read(name).layers.items():
        np.testing.assert_array_equal(there.read(name).layers[tap], x)


@pytest.mark.slow
def test_a_killed_process_is_one_sentence_and_the_rest_can_be_done(toys, tmp_path, monkeypatch):
    monkeypatch.setattr("d2v_core.embed.CHUNK", 10)
    encoder, store = of_learner("toy", Learner(smallest())), Store(tmp_path / "s", create=True)
    monkeypatch.setattr(encoder, "load", partial(dies, load=encoder.load))
    with pytest.raises(InputError, match=r"was killed.*what is in the store stays there: go on"):
        embed(encoder, read_folder(toys), store, workers=1)
    before = len(store.read(store.only()).items)
    after = embed(encoder, read_folder(toys), store)

    assert 0 < before < 72
    assert (after.added, after.already) == (72 - before, before)


def test_a_gpu_has_as_many_workers_as_there_are_cores_for_it(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(16))
    cuda = torch.device("cuda")

    assert usual_workers(torch.device("cpu")) == 0
    assert usual_workers(cuda) == 8
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert usual_workers(cuda) == 3
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "16")
    assert usual_workers(cuda) == 0
