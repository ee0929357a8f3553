"""Many processes that embed one data folder: each takes its share of the items, and none waits.

`torchrun` tells every process its number; hosts see the same data and the same store. The first
one hears at the end what the others did, and waits for that only.
"""

import contextlib
import functools
import itertools
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch.distributed import (
    DistError,
    TCPStore,  # pyright: ignore[reportPrivateImportUsage]  # documented all the same
)

PATIENCE_SECONDS, POLL_SECONDS = 3600.0, 0.1
"""How long the first process waits for the others when it has done its share."""

_NUMBERS = itertools.count()
"""Of what is told: all processes tell things in the same order."""


@dataclass(frozen=True)
class Shard:
    """A process's share: every `of`-th item, from number `rank` on.

    Attributes:
        rank: of the process, from 0.
        of: how many processes there are.
    """

    rank: int = 0
    of: int = 1

    @staticmethod
    def of_this_process() -> "Shard":
        """Return the share that `torchrun` gives to this process; everything without it."""
        rank, of = (int(os.environ.get(n, d)) for n, d in (("RANK", "0"), ("WORLD_SIZE", "1")))
        return Shard(rank, of)


WHOLE = Shard()


def are_together() -> bool:
    """Tell whether this process was started with others, which can tell each other something."""
    return (
        int(os.environ.get("WORLD_SIZE", "1")) > 1
        and {"MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys()
    )


def tell_first(shard: Shard, told: Any) -> Sequence[Any]:  # noqa: ANN401  # whatever JSON holds
    """Tell the first process something; it returns what all have told, the others their own.

    Those of which it hears nothing in PATIENCE_SECONDS are left out. A process that was started by
    itself, though it has a share, has nobody to tell.

    Args:
        shard: of this process.
        told: plain JSON values.
    """
    if shard.of == 1 or not are_together():
        return [told]
    number, attempt = next(_NUMBERS), os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    keys = [f"d2v/told/{attempt}/{number}/{rank}" for rank in range(shard.of)]
    heard = [told]
    # What was embedded is in the store, whoever has gone before it could be told.
    with contextlib.suppress(DistError):
        where = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        store = _meeting_place(*where, is_first=shard.rank == 0)
        if shard.rank:
            store.set(keys[shard.rank], json.dumps(told))
            return heard
        end = time.monotonic() + PATIENCE_SECONDS
        for key in keys[1:]:
            while not store.check([key]) and time.monotonic() < end:
                time.sleep(POLL_SECONDS)
            if store.check([key]):
                heard.append(json.loads(store.get(key)))
    return heard


@functools.cache
def _meeting_place(host: str, port: int, *, is_first: bool) -> TCPStore:
    """Return what the processes have in common: `torchrun` has it, or else the first makes it."""
    is_made = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    return TCPStore(
        host,
        port,
        is_master=is_first and not is_made,
        wait_for_workers=False,
        timeout=timedelta(seconds=PATIENCE_SECONDS),
    )


def device_of_this_process() -> torch.device:
    """Return the GPU that this process has to itself, or the processor."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())


def items_at_once(device: torch.device) -> int:
    """Return how many items in one pass a device is fastest with.

    What 32 pictures leave behind a block does not fit into a processor's cache, and is asked of
    the system anew each time; eight do not keep a GPU busy.
    """
    return 8 if device.type == "cpu" else 32
