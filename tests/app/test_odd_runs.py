"""Folders among the runs that are none of ours: each is a row in the list, none takes it down."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import run_folders

ODD = (
    "no JSON",
    "[" * 100_000,
    "[]",
    '"config about"',
    '{"config": null, "about": null}',
    '{"config": {"optim": {"steps": "many"}}, "about": {}}',
    '{"config": {"optim": [1]}, "about": {}}',
    '{"config": {"optim": {"steps": 3}}, "about": [1]}',
    '{"config": {"optim": {"steps": 3}}, "about": {"data": 5}}',
    '{"model_type": "bert", "about": 1, "config": 2}',
)


@pytest.mark.parametrize("said", ODD, ids=range(len(ODD)))
def test_settings_of_something_else_are_none(tmp_path, said):
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "config.json").write_text(said)

    (run,) = run_folders.runs(tmp_path)

    assert (run.steps, run.data, run.modalities) == (None, None, ())


def test_a_folder_that_is_called_like_a_checkpoint_is_none(tmp_path):
    for name in ("step_x", "step_000004", "step_-1"):
        place = tmp_path / "run" / "checkpoints" / name
        place.mkdir(parents=True)
        (place / "state.json").write_text("{}")
    told = {"config": {"optim": {"steps": 8}, "image": {}}, "about": {"data": "birds"}}
    (tmp_path / "run" / "config.json").write_text(json.dumps(told))

    (run,) = run_folders.runs(tmp_path)

    assert [path.name for path in run.checkpoints] == ["step_000004"]
    assert (run.step, run.steps, run.data) == (4, 8, "birds")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["config", "about", "optim", "steps", "data"]), inner)
    ),
)


@settings(max_examples=150, deadline=None)
@given(JSON)
def test_any_json_is_a_run_that_says_little(tmp_path_factory, values):
    root = tmp_path_factory.mktemp("runs")
    (root / "any").mkdir()
    (root / "any" / "config.json").write_text(json.dumps(values))

    (run,) = run_folders.runs(root)

    assert run.steps is None or isinstance(run.steps, int)
