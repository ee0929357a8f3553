"""Trainings that are killed, stopped or starved go on as if nothing had happened.

Each training is a process of its own that runs the command line; a server that has imported
everything forks them, so that each starts at once.
"""

import json
import multiprocessing
import os
import random
import resource
import signal
import sys
import threading
import time

import pytest
import torch

from app import cli
from d2v_core import checkpoint, metrics, record, train
from d2v_core.checkpoint import load_tensors, newest_checkpoint
from d2v_core.metrics import read_metrics

pytestmark = pytest.mark.slow

STEPS = 12  # each has its checkpoint
SETTINGS = {
    "trunk.dim": 32,
    "trunk.depth": 2,
    "trunk.heads": 2,
    "optim.batch": 4,
    "optim.warmup_steps": 2,
    "pairs.batch": 4,
    "image.target.layers": 2,
    "audio.target.layers": 2,
    "text.target.layers": 2,
}
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["app.cli", "d2v_core.rounds", __name__])


def command(arguments, words, prepare, *extra):
    """Run the command line in this process, what it says into a file."""
    torch.set_num_threads(1)
    os.dup2(os.open(words, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    sys.argv = ["d2v", *map(str, arguments)]
    if prepare is not None:
        prepare(*extra)
    cli.main()


class Training:
    """Starts trainings of one run, and knows how they ended."""

    def __init__(self, data, run):
        self.data, self.run, self.words = data, run, run.with_suffix(".words")

    def start(self, *more, prepare=None, extra=()):
        arguments = ["train", self.data, "--preset", "shared-pairs-50", "--out", self.run]
        arguments += ["--steps", STEPS, *more]
        for name, value in SETTINGS.items():
            arguments += ["--set", f"{name}={value}"]
        if (self.run / "config.json").exists():
            arguments.append("--resume")
        process = processes.Process(target=command, args=(arguments, self.words, prepare, *extra))
        process.start()
        return process

    def end(self, *more, prepare=None, extra=()):
        """Train until it ends; return its exit status and what it said last."""
        process = self.start(*more, prepare=prepare, extra=extra)
        process.join()
        said = self.words.read_text()
        assert "Traceback" not in said, said
        return process.exitcode, said.splitlines()[-1]


@pytest.fixture(scope="module")
def whole(toys, tmp_path_factory):
    """A run that nothing happens to."""
    training = Training(toys, tmp_path_factory.mktemp("whole") / "run")
    assert training.end()[0] == 0
    return training.run


@pytest.fixture
def training(toys, tmp_path):
    return Training(toys, tmp_path / "run")


def assert_same(run, whole):
    """All numbers that were noted and all that was learnt, bit for bit."""
    assert (run / "metrics.jsonl").read_text() == (whole / "metrics.jsonl").read_text()
    mine, theirs = newest_checkpoint(run), newest_checkpoint(whole)
    assert mine.name == theirs.name == f"step_{STEPS:08d}"
    for name in ("learner", "teacher", "optimizer"):
        file = f"{name}.safetensors"
        assert (mine / file).read_bytes() == (theirs / file).read_bytes()
    assert len(read_metrics(whole)) == STEPS


def assert_whole(place):
    tensors = {n: load_tensors(place / f"{n}.safetensors") for n in ("learner", "teacher")}
    moments = load_tensors(place / "optimizer.safetensors")

    assert all(tensors.values())
    assert bool(moments) == (place.name > "step_00000000")


def die(*_arguments, **_options):
    os.kill(os.getpid(), signal.SIGKILL)


def dying_at(call, owner, name, *, after=False):
    """Make the process kill itself in its n-th call of a function."""
    calls, function = [0], getattr(owner, name)

    def counting(*arguments, **options):
        calls[0] += 1
        if calls[0] == call and not after:
            die()
        result = function(*arguments, **options)
        if calls[0] == call:
            die()
        return result

    setattr(owner, name, counting)


def torn(call):
    """Die when half a line of the metrics is written."""
    write, calls = metrics.Lines.write, [0]

    def half(self, line):
        calls[0] += 1
        if calls[0] == call:
            with self.path.open("a") as file:
                file.write(json.dumps(line)[:40])
            die()
        write(self, line)

    metrics.Lines.write = half


MOMENTS = {
    "before anything": lambda: dying_at(1, checkpoint, "write_json"),
    "before the first checkpoint": lambda: dying_at(1, checkpoint, "save_file"),
    "half a checkpoint": lambda: dying_at(6, checkpoint, "save_file", after=True),
    "before it is moved into place": lambda: dying_at(
        3, checkpoint, "_write_checkpoint", after=True
    ),
    "before the older one is thinned out": lambda: dying_at(4, checkpoint, "checkpoints"),
    "half a line": lambda: torn(2),
}


def prepare_moment(name):
    MOMENTS[name]()


def prepare_any_moment(steps):
    """Kill the process so many steps after its second, by the clock: a thread does, at any line."""
    after_step, times = record.Record.after_step, []

    def timing(self, *arguments, **options):
        after_step(self, *arguments, **options)
        times.append(time.monotonic())
        if len(times) == 2:
            threading.Timer(steps * (times[1] - times[0]), die).start()

    record.Record.after_step = timing


def test_a_run_that_is_killed_again_and_again_ends_as_if_it_had_not_been(training, whole):
    """At chosen moments first, then at any."""
    for name in MOMENTS:
        process = training.start(prepare=prepare_moment, extra=(name,))
        process.join()
        assert process.exitcode == -signal.SIGKILL, f"{name}: {training.words.read_text()}"
    assert len(read_metrics(training.run)) < STEPS

    delays, kills = random.Random(0), 0
    for _ in range(3):
        process = training.start(prepare=prepare_any_moment, extra=(delays.uniform(0, 1),))
        process.join()
        kills += process.exitcode == -signal.SIGKILL
    assert kills
    assert training.end()[0] == 0
    assert_same(training.run, whole)


def at_step(step, work, *, before=False):
    """Do something when a step has been noted, or is about to be."""
    after_step = record.Record.after_step

    def noticing(self, done, *arguments, **options):
        if done == step and before:
            work()
        after_step(self, done, *arguments, **options)
        if done == step and not before:
            work()

    record.Record.after_step = noticing


def prepare_full_disk(limit, step, before):
    limits = (limit, resource.RLIM_INFINITY)
    at_step(step, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits), before=before)


@pytest.mark.parametrize(
    ("limit", "step", "before"),
    [(100_000, 4, False), (5_000, 4, True)],
    ids=["checkpoint", "metrics"],
)
def test_a_full_disk(limit, step, before, training, whole):
    """The limit stands for a disk: no file may grow beyond it."""
    status, said = training.end(prepare=prepare_full_disk, extra=(limit, step, before))

    assert status == 2
    assert said == (
        f"d2v: {training.run} cannot be written to: File too large; step_00000003 is whole: mend "
        "that, then go on from it with --resume"
    )
    assert_whole(newest_checkpoint(training.run))
    assert not list((training.run / "checkpoints").glob(".*"))
    assert len(read_metrics(training.run)) == (3 if before else 4)
    assert training.end()[0] == 0
    assert_same(training.run, whole)


def kill_a_worker():
    os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)


def prepare_killed_worker():
    at_step(4, kill_a_worker)


def test_a_killed_worker(training, whole):
    status, said = training.end("--workers", 2, prepare=prepare_killed_worker)

    assert status == 2
    assert said == (
        "d2v: a process that decodes was killed, perhaps for want of memory; the last checkpoint "
        "is whole: go on from it with --resume, and fewer --workers"
    )
    assert_whole(newest_checkpoint(training.run))
    assert training.end("--workers", 1)[0] == 0
    assert_same(training.run, whole)


def prepare_nan():
    """Spoil a weight before step 5; steps are logged and saved every sixth time only."""
    optimise = train.optimise

    def spoilt(training, module, step, done):
        if done == 5:
            torch.nn.init.constant_(next(training.learner.parameters()), float("nan"))
        return optimise(training, module, step, done)

    train.optimise, train.LOGGED_STEPS, train.CHECKPOINTS = spoilt, 2, 2


def test_a_loss_that_is_no_number(training, whole):
    status, said = training.end(prepare=prepare_nan)

    assert status == 2
    assert said == (
        "d2v: loss is nan at step 5; the last checkpoint is whole, but start again with a lower "
        "learning rate"
    )
    assert newest_checkpoint(training.run).name == "step_00000000"
    assert_whole(newest_checkpoint(training.run))
    assert training.end()[0] == 0
    assert_same(training.run, whole)


def test_an_absurd_learning_rate(training):
    status, said = training.end("--set", "optim.lr=1e30", "--set", "optim.warmup_steps=0")

    assert status == 2
    assert said.endswith("the last checkpoint is whole, but start again with a lower learning rate")
    assert_whole(newest_checkpoint(training.run))


def prepare_signal(number):
    # Where tests run in the background, processes inherit that Ctrl-C is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    at_step(4, lambda: os.kill(os.getpid(), number))


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["TERM", "INT"]
)
def test_a_training_that_is_asked_to_stop_says_how_to_go_on(number, status, training, whole):
    assert training.end("--workers", 2, prepare=prepare_signal, extra=(number,)) == (
        status,
        f"d2v: stopped after step 5 of {STEPS}, which is saved; go on with --resume",
    )
    assert training.end()[0] == 0
    assert_same(training.run, whole)
