"""What `d2v convert` says of what it did."""

import io

import pytest
from rich.console import Console

from app import terminal
from app.cli_convert import convert
from d2v_core.convert import Converted
from d2v_core.likeness import Likeness


@pytest.fixture
def said(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(terminal, "console", Console(file=stream, width=400))
    return stream


def done(difference, dropped):
    return Converted(
        source="h.pt",
        folder="models/h",
        model="HubertModel",
        opens="hf:models/h",
        sentence="transformers.AutoModel opens it.",
        likeness=Likeness(difference, "audio block_02.resid", {"audio": 7}, 5),
        dropped=dropped,
    )


def test_a_difference_is_told_with_its_place(said, monkeypatch, tmp_path):
    found = done(3.4e-7, ["a", "b", "c", "d", "e"])
    monkeypatch.setattr("d2v_core.convert.convert", lambda name, out, progress: found)
    convert("h.pt", tmp_path)

    assert said.getvalue().splitlines() == [
        "HubertModel in models/h. transformers.AutoModel opens it.",
        "Left out, because no layer needs it: a, b, c and 2 more",
        "Opened again and compared at every layer and every MLP (7 of audio): the largest "
        "difference is 3.4e-07, at audio block_02.resid",
        "Next: d2v embed hf:models/h DATA --out STORE",
    ]


def test_no_difference_and_nothing_left_out(said, monkeypatch, tmp_path):
    monkeypatch.setattr("d2v_core.convert.convert", lambda name, out, progress: done(0.0, []))
    convert("h.pt", tmp_path)

    assert said.getvalue().splitlines()[1] == (
        "Opened again and compared at every layer and every MLP (7 of audio): no number differs"
    )
