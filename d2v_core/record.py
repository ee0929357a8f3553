"""What the first process notes while a run is trained: metrics, measurements, warnings."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d2v_core.errors import TrainingError
from d2v_core.learner import Learner
from d2v_core.metrics import MetricsLog
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
        self.monitor, self.first, self.total, self.report = monitor, first, total, report
        self.log = MetricsLog(run, after=first)
        self.started = time.monotonic()
        self.numbers: dict[str, float] = {}

    def after_step(self, done: int, found: dict[str, Any], learner: Learner) -> None:
        """Note one optimiser step.

        Raises:
            CollapseError: if the representation has collapsed.
            TrainingError: if the loss is not finite.
        """
        if not is_due(done, self.total, LOGGED_STEPS):
            return
        new = {name: float(value) for name, value in found.items()}
        for name in ("loss", "gradient_norm"):
            if not math.isfinite(new[name]):
                raise TrainingError(
                    f"{name} is {new[name]} at step {done}; the last checkpoint is whole, but "
                    "start again with a lower learning rate"
                )
        if is_due(done, self.total, MEASUREMENTS):
            learner.eval()
            new |= self.monitor.measure(learner.student)
            learner.train()
        self.log.write(done, new)
        self.numbers |= new
        seconds = time.monotonic() - self.started
        left = seconds / (done - self.first) * (self.total - done)
        self.report(Progress(done, self.total, dict(self.numbers), left))
        if done > GRACE * self.total:
            refuse_collapse(self.numbers)

    def __enter__(self) -> "Record":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.log.close()
