"""What a training says on a terminal that is none: a file, a pipe."""

import io

import pytest
from rich.console import Console

from app import terminal
from d2v_core.record import Progress


@pytest.fixture
def said(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(terminal, "console", Console(file=stream, width=200))
    return stream


def test_items_that_are_skipped_are_named_at_once_but_not_all_of_many(said):
    reasons = tuple(f"image of item {n}: no such [file]" for n in range(7))
    with terminal.training_progress() as report:
        report(Progress(1, 100, {"loss": 2.0}, 60.0))
        report(Progress(2, 100, {"loss": 2.0}, 60.0, skipped=reasons))
    lines = said.getvalue().splitlines()

    assert lines[0].startswith("step 1 of 100  loss 2.00")
    assert lines[1:] == [
        *(f"skipped {reason}" for reason in reasons[:5]),
        "skipped 2 more; skipped.jsonl in the run has all",
    ]


def test_of_many_processes_only_the_first_speaks(said, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    with terminal.training_progress() as report:
        report(Progress(1, 100, {"loss": 2.0}, 60.0))
    terminal.say("complete")
    assert not said.getvalue()

    monkeypatch.setenv("RANK", "0")
    terminal.say("complete")
    assert said.getvalue() == "complete\n"
