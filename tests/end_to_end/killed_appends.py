"""Processes that add rows to a store and are killed at any moment, in the midst of a commit too.

`python -m tests.end_to_end.killed_appends STORE` prints as JSON whether each was killed; the last
is not.
"""

import json
import os
import signal
import sys
import time
import traceback
import warnings

import numpy as np
import pandas as pd

from d2v_core.rows import COLUMNS, rows_table
from d2v_core.store import Recipe, Store

ROWS, AT_ONCE, WIDTH = 160, 4, 4
MOMENTS = (0.05, 0.3, 0.5, 0.7, 0.9, 1.2)
"""When a process is killed after it has begun its third commit; the second one takes 1."""
RECIPE = Recipe(
    encoder="numbers",
    encoder_hash="0",
    role="trained",
    data="/",
    data_fingerprint="0",
    taps=("embed", "joint"),
    widths=(WIDTH, WIDTH),
    pooling="mean",
    versions={},
)


def vector(number):
    """The vector of an item, which tells it."""
    return np.full(WIDTH, number, np.float32)


def add_missing(place, moment):
    """Add what is not there, a few rows a commit, as an embedding does that is gone on with."""
    store = Store(place, create=True)
    done = {name for name, _ in store.done(RECIPE)}
    missing = [n for n in range(ROWS) if f"{n:03d}" not in done]
    lasted = 0.0
    for commit, start in enumerate(range(0, len(missing), AT_ONCE)):
        if commit == 2 and moment is not None:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process, wherever it is
            signal.setitimer(signal.ITIMER_REAL, moment * lasted)
        numbers = missing[start : start + AT_ONCE]
        items = pd.DataFrame({"id": [f"{n:03d}" for n in numbers]}).reindex(columns=list(COLUMNS))
        items["modality"] = "text"
        layer = np.stack([vector(n) for n in numbers])
        began = time.monotonic()
        store.append(RECIPE, rows_table(items, pd.DataFrame(index=items.index)), [layer, -layer])
        lasted = time.monotonic() - began


def is_killed(place, moment):
    """Run it in a process of its own, killed at a moment or, for None, never; say if it was."""
    if (child := os.fork()) == 0:
        try:
            add_missing(place, moment)
        except BaseException:  # noqa: BLE001  # a copy of the process may not go on as it
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit("a process that was not killed has failed")
    return os.WIFSIGNALED(status)


def main(place):
    """Run one after the other, each going on where the one before it was killed."""
    warnings.simplefilter("ignore")  # of forking
    sys.stdout.write(json.dumps([is_killed(place, moment) for moment in [*MOMENTS, None]]))


if __name__ == "__main__":
    main(sys.argv[1])
