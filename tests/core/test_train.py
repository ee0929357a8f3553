"""Training: it learns, it repeats, it goes on where it was, and it stops with a reason."""

import dataclasses
import json

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from d2v_core.checkpoint import (
    checkpoints,
    load_tensors,
    newest_checkpoint,
    read_run,
    save_checkpoint,
)
from d2v_core.config import OptimConfig
from d2v_core.data.folder import read_folder
from d2v_core.errors import CheckpointError, TrainingError
from d2v_core.metrics import MetricsLog, read_metrics
from d2v_core.record import Finite
from d2v_core.teacher import Teacher
from d2v_core.train import learning_rate, train
from d2v_core.training import restore, set_up
from tests.conftest import smallest, without_noise


@pytest.fixture
def folder(toys):
    return read_folder(toys)


def losses(run):
    return {line["step"]: line["loss"] for line in read_metrics(run)}


def test_a_run_repeats_bit_for_bit_and_leaves_what_the_design_says(folder, tmp_path):
    for name in ("one", "two"):
        train(folder, smallest(), tmp_path / name)

    assert losses(tmp_path / "one") == losses(tmp_path / "two")
    assert list(losses(tmp_path / "one")) == [1, 2, 3, 4, 5, 6]
    run = tmp_path / "one"
    assert {path.name for path in run.iterdir()} == {
        "config.json",
        "metrics.jsonl",
        "events",
        "checkpoints",
    }
    assert {path.suffix for path in newest_checkpoint(run).iterdir()} == {".safetensors", ".json"}
    assert read_run(run)[0] == smallest()


def test_a_resumed_run_continues_bit_for_bit(folder, tmp_path):
    """The run is cut back to the middle, as if it had been killed there, after a torn write."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    train(folder, smallest(), whole)

    class KilledError(Exception):
        pass

    def die(progress):
        if progress.step == 4:
            raise KilledError

    with pytest.raises(KilledError):
        train(folder, smallest(), broken, report=die)
    (broken / "checkpoints" / ".step_00000005.part").mkdir()
    assert newest_checkpoint(broken).name == "step_00000003"
    train(folder, smallest(), broken, resume=True)

    assert losses(broken) == losses(whole)
    for name in ("learner", "teacher", "optimizer"):
        file = f"{name}.safetensors"
        assert (newest_checkpoint(broken) / file).read_bytes() == (
            newest_checkpoint(whole) / file
        ).read_bytes()


def test_only_the_newest_checkpoint_keeps_what_going_on_needs(folder, tmp_path):
    train(folder, smallest(), tmp_path / "run")
    *older, newest = checkpoints(tmp_path / "run")

    assert (newest / "optimizer.safetensors").exists()
    assert len(older) == 6
    assert all((path / "learner.safetensors").exists() for path in older)
    assert not any((path / "optimizer.safetensors").exists() for path in older)


@pytest.mark.parametrize("name", ["shared-pairs-50", "contrastive"])
def test_a_step_in_parts_is_the_same_step(name, folder, tmp_path):
    """With noise and dropout off, which are drawn anew for every part."""
    runs = {}
    for parts in (1, 2, 4):
        config = without_noise(smallest(name), batch=8, steps=4, accumulate=parts)
        runs[parts] = train(folder, config, tmp_path / str(parts))

    for parts in (2, 4):
        for file in ("learner", "teacher"):
            mine, wanted = (load_tensors(runs[n] / f"{file}.safetensors") for n in (parts, 1))
            torch.testing.assert_close(mine, wanted, rtol=0, atol=1e-5)
        mine, wanted = (losses(tmp_path / str(n)) for n in (parts, 1))
        assert mine == pytest.approx(wanted, rel=1e-5)


def test_the_teacher_moves_once_a_step_however_many_parts_and_not_when_resuming(
    folder, tmp_path, monkeypatch
):
    decays = []
    follow = Teacher.follow

    def counting(self, student, *, decay):
        decays.append(decay)
        follow(self, student, decay=decay)

    monkeypatch.setattr(Teacher, "follow", counting)
    config = without_noise(smallest("separate"), accumulate=2)
    teacher = dataclasses.replace(
        config.teacher, ema_decay_start=0.5, ema_decay_end=1.0, ema_anneal_steps=8
    )
    train(folder, dataclasses.replace(config, teacher=teacher), tmp_path / "run")
    assert decays == [0.5 + step / 16 for step in range(1, 7)]

    before = newest_checkpoint(tmp_path / "run") / "teacher.safetensors"
    tensors = load_tensors(before)
    training = set_up(config)
    assert restore(training, tmp_path / "run") == 6
    assert len(decays) == 6
    torch.testing.assert_close(dict(training.teacher.model.state_dict()), tensors, rtol=0, atol=0)
    train(folder, config, tmp_path / "run", resume=True)
    assert len(decays) == 6


@pytest.mark.slow
def test_it_learns(folder, tmp_path):
    """Both the masked objectives and the contrast fall well below where they began."""
    config = smallest()
    config = dataclasses.replace(
        config, optim=dataclasses.replace(config.optim, steps=60, batch=8, warmup_steps=10)
    )
    train(folder, config, tmp_path / "run")
    lines = read_metrics(tmp_path / "run")

    def mean(lines, name):
        return sum(line[name] for line in lines) / len(lines)

    for name in ("image/regression", "audio/regression", "text/regression"):
        assert mean(lines[-10:], name) < 0.8 * mean(lines[:10], name)
    assert mean(lines[-10:], "contrastive/image-audio") < 0.7 * mean(
        lines[:10], "contrastive/image-audio"
    )


def test_a_run_is_not_overwritten(folder, tmp_path):
    train(folder, smallest(), tmp_path / "run")
    with pytest.raises(CheckpointError, match=r"is a run already; resume it \(--resume\)"):
        train(folder, smallest(), tmp_path / "run")


def test_nothing_to_resume(folder, tmp_path):
    with pytest.raises(CheckpointError, match="is not a run folder: it has no config.json"):
        train(folder, smallest(), tmp_path / "run", resume=True)


def test_a_loss_that_is_not_finite_stops_and_leaves_the_last_checkpoint(folder, tmp_path):
    config = smallest()
    hot = dataclasses.replace(config.optim, lr=1e30, warmup_steps=0, clip_norm=1e30)
    with pytest.raises(TrainingError, match="finite; the last checkpoint is whole"):
        train(folder, dataclasses.replace(config, optim=hot), tmp_path / "run")

    assert json.loads((newest_checkpoint(tmp_path / "run") / "state.json").read_text())


def test_weights_that_are_no_numbers_are_never_saved(tmp_path):
    """The loss of a step says nothing of the weights that it leads to."""
    weights = {"student.a": torch.ones(3), "student.b": torch.tensor([1.0, float("inf")])}
    with pytest.raises(TrainingError, match=r"student\.b is not finite after step 7; the last"):
        save_checkpoint(tmp_path, 7, {"learner": weights, "teacher": {}, "optimizer": {}})

    assert not list(tmp_path.iterdir())


def test_tensorboard_reads_what_was_noted_and_forgets_what_did_not_happen(tmp_path):
    with_future = MetricsLog(tmp_path, after=0)
    for step in (1, 2, 3):
        with_future.write(step, {"loss": 1.0 / step, "image/knn": float(step)})
    resumed = MetricsLog(tmp_path, after=2)
    resumed.write(3, {"loss": 7.0})
    events = EventAccumulator(str(tmp_path / "events")).Reload()

    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(1, 1.0), (2, 0.5), (3, 7.0)]
    assert [e.step for e in events.Scalars("image/knn")] == [1, 2]
    assert [line["loss"] for line in read_metrics(tmp_path)] == [1.0, 0.5, 7.0]


@pytest.mark.parametrize("name", ["loss", "gradient_norm"])
def test_what_is_not_a_number_is_named(name):
    finite, fine = Finite(), {"loss": torch.tensor(1.0), "gradient_norm": torch.tensor(1.0)}
    finite.check()
    finite.note(2, fine)
    finite.check()
    finite.note(3, fine | {name: torch.tensor(float("nan"))})
    finite.note(4, fine)

    with pytest.raises(TrainingError, match=f"{name} is nan at step 3; the last checkpoint"):
        finite.check()


def test_learning_rate_rises_linearly_then_falls_as_a_cosine():
    config = OptimConfig(steps=110, warmup_steps=10, lr=2.0)

    assert learning_rate(5, config) == pytest.approx(1.0)
    assert learning_rate(10, config) == pytest.approx(2.0)
    assert learning_rate(60, config) == pytest.approx(1.0)
    assert learning_rate(110, config) == pytest.approx(0.0, abs=1e-9)
