"""Maps made in a process of their own, so that the page does not wait for them."""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import IO, NamedTuple

from app.noting import VARIABLE, Noted, read_note


class Job(NamedTuple):
    """Which map."""

    place: str
    """Of the store."""

    name: str
    """Of the representation."""

    tap: str
    wish: str = ""
    """See `app.mapping.MapWish`, as JSON; the plain UMAP if it is empty."""

    judge: bool = False
    """Whether every item is to be judged, too, however long that takes."""


@dataclass
class Running:
    """A process at work, and what it says."""

    process: subprocess.Popen[bytes]
    words: IO[bytes]
    notes: Path
    """Where it notes how far it is, in a folder of its own."""


def map_command(job: Job) -> list[str]:
    """Return the command that makes a map and keeps it in the store."""
    if job.wish:
        more = ["--judge"] if job.judge else []
        return [sys.executable, "-m", "app.mapping", job.place, job.wish, *more]
    named = ["--name", job.name, "--tap", job.tap, "--method", "umap"]
    return [sys.executable, "-m", "app.cli", "map", job.place, *named]


def _start(job: Job) -> Running:
    words = tempfile.TemporaryFile()  # closed, as the folder is removed, when the process has ended
    notes = Path(tempfile.mkdtemp(prefix="d2v-map-")) / "progress.json"
    environment = {**os.environ, VARIABLE: str(notes)}
    process = subprocess.Popen(map_command(job), stdout=words, stderr=words, env=environment)
    return Running(process, words, notes)


class MapJobs:
    """Starts each map once, one at a time, and remembers why one failed."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.running: dict[Job, Running] = {}
        self.failed: dict[Job, str] = {}

    def ensure(self, job: Job) -> str:
        """See that a map is being made.

        Returns:
            "running", "waiting" for another map to be done, "done" just now, or "failed", see
            `why`.
        """
        with self.lock:
            if job in self._collect():
                return "done"
            if job in self.failed:
                return "failed"
            if job in self.running:
                return "running"
            if self.running:
                return "waiting"
            self.running[job] = _start(job)
            return "running"

    def how_far(self, job: Job) -> Noted | None:
        """Return how far a map is; None if nobody can tell, or it is not being made."""
        with self.lock:
            running = self.running.get(job)
            return None if running is None else read_note(running.notes)

    def why(self, job: Job) -> str:
        """Return the last line that a failed process said."""
        return self.failed.get(job, "")

    def forget(self, job: Job) -> None:
        """Let a failed map be tried again."""
        with self.lock:
            self.failed.pop(job, None)

    def _collect(self) -> list[Job]:
        """Clear away the processes that have ended; return the jobs that went well."""
        done = []
        for job, running in list(self.running.items()):
            status = running.process.poll()
            if status is None:
                continue
            running.words.seek(0)
            lines = running.words.read().decode(errors="replace").strip().splitlines()
            running.words.close()
            shutil.rmtree(running.notes.parent, ignore_errors=True)
            del self.running[job]
            if status:
                self.failed[job] = lines[-1] if lines else f"it ended with status {status}"
            else:
                done.append(job)
        return done
