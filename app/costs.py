"""How long a training will take: from runs like it on this machine, else from typical ones."""

from dataclasses import dataclass
from pathlib import Path

from app import run_folders, tasks
from app.tasks import JOB
from app.training_words import SIZES, WITH_PERCENT, seconds_words

TYPICAL_SECONDS = {"tiny": (0.5, 0.8)}
"""Of a step on two cores, by size: without pairs, and with."""

FEWEST_STEPS = 20
"""Of a run before it tells how long a step takes: the first ones are slow."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a training costs."""

    seconds: float | None
    """None if nobody can tell."""

    words: str
    """In a sentence, with where it is from."""


def preset_of(command: list[str]) -> str | None:
    """Return the preset in a command that trains; None if there is none."""
    return command[command.index("--preset") + 1] if "--preset" in command[:-1] else None


def seconds_a_step(folder: Path, preset: str) -> float | None:
    """Return how long a step of a run took; None if it is another preset, or cannot be told."""
    task = tasks.read_task(folder / JOB)
    is_like = task is not None and preset_of(task.command) == preset
    if task is None or not is_like or "--resume" in task.command or task.began is None:
        return None
    if task.status == 0 and task.ended is not None:
        steps, seconds = run_folders.read_run(folder).steps or 0, task.ended - task.began
    else:
        noted = tasks.how_far(folder)
        steps, seconds = (noted.done, noted.at - task.began) if noted else (0, 0.0)
    return seconds / steps if steps >= FEWEST_STEPS else None


def cost_of(preset: str, steps: int, root: Path) -> Cost:
    """Return what a training costs.

    Args:
        preset: its name.
        steps: how many.
        root: the folder of all runs.
    """
    if not steps:
        return Cost(seconds=0, words="Ready at once: nothing is trained.")
    folders = [folder for folder in root.iterdir() if folder.is_dir()] if root.is_dir() else []
    folders.sort(key=lambda folder: -folder.stat().st_mtime)
    for folder in folders:
        if (took := seconds_a_step(folder, preset)) is not None:
            return Cost(
                seconds=took * steps,
                words=f"About {seconds_words(took * steps)} for {steps:,} steps, as fast as "
                f"**{folder.name}** was here ({took:.2f} s a step).",
            )
    size = next((name for name in SIZES if preset.startswith(name)), "tiny")
    if size in TYPICAL_SECONDS:
        has_pairs = any(arm in preset for arm in (*WITH_PERCENT, "contrastive"))
        took = TYPICAL_SECONDS[size][has_pairs]
        return Cost(
            seconds=took * steps,
            words=f"About {seconds_words(took * steps)} for {steps:,} steps on two cores that do "
            "nothing else.",
        )
    return Cost(seconds=None, words=f"{SIZES[size][1].capitalize()}, for all of its steps.")
