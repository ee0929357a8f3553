"""Where a store is: what LanceDB says when it cannot be used, and a lock for who makes tables."""

import contextlib
import fcntl
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from d2v_core.errors import StoreError

_LOCK = ".lock"


@contextlib.contextmanager
def refusals(place: str) -> Iterator[None]:
    """Say in one sentence what LanceDB says in many, with the lines of its source.

    Raises:
        StoreError: for whatever a place that cannot be reached or a damaged file makes it raise.
    """
    try:
        yield
    except (ValueError, RuntimeError, OSError, pa.ArrowException) as error:
        said = next(iter(str(error).splitlines()), type(error).__name__)
        short = re.split(r" \{ |,? */[^ ]*\.rs\b", said)[0]  # what follows is its own source
        inner = re.findall(r'message: "([^"]+)"', said)
        reason = f"{short} ({inner[-1]})" if inner else short
        raise StoreError(f"the store at {place} cannot be used: {reason}") from error


@contextlib.contextmanager
def alone_at(place: str) -> Iterator[None]:
    """Let nobody else make a table meanwhile, where files can be locked: not in a bucket.

    Of two that make the same one at once, LanceDB mostly refuses one, and sometimes lets it
    overwrite what the other has made.

    Raises:
        StoreError: if nothing can be written there.
    """
    if "://" in place:
        yield
        return
    with contextlib.ExitStack() as stack:
        with refusals(place):
            file = stack.enter_context((Path(place) / _LOCK).open("w"))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
