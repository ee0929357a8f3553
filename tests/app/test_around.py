"""What lies around an item, and the maps that are made in the background."""

import sys
import time

import numpy as np
import pandas as pd
import pytest

from app import background
from app.background import Job, MapJobs, map_command
from app.neighbourhood import look_around
from app.state import named_stores
from d2v_core.store import Recipe, Representation
from tests.app.conftest import PATIENCE


def represent(vectors, modalities, ids, labels):
    items = pd.DataFrame({"id": ids, "modality": modalities, "label": labels})
    recipe = Recipe(
        encoder="e",
        encoder_hash="h",
        role="trained",
        data="d",
        data_fingerprint="f",
        taps=("t",),
        widths=(2,),
        pooling="mean",
        versions={},
    )
    return Representation(recipe, items, {"t": np.array(vectors, dtype=np.float32)})


@pytest.fixture
def birds():
    """Angles from the picture at 0°: its own sound lies at 40°, third of the three sounds."""
    angles = np.radians([0, 90, 10, 20, 40])
    return represent(
        np.stack([np.cos(angles), np.sin(angles)], axis=1),
        ["image", "image", "audio", "audio", "audio"],
        ["a", "b", "b", "c", "a"],
        ["robin", "owl", "owl", "robin", "robin"],
    )


def test_neighbours_partner_and_chance(birds):
    images, sounds = look_around(birds, 0, tap="t", k=2)

    assert (images.modality, sounds.modality) == ("image", "audio")
    assert sounds.nearest["row"].tolist() == [2, 3]
    assert sounds.nearest["cosine"].tolist() == pytest.approx(np.cos(np.radians([10, 20])).tolist())
    assert sounds.nearest["agrees"].tolist() == [False, True]
    assert (sounds.gallery, sounds.partner, sounds.partner_rank) == (3, 4, 3.0)
    assert sounds.expected == pytest.approx(2 / 3)


def test_an_item_is_neither_its_own_neighbour_nor_its_own_partner(birds):
    images, _ = look_around(birds, 0, tap="t", k=5)

    assert images.nearest["row"].tolist() == [1]
    assert (images.gallery, images.partner, images.partner_rank) == (1, None, None)
    assert images.expected == 0.0


def test_without_a_label_nothing_agrees_or_disagrees(birds):
    birds.items.loc[0, "label"] = None
    _, sounds = look_around(birds, 0, tap="t", k=2)

    assert sounds.expected is None
    assert sounds.nearest["agrees"].isna().all()


def test_stores_named_on_the_command_line():
    assert named_stores(["--store", "a", "-x", "--store", "b", "--store", "a"]) == ["a", "b"]
    assert named_stores([]) == []


def test_the_command_of_a_map():
    command = map_command(Job("stores/x", "run-1", "block_01.resid"))

    assert command[1:] == [
        *("-m", "app.cli", "map", "stores/x", "--name", "run-1"),
        *("--tap", "block_01.resid", "--method", "umap"),
    ]


def finish(jobs, job):
    end = time.monotonic() + PATIENCE
    while (status := jobs.ensure(job)) == "running":
        assert time.monotonic() < end
        time.sleep(0.02)
    return status


WAIT = "while gate.exists(): time.sleep(0.01)"


def test_maps_are_made_one_at_a_time_and_failures_are_told(monkeypatch, tmp_path):
    gate = tmp_path / "gate"  # as long as it is there, no map is done

    def make(code):
        code = f"import sys, time, pathlib; gate = pathlib.Path({str(gate)!r})\n{WAIT}\n{code}"
        monkeypatch.setattr(background, "map_command", lambda _job: [sys.executable, "-c", code])

    make("print('first'); print('d2v: no such tap', file=sys.stderr); sys.exit(2)")
    jobs, one, two = MapJobs(), Job("s", "n", "one"), Job("s", "n", "two")

    gate.touch()
    assert jobs.ensure(one) == "running"
    assert jobs.ensure(two) == "waiting"
    gate.unlink()
    assert finish(jobs, one) == "failed"
    assert jobs.why(one) == "d2v: no such tap"
    assert jobs.ensure(two) == "running"
    assert finish(jobs, two) == "failed"
    make("print('made')")
    assert jobs.ensure(one) == "failed"  # it is not tried again by itself
    jobs.forget(one)
    assert jobs.ensure(one) == "running"
    assert finish(jobs, one) == "done"
