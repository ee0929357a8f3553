"""The training loop, top to bottom, on Lightning Fabric: one process or many, CPU or GPU."""

import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.utils.data import DataLoader

from d2v_core.checkpoint import (
    load_into,
    newest_checkpoint,
    read_run,
    restore_optimizer,
    save_checkpoint,
    start_run,
)
from d2v_core.config import OptimConfig, RunConfig
from d2v_core.data.batches import TrainSteps, seeded
from d2v_core.data.folder import DataFolder
from d2v_core.errors import TrainingError
from d2v_core.learner import Learner
from d2v_core.metrics import MetricsLog
from d2v_core.monitor import Monitor, refuse_collapse
from d2v_core.teacher import Teacher, ema_decay

CHECKPOINTS, MEASUREMENTS, LOGGED_STEPS = 8, 24, 4000  # at most so many a run
GRACE = 0.2  # share of the steps before collapse is judged: a fresh network looks collapsed


@dataclass(frozen=True)
class Progress:
    """What a face may show while a run is trained.

    Attributes:
        step: optimiser steps done.
        steps: of how many.
        numbers: the newest value of everything that was measured, by name.
        seconds_left: estimated from the steps done so far.
    """

    step: int
    steps: int
    numbers: dict[str, float]
    seconds_left: float


def train(
    folder: DataFolder,
    config: RunConfig,
    run: Path,
    *,
    resume: bool = False,
    workers: int = 0,
    report: Callable[[Progress], None] = lambda _: None,
) -> Path:
    """Train a run from its start, or from its newest checkpoint.

    Under `torchrun` every process calls this with the same arguments and sees its own part of the
    data; `config.optim.batch` counts the items of one process.

    Args:
        folder: data with a train split, and a val split for the monitor.
        config: of the run; ignored when resuming, which uses the run's own.
        run: the run folder.
        resume: go on with an existing run.
        workers: processes that decode; 0 decodes in this one.
        report: called after every logged step, in the first process only.

    Returns:
        The last checkpoint.

    Raises:
        CheckpointError: if the run exists and `resume` is not set, or the other way round.
        CollapseError: if the representation collapses.
        TrainingError: if the loss is not finite.
    """
    if resume:
        config, _ = read_run(run)
    fabric = make_fabric()
    torch.manual_seed(config.seed)
    learner, teacher, optimizer = build(fabric, config)
    first = 0
    if resume:
        first = _restore(newest_checkpoint(run), learner, teacher, optimizer)
    elif fabric.is_global_zero:
        start_run(run, config, _about(folder, fabric))
    steps = TrainSteps(folder, config, rank=fabric.global_rank, world=fabric.world_size)
    monitor = Monitor(folder, config, steps.cache) if fabric.is_global_zero else None
    log = MetricsLog(run, after=first) if fabric.is_global_zero else None
    if first == 0 and fabric.is_global_zero:
        save_checkpoint(run, 0, learner, teacher.model, optimizer)
    wrapped = fabric.setup_module(learner)
    total, started, numbers = config.optim.steps, time.monotonic(), {}
    loader = DataLoader(
        steps, batch_size=None, sampler=range(first, total), num_workers=workers
    )
    for done, (batches, paired) in enumerate(loader, start=first + 1):
        outcome = _step(fabric, wrapped, learner, teacher, optimizer, batches, paired, done)
        is_checkpoint = _is_due(done, total, CHECKPOINTS)
        if fabric.is_global_zero and log is not None and monitor is not None:
            if _is_due(done, total, LOGGED_STEPS):
                numbers |= {name: float(value) for name, value in outcome.items()}
                if not math.isfinite(numbers["loss"]):
                    raise TrainingError(
                        f"the loss is {numbers['loss']} at step {done}; the last checkpoint is "
                        "whole, resume with a lower learning rate"
                    )
                measured = {}
                if _is_due(done, total, MEASUREMENTS):
                    learner.eval()
                    measured = monitor.measure(learner.student)
                    learner.train()
                numbers |= measured
                log.write(done, {name: numbers[name] for name in [*outcome, *measured]})
                left = (time.monotonic() - started) / (done - first) * (total - done)
                report(Progress(done, total, dict(numbers), left))
                if done > GRACE * total:
                    refuse_collapse(numbers)
            if is_checkpoint:
                save_checkpoint(run, done, learner, teacher.model, optimizer)
        if is_checkpoint:
            fabric.barrier()
    if log is not None:
        log.close()
    return newest_checkpoint(run)


def make_fabric() -> Fabric:
    """Return Fabric for what is there: one process, or those that `torchrun` started.

    bf16 where the machine computes in it: on GPUs, and on CPUs with bf16 instructions.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_WORLD_SIZE", str(world)))
    has_bf16 = (
        torch.cuda.is_bf16_supported()
        if torch.cuda.is_available()
        else torch.ops.mkldnn._is_mkldnn_bf16_supported()  # noqa: SLF001  # the only way to ask
    )
    fabric = Fabric(
        accelerator="auto",
        devices=local,
        num_nodes=world // local,
        strategy="ddp" if world > 1 else "auto",
        precision="bf16-mixed" if has_bf16 else "32-true",
    )
    fabric.launch()
    return fabric


def build(fabric: Fabric, config: RunConfig) -> tuple[Learner, Teacher, torch.optim.Optimizer]:
    """Make the learner, its teacher and the optimiser, on the device."""
    learner = Learner(config).to(fabric.device)
    teacher = Teacher(learner.student)
    return learner, teacher, make_optimizer(learner, config.optim)


def make_optimizer(learner: nn.Module, config: OptimConfig) -> torch.optim.Optimizer:
    """Return AdamW; weight decay acts on matrices only.

    The reference applies it to everything, though it marks biases and norms as exempt; we exempt
    them, and CLS tokens and temperatures.
    """
    is_matrix = {
        name: parameter.dim() >= 2 and not name.endswith("extra")
        for name, parameter in learner.named_parameters()
    }
    groups = [
        {"params": [p for n, p in learner.named_parameters() if is_matrix[n] == decayed],
         "weight_decay": config.weight_decay if decayed else 0.0}
        for decayed in (True, False)
    ]
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, fused=True)


def learning_rate(step: int, config: OptimConfig) -> float:
    """Return the rate of optimiser step `step` (1 is the first): a linear rise, then a cosine."""
    if step <= config.warmup_steps:
        return config.lr * step / config.warmup_steps
    share = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.lr * 0.5 * (1 + math.cos(math.pi * share))


def _step(fabric, wrapped, learner, teacher, optimizer, batches, paired, done):  # noqa: ANN001, ANN202, PLR0913
    """Do one optimiser step; return loss terms and statistics."""
    config = learner.config
    seed = seeded(config.seed, "forward", done, fabric.global_rank)
    torch.manual_seed(seed.initial_seed())  # the noise of the decoders
    rate = learning_rate(done, config.optim)
    for group in optimizer.param_groups:
        group["lr"] = rate
    batches = {m: inputs.to(fabric.device) for m, inputs in batches.items()}
    paired = paired and {m: inputs.to(fabric.device) for m, inputs in paired.items()}
    outcome = wrapped(teacher.model, batches, paired)
    loss = outcome.total
    fabric.backward(loss)
    norm = nn.utils.clip_grad_norm_(learner.parameters(), config.optim.clip_norm)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    learner.after_step()
    teacher.follow(learner.student, decay=ema_decay(done, config.teacher))
    return {
        "loss": loss.detach(),
        **{name: value.detach() for name, value in outcome.losses.items()},
        **outcome.statistics,
        "gradient_norm": norm.detach(),
        "lr": rate,
    }


def _is_due(done: int, total: int, times: int) -> bool:
    """Tell whether something that happens `times` times a run is due; the last step always is."""
    return done % max(1, total // times) == 0 or done == total


def _restore(
    checkpoint: Path, learner: Learner, teacher: Teacher, optimizer: torch.optim.Optimizer
) -> int:
    """Load everything from a checkpoint; return its step."""
    load_into(learner, checkpoint / "learner.safetensors")
    load_into(teacher.model, checkpoint / "teacher.safetensors")
    restore_optimizer(learner, optimizer, checkpoint / "optimizer.safetensors")
    return int(json.loads((checkpoint / "state.json").read_text())["step"])


def _about(folder: DataFolder, fabric: Fabric) -> dict[str, Any]:
    return {
        "data": str(folder.root),
        "data_fingerprint": folder.fingerprint,
        "device": str(fabric.device),
        "processes": fabric.world_size,
        "precision": fabric._precision.precision,  # noqa: SLF001  # Fabric does not show it
        "torch": torch.__version__,
        "weight_decay": "matrices only",
    }
