"""Steps made in other processes while the device is busy."""

from collections.abc import Generator

import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from d2v_core.data.steps import Step, TrainSteps
from d2v_core.data.workers import as_it_is, begin_worker, end_workers, fetched
from d2v_core.errors import D2VError


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
        collate_fn=as_it_is,
        worker_init_fn=_begin_worker,
        pin_memory=device is not None and device.type == "cuda",
    )
    made = iter(loader)
    try:
        for step in fetched(made):
            if isinstance(step, D2VError):
                raise step
            yield step
    finally:
        end_workers(made)


def _begin_worker(number: int) -> None:
    """Share the memory for decoded items."""
    begin_worker(number)
    info = get_worker_info()
    assert info is not None
    assert isinstance(info.dataset, _Sent)
    info.dataset.steps.cache.free //= info.num_workers
