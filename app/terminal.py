"""How things look on a terminal: bars, tables, JSON."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from app.noting import Notes
from d2v_core.modality import MODALITIES

if TYPE_CHECKING:
    from d2v_core.record import Progress as TrainingProgress

out_console, console = Console(), Console(stderr=True)
MOST_REASONS = 5  # why items are skipped, at a time


@contextmanager
def progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on a terminal, a few plain lines elsewhere."""
    notes = Notes.wanted()
    if not console.is_terminal:
        shown = -1

        def line(done: int, of: int) -> None:
            nonlocal shown
            notes.note(done, of)
            tenth = 10 * done // max(of, 1)
            if tenth > shown:
                shown = tenth
                console.print(f"{title}: {done} of {of}", highlight=False)

        yield line
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task(title)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def is_first_process() -> bool:
    """Tell whether this is the one, of those that torchrun may have started, that speaks.

    A process that was given its number by hand has a terminal to itself.
    """
    return os.environ.get("RANK", "0") == "0" or "MASTER_ADDR" not in os.environ


def say(text: str) -> None:
    """Print a line for people; standard output is left to results."""
    if is_first_process():
        console.print(plain(text), highlight=False, soft_wrap=True, markup=False)


def plain(text: str) -> str:
    """Return a text with all that a terminal would obey, or not show, written out.

    Names of files are what others have chosen: they may hold colours, sounds, lines and marks that
    turn the rest of the line round.
    """
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def show_json(values: Any) -> None:  # noqa: ANN401  # whatever JSON holds
    """Print one JSON document on standard output, however many processes there are."""
    if is_first_process():
        print(json.dumps(values, ensure_ascii=False, indent=1))


def show_table(title: str, columns: list[str], rows: list[list[object]]) -> None:
    """Print a table."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(Text("" if cell is None else plain(str(cell))) for cell in row))
    out_console.print(table)
    out_console.print()


def figures(score: dict[str, Any] | None) -> str:
    """Return a score as text: value, interval, chance."""
    if score is None:
        return ""
    if score["value"] is None:
        return f"undefined: {score['reason']}"
    interval = "" if score["low"] is None else f" [{score['low']:.3f}, {score['high']:.3f}]"
    chance = "" if score["chance"] is None else f" chance {score['chance']:.3f}"
    return f"{score['value']:.3f}{interval}{chance}"


def cluster_lines(table: dict[str, Any]) -> list[str]:
    """Return how clusters agree with the labels, a line a layer; none for numbers.

    Args:
        table: of one modality, see `app.probing.probe_modality`.
    """
    found = table.get("clusters", {"rows": []})
    if "reason" in found:
        return [f"clusters: {found['reason']}"]
    return [
        f"clusters at {row['tap']}: adjusted Rand index {figures(row['rand'])}, "
        f"adjusted mutual information {figures(row['mutual'])}"
        for row in found["rows"]
    ]


def deeper_lines(table: dict[str, Any]) -> list[str]:
    """Return what the probes that take longer found, a line each, or why there is nothing.

    Args:
        table: of one modality; it may have `weighted_sum`, `few_shot`, `control` and
            `description_length`, see `app.probing.probe_deeper`.
    """
    words: dict[str, Callable[[dict[str, Any]], str]] = {
        "weighted_sum": lambda t: (
            f"{figures(t['accuracy'])}; over equal weights {figures(t['gain'])}"
        ),
        "few_shot": lambda t: "; ".join(
            f"{row['shots']} of each: {figures(row['accuracy'])}" for row in t["rows"]
        ),
        "control": lambda t: (
            f"selectivity {figures(t['selectivity'])}, types are {t['kind_of_types']}"
        ),
        "description_length": lambda t: f"compression of the labels {figures(_code(t))}",
    }

    def where(name: str, table: dict[str, Any]) -> str:
        return "all layers" if name == "weighted_sum" else table[name]["tap"]

    return [
        f"{name.replace('_', ' ')} of {where(name, table)}: "
        + (table[name]["reason"] if "reason" in table[name] else say_it(table[name]))
        for name, say_it in words.items()
        if name in table
    ]


def _code(found: dict[str, Any]) -> dict[str, Any]:
    return found["codes"][found["tap"]]["compression"]


@contextmanager
def training_progress() -> Iterator[Callable[["TrainingProgress"], None]]:
    """Show loss, rank, online kNN and time left: live on a terminal, else a line now and then."""
    if not is_first_process():
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    bar = Progress(*columns, TextColumn("{task.fields[left]} left"), console=console)
    task = bar.add_task("Training", left="?")
    shown, stage, notes = 0, "", Notes.wanted()

    def report(now: "TrainingProgress") -> None:
        nonlocal shown, stage
        notes.note(now.step, now.steps, seconds_left=now.seconds_left, stage=now.stage)
        for reason in now.skipped[:MOST_REASONS]:
            console.print(f"skipped {plain(reason)}", highlight=False, soft_wrap=True, markup=False)
        if (more := len(now.skipped) - MOST_REASONS) > 0:
            console.print(f"skipped {more} more; skipped.jsonl in the run has all", highlight=False)
        left = f"{now.seconds_left / 60:.1f} min"
        text = "  ".join(part for part in (now.stage, describe(now.numbers)) if part)
        if now.stage != stage:
            shown, stage = 0, now.stage
        if console.is_terminal:
            bar.update(task, completed=now.step, total=now.steps, description=text, left=left)
        elif 24 * now.step // now.steps > shown or now.step == 1:
            shown = 24 * now.step // now.steps
            console.print(
                f"{'step ' if now.numbers else ''}{now.step} of {now.steps}  {text}  {left} left",
                highlight=False,
                soft_wrap=True,
            )

    if not console.is_terminal:
        yield report
        return
    with bar:
        yield report


def describe(numbers: dict[str, float]) -> str:
    """Return the numbers of a training in one line."""
    parts = [f"loss {numbers['loss']:.2f}"] if "loss" in numbers else []
    for modality in MODALITIES:
        rank, knn = (numbers.get(f"{modality}/{name}") for name in ("effective_rank", "knn"))
        if rank is not None:
            parts.append(f"{modality} rank {rank:.1f}" + (f" knn {knn:.2f}" if knn else ""))
    return "  ".join(parts)
