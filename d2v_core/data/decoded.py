"""Items decoded in their order, here or ahead in other processes; windows of bounded size."""

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from d2v_core.data.items import Item
from d2v_core.data.workers import as_it_is, begin_worker, end_workers, fetched, fresh_processes
from d2v_core.errors import MediaError

AHEAD = 4
"""Items that a process decodes before the first of them is asked for."""

Load = Callable[[Item], Tensor]
Window = list[tuple[int, Tensor | str]]
"""Numbers of items with what was decoded, or why it could not be."""


class _Decoded(Dataset[Tensor | str]):
    """Items as tensors; one that cannot be decoded as the reason."""

    def __init__(self, items: Sequence[Item], load: Load) -> None:
        self.items, self.load = items, load

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> Tensor | str:
        try:
            return self.load(self.items[number])
        except MediaError as error:
            return str(error)


def decoded(items: Sequence[Item], load: Load, *, workers: int = 0) -> Generator[Tensor | str]:
    """Give each item as a tensor, or why it cannot be decoded.

    Args:
        items: in the order in which they are given.
        load: decodes one; it is sent to the processes, where it runs with one thread.
        workers: processes that decode ahead; 0 decodes here, when the next one is asked for.
    """
    loader = DataLoader(
        _Decoded(items, load),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=AHEAD if workers else None,
        multiprocessing_context=fresh_processes(workers),
        worker_init_fn=begin_worker,
        collate_fn=as_it_is,
    )
    made = iter(loader)
    try:
        for found in fetched(made):
            # a tensor from another process holds a file open: a window of them would be too many
            yield found.clone() if isinstance(found, Tensor) and workers else found
    finally:
        end_workers(made)


def windows(
    items: Sequence[Item], load: Load, *, most: int, most_bytes: int, workers: int = 0
) -> Generator[Window]:
    """Give items in windows; with workers, the next one comes together while one is looked at.

    Args:
        items: in the order in which they are given.
        load: decodes one.
        most: items in a window.
        most_bytes: of decoded items, from which on a window is full.
        workers: processes that decode.
    """
    with contextlib.closing(decoded(items, load, workers=workers)) as found:
        cut = _cut(found, most, most_bytes)
        if not workers:
            yield from cut
            return
        with ThreadPoolExecutor(1) as thread:
            coming = thread.submit(next, cut, None)
            while (window := coming.result()) is not None:
                coming = thread.submit(next, cut, None)
                yield window


def _cut(found: Iterator[Tensor | str], most: int, most_bytes: int) -> Iterator[Window]:
    window: Window = []
    size = 0
    for number, one in enumerate(found):
        window.append((number, one))
        size += 0 if isinstance(one, str) else one.nbytes
        if len(window) == most or size >= most_bytes:
            yield window
            window, size = [], 0
    if window:
        yield window
