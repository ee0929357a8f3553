"""Asked to stop: finish the step, write it down, say how to go on."""

import signal
import threading
from types import FrameType

import torch
from lightning_fabric import Fabric

ASKING = (signal.SIGINT, signal.SIGTERM)
EVERY = 8
"""Steps after which many processes agree on whether to stop; one process looks after each."""


class Stop:
    """Takes note of Ctrl-C and SIGTERM instead of dying of them, while it is entered.

    A second signal acts as usual, for those who cannot wait. Outside the main thread, where
    signals cannot be handled, nothing is noted.

    Attributes:
        signal: the number of the first signal; 0 if there was none.
    """

    def __init__(self) -> None:
        self.signal = 0
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> "Stop":
        if threading.current_thread() is threading.main_thread():
            for number in ASKING:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._give_back()

    def agreed(self, fabric: Fabric, done: int) -> int:
        """Return the signal that any of the processes got; all have to ask after the same steps.

        Args:
            fabric: the processes.
            done: steps done.
        """
        if fabric.world_size == 1:
            return self.signal
        if done % EVERY:
            return 0
        mine = torch.tensor(float(self.signal), device=fabric.device)
        return int(torch.as_tensor(fabric.all_reduce(mine, reduce_op="max")))

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.signal = number
        self._give_back()

    def _give_back(self) -> None:
        while self._before:
            number, before = self._before.popitem()
            signal.signal(number, before)  # pyright: ignore[reportArgumentType]
