"""How far a command is, noted in a file for whoever waits for it in another process."""

import json
import os
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

VARIABLE = "D2V_PROGRESS"
"""Names the file; without it nothing is noted."""

EVERY_SECONDS = 0.4


@dataclass(frozen=True, kw_only=True)
class Noted:
    """How far a command is."""

    done: int
    of: int
    seconds_left: float | None
    """None as long as nobody can tell."""

    at: float
    """When this was so, in seconds since 1970."""

    stage: str = ""
    """What is being done, where there are several things to do one after the other."""


def write_aside(path: Path, values: dict[str, Any]) -> None:
    """Write a JSON file aside and move it into place: readers see the old one or the new one."""
    aside = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    aside.write_text(json.dumps(values, indent=1))
    aside.replace(path)


def read_note(path: Path) -> Noted | None:
    """Return what was noted last; None if nothing was."""
    try:
        return Noted(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


class Notes:
    """Writes how far a command is, a few times a second at most.

    Args:
        path: of the file; None to write nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.began, self.first, self.last = time.time(), 0, 0.0

    @classmethod
    def wanted(cls) -> "Notes":
        """Return notes in the file that the environment names, if it does."""
        named = os.environ.get(VARIABLE)
        is_first = os.environ.get("RANK", "0") == "0"
        return cls(Path(named) if named and is_first else None)

    def note(
        self, done: int, of: int, *, seconds_left: float | None = None, stage: str = ""
    ) -> None:
        """Note how far it is; without `seconds_left` it is reckoned from the time so far."""
        if self.path is None:
            return
        now = time.time()
        if not self.last:
            self.began, self.first = now, done
        if now - self.last < EVERY_SECONDS and done < of:
            return
        self.last = now
        if seconds_left is None and done > self.first:
            seconds_left = (now - self.began) / (done - self.first) * (of - done)
        noted = Noted(done=done, of=of, seconds_left=seconds_left, at=now, stage=stage)
        try:
            write_aside(self.path, asdict(noted))
        except OSError:  # a full disk: the work itself will say so
            self.path = None
