"""The process that watches over tasks: starts them, beats for them, notes how they ended.

`python -m app.supervisor ROOT` trains what is queued below ROOT, one after the other, and ends when
nothing is left. `python -m app.supervisor --only FOLDER` does the one task of a folder.

Who sees to it that the queue goes on?

* The page that asks for something starts a supervisor in a session of its own, so it survives the
  browser and the server. One that finds the lock of ROOT taken ends at once: the other one does it.
  The other one looks for work again after it has let go of the lock, so nothing is forgotten.
* The supervisor goes through the queue in the order of asking. What is asked for is a file in its
  run folder, so a queue outlives the machine. After a crash or a restart the next visit of the page
  starts a supervisor (`tend`).
* A supervisor that finds a training at work whose own supervisor was killed beats for it until it
  ends, before it starts another: there are never two trainings at a time.
* If supervisor and training are both gone, nobody beats, and the task reads "lost". Going on with
  it is up to the user: a machine that has just come up should not be busy unasked.
"""

import argparse
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from app import alive, tasks
from app.noting import VARIABLE
from app.tasks import BEAT_SECONDS, JOB, LOG, OUTPUT, PROGRESS, QUEUED, STOP, Task

ROOT = Path(__file__).resolve().parent.parent
LOCK = ".supervisor.lock"
TRIES, TRY_SECONDS = 10, 0.1

_started: list[subprocess.Popen[bytes]] = []  # held, so that they are reaped when they have ended


def tend(root: Path) -> None:
    """See that somebody works on what is queued below a folder, and beats for what runs there."""
    folders = _folders(root)
    waits = any((folder / QUEUED).exists() for folder in folders)
    alone = any(tasks.standing(f) == "lost" and tasks.is_at_work(f) for f in folders)
    if waits or alone:
        with locked(root / LOCK) as is_free:
            pass
        if is_free:
            _start([str(root)])


def begin(folder: Path, command: list[str]) -> None:
    """Start a task by itself, outside any queue, unless it is being done already."""
    if tasks.standing(folder) not in tasks.GOING:
        tasks.ask(folder, command)
        _start(["--only", str(folder)])


def _start(arguments: list[str]) -> None:
    _started[:] = [process for process in _started if process.poll() is None]
    command = [sys.executable, "-m", "app.supervisor", *arguments]
    nothing = subprocess.DEVNULL
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True
    )
    _started.append(process)


@contextmanager
def locked(path: Path, tries: int = 1) -> Iterator[bool]:
    """Hold a lock, or say that somebody else does; it is let go of however the process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        is_held = False
        for attempt in range(tries):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if attempt + 1 < tries:
                    time.sleep(TRY_SECONDS)
            else:
                is_held = True
                break
        yield is_held


class Supervisor:
    """Does tasks one at a time. SIGTERM ends the one at work, and then the supervisor."""

    def __init__(self) -> None:
        self.child: subprocess.Popen[bytes] | None = None
        self.is_ending = False
        signal.signal(signal.SIGTERM, self._end)

    def _end(self, _number: int, _frame: object) -> None:
        self.is_ending = True
        if self.child is not None and self.child.poll() is None:
            self.child.terminate()

    def work(self, root: Path) -> None:
        """Do all that is queued below a folder, oldest wish first."""
        while not self.is_ending:
            with locked(root / LOCK, TRIES) as is_mine:
                if not is_mine:
                    return
                self._adopt(root)
                while not self.is_ending and (folder := next_of(root)):
                    self.do(folder)
            if next_of(root) is None:  # asked for while the lock was being let go of?
                return

    def _adopt(self, root: Path) -> None:
        """Beat for a task whose supervisor is gone, until it ends."""
        for folder in _folders(root):
            if not tasks.is_at_work(folder):
                continue
            task = tasks.read_task(folder / JOB)
            assert task is not None  # it is at work
            while alive.is_alive(task.pid, task.start) and not self.is_ending:
                tasks.write_task(folder / JOB, replace(task, heartbeat=time.time()))
                time.sleep(BEAT_SECONDS / 4)
            if not self.is_ending:
                tasks.write_task(folder / JOB, tasks.adopted(task, folder))

    def do(self, folder: Path) -> None:
        """Do one task, from its turn to its end."""
        try:
            (folder / QUEUED).replace(folder / JOB)  # now it can no longer be taken back
        except FileNotFoundError:
            return
        task = tasks.read_task(folder / JOB)
        if task is None:  # written by another version, or by hand
            broken = Task(command=[], asked=time.time(), ended=time.time(), status=1)
            tasks.write_task(folder / JOB, broken)
            return
        (folder / PROGRESS).unlink(missing_ok=True)
        log_from = (folder / LOG).stat().st_size if (folder / LOG).exists() else 0
        task = replace(task, began=time.time(), heartbeat=time.time(), log_from=log_from)
        tasks.write_task(folder / JOB, task)
        try:
            status = self._run(folder, task)
        except OSError as error:
            with (folder / LOG).open("a") as log:
                log.write(f"d2v: it cannot be started: {error.strerror}\n")
            ended = replace(task, ended=time.time(), status=1)
            tasks.write_task(folder / JOB, ended)
            return
        task = tasks.read_task(folder / JOB) or task
        now = time.time()
        tasks.write_task(folder / JOB, replace(task, heartbeat=now, ended=now, status=status))

    def _run(self, folder: Path, task: Task) -> int:
        """Run the command of a task, and beat until it ends; return its status."""
        environment = {**os.environ, VARIABLE: str(folder / PROGRESS)}
        with (folder / LOG).open("ab") as log, (folder / OUTPUT).open("wb") as output:
            self.child = subprocess.Popen(
                task.command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                env=environment,
            )
        pid = self.child.pid
        task = replace(task, pid=pid, start=alive.start_of(pid))
        tasks.write_task(folder / JOB, task)
        if (folder / STOP).exists() or self.is_ending:  # asked before there was whom to send it to
            self.child.terminate()
        while True:
            try:
                return self.child.wait(timeout=BEAT_SECONDS)
            except subprocess.TimeoutExpired:
                tasks.write_task(folder / JOB, replace(task, heartbeat=time.time()))


def next_of(root: Path) -> Path | None:
    """Return the folder below a folder whose turn it is; None if nothing is queued."""
    found = [(task.asked, folder) for folder, task in queue(root)]
    return min(found)[1] if found else None


def queue(root: Path) -> list[tuple[Path, Task]]:
    """Return what is queued below a folder, the oldest wish first."""
    waiting = []
    for folder in _folders(root):
        if (folder / QUEUED).exists():
            task = tasks.read_task(folder / QUEUED)
            waiting.append((folder, task or Task(command=[], asked=0.0)))
    return sorted(waiting, key=lambda pair: (pair[1].asked, pair[0]))


def _folders(root: Path) -> list[Path]:
    return sorted(folder for folder in root.iterdir() if folder.is_dir()) if root.is_dir() else []


def main() -> None:
    """Do what is queued, or one task."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", action="store_true", help="do the one task of that folder")
    given = parser.parse_args()
    supervisor = Supervisor()
    if not given.only:
        supervisor.work(given.folder)
        return
    with locked(given.folder / LOCK, TRIES) as is_mine:
        if is_mine:
            supervisor.do(given.folder)


if __name__ == "__main__":
    main()
