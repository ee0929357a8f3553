"""Watch it learn: the same items at every checkpoint, and a run in a store of its own."""

import shutil

import numpy as np
import pytest

from app import embed_run, learning, run_curves
from app.mapping import checkpoints_of
from d2v_core.data.folder import read_folder
from d2v_core.encoders.run import trained
from d2v_core.errors import InputError
from d2v_core.store import Store
from d2v_core.train import train
from tests.conftest import smallest


@pytest.fixture(scope="module")
def run(toys, tmp_path_factory):
    """A run of six steps with a checkpoint at each."""
    folder = tmp_path_factory.mktemp("runs") / "little"
    train(read_folder(toys), smallest(), folder)
    return folder


@pytest.fixture(scope="module")
def watched(run, toys):
    told = []
    made = learning.watch(run, toys, method="pca", report=lambda *now: told.append(now))
    return *made, told


@pytest.mark.slow
def test_the_same_items_are_drawn_at_every_checkpoint(watched, run):
    points, about, _ = watched
    steps = [learning.step_of(path) for path in learning.complete_checkpoints(run)]

    assert steps[-1] == 6
    assert len(steps) >= 6
    assert sorted(points["step"].unique()) == steps
    names = [part["id"].tolist() for _, part in points.groupby("step")]
    assert all(name == names[0] for name in names)
    assert about["items"] == 72 == len(names[0])
    assert np.isfinite(points[["x", "y", "trust"]].to_numpy()).all()
    assert set(about["trust"]) == {str(step) for step in steps}
    assert len(about["moves"]) == len(steps) - 1


@pytest.mark.slow
def test_how_far_it_is_only_grows_and_has_words(watched):
    _, _, told = watched
    shares = [done / of for done, of, _ in told]

    assert shares == sorted(shares)
    assert 0 <= shares[0]
    assert shares[-1] < 1
    assert told[-1][2] == "drawing the maps"
    assert any(words.startswith("embedding at step 3, ") for _, _, words in told)


@pytest.mark.slow
def test_what_was_drawn_is_kept_also_when_there_is_another_checkpoint(watched, run, toys, tmp_path):
    points, about, _ = watched
    kept = learning.newest(run, toys)
    assert kept is not None
    assert kept[1] == about
    assert kept[0]["x"].tolist() == points["x"].tolist()

    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    last = learning.complete_checkpoints(copy)[-1]
    shutil.copytree(last, last.with_name("step_00000007"))
    assert learning.newest(copy, toys)[1] == about  # which are those of the checkpoints before
    assert learning.newest(run, tmp_path) is None  # other data


@pytest.mark.slow
def test_points_move_with_cause(watched):
    table = run_curves.moves_table(watched[1])

    assert table["step"].tolist()[-1] == 6
    assert table.iloc[0]["neighbours that changed"] == "–"
    assert table["n"].unique().tolist() == [72]


@pytest.mark.slow
def test_few_items_are_whole_rows_and_held_out_ones_come_first(run, toys):
    encoder = trained(run)
    part = learning.some_of(read_folder(toys), encoder, 21)

    assert len({item.id for item in part.items}) == 7
    assert len(part.items) == 21
    assert sum(item.split != "train" for item in part.items) == 3 * 6  # val and test: three each
    assert part.fingerprint != read_folder(toys).fingerprint
    assert learning.some_of(read_folder(toys), encoder, 21).fingerprint == part.fingerprint


def test_one_checkpoint_is_nothing_to_watch(tmp_path, toys):
    (tmp_path / "checkpoints" / "step_00000000").mkdir(parents=True)
    (tmp_path / "checkpoints" / "step_00000000" / "state.json").write_text("{}")
    (tmp_path / "checkpoints" / "step_00000001").mkdir()  # not complete

    assert learning.newest(tmp_path, toys) is None
    with pytest.raises(InputError, match="has 1 checkpoint; to watch it learn takes 2 or more"):
        learning.watch(tmp_path, toys)


@pytest.mark.slow
def test_a_run_gets_a_store_with_its_controls(run, toys, tmp_path):
    told = []
    names = embed_run.embed_all(run, toys, tmp_path / "store", report=lambda *now: told.append(now))
    roles = [recipe.role for recipe in Store(tmp_path / "store").recipes().values()]

    assert len(names) == 2
    assert sorted(roles) == ["low-level features", "trained"]
    shares = [done / of for done, of, _ in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert told[0][2] == "embedding little"


@pytest.mark.slow
def test_the_checkpoints_that_were_watched_are_a_way_through_training(watched, run):
    points, _, _ = watched
    store = Store(run / learning.STORE)
    found = checkpoints_of(store, store.names()[-1])

    assert [step for step, _ in found] == sorted(points["step"].unique())
    assert {name for _, name in found} == set(store.names())
