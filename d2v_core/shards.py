"""Many processes that embed one data folder: each takes its share of the items, and none waits.

`torchrun` tells every process its number; hosts see the same data and the same store.
"""

import os
from dataclasses import dataclass

import torch


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
