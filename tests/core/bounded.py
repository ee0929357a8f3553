"""Bad files are tried in a process of their own, which gets a gibibyte and ten seconds for each.

What the process had taken before, its libraries, does not count. One process tries them all, one
after the other; what goes wrong in one is known by its name.
"""

import faulthandler
import importlib
import json
import os
import resource
import subprocess
import sys
import time
import traceback
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
GIB = 1 << 30
SECONDS = 10.0
"""Of the processor for each of them; what other programs take does not count."""

HANGS_SECONDS = 120.0
"""By the clock; then the process is ended: it hangs."""

# Pools of memory that are reserved and never used would count, too.
PLAIN = {"MALLOC_ARENA_MAX": "2", "ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1"}


class Tried:
    """What came of each: what was said, or why nothing could be."""

    def __init__(self, lines, errors):
        self.by_name = {line["name"]: line for line in lines}
        self.errors = errors

    def said_of(self, name):
        """Return what was said about one, None if nothing was wrong with it."""
        found = self.by_name.get(name)
        assert found is not None, f"the process ended before or at {name}:\n{self.errors}"
        assert "broke" not in found, found["broke"]
        assert found["seconds"] < SECONDS, f"{name} took {found['seconds']:.1f} s"
        return found["said"]


def try_all(trial: str, names: Iterable[str], place: Path) -> Tried:
    """Try some, with bounds.

    Args:
        trial: MODULE:FUNCTION; it gets a name and the place, and returns what is said, or None.
        names: of what is tried.
        place: a folder.
    """
    names = list(names)
    done = subprocess.run(
        [sys.executable, "-m", "tests.core.bounded", trial, str(place)],
        input=json.dumps(names),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=600 + SECONDS * len(names),
        env=os.environ | PLAIN,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"name"')]
    return Tried(map(json.loads, lines), done.stderr)


def main():
    """Try what is named on standard input, and write a line of JSON for each."""
    module, _, function = sys.argv[1].partition(":")
    trial, place = getattr(importlib.import_module(module), function), Path(sys.argv[2])
    names = json.load(sys.stdin)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + GIB, taken + GIB))
    for name in names:
        faulthandler.dump_traceback_later(HANGS_SECONDS, exit=True)
        start = time.process_time()
        found = {"name": name}
        try:
            found["said"] = trial(name, place)
        except Exception:  # noqa: BLE001  # whatever it is, it belongs to this name
            found["broke"] = traceback.format_exc()
        found["seconds"] = time.process_time() - start
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


def takes(name, _place):
    """Take so many megabytes, or end the process: a trial of the bounds themselves."""
    if name == "end":
        os._exit(1)
    return str(len(bytes(int(name) * 1_000_000)))


if __name__ == "__main__":
    main()
