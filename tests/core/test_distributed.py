"""Two real processes learn what one learns, whether each keeps all the weights or half of them."""

import dataclasses
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from d2v_core.checkpoint import load_tensors, newest_checkpoint, read_run
from d2v_core.config import to_json
from d2v_core.data.folder import read_folder
from d2v_core.data.steps import TrainSteps
from d2v_core.errors import ConfigError, TrainingError
from d2v_core.metrics import read_metrics
from d2v_core.processes import may_leave_out, naming_lost_processes
from d2v_core.sharding import clip_gradients
from d2v_core.train import train
from d2v_core.training import set_up
from tests.conftest import smallest, without_noise

SCRIPT = Path(__file__).with_name("many_processes.py")
STEPS = 3
LOSSES = re.compile("loss|gradient_norm|.*/(regression|cls)|(contrastive|latent)/[^/]*")


def config_of(strategy="ddp", **optim):
    """All modalities, one trunk, and pairs for a sigmoid loss and for latent prediction."""
    config = without_noise(smallest(), steps=STEPS, batch=8, strategy=strategy, **optim)
    pairs = dataclasses.replace(config.pairs, loss="siglip", latent_weight=1.0, batch=8)
    return dataclasses.replace(config, pairs=pairs)


def dropping():
    """Blocks are dropped, each process its own, and the head for texts is never used."""
    config = smallest()
    pairs = dataclasses.replace(config.pairs, between=(("image", "audio"),))
    trunk = dataclasses.replace(config.trunk, layer_drop=0.5)
    optim = dataclasses.replace(config.optim, steps=2)
    return dataclasses.replace(config, pairs=pairs, trunk=trunk, optim=optim)


def hot():
    config = config_of()
    optim = dataclasses.replace(config.optim, lr=1e30, warmup_steps=0, clip_norm=0.0)
    return dataclasses.replace(config, optim=optim)


@pytest.fixture(scope="module")
def done(toys, with_few_sounds, tmp_path_factory):
    """Run all that two processes have to do, with one start of torchrun; return the folder."""
    folder = tmp_path_factory.mktemp("runs")
    jobs = [
        {"run": "ddp", "config": config_of()},
        {"run": "fsdp", "config": config_of("fsdp"), "signal_after": 1},
        {"run": "fsdp", "config": config_of("fsdp"), "resume": True},
        {"run": "parts", "config": config_of("fsdp", accumulate=2), "signal_after": 1},
        {"run": "dropping", "config": dropping()},
        {"run": "ddp", "config": config_of()},
        {"run": "hot", "config": hot()},
        {"run": "few", "config": config_of(), "data": str(with_few_sounds)},
        {"run": "few-fsdp", "config": config_of("fsdp"), "data": str(with_few_sounds)},
    ]
    for job in jobs:
        job.setdefault("data", str(toys))
        job.update(run=str(folder / job["run"]), config=to_json(job["config"]))
    (folder / "jobs").write_text(json.dumps(jobs))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    ended = subprocess.run(
        [*command, str(SCRIPT), str(folder / "jobs")],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(SCRIPT.parents[2])},
    )
    assert ended.returncode == 0, ended.stderr
    train(read_folder(toys), config_of(), folder / "one")
    train(read_folder(with_few_sounds), config_of(), folder / "one-few")
    return folder


def words(folder, job):
    return [(folder / f"jobs.{job}.{rank}").read_text() for rank in (0, 1)]


def assert_same_run(mine, wanted):
    """Weights, teacher, moments and losses agree to 1e-4; they are large enough to tell."""
    for name in ("learner", "teacher", "optimizer"):
        found, expected = (
            load_tensors(newest_checkpoint(run) / f"{name}.safetensors") for run in (mine, wanted)
        )
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    found, expected = read_metrics(mine), read_metrics(wanted)
    assert [line["step"] for line in found] == [1, 2, 3]
    for line, other in zip(found, expected, strict=True):
        terms = {name: x for name, x in line.items() if LOSSES.fullmatch(name)}
        assert len(terms) == 2 + 5 + 9
        assert terms == pytest.approx({name: other[name] for name in terms}, rel=1e-4, abs=1e-4)


@pytest.mark.slow
def test_ddp_is_one_process_with_the_same_batch(done):
    assert words(done, 0) == ["complete", "complete"]
    assert_same_run(done / "ddp", done / "one")


@pytest.mark.slow
def test_fsdp_stopped_and_resumed_is_one_process_too(done):
    stopped = "StoppedError: stopped after step 2 of 3, which is saved; go on with --resume"
    assert words(done, 1) == [stopped, stopped]
    assert words(done, 2) == ["complete", "complete"]
    assert_same_run(done / "fsdp", done / "one")


@pytest.mark.slow
def test_one_process_goes_on_with_what_two_have_begun(done, toys):
    """In parts, too: checkpoints hold whole tensors, whoever wrote them."""
    assert words(done, 3)[1].startswith("StoppedError: stopped after step 2 of 3")
    train(read_folder(toys), config_of(), done / "parts", resume=True)

    assert_same_run(done / "parts", done / "one")
    assert read_run(done / "parts")[1]["processes"] == 2


@pytest.mark.slow
def test_parameters_without_gradient_do_not_hold_up_the_others(done):
    assert words(done, 4) == ["complete", "complete"]


@pytest.mark.slow
@pytest.mark.parametrize(("job", "run"), [(7, "few"), (8, "few-fsdp")])
def test_steps_that_take_turns_among_unlike_rows_are_the_same_for_two(done, job, run):
    """In a step of pictures and sentences nothing of the sounds' heads gets a gradient."""
    assert words(done, job) == ["complete", "complete"]
    for name in ("learner", "optimizer"):
        found, expected = (
            load_tensors(newest_checkpoint(done / one) / f"{name}.safetensors")
            for one in (run, "one-few")
        )
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    terms = [{n for n in line if n.startswith("contrastive/")} for line in read_metrics(done / run)]
    assert "contrastive/image-text" not in terms[0]
    assert "contrastive/image-text" in terms[2]


@pytest.mark.slow
def test_what_goes_wrong_in_the_first_process_ends_all_with_the_same_words(done):
    for found in (words(done, 5), words(done, 6)):
        assert found[0] == found[1]
    assert "is a run already; resume it" in words(done, 5)[0]
    assert words(done, 6)[0].startswith("TrainingError: ")


@pytest.mark.slow
def test_gradients_of_halves_and_wholes_are_averaged_and_clipped_together(done):
    """y = s Σ W x with x = 0 and 1: the mean of dy/dW is ½ in 12 places, that of dy/ds is 6."""
    found = [json.loads((done / f"jobs.gradients.{rank}").read_text()) for rank in (0, 1)]
    norm = math.sqrt(12 * 0.5**2 + 6**2)

    for one in found:
        assert one["norm"] == pytest.approx(norm)
        assert one["scale"] == pytest.approx(6 / norm)
        assert one["weight"] == [pytest.approx([0.5 / norm] * 3)] * 4


ARMS = ("separate", "shared", "shared-pairs-50", "latent-50", "contrastive", "data2vec-shared")


def idle(modality):
    config = smallest("shared")
    settings = dataclasses.replace(config.of(modality), objective=None)
    return dataclasses.replace(config, **{modality: settings})


def hub():
    config = smallest()
    return dataclasses.replace(
        config, pairs=dataclasses.replace(config.pairs, between=(("image", "audio"),))
    )


@pytest.mark.parametrize(
    "config",
    [*(smallest(name) for name in ARMS), smallest("reconstruct"), hub(), idle("image")],
    ids=[*ARMS, "reconstruct", "hub", "idle"],
)
def test_it_is_known_which_runs_leave_parameters_without_gradient(config, toys):
    """DDP looks for them only where it must; where it should and does not, it stops."""
    config = dataclasses.replace(config, optim=dataclasses.replace(config.optim, batch=8))
    training, step = set_up(config), TrainSteps(read_folder(toys), config)[0]
    outcome = training.learner(training.teacher.model, step.parts[0], step.paired)
    outcome.total.backward()
    without = [n for n, p in training.learner.named_parameters() if p.grad is None]

    assert may_leave_out(config) == bool(without), without


def test_dropped_layers_may_leave_out_what_they_hold():
    assert may_leave_out(dropping())
    assert not may_leave_out(config_of())


def test_fsdp_cannot_drop_layers():
    config = dropping()
    optim = dataclasses.replace(config.optim, strategy="fsdp")

    with pytest.raises(ConfigError, match=r"fsdp with trunk\.layer_drop=0\.5: every process has"):
        dataclasses.replace(config, optim=optim)


def test_a_process_that_is_left_alone_says_so():
    closed = "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:547] Connection closed by peer"
    for error in (RuntimeError(closed), torch.distributed.DistBackendError("NCCL")):
        with (
            pytest.raises(TrainingError, match="another process of this training has ended, and"),
            naming_lost_processes(),
        ):
            raise error
    with pytest.raises(RuntimeError, match="a bug"), naming_lost_processes():
        raise RuntimeError("a bug")


def test_gradients_are_clipped_to_the_limit_and_not_at_all_without_one():
    def parameters():
        found = [torch.nn.Parameter(torch.zeros(2)) for _ in range(2)]
        found[0].grad, found[1].grad = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0])
        return [*found, torch.nn.Parameter(torch.zeros(1))]

    clipped, left = parameters(), parameters()
    assert float(clip_gradients(clipped, 1.0)) == pytest.approx(5.0)
    assert float(clip_gradients(left, 0.0)) == pytest.approx(5.0)
    torch.testing.assert_close(clipped[1].grad, torch.tensor([0.0, 0.8]), rtol=1e-4, atol=0)
    torch.testing.assert_close(left[1].grad, torch.tensor([0.0, 4.0]))
