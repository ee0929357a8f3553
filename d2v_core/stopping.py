"""Asked to stop: finish the step, write it down, say how to go on."""

import signal
import threading
import time
from types import FrameType

import torch
from lightning_fabric import Fabric

ASKING = (signal.SIGINT, signal.SIGTERM)
PATIENCE_SECONDS = 2.0
EVERY = 8
"""Steps after which many processes agree on whether to stop; one process looks after each."""


class Stop:
    """Takes note of Ctrl-C and SIGTERM instead of dying of them, while it is entered.

    A further signal, later than PATIENCE_SECONDS, acts as usual, for those who cannot wait; at once
    it may be the same that came twice, from the terminal and from torchrun. Signals that were
    ignored before, as those of nohup and of background jobs, still are. Outside the main thread,
    where signals cannot be handled, nothing is noted.

    Attributes:
        signal: the number of the first signal; 0 if there was none.
    """

    def __init__(self) -> None:
        self.signal = 0
        self._since = 0.0
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> "Stop":
        if threading.current_thread() is threading.main_thread():
            for number in ASKING:
                if signal.getsignal(number) != signal.SIG_IGN:
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
        if not self.signal:
            self.signal, self._since = number, time.monotonic()
        elif time.monotonic() - self._since > PATIENCE_SECONDS:
            self._give_back()
            signal.raise_signal(number)

    def _give_back(self) -> None:
        while self._before:
            number, before = self._before.popitem()
            signal.signal(number, before)  # pyright: ignore[reportArgumentType]
