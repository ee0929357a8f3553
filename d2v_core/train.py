"""The training loop, top to bottom, on Lightning Fabric: one process or many, CPU or GPU."""

import json
import math
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule
from torch import nn
from torch.utils.data import DataLoader

from d2v_core.allocator import keep_freed_memory
from d2v_core.checkpoint import (
    load_into,
    newest_checkpoint,
    read_run,
    restore_optimizer,
    save_checkpoint,
    start_run,
)
from d2v_core.config import OptimConfig, RunConfig
from d2v_core.data.folder import DataFolder
from d2v_core.data.steps import Step, TrainSteps
from d2v_core.data.walk import seeded
from d2v_core.inputs import Totals, masked_places
from d2v_core.labels import labels_of
from d2v_core.learner import Learner
from d2v_core.modality import Modality
from d2v_core.monitor import Monitor
from d2v_core.record import Progress, Record, is_due
from d2v_core.teacher import Teacher, copied_names, ema_decay

CHECKPOINTS = 8  # at most so many a run


@dataclass(frozen=True)
class Training:
    """What a training has in its hands.

    Attributes:
        fabric: device, precision and the other processes.
        learner: what is trained.
        teacher: what it is trained towards.
        optimizer: AdamW over the learner.
    """

    fabric: Fabric
    learner: Learner
    teacher: Teacher
    optimizer: torch.optim.Optimizer


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

    Under `torchrun` every process calls this with the same arguments and sees its own part of every
    step's batch. What is learnt does not depend on how many there are.

    Args:
        folder: data with a train split, and a val split for the monitor.
        config: of the run; when resuming, the run's own is used instead.
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
    training = set_up(config)
    fabric = training.fabric
    steps = TrainSteps(
        folder,
        config,
        rank=fabric.global_rank,
        world=fabric.world_size,
        labels=labels_of(run, config),
    )
    first = restore(training, newest_checkpoint(run)) if resume else 0
    if fabric.is_global_zero and not resume:
        start_run(run, config, _about(folder, fabric))
        _save(training, run, 0)
    module = fabric.setup_module(training.learner)
    total = config.optim.steps
    loader = DataLoader(
        steps,
        batch_size=None,
        sampler=range(first, total),
        num_workers=workers,
        collate_fn=as_it_is,
    )
    with ExitStack() as stack:
        record = None
        if fabric.is_global_zero:
            monitor = Monitor(folder, config, steps.cache)
            record = stack.enter_context(Record(run, monitor, first, total, report=report))
        for done, step in enumerate(loader, start=first + 1):
            numbers = optimise(training, module, step, done)
            if record is not None:
                record.after_step(done, numbers, training.learner)
            if is_due(done, total, CHECKPOINTS):
                if record is not None:
                    _save(training, run, done)
                fabric.barrier()
    return newest_checkpoint(run)


def as_it_is(batch: Any) -> Any:  # noqa: ANN401  # whatever the data set gives
    """Return a step's batches unchanged; the loader's own way would turn tuples into lists."""
    return batch


def set_up(config: RunConfig) -> Training:
    """Make all that a training needs, in one process or in those that `torchrun` started."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_WORLD_SIZE", str(world)))
    fabric = Fabric(
        accelerator="auto",
        devices=local,
        num_nodes=world // local,
        strategy="ddp" if world > 1 else "auto",
        precision=config.optim.precision,
    )
    fabric.launch()
    if fabric.device.type == "cpu":
        keep_freed_memory()
    torch.manual_seed(config.seed)
    learner = Learner(config).to(fabric.device)
    teacher = Teacher(learner.student, copied=copied_names(learner.student, config))
    return Training(fabric, learner, teacher, make_optimizer(learner, config.optim))


def make_optimizer(learner: nn.Module, config: OptimConfig) -> torch.optim.Optimizer:
    """Return AdamW; weight decay acts on matrices only.

    The reference applies it to everything, though it marks biases and norms as exempt; we exempt
    them, and CLS tokens and temperatures.
    """
    is_matrix = {
        name: parameter.dim() >= 2 and not name.endswith(("extra", "bias.table"))
        for name, parameter in learner.named_parameters()
    }
    groups = [
        {
            "params": [p for n, p in learner.named_parameters() if is_matrix[n] == decayed],
            "weight_decay": config.weight_decay if decayed else 0.0,
        }
        for decayed in (True, False)
    ]
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, eps=config.eps, fused=True)


def learning_rate(step: int, config: OptimConfig) -> float:
    """Return the rate of optimiser step `step` (1 is the first): a linear rise, then a cosine."""
    if step <= config.warmup_steps:
        return config.lr * step / config.warmup_steps
    share = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.lr * 0.5 * (1 + math.cos(math.pi * share))


def optimise(training: Training, module: _FabricModule, step: Step, done: int) -> dict[str, Any]:
    """Do one optimiser step.

    Args:
        training: learner, teacher, optimiser.
        module: the learner as Fabric wrapped it.
        step: the batches.
        done: number of this step; the first is 1.

    Returns:
        Loss terms and statistics; tensors, so that nothing waits for the device.
    """
    fabric, learner, config = training.fabric, training.learner, training.learner.config
    # Dropout and the noise of the decoders: a function of seed, step and rank alone.
    torch.manual_seed(seeded(config.seed, "forward", done, fabric.global_rank).initial_seed())
    rate = learning_rate(done, config.optim)
    for group in training.optimizer.param_groups:
        group["lr"] = rate
    losses: dict[str, torch.Tensor] = {}
    statistics: dict[str, torch.Tensor] = {}
    totals = step_totals(step, fabric)
    for number, part in enumerate(step.parts, start=1):
        is_last = number == len(step.parts)  # the pairs are not cut into parts
        batches = {m: x._replace(totals=totals[m]).to(fabric.device) for m, x in part.items()}
        paired = step.paired if is_last else None
        paired = paired and {m: x.to(fabric.device) for m, x in paired.items()}
        with fabric.no_backward_sync(module, enabled=not is_last):
            outcome = module(training.teacher.model, batches, paired)
            fabric.backward(outcome.total)
        for name, loss in outcome.losses.items():
            losses[name] = losses.get(name, 0) + loss.detach()
        statistics |= outcome.statistics
    limit = config.optim.clip_norm or math.inf
    norm = nn.utils.clip_grad_norm_(learner.parameters(), limit)
    training.optimizer.step()
    training.optimizer.zero_grad(set_to_none=True)
    learner.after_step()
    training.teacher.follow(learner.student, decay=ema_decay(done, config.teacher))
    terms = torch.stack(list(losses.values()))
    terms = torch.as_tensor(fabric.all_reduce(terms)) if fabric.world_size > 1 else terms
    return {
        "loss": terms.sum(),
        **dict(zip(losses, terms, strict=True)),
        **statistics,
        "gradient_norm": norm.detach(),
        "lr": rate,
    }


def step_totals(step: Step, fabric: Fabric) -> dict[Modality, Totals]:
    """Return what the losses of each modality are divided by: averages over the processes."""
    modalities = list(step.parts[0])
    hidden = [[len(masked_places(part[m])[1]) for m in modalities] for part in step.parts]
    counts = torch.tensor(hidden, dtype=torch.float32).sum(dim=0)
    if fabric.world_size > 1 and modalities:
        counts = torch.as_tensor(fabric.all_reduce(counts.to(fabric.device)))
    rows = {
        m: sum(x.masks * len(x.lengths) for x in (p[m] for p in step.parts)) for m in modalities
    }
    return {m: Totals(float(n), rows[m]) for m, n in zip(modalities, counts, strict=True)}


def restore(training: Training, checkpoint: Path) -> int:
    """Load learner, teacher and optimiser from a checkpoint; return its step."""
    load_into(training.learner, checkpoint / "learner.safetensors")
    load_into(training.teacher.model, checkpoint / "teacher.safetensors")
    restore_optimizer(training.learner, training.optimizer, checkpoint / "optimizer.safetensors")
    return int(json.loads((checkpoint / "state.json").read_text())["step"])


def _save(training: Training, run: Path, step: int) -> None:
    save_checkpoint(run, step, training.learner, training.teacher.model, training.optimizer)


def _about(folder: DataFolder, fabric: Fabric) -> dict[str, Any]:
    return {
        "data": str(folder.root),
        "data_fingerprint": folder.fingerprint,
        "device": str(fabric.device),
        "processes": fabric.world_size,
        "precision": fabric._precision.precision,  # Fabric does not show it
        "torch": torch.__version__,
        "weight_decay": "matrices only",
    }
