"""Data through a model that is there already: which models and controls, into what store."""

import shutil
import sys

import pytest
from streamlit.testing.v1 import AppTest

from app import models, places, tasks, workbench
from app.background import MapJobs
from app.models import Model
from app.tasks import JOB, QUEUED, Task
from app.views import data_choice
from tests.app.conftest import MAIN, PATIENCE, fill


@pytest.fixture
def home(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["main.py", "--home", str(tmp_path)])
    return tmp_path


def shipped(root, *names):
    for name in names:
        (root / name).mkdir(parents=True)
        (root / name / "config.json").write_text("{}")
    return root


def test_what_came_along_is_offered_with_its_untrained_twin(home):
    root = shipped(home / "came", "random", "paired")
    (found,) = models.models(root)

    assert found == Model(root / "paired", str(root / "random"), is_shipped=True)
    assert found.words == "paired (comes with the workbench)"
    assert found.command("d", home / "s")[2:] == [
        "app.embed_run", str(root / "paired"), "d", str(home / "s"), "--twin", str(root / "random"),
    ]  # fmt: skip


def test_ones_own_run_has_a_twin_of_its_preset_if_that_is_known(tmp_path):
    assert models.model_of(tmp_path) == Model(tmp_path, None)
    assert "--twin" not in models.model_of(tmp_path).command("d", tmp_path)

    begun = Task(command=["d2v", "train", "d", "--preset", "tiny"], asked=1.0)
    tasks.write_task(tmp_path / JOB, begun)
    assert models.model_of(tmp_path).twin == "random:tiny"


def test_a_run_that_is_not_complete_is_no_model(home):
    shipped(places.runs_root(), "half")

    assert models.models(home / "none") == []


@pytest.mark.parametrize(
    ("data", "name"),
    [("/a/birds", "birds"), ("/a/my birds!", "my-birds"), ("/a/b.parquet", "b"), ("/", "data")],
)
def test_the_store_is_named_after_the_data(home, data, name):
    assert models.store_of(data) == home / "stores" / name


@pytest.mark.slow
def test_brought_data_are_embedded_and_opened_on_the_map(home, toys, monkeypatch):
    monkeypatch.setattr(MapJobs, "ensure", lambda _self, _job: "running")
    monkeypatch.setattr(workbench, "SAMPLE_DATA", home / "nosample")
    monkeypatch.setattr(
        workbench, "SAMPLE_RUNS", shipped(home / "came", "other", "paired", "random")
    )
    begun = []
    monkeypatch.setattr(
        "app.supervisor.begin", lambda folder, command: begun.append((folder, command))
    )
    data = shutil.copytree(toys, home / "birds")
    app = AppTest.from_file(MAIN, default_timeout=PATIENCE)
    app.session_state[data_choice.OPENED] = [str(data)]
    app.run().switch_page("views/data.py").run()
    assert not app.exception
    app.selectbox(key="through_model").select_index(1).run()
    app.button(key="through").click().run()
    ((folder, command),) = begun
    assert command[2:4] == ["app.embed_run", str(home / "came" / "paired")]

    fill(home / "stores" / "birds", data, controls=False)
    tasks.ask(folder, command)
    (folder / QUEUED).unlink()
    done = Task(command=command, asked=1.0, began=1.0, ended=2.0, status=0)
    tasks.write_task(folder / JOB, done)
    app.run()
    app.button(key="through_open").click().run()

    assert not app.exception
    assert app.sidebar.selectbox(key="store").value == str(home / "stores" / "birds")
    assert "birds" in app.sidebar.selectbox(key="store").options
    assert app.title[0].value == "What lands where?"


def test_the_sample_is_not_embedded_again(home, toys, monkeypatch):
    monkeypatch.setattr(workbench, "SAMPLE_DATA", toys)
    app = AppTest.from_file(MAIN, default_timeout=PATIENCE)
    app.run().switch_page("views/data.py").run()

    assert not app.exception
    assert "through" not in {button.key for button in app.button}
