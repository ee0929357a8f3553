"""Steps made in other processes while the device is busy."""

import signal
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from d2v_core.data.steps import Step, TrainSteps
from d2v_core.errors import D2VError, TrainingError


class _Sent(Dataset[Step | D2VError]):
    """Steps, or what went wrong: raised in a worker, an error would arrive with its traceback."""

    def __init__(self, steps: TrainSteps) -> None:
        self.steps = steps

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, step: int) -> Step | D2VError:
        try:
            return self.steps[step]
        except D2VError as error:
            return error


def feed(
    steps: TrainSteps, first: int, *, workers: int = 0, device: torch.device | None = None
) -> Generator[Step]:
    """Give the steps from `first` on, in their order.

    Args:
        steps: makes them.
        first: number of the first; 0 is the first of the run.
        workers: processes that make them, each with one thread and two steps ahead; 0 makes them
            here, when they are asked for.
        device: where they will go; for a GPU they are put into memory that it can fetch from.

    Raises:
        D2VError: what went wrong when a step was made.
    """
    loader = DataLoader(
        _Sent(steps),
        batch_size=None,
        sampler=range(first, len(steps)),
        num_workers=workers,
        collate_fn=_as_it_is,
        worker_init_fn=_begin_worker,
        pin_memory=device is not None and device.type == "cuda",
    )
    made = iter(loader)
    try:
        for step in made:
            if isinstance(step, D2VError):
                raise step
            yield step
    finally:
        _end_workers(made)


def _end_workers(made: Iterator[Any]) -> None:
    """End the workers now, and quietly: torch complains of a killed one as often as any ends."""
    if not hasattr(made, "_shutdown_workers"):  # there are none
        return
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGCHLD, signal.SIG_DFL) if is_main else None
    made._shutdown_workers()  # pyright: ignore[reportAttributeAccessIssue]  # as its __del__ does
    if is_main:
        signal.signal(signal.SIGCHLD, before)


def _as_it_is(step: Any) -> Any:  # noqa: ANN401  # the loader's own way would copy it
    return step


def _begin_worker(_number: int) -> None:
    """Leave it to the first process to stop the others, and share the memory for decoded items."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    info = get_worker_info()
    assert info is not None
    assert isinstance(info.dataset, _Sent)
    info.dataset.steps.cache.free //= info.num_workers


@contextmanager
def naming_killed_workers() -> Iterator[None]:
    """Say in one sentence that a worker was killed; torch may say so at any place, in its way.

    Raises:
        TrainingError: in place of torch's RuntimeError.
    """
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker (pid"):
            raise
        raise TrainingError(
            "a process that decodes was killed, perhaps for want of memory; the last checkpoint is "
            "whole: go on from it with --resume, and fewer --workers"
        ) from error
