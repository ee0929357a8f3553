"""The numbers of a run: metrics.jsonl, and the same as TensorBoard events."""

import json
import os
import time
from pathlib import Path
from typing import Any

from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

# Their code is made when they are imported: a type checker sees nothing of it.
Event, SessionLog = event_pb2.Event, event_pb2.SessionLog  # pyright: ignore
Summary = summary_pb2.Summary  # pyright: ignore


class Lines:
    """A file of JSON lines that others can read along, for every line is written at once.

    Args:
        path: the file; made when there is something to write.
        after: a resumed run's step; lines of later steps are of a future that did not happen,
            and are taken out.

    Attributes:
        kept: the lines of the steps before.
    """

    def __init__(self, path: Path, *, after: int) -> None:
        self.path = path
        self.kept = [line for line in read_lines(path) if line["step"] <= after]
        if path.exists():
            aside = path.with_name(path.name + ".part")
            with aside.open("w") as file:
                file.writelines(json.dumps(line) + "\n" for line in self.kept)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)

    def write(self, line: dict[str, Any]) -> None:
        """Add a line."""
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")


class Events:
    """A file of TensorBoard events.

    torch's own writer has a thread that dies with a traceback when the disk is full.

    Args:
        folder: where TensorBoard looks.
        after: a resumed run's step; TensorBoard then forgets what was said of later ones.
    """

    def __init__(self, folder: Path, *, after: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"events.out.tfevents.{time.time():.6f}.{os.getpid()}"
        self._add(file_version="brain.Event:2")
        self._add(step=after + 1, session_log=SessionLog(status=SessionLog.START))

    def write(self, step: int, numbers: dict[str, float]) -> None:
        """Add the numbers of one step."""
        values = [Summary.Value(tag=name, simple_value=x) for name, x in numbers.items()]
        self._add(step=step, summary=Summary(value=values))

    def _add(self, **what: Any) -> None:  # noqa: ANN401  # the fields of an event
        with self.path.open("ab") as file:
            RecordWriter(file).write(Event(wall_time=time.time(), **what).SerializeToString())


class MetricsLog:
    """Notes the numbers of every logged step, for people and for TensorBoard.

    Args:
        run: the run folder.
        after: a resumed run's step.
    """

    def __init__(self, run: Path, *, after: int) -> None:
        self.lines = Lines(run / "metrics.jsonl", after=after)
        self.events = Events(run / "events", after=after)

    def write(self, step: int, numbers: dict[str, float]) -> None:
        """Add the numbers of one step."""
        self.lines.write({"step": step, **numbers})
        self.events.write(step, numbers)


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """Return the logged lines of a run; a last line that is still being written is left out."""
    return read_lines(run / "metrics.jsonl")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return what a file of JSON lines holds; nothing if there is none."""
    if not path.exists():
        return []
    lines = path.read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]
