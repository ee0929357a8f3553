"""What the first process notes while a run is trained: metrics, measurements, warnings."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from d2v_core.checkpoint import ADVICE, writing
from d2v_core.errors import TrainingError
from d2v_core.metrics import Lines, MetricsLog
from d2v_core.model import Student
from d2v_core.monitor import Monitor, refuse_collapse

MEASUREMENTS, LOGGED_STEPS = 24, 4000  # at most so many a run
GRACE = 0.2  # share of the steps before collapse is judged: a fresh network looks collapsed


@dataclass(frozen=True)
class Progress:
    """What a face may show while a run is trained.

    Attributes:
        step: optimiser steps done.
        steps: of how many.
        numbers: the newest value of everything that was measured, by name.
        seconds_left: estimated from the steps done so far.
        stage: what is being done, where a run has several stages; then `step` counts its steps.
    """

    step: int
    steps: int
    numbers: dict[str, float]
    seconds_left: float
    stage: str = ""
    skipped: tuple[str, ...] = ()
    """Items that could not be decoded and are passed over, and why; each is told once."""


def is_due(done: int, total: int, times: int) -> bool:
    """Tell whether something that happens `times` times a run is due; the last step always is."""
    return done % max(1, total // times) == 0 or done == total


class Record:
    """Logs, measures and reports.

    Args:
        run: the run folder.
        monitor: measures the student.
        first: steps done before, by the run that is resumed.
        total: steps of the whole run.
        report: told of every logged step.
    """

    def __init__(
        self,
        run: Path,
        monitor: Monitor,
        first: int,
        total: int,
        *,
        report: Callable[[Progress], None],
    ) -> None:
        self.run, self.monitor, self.first, self.total = run, monitor, first, total
        self.report = report
        with writing(run):
            self.log = MetricsLog(run, after=first)
            self.skip_log = Lines(run / "skipped.jsonl", after=first)
        self.skipped = {line["reason"] for line in self.skip_log.kept}
        self.started = time.monotonic()
        self.numbers: dict[str, float] = {}

    def after_step(
        self,
        done: int,
        found: dict[str, Any],
        *,
        student: Student | None = None,
        skipped: Iterable[str] = (),
    ) -> None:
        """Note a step.

        Args:
            done: its number; the first is 1.
            found: losses and statistics.
            student: is measured, if given.
            skipped: why items were passed over since the last call.

        Raises:
            CheckpointError: if the run folder cannot be written to.
            CollapseError: if the representation has collapsed.
            TrainingError: if embeddings are not finite.
        """
        new = {name: float(value) for name, value in found.items()}
        if student is not None:
            student.eval()
            new |= self.monitor.measure(student)
            student.train()
        fresh = [reason for reason in dict.fromkeys(skipped) if reason not in self.skipped]
        self.skipped.update(fresh)
        new["skipped"] = float(len(self.skipped))
        with writing(self.run):
            for reason in fresh:
                self.skip_log.write({"step": done, "reason": reason})
            self.log.write(done, new)
        self.numbers |= new
        seconds = time.monotonic() - self.started
        left = seconds / (done - self.first) * (self.total - done)
        self.report(Progress(done, self.total, dict(self.numbers), left, skipped=tuple(fresh)))
        if done > GRACE * self.total:
            refuse_collapse(self.numbers)


class Finite:
    """Remembers the first step whose loss or gradient was no number, without waiting for a GPU.

    The check comes before anything is written, so a checkpoint never follows such a step.
    """

    def __init__(self) -> None:
        self.first: Float[Tensor, " 3"] | None = None

    def note(self, done: int, found: dict[str, Any]) -> None:
        """Look at a step: its number, and its losses and statistics."""
        loss, norm = found["loss"].detach(), found["gradient_norm"].detach()
        now = torch.stack([torch.full_like(loss, done), loss, norm.to(loss)])
        if self.first is None:
            self.first = now
        else:
            self.first = torch.where(self.first.isfinite().all(), now, self.first)

    def check(self) -> None:
        """Stop if a step was not finite.

        Raises:
            TrainingError: naming the first such step.
        """
        if self.first is None:
            return
        step, *values = self.first.tolist()
        for name, value in zip(("loss", "gradient_norm"), values, strict=True):
            if not math.isfinite(value):
                raise TrainingError(f"{name} is {value} at step {step:.0f}; {ADVICE}")
