"""Precision: what is faster is chosen once, and only where nobody chose."""

import dataclasses

import pytest
import torch

from d2v_core import precision
from d2v_core.checkpoint import read_run
from d2v_core.data.folder import read_folder
from d2v_core.precision import settle_precision, speed_of_bf16
from d2v_core.presets import preset
from d2v_core.train import train
from tests.conftest import smallest


def undecided():
    config = smallest("tiny")
    return dataclasses.replace(config, optim=dataclasses.replace(config.optim, precision="auto"))


@pytest.fixture(autouse=True)
def cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)


@pytest.mark.parametrize(
    ("speed", "chosen"), [(0.4, "32-true"), (1.1, "32-true"), (1.3, "bf16-mixed")]
)
def test_bf16_has_to_be_faster_by_a_fifth(speed, chosen, monkeypatch):
    monkeypatch.setattr(precision, "speed_of_bf16", lambda _dim, _ratio: speed)

    assert settle_precision(undecided()).optim.precision == chosen


def test_many_processes_on_cpus_do_not_measure(monkeypatch):
    monkeypatch.setattr(precision, "speed_of_bf16", lambda _dim, _ratio: 9.0)
    monkeypatch.setenv("WORLD_SIZE", "2")

    assert settle_precision(undecided()).optim.precision == "32-true"


def test_a_gpu_that_knows_bf16_gets_it(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for knows, chosen in ((True, "bf16-mixed"), (False, "32-true")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *, k=knows, **_: k)
        assert settle_precision(undecided()).optim.precision == chosen


def test_what_was_chosen_is_left():
    assert settle_precision(preset("tiny")) == preset("tiny")
    assert settle_precision(preset("base-image")).optim.precision == "bf16-mixed"


def test_the_measurement_measures():
    assert 0.01 < speed_of_bf16(64, 4) < 100


def test_a_run_keeps_what_it_started_with(toys, tmp_path, monkeypatch):
    folder = read_folder(toys)
    monkeypatch.setattr(precision, "speed_of_bf16", lambda _dim, _ratio: 0.5)
    train(folder, undecided(), tmp_path / "run")

    assert read_run(tmp_path / "run")[0].optim.precision == "32-true"
