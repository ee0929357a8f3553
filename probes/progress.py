"""How far a long computation is, told to whoever listens; nobody has to."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[str, int, int], None]
"""Takes what is being done, how much of it is done, and of how much."""

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def told_to(listener: Listener) -> Iterator[None]:
    """Let a listener hear of everything that is computed within, in this thread."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def tell(stage: str, done: int, of: int) -> None:
    """Say how far a stage is, if anybody listens.

    Args:
        stage: what is being done, in a word.
        done: how much of it.
        of: how much there is.
    """
    listener = _listener.get()
    if listener is not None:
        listener(stage, done, of)
