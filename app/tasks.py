"""Commands that outlive the page: what stands about them in their folder, and how they stand.

A task is a `d2v` command in a process of its own, watched by `app.supervisor`. Whoever wants to
know how it is reads its folder; no page and no server has to have been there from the start:

FOLDER/
├── queued.json     asked for; its turn has not come. Taking it away takes the wish back
├── job.json        pid, start time, heartbeat, how it ended; only the supervisor writes it
├── stop.json       somebody asked for an end
├── progress.json   how far it is; the command writes it
├── log.txt         what the command told people
└── output.txt      what it answered: with --json, one document

A file is written aside and moved into place, so that a reader never sees half of one.
"""

import json
import signal
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from app import alive
from app.noting import Noted, read_note, write_aside

QUEUED, JOB, STOP, PROGRESS = "queued.json", "job.json", "stop.json", "progress.json"
LOG, OUTPUT = "log.txt", "output.txt"
FORMAT = 1
BEAT_SECONDS = 2.0
LOST_SECONDS = 20.0
"""Without a heartbeat for so long, nobody knows how a task is."""

PATIENCE_SECONDS = 2.0
"""Whoever was asked to stop and has not by then may be stopped at once."""

ASKED_TO_END = (128 + signal.SIGINT, 128 + signal.SIGTERM, -signal.SIGINT, -signal.SIGTERM)
MOST_LOG_BYTES = 20_000

Standing = Literal["unknown", "queued", "running", "stopping", "stopped", "done", "failed", "lost"]
GOING = ("queued", "running", "stopping")
"""Standings that change by themselves."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is known of a task. Times are seconds since 1970."""

    command: list[str]
    asked: float
    pid: int | None = None
    start: str | None = None
    """Of the process, as `alive.start_of` says it: with the number it names no other process."""

    began: float | None = None
    heartbeat: float | None = None
    ended: float | None = None
    status: int | None = None
    """Exit status, negative for the signal that ended it."""

    log_from: int = 0
    """Where in the log this attempt begins."""


def write_task(path: Path, task: Task) -> None:
    """Write a task down."""
    write_aside(path, {"format": FORMAT, **asdict(task)})


def read_task(path: Path) -> Task | None:
    """Return a task; None if there is none, or what is there is none of this version."""
    try:
        values = json.loads(path.read_text())
        return Task(**{k: v for k, v in values.items() if k != "format"})
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def ask(folder: Path, command: list[str]) -> None:
    """Write down that a command is wanted; a supervisor will take it up."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / STOP).unlink(missing_ok=True)
    write_task(folder / QUEUED, Task(command=command, asked=time.time()))


def standing(folder: Path, now: float | None = None) -> Standing:
    """Return how a task stands.

    Args:
        folder: of the task.
        now: seconds since 1970; the clock's if None.
    """
    if (folder / QUEUED).exists():
        return "queued"
    now = time.time() if now is None else now
    task = read_task(folder / JOB)
    if task is None:
        return "lost" if (folder / JOB).exists() else "unknown"
    if task.ended is not None:
        return "done" if task.status == 0 else _how_it_ended(task.status)
    last = task.heartbeat or _moved(folder / JOB)
    if now - last > LOST_SECONDS:
        return "lost"
    return "stopping" if (folder / STOP).exists() else "running"


def _how_it_ended(status: int | None) -> Standing:
    return "lost" if status is None else "stopped" if status in ASKED_TO_END else "failed"


def _moved(path: Path) -> float:
    """Return when a file came to be where it is."""
    try:
        return path.stat().st_ctime
    except OSError:
        return 0.0


def stop(folder: Path, *, at_once: bool = False) -> bool:
    """Ask a task to end: take it out of the queue, or send SIGTERM to its process.

    The process is the one whose number and start time are in `job.json`, and no other. A training
    that gets SIGTERM finishes its step and saves a checkpoint.

    Args:
        folder: of the task.
        at_once: end it without waiting for anything, as SIGKILL does.

    Returns:
        Whether there was anything to end.
    """
    try:
        (folder / QUEUED).unlink()
    except FileNotFoundError:
        pass
    else:
        return True
    # First the wish, then the signal: a supervisor that is about to start it looks for the wish.
    asked_before = (folder / STOP).exists()
    if not asked_before:
        write_aside(folder / STOP, {"asked": time.time()})
    task = read_task(folder / JOB)
    if task is None or task.pid is None or task.start is None:
        return task is not None
    if asked_before and not at_once:  # a second signal would end it before it has saved
        return alive.is_alive(task.pid, task.start)
    return alive.send(task.pid, task.start, signal.SIGKILL if at_once else signal.SIGTERM)


def waited(folder: Path) -> float:
    """Return for how many seconds a task has been asked to stop; 0 if it has not."""
    try:
        return max(0.0, time.time() - (folder / STOP).stat().st_mtime)
    except OSError:
        return 0.0


def is_at_work(folder: Path) -> bool:
    """Tell whether the process of a task lives, whatever its heartbeat says."""
    task = read_task(folder / JOB)
    return task is not None and task.ended is None and alive.is_alive(task.pid, task.start)


def adopted(task: Task, folder: Path) -> Task:
    """Return a task whose process has ended while nobody waited for its status: the log tells."""
    said, status = last_words(folder, task), None
    if said.endswith("is complete"):
        status = 0
    elif said.startswith("d2v: "):
        status = 128 + signal.SIGTERM if said.startswith("d2v: stopped") else 2
    return replace(task, ended=time.time(), status=status)


def last_words(folder: Path, task: Task | None = None) -> str:
    """Return the last line that a task told people in this attempt."""
    task = task or read_task(folder / JOB)
    try:
        with (folder / LOG).open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(task.log_from if task else 0, size - MOST_LOG_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def why_failed(folder: Path) -> str:
    """Return in one sentence why a task failed."""
    task = read_task(folder / JOB)
    if task is not None and task.status == -signal.SIGKILL:
        return (
            "It was killed by the system, most often for want of memory; "
            "a smaller batch (optim.batch) or size needs less."
        )
    said = last_words(folder, task).removeprefix("d2v: ")
    if not said:
        return f"It ended with status {task.status if task else 'unknown'} and said nothing."
    return said[:1].upper() + said[1:]


def how_far(folder: Path) -> Noted | None:
    """Return how far a task is, as its command said last in this attempt."""
    task, noted = read_task(folder / JOB), read_note(folder / PROGRESS)
    began = task.began if task else None
    return noted if noted and began is not None and noted.at >= began else None


def answer(folder: Path) -> Any:  # noqa: ANN401  # whatever JSON holds
    """Return the JSON document that a task answered with; None if there is none."""
    try:
        return json.loads((folder / OUTPUT).read_text())
    except (OSError, ValueError):
        return None
