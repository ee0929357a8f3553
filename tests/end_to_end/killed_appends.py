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

from d2v_core.store import COLUMNS, Recipe, Store, rows_table

ROWS, AT_ONCE, WIDTH = 90, 6, 4
KILLS = 6
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


def add_missing(place):
    """Add what is not there, a few rows a commit, as an embedding does that is gone on with."""
    store = Store(place, create=True)
    done = {name for name, _ in store.done(RECIPE)}
    missing = [n for n in range(ROWS) if f"{n:03d}" not in done]
    for start in range(0, len(missing), AT_ONCE):
        numbers = missing[start : start + AT_ONCE]
        items = pd.DataFrame({"id": [f"{n:03d}" for n in numbers]}).reindex(columns=list(COLUMNS))
        items["modality"] = "text"
        layer = np.stack([vector(n) for n in numbers])
        store.append(RECIPE, rows_table(items, pd.DataFrame(index=items.index)), [layer, -layer])


def is_killed(place, seconds):
    """Run it in a process that is killed after some time, None for never; say whether it was."""
    if (child := os.fork()) == 0:
        try:
            if seconds is not None:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process, wherever it is
                signal.setitimer(signal.ITIMER_REAL, seconds)
            add_missing(place)
        except BaseException:  # noqa: BLE001  # a copy of the process may not go on as it
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit("a process that was not killed has failed")
    return os.WIFSIGNALED(status)


def main(place):
    """Time one that is not killed, beside; then kill others at moments spread over that time."""
    warnings.simplefilter("ignore")  # of forking
    start = time.monotonic()
    is_killed(f"{place}-other", None)
    lasted = time.monotonic() - start
    moments = [lasted * (kill + 1) / (2 * KILLS) for kill in range(KILLS)]
    sys.stdout.write(json.dumps([is_killed(place, moment) for moment in [*moments, None]]))


if __name__ == "__main__":
    main(sys.argv[1])
