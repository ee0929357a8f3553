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
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    with terminal.training_progress() as report:
        report(Progress(1, 100, {"loss": 2.0}, 60.0))
    terminal.say("complete")
    assert not said.getvalue()

    monkeypatch.setenv("RANK", "0")
    terminal.say("complete")
    assert said.getvalue() == "complete\n"

    monkeypatch.setenv("RANK", "1")
    monkeypatch.delenv("MASTER_ADDR")
    terminal.say("started by hand")
    assert said.getvalue() == "complete\nstarted by hand\n"


def test_what_a_name_would_make_a_terminal_do_is_written_out(said, monkeypatch):
    """Markup, colours, a bell, text turned round, half a character; letters of all scripts stay."""
    monkeypatch.setattr(terminal, "out_console", terminal.console)
    names = ["[/x].png", "[red]a", "a\x1b[31mb\x07", "a\u202egnp.exe", "a\udce9", "ציפור 鳥 é"]
    terminal.show_table("Not usable", ["file"], [[name] for name in names])
    terminal.say("[/x] and [red]a")

    for name in [
        "[/x].png",
        "[red]a",
        r"a\x1b[31mb\x07",
        r"a\u202egnp.exe",
        r"a\udce9",
        "ציפור 鳥 é",
    ]:
        assert name in said.getvalue()
    assert "[/x] and [red]a" in said.getvalue()


def test_clusters_are_told_a_line_a_layer_or_why_there_are_none():
    score = {"value": 0.5, "low": 0.4, "high": 0.6, "chance": 0.01, "n": 60, "reason": ""}
    row = {"tap": "embed", "rand": score, "mutual": {**score, "value": 0.7}}

    (line,) = terminal.cluster_lines({"clusters": {"rows": [row]}})
    assert line.startswith("clusters at embed: adjusted Rand index 0.500 [0.400, 0.600]")
    assert "adjusted mutual information 0.700" in line
    assert terminal.cluster_lines({"rows": []}) == []  # numbers have no clusters
    assert terminal.cluster_lines({"clusters": {"reason": "too few"}}) == ["clusters: too few"]
