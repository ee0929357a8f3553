"""Steps from other processes: the same bits, one thread each, and errors in one sentence."""

import os
import signal

import pytest
import torch
from torch.utils.data import get_worker_info

from d2v_core.data.feed import feed
from d2v_core.data.folder import read_folder
from d2v_core.data.steps import CACHE_BYTES, Step, TrainSteps
from d2v_core.data.workers import naming_killed_workers
from d2v_core.errors import InputError, TrainingError
from tests.conftest import smallest


@pytest.fixture
def steps(toys):
    return TrainSteps(read_folder(toys), smallest())


def tensors(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [tensor for part in value for tensor in tensors(part)]
    return []


def test_steps_are_the_same_whoever_makes_them(steps):
    """Bit for bit, though workers count with one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    here = [tensors(tuple(step)) for step in feed(steps, 1)]
    torch.set_num_threads(threads)
    there = [tensors(tuple(step)) for step in feed(steps, 1, workers=2)]

    assert len(here) == len(there) == 5
    for mine, theirs in zip(here, there, strict=True):
        assert len(mine) == len(theirs) > 20
        assert all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))


class Asking(TrainSteps):
    """Tells about the process that makes a step, in place of the step."""

    def __getitem__(self, step):
        assert get_worker_info() is not None
        handlers = [signal.getsignal(s) == signal.SIG_IGN for s in (signal.SIGINT, signal.SIGTERM)]
        return Step([], None, (torch.get_num_threads(), self.cache.free, *handlers))


def test_a_worker_has_one_thread_a_share_of_the_memory_and_leaves_stopping_to_others(toys):
    steps = Asking(read_folder(toys), smallest())

    assert {step.skipped for step in feed(steps, 0, workers=2)} == {
        (1, CACHE_BYTES // 2, True, True)
    }


class Refusing(TrainSteps):
    """Has labels that do not fit, say."""

    def __getitem__(self, step):
        raise InputError("audio of item 3 has no labels")


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_arrives_as_it_was_raised(workers, toys):
    steps = Refusing(read_folder(toys), smallest())

    with pytest.raises(InputError) as caught:
        next(feed(steps, 0, workers=workers))
    assert str(caught.value) == "audio of item 3 has no labels"


class Dying(TrainSteps):
    """Is killed in its third step, as by a system that has no memory left."""

    def __getitem__(self, step):
        if step == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(step)


def test_a_killed_worker_is_named_in_one_sentence(toys):
    steps = Dying(read_folder(toys), smallest())

    with (
        pytest.raises(TrainingError, match="was killed, perhaps for want of memory; try"),
        naming_killed_workers(TrainingError, "try again"),
    ):
        list(feed(steps, 0, workers=2))


def test_other_errors_are_left_alone():
    with pytest.raises(RuntimeError, match="a bug"), naming_killed_workers(TrainingError, "wait"):
        raise RuntimeError("a bug")
