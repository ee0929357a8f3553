"""Processes that decode ahead of the one that computes, by the loader of torch: start and end."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import BaseContext
from typing import Any, TypeVar

import torch

from d2v_core.errors import D2VError

T = TypeVar("T")
MOST = 8
"""More seldom find work: a GPU takes a few thousand pictures a second."""


def usual_workers(device: torch.device) -> int:
    """Return how many processes should decode for one that computes on a device.

    None for the processor, which is busy with computing then; for a GPU the cores of its share of
    the machine but one.
    """
    if device.type == "cpu":
        return 0
    has_share = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_share else os.cpu_count() or 1
    return min(MOST, cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1")) - 1)


def fresh_processes(workers: int) -> BaseContext | None:
    """Return how workers are started that are no copies of this process.

    A copy would inherit the locks of threads that it has not: those of an open store, say. The
    first costs the time of importing torch, the others next to none.
    """
    if not workers:
        return None
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["d2v_core.data.batches", "d2v_core.data.decoded"])
    return context


def as_it_is(made: Any) -> Any:  # noqa: ANN401  # the loader's own way would copy it
    """Give what was made, unchanged."""
    return made


class _LostError(RuntimeError):
    """A worker was killed before what it had made was fetched from it."""


def fetched(made: Iterator[T]) -> Iterator[T]:
    """Give what a loader gives; of a worker killed in between nothing can be fetched any more."""
    while True:
        try:
            one = next(made)
        except StopIteration:
            return
        except (EOFError, ConnectionError, FileNotFoundError) as error:
            raise _LostError from error
        yield one


def begin_worker(_number: int) -> None:
    """Leave it to the first process to stop the others."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def end_workers(made: Iterator[Any]) -> None:
    """End the workers now, and quietly: torch complains of a killed one as often as any ends."""
    if not hasattr(made, "_shutdown_workers"):  # there are none
        return
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGCHLD, signal.SIG_DFL) if is_main else None
    made._shutdown_workers()  # pyright: ignore[reportAttributeAccessIssue]  # as its __del__ does
    if is_main:
        signal.signal(signal.SIGCHLD, before)


@contextmanager
def naming_killed_workers(kind: type[D2VError], advice: str) -> Iterator[None]:
    """Say in one sentence that a worker was killed; torch may say so at any place, in its way.

    Args:
        kind: of the error.
        advice: what to do.

    Raises:
        D2VError: of that kind, in place of torch's RuntimeError.
    """
    try:
        yield
    except RuntimeError as error:
        if not (isinstance(error, _LostError) or str(error).startswith("DataLoader worker (pid")):
            raise
        raise kind(
            f"a process that decodes was killed, perhaps for want of memory; {advice}"
        ) from error
