"""Runs as the page sees them: started, stopped, gone on with, and read from their folders.

A run trains as a task (see `app.tasks`) whose folder is the run folder itself. Runs that were
started on a command line are there too; nobody beats for those, so what is known of them is what
the trainer wrote.
"""

import json
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app import supervisor, tasks
from app.noting import Noted
from app.tasks import JOB, QUEUED, Standing
from d2v_core.errors import InputError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
ELSEWHERE_SECONDS = 60.0
"""A run that wrote down a step so lately, and is not ours, is trained by somebody else."""

MOST_STEPS = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Start:
    """A training that is wanted."""

    data: str
    """The data folder."""

    preset: str
    steps: int | None = None
    """None for those of the preset."""

    seed: int = 0
    without: tuple[str, ...] = ()
    """Modalities to leave out: those that the data do not have."""

    settings: tuple[tuple[str, str], ...] = ()
    """Any further settings by name, as text: ("optim.lr", "5e-4")."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """How a run is."""

    folder: Path
    standing: Standing
    step: int
    """Of its newest complete checkpoint."""

    steps: int | None
    """Of the whole run; None if it is not known yet."""

    data: str | None
    modalities: tuple[str, ...]
    checkpoints: tuple[Path, ...]
    """The complete ones, oldest first."""

    noted: Noted | None
    """How far it is, while it is trained here."""

    queue_place: int = 0
    """1 for the one whose turn is next; 0 if it is not queued."""

    is_elsewhere: bool = False
    """It is being trained, but not from here."""

    @property
    def name(self) -> str:
        """Return the name of its folder."""
        return self.folder.name

    @property
    def is_going(self) -> bool:
        """Tell whether it changes by itself."""
        return self.standing in tasks.GOING or self.is_elsewhere

    @property
    def is_complete(self) -> bool:
        """Tell whether all steps are done."""
        return self.steps is not None and bool(self.checkpoints) and self.step >= self.steps

    @property
    def can_resume(self) -> bool:
        """Tell whether it can be gone on with."""
        has_begun = (self.folder / "config.json").exists() or (self.folder / JOB).exists()
        return has_begun and not self.is_going and not self.is_complete


def check_name(name: str, root: Path, *, what: str = "run") -> str:
    """Return a name that a new run, or another folder, can have.

    Args:
        name: as it was typed.
        root: the folder that it is to be in.
        what: is to have the name.

    Raises:
        InputError: if it cannot be the name of a folder everywhere, or is taken.
    """
    name = re.sub(r"\s+", "-", name.strip())
    if not NAME.fullmatch(name):
        raise InputError(
            f"{name!r} cannot be the name of a {what}: up to 64 letters, digits, dots, hyphens and "
            "underscores are taken, a letter or digit first"
        )
    if (root / name).exists():
        way = "choose another name" + (", or go on with it" if what == "run" else "")
        raise InputError(f"there is a {what} {name!r} already; {way}")
    return name


def free_name(stem: str, root: Path) -> str:
    """Return a name that no run has: the stem, or the stem with a number."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:50] or "run"
    names = (stem, *(f"{stem}-{n}" for n in range(2, 10_000)))
    return next(name for name in names if not (root / name).exists())


def command_of(start: Start, run: Path, *, resume: bool = False) -> list[str]:
    """Return the command that trains a run: the same that one would type."""
    command = [sys.executable, "-m", "app.cli", "train", str(Path(start.data).resolve())]
    command += ["--preset", start.preset, "--out", str(run.resolve()), "--seed", str(start.seed)]
    command += [] if start.steps is None else ["--steps", str(start.steps)]
    for modality in start.without:
        command += ["--set", f"{modality}=none"]
    for setting, value in start.settings:
        command += ["--set", f"{setting}={value}"]
    return [*command, "--resume"] if resume else command


def start_run(start: Start, name: str, root: Path) -> Path:
    """Ask for a training: it begins at once, or when those before it have ended.

    Args:
        start: what is wanted.
        name: of the run.
        root: the folder of all runs.

    Returns:
        The run folder.

    Raises:
        InputError: if the run cannot have that name, there are no such data, or steps are out of
            range.
        ConfigError: if there is no such preset, or a setting does not fit it.
    """
    from d2v_core.config import override
    from d2v_core.presets import preset  # torch takes seconds to import

    name = check_name(name, root)
    override(preset(start.preset), dict.fromkeys(start.without, "none") | dict(start.settings))
    if not Path(start.data).exists():
        raise InputError(f"{start.data} is not there; choose other data")
    if start.steps is not None and not 0 <= start.steps <= MOST_STEPS:
        raise InputError(f"steps are 0 to {MOST_STEPS}, got {start.steps}")
    run = root / name
    try:
        tasks.ask(run, command_of(start, run))
    except OSError as error:
        raise InputError(f"{run} cannot be written to: {error.strerror}") from error
    supervisor.tend(root)
    return run


def resume_run(run: Path) -> None:
    """Go on with a run where its newest checkpoint is; one that got to nothing begins anew.

    Raises:
        InputError: if it is being trained, or nobody knows how it was started.
    """
    if tasks.standing(run) in tasks.GOING or tasks.is_at_work(run):
        raise InputError(f"{run.name} is being trained already")
    task, about = tasks.read_task(run / JOB), _config(run)
    has_begun = (run / "config.json").exists() or (run / "rounds.json").exists()
    if task is not None and task.command:
        command = [part for part in task.command if part != "--resume"]
    elif about and about["about"].get("data"):
        start = Start(data=about["about"]["data"], preset="tiny")  # its own settings are used
        command = command_of(start, run)
    else:
        raise InputError(f"{run.name} does not say how it was started; start a new run instead")
    tasks.ask(run, [*command, "--resume"] if has_begun else command)
    supervisor.tend(run.parent)


def runs(root: Path) -> list[Run]:
    """Return all runs below a folder: those that change first, then the newest."""
    waiting = {folder: n for n, (folder, _) in enumerate(supervisor.queue(root), start=1)}
    names = ("config.json", "rounds.json", QUEUED, JOB)
    folders = [f for f in root.iterdir() if f.is_dir()] if root.is_dir() else []
    found = [
        read_run(folder, queue_place=waiting.get(folder, 0))
        for folder in folders
        if any((folder / name).exists() for name in names)
    ]
    return sorted(found, key=lambda run: (not run.is_going, -_age(run.folder)))


def _age(folder: Path) -> float:
    times = [p.stat().st_mtime for p in folder.iterdir() if p.suffix in (".json", ".jsonl")]
    return max(times, default=0.0)


def read_run(folder: Path, *, queue_place: int = 0) -> Run:
    """Return how a run is, from its folder alone."""
    config, now = _config(folder), time.time()
    standing = tasks.standing(folder, now)
    written = [p.parent for p in (folder / "checkpoints").glob("step_*/state.json")]
    complete = sorted(p for p in written if p.name.removeprefix("step_").isdecimal())
    steps = config["config"]["optim"]["steps"] if config else None
    step = int(complete[-1].name.removeprefix("step_")) if complete else 0
    is_over = steps is not None and bool(complete) and step >= steps
    if standing == "unknown" and is_over:
        standing = "done"
    elif standing == "unknown":
        standing = "stopped"
    wrote = _written(folder / "metrics.jsonl")
    ours = tasks.read_task(folder / JOB)
    after_us = ours is None or (ours.ended is not None and wrote > ours.ended + 1)
    is_elsewhere = (
        standing not in tasks.GOING and not is_over and after_us and now - wrote < ELSEWHERE_SECONDS
    )
    return Run(
        folder=folder,
        standing=standing,
        step=step,
        steps=steps,
        data=config["about"].get("data") if config else None,
        modalities=tuple(
            m for m in ("image", "audio", "text") if config and config["config"].get(m)
        ),
        checkpoints=tuple(complete),
        noted=tasks.how_far(folder),
        queue_place=queue_place,
        is_elsewhere=is_elsewhere,
    )


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _config(folder: Path) -> dict[str, Any] | None:
    """Return settings and notes of a run, None if there are none; torch is not needed for it.

    Other software has files of this name too: what a run of ours does not say is none.
    """
    try:
        values = json.loads((folder / "config.json").read_text())
        steps, about = values["config"]["optim"]["steps"], values["about"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    data = about.get("data") if isinstance(about, dict) else 0
    is_ours = isinstance(steps, int) and (data is None or isinstance(data, str))
    return values if is_ours and isinstance(values["config"], dict) else None


def numbers(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of metrics of a run; a line that is no JSON is left out."""
    try:
        lines = (folder / "metrics.jsonl").read_text(errors="replace").splitlines(keepends=True)
    except OSError:
        return []
    found = []
    for line in lines:
        if line.endswith("\n"):  # else it is still being written
            try:
                values = json.loads(line)
            except ValueError:
                continue
            if isinstance(values, dict) and "step" in values:
                found.append(values)
    return found
