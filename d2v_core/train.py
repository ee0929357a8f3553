"""The training loop, top to bottom, on Lightning Fabric: one process or many, CPU or GPU."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule

from d2v_core.checkpoint import newest_checkpoint, read_run, start_run
from d2v_core.config import OptimConfig, RunConfig
from d2v_core.data.feed import feed
from d2v_core.data.folder import DataFolder
from d2v_core.data.pairs import pair_groups
from d2v_core.data.steps import Step, TrainSteps, training_items
from d2v_core.data.walk import seeded
from d2v_core.data.workers import naming_killed_workers
from d2v_core.errors import StoppedError, TrainingError
from d2v_core.inputs import Totals, masked_places
from d2v_core.labels import labels_of
from d2v_core.modality import Modality
from d2v_core.monitor import Monitor
from d2v_core.precision import settle_precision
from d2v_core.processes import from_all, in_first_process, naming_lost_processes
from d2v_core.record import LOGGED_STEPS, MEASUREMENTS, Finite, Progress, Record, is_due
from d2v_core.sharding import average_unsharded, clip_gradients
from d2v_core.stopping import Stop
from d2v_core.teacher import ema_decay
from d2v_core.training import Training, restore, save, set_up, whole_student

CHECKPOINTS = 8  # at most so many a run
GO_ON = "the last checkpoint is whole: go on from it with --resume, and fewer --workers"


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
        InputError: if the data cannot be used.
        TrainingError: if the loss is not finite, or a process that decodes is killed.
        StoppedError: after Ctrl-C or SIGTERM.
    """
    config = read_run(run)[0] if resume else settle_precision(config)
    groups = pair_groups(training_items(folder, config), config)
    training = set_up(config, leaves_out=len(groups) > 1)
    fabric = training.fabric
    steps = TrainSteps(
        folder,
        config,
        rank=fabric.global_rank,
        world=fabric.world_size,
        labels=labels_of(run, config),
    )
    steps.refuse_damage()
    killed = naming_killed_workers(TrainingError, GO_ON)
    with naming_lost_processes(), killed, Stop() as stop:
        if not resume:
            about = _about(folder, fabric)
            in_first_process(fabric, lambda: start_run(run, config, about))
        first = restore(training, run)
        record = None
        if fabric.is_global_zero:
            monitor = Monitor(folder, config, steps.cache)
            record = Record(run, monitor, first, config.optim.steps, report=report)
        with closing(feed(steps, first, workers=workers, device=fabric.device)) as made:
            for done in loop(training, made, record, stop, first=first):
                save(training, run, done)
    return newest_checkpoint(run)


def loop(
    training: Training,
    steps: Iterable[Step],
    record: Record | None,
    stop: Stop,
    *,
    first: int,
) -> Iterator[int]:
    """Do all the steps.

    Args:
        training: what is trained.
        steps: what is seen.
        record: of the first process.
        stop: is asked whether to go on.
        first: steps done before.

    Yields:
        How many steps are done, whenever it is time for a checkpoint.

    Raises:
        CollapseError: if the representation collapses.
        TrainingError: if the loss is not finite.
        StoppedError: if somebody asks for it, after a checkpoint.
    """
    fabric, total = training.fabric, training.learner.config.optim.steps
    module = fabric.setup_module(training.learner)
    finite, skipped = Finite(), list[str]()
    for done, step in enumerate(steps, start=first + 1):
        numbers = optimise(training, module, step, done)
        finite.note(done, numbers)
        skipped += step.skipped
        signal = stop.agreed(fabric, done) if done < total else 0
        is_time = is_due(done, total, CHECKPOINTS) or signal > 0
        if is_time or is_due(done, total, LOGGED_STEPS):
            finite.check()
            note(training, record, done, numbers, skipped=from_all(fabric, skipped))
            skipped.clear()
        if is_time:
            yield done
        if signal:
            raise StoppedError(
                f"stopped after step {done} of {total}, which is saved; go on with --resume", signal
            )


def note(
    training: Training,
    record: Record | None,
    done: int,
    numbers: dict[str, Any],
    *,
    skipped: list[str],
) -> None:
    """Log a step and measure the student now and then; every process has to take part.

    Args:
        training: learner and processes.
        record: of the first process.
        done: number of the step.
        numbers: losses and statistics.
        skipped: why items were passed over.
    """
    total = training.learner.config.optim.steps
    student = whole_student(training) if is_due(done, total, MEASUREMENTS) else None

    def write() -> None:
        assert record is not None
        record.after_step(done, numbers, student=student, skipped=skipped)

    in_first_process(training.fabric, write)


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
        paired = step.paired.to(fabric.device) if step.paired and is_last else None
        if not batches and paired is None:  # all that is learnt is learnt from the pairs
            continue
        with fabric.no_backward_sync(module, enabled=not is_last):
            outcome = module(training.teacher.model, batches, paired)
            fabric.backward(outcome.total)
        for name, loss in outcome.losses.items():
            losses[name] = losses.get(name, 0) + loss.detach()
        statistics |= outcome.statistics
    average_unsharded(learner.parameters())
    norm = clip_gradients(learner.parameters(), config.optim.clip_norm)
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
