"""The page on training: what is asked for is what is started, and every standing is shown."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time

import pytest
from streamlit.testing.v1 import AppTest

from app import alive, learning, supervisor, tasks, workbench
from app.noting import Notes
from app.tasks import JOB, PROGRESS, QUEUED, STOP, Task
from app.training_words import ARMS
from app.views import data_choice
from d2v_core.data.folder import read_folder
from d2v_core.train import train
from tests.app.conftest import MAIN, PATIENCE
from tests.conftest import smallest

HEALTHY = {
    "loss": 9.0,
    "image/regression": 5.0,
    "image/target_std": 0.9,
    "image/effective_rank": 8.0,
    "image/mean_cosine": 0.7,
    "image/knn": 0.9,
}


@pytest.fixture
def root(tmp_path):
    """The folder of all runs."""
    folder = tmp_path / "home" / "runs"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def open_train(monkeypatch, tmp_path):
    """Return a function that opens the page; nothing that is asked for begins."""
    monkeypatch.setattr(workbench, "SAMPLE_DATA", tmp_path / "nosample")
    monkeypatch.setattr(sys, "argv", ["main.py", "--home", str(tmp_path / "home")])
    monkeypatch.setattr(supervisor, "_start", lambda _arguments: None)

    def run(*folders, **query):
        app = AppTest.from_file(MAIN, default_timeout=PATIENCE)
        app.session_state[data_choice.OPENED] = [str(folder) for folder in folders]
        for name, value in query.items():
            app.query_params[name] = value
        app.run().switch_page("views/train.py").run()
        assert not app.exception
        return app

    return run


def said(app):
    """Return all that the page says."""
    kinds = ("title", "subheader", "markdown", "caption", "info", "warning", "error", "success")
    bars = [bar.proto.text for bar in app.get("progress")]
    return "\n".join([*(element.value for kind in kinds for element in app.get(kind)), *bars])


def buttons(app):
    return [button.label for button in app.button]


def write_run(folder, lines, *, steps=100, saved=100, data=None, **known):
    """Write what a run leaves behind."""
    for step in (0, saved):
        place = folder / "checkpoints" / f"step_{step:08d}"
        place.mkdir(parents=True, exist_ok=True)
        (place / "state.json").write_text("{}")
    config = {"config": {"optim": {"steps": steps}, "image": {}}, "about": {"data": data}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    now = time.time()
    known = {"command": ["x", "--preset", "tiny"], "asked": now, "began": now - 50, **known}
    tasks.write_task(folder / JOB, Task(heartbeat=now + PATIENCE, **known))  # not lost meanwhile


def test_without_data_and_without_runs_the_way_is_shown(open_train):
    app = open_train()
    assert "There are no data to learn from yet" in app.info[0].value

    app.segmented_control(key="train_do").set_value("Runs").run()
    assert "No training has been started yet" in app.info[0].value
    assert not app.exception


@pytest.mark.slow
def test_what_is_chosen_is_what_is_started(open_train, toys, root):
    app = open_train(toys)
    assert app.radio(key="train_arm").value == "shared-pairs"
    assert "Only 18 pictures, 18 sounds, 18 sentences to learn from" in app.info[0].value
    app.radio(key="train_arm").set_value("latent").run()
    app.slider(key="train_percent").set_value(25).run()
    app.selectbox(key="train_objective").select("data2vec").run()
    app.number_input(key="train_steps").set_value(40).run()
    app.number_input(key="train_seed").set_value(7).run()
    app.text_area(key="train_settings").input("optim.lr=5e-4\noptim.batch=4").run()
    assert "About 32 s for 40 steps" in said(app)
    app.button(key="start").click().run()

    assert not app.exception
    assert not app.error
    task = tasks.read_task(root / "tiny-data2vec-latent-25" / QUEUED)
    assert task.command[1:] == [
        *("-m", "app.cli", "train", str(toys)),
        *("--preset", "tiny-data2vec-latent-25"),
        *("--out", str(root / "tiny-data2vec-latent-25")),
        *("--seed", "7", "--steps", "40"),
        *("--set", "optim.lr=5e-4", "--set", "optim.batch=4"),
    ]
    assert app.selectbox(key="training").value == "tiny-data2vec-latent-25"
    assert "It waits until the one before it has ended." in said(app)


FORM = {
    "train_arm": "three-arms",
    "train_size": "nano",
    "train_percent": "many",
    "train_objective": "guesswork",
    "train_steps": "-1",
    "train_seed": "1e99",
    "data": "/nowhere",
}


@pytest.mark.slow
def test_an_address_fills_the_form_and_what_makes_no_sense_is_passed_over(open_train, toys):
    def form(app):
        keys = ("train_arm", "train_size", "train_objective", "train_steps", "train_seed")
        return [app.get_by_key(key).value for key in keys]

    usual = form(open_train(toys))
    assert form(open_train(toys, **FORM)) == usual

    app = open_train(
        toys, train_arm=ARMS["latent"][0], train_percent="25", train_steps="40", train_seed="7"
    )
    assert form(app) == ["latent", *usual[1:3], 40, 7]
    assert app.slider(key="train_percent").value == 25

    app.radio(key="train_arm").set_value("shared-pairs").run()  # the steps were of another preset
    assert app.number_input(key="train_steps").value == usual[3]


@pytest.mark.slow
def test_arms_and_modalities_are_those_that_the_data_allow(open_train, tmp_path, root):
    for label in ("owl", "robin"):
        for n in range(5):
            place = tmp_path / "texts" / label / f"{n}.txt"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(f"{label} {n}")
    app = open_train(tmp_path / "texts")
    assert app.radio(key="train_arm").options == ["Separate", "Shared trunk", "Control: untrained"]
    assert "What learns from pairs is not offered" in said(app)
    assert "HuBERT" not in app.selectbox(key="train_objective").options
    app.radio(key="train_arm").set_value("random").run()
    assert "Ready at once: nothing is trained." in said(app)
    assert not app.number_input(key="train_seed").disabled

    app.button(key="start").click().run()
    (run,) = [path for path in root.iterdir() if path.is_dir()]
    command = tasks.read_task(run / QUEUED).command
    assert command[command.index("--preset") + 1] == "tiny-random"
    assert "image=none" in command
    assert "audio=none" in command


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("optim.rate=1", "There is no setting optim.rate; choose from steps, batch"),
        ("optim.lr=fast", "Setting optim.lr: "),
        ("faster", "'faster' is no setting; a line is NAME=VALUE, as in optim.lr=5e-4"),
        ("optim.lr=-1", "Lr must be positive, got -1.0"),
    ],
)
def test_a_setting_that_is_none_is_refused(open_train, toys, root, typed, message):
    app = open_train(toys)
    app.text_area(key="train_settings").input(typed).run()
    app.button(key="start").click().run()

    assert app.error[0].value.startswith(message)
    assert list(root.iterdir()) == []


@pytest.mark.slow
def test_a_name_that_is_taken_or_cannot_be_is_refused(open_train, toys, root):
    (root / "mine").mkdir()
    app = open_train(toys)
    for name, message in (
        ("mine", "There is a run 'mine' already; choose another name, or go on with it"),
        ("../out", "'../out' cannot be the name of a run: up to 64 letters"),
    ):
        (field,) = [field for field in app.text_input if field.label == "Name of the run"]
        field.input(name).run()
        app.button(key="start").click().run()
        assert app.error[0].value.startswith(message)
    assert [folder.name for folder in root.iterdir()] == ["mine"]


@pytest.mark.slow
def test_a_run_that_is_done_shows_curves_and_how_it_fares(open_train, toys, root):
    lines = [{"step": 4 * n, **HEALTHY} for n in range(1, 26)]
    write_run(root / "fine", lines, data=str(toys), ended=time.time(), status=0)
    app = open_train()
    words = said(app)

    assert "Complete]" in words
    assert "100 of 100 steps are saved" in words
    assert "No sign of collapse" in words
    assert len(app.get("plotly_chart")) == 4
    assert "**Pictures**: the nearest neighbours tell the label of **90%**" in words
    assert "n = 3), more than chance (33%), but no clear change from the first look (90%)" in words
    assert app.dataframe[0].value["standing"].tolist() == ["✓ Complete"]
    assert {"Embed it", "Draw the maps"} <= set(buttons(app))
    assert "Stop" not in buttons(app)


@pytest.mark.slow
def test_data_that_are_gone_are_said_to_be(open_train, root):
    write_run(root / "fine", [{"step": 1, **HEALTHY}], data="/gone", ended=time.time(), status=0)
    app = open_train()

    assert "are not where they were" in said(app)
    assert "Embed it" not in buttons(app)


@pytest.mark.slow
def test_a_collapse_is_explained_and_not_gone_on_with(open_train, root):
    bad = HEALTHY | {"image/effective_rank": 1.001}
    write_run(root / "bad", [{"step": 21, **bad}], saved=12, ended=time.time(), status=2)
    sentence = "d2v: image collapsed: effective rank 1.001 is below 1.5, all items lie on one line"
    (root / "bad" / tasks.LOG).write_text(sentence + "\n")
    app = open_train()

    assert app.error[0].value.startswith("Image collapsed: effective rank 1.001 is below 1.5")
    assert "All items lie on one line: one number is left of each." in said(app)
    assert "What to try, one at a time: more data" in said(app)
    assert "Go on" not in buttons(app)


@pytest.mark.slow
def test_a_collapse_in_mid_run_is_an_alarm(open_train, root):
    bad = HEALTHY | {"image/effective_rank": 1.001}
    write_run(root / "bad", [{"step": 16, **bad}], saved=12)
    app = open_train()
    assert app.error[0].value.startswith("**Collapse**: how many directions")

    write_run(root / "bad", [{"step": 8, **bad}], saved=0)
    app = open_train()
    assert not app.error
    assert "Too early to judge" in said(app)


@pytest.mark.slow
def test_a_run_that_was_stopped_can_be_gone_on_with(open_train, root):
    write_run(root / "half", [{"step": 50, **HEALTHY}], saved=50, ended=time.time(), status=143)
    app = open_train()
    assert "Stopped]" in said(app)
    assert "50 of 100 steps are saved" in said(app)

    app.button(key="resume").click().run()
    assert not app.exception
    assert tasks.read_task(root / "half" / QUEUED).command[-1] == "--resume"
    assert "Queued]" in said(app)
    assert app.dataframe[0].value["standing"].tolist() == ["⏳ Queued, number 1"]

    app.button(key="stop").click().run()  # taken back
    assert not (root / "half" / QUEUED).exists()
    assert "Stopped]" in said(app)


@pytest.mark.slow
def test_a_run_that_is_lost_says_so(open_train, root):
    write_run(root / "lost", [{"step": 50, **HEALTHY}], saved=50)
    long_ago = Task(command=["x"], asked=1.0, began=1.0, heartbeat=1.0, pid=1, start="another boot")
    tasks.write_task(root / "lost" / JOB, long_ago)
    app = open_train()

    assert app.dataframe[0].value["standing"].tolist() == ["? Lost"]
    assert app.warning[0].value.startswith("Nothing has been heard of it for a while")
    assert "Go on" in buttons(app)


@pytest.mark.slow
def test_stop_ends_the_process_within_five_seconds(open_train, root):
    """The run is a process that only sleeps; what ends is what the number and the start name."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        write_run(
            root / "going",
            [{"step": 10, **HEALTHY}],
            saved=0,
            pid=process.pid,
            start=alive.start_of(process.pid),
        )
        Notes(root / "going" / PROGRESS).note(10, 100, seconds_left=90.0)
        app = open_train()
        assert "Training]" in said(app)
        assert "Training: 10%, about 2 min left" in said(app)
        assert app.dataframe[0].value["time left"].tolist() == ["2 min"]
        assert "Stop at once" not in buttons(app)

        ended = []
        waiting = threading.Thread(target=lambda: (process.wait(), ended.append(time.time())))
        waiting.start()
        app.button(key="stop").click().run()
        waiting.join(timeout=PATIENCE)
        assert ended[0] - (root / "going" / STOP).stat().st_mtime < 5  # of the wish
        assert "Stopping]" in said(app)
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_what_does_not_stop_can_be_stopped_at_once(open_train, root):
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        start = alive.start_of(process.pid)
        write_run(root / "deaf", [{"step": 10, **HEALTHY}], pid=process.pid, start=start)
        (root / "deaf" / STOP).write_text("{}")
        then = time.time() - tasks.PATIENCE_SECONDS - 1
        os.utime(root / "deaf" / STOP, (then, then))
        app = open_train()
        assert app.button(key="stop").disabled

        app.button(key="kill").click().run()
        assert process.wait(timeout=PATIENCE) == -9
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def little(toys, tmp_path_factory):
    """A real run of six steps."""
    folder = tmp_path_factory.mktemp("runs") / "little"
    train(read_folder(toys), smallest(), folder)
    learning.watch(folder, toys, method="pca")
    return folder


@pytest.mark.slow
def test_a_run_is_watched_as_it_learnt(open_train, little, root, toys):
    shutil.copytree(little, root / "little")
    app = open_train()
    charts = [chart.proto for chart in app.get("plotly_chart")]
    figure = json.loads(charts[-1].spec)

    assert len(figure["frames"]) == len(learning.complete_checkpoints(little))
    assert "Trustworthiness of the maps" in said(app)
    assert "a random map 0." in said(app)
    app.segmented_control(key="watch_colour").set_value("modality").run()
    assert not app.exception
    again = json.loads(app.get("plotly_chart")[-1].proto.spec)
    assert again["data"][0]["marker"] != figure["data"][0]["marker"]

    app.button(key="open_checkpoints").click().run()
    assert not app.exception
    assert "What lands where?" in said(app)
    assert app.sidebar.selectbox(key="store").value == str(root / "little" / learning.STORE)


@pytest.mark.slow
def test_a_run_is_watched_while_it_learns(open_train, little, root):
    from app import places

    run = root / "little"
    shutil.copytree(little, run)
    now = time.time()
    tasks.write_task(run / JOB, Task(command=["x"], asked=now, began=now, heartbeat=now + PATIENCE))
    app = open_train()
    assert "Training: " in said(app)
    assert len(app.get("plotly_chart")) > 0
    assert not any(label.startswith("Draw them") for label in buttons(app))

    last = learning.complete_checkpoints(run)[-1]
    shutil.copytree(last, last.with_name("step_00000007"))
    app.run()
    assert "Draw them with 1 newer checkpoint" in buttons(app)
    assert "Trustworthiness of the maps" in said(app)  # those before are still there

    app.toggle(key="watch_live").set_value(True).run()
    assert not app.exception
    (task,) = places.task_folders("watch")
    assert tasks.read_task(task / QUEUED).command[1:3] == ["-m", "app.learning"]
    assert "Drawing: starting" in said(app)


@pytest.mark.slow
def test_a_run_that_saved_once_says_when_it_can_be_watched(open_train, toys, root):
    write_run(root / "begun", [], data=str(toys))
    shutil.rmtree(root / "begun" / "checkpoints" / "step_00000100")
    app = open_train(toys)

    assert "It takes 2 checkpoints to see a change, and 1 has been saved so far." in said(app)


@pytest.mark.slow
def test_an_embedded_run_opens_on_the_map(open_train, little, root, tmp_path, toys, monkeypatch):
    from app import embed_run, places
    from app.background import MapJobs

    monkeypatch.setattr(MapJobs, "ensure", lambda _self, _job: "running")
    shutil.copytree(little, root / "little")
    app = open_train()
    assert "Embed it" in buttons(app)
    app.button(key="embed").click().run()
    (task,) = places.task_folders("embed")
    command = tasks.read_task(task / QUEUED).command
    assert command[1:5] == ["-m", "app.embed_run", str(root / "little"), str(toys)]

    store = tmp_path / "home" / "stores" / "little"
    embed_run.embed_all(root / "little", toys, store)
    (task / QUEUED).replace(task / JOB)
    done = Task(command=command, asked=1.0, began=1.0, ended=2.0, status=0)
    tasks.write_task(task / JOB, done)
    app.run()
    app.button(key="open_store").click().run()
    assert not app.exception
    assert app.sidebar.selectbox(key="store").value == str(store)
    assert app.sidebar.selectbox(key="run").value.startswith("little")
    assert app.title[0].value == "What lands where?"


@pytest.mark.slow
def test_the_choice_of_a_store_survives_a_look_at_the_training(open_app, toy_store, no_umap):
    app = open_app(toy_store, page="map")
    app.sidebar.selectbox(key="layer").select_index(0).run()
    app.switch_page("views/train.py").run()
    app.switch_page("views/map.py").run()

    assert not app.exception
    assert app.sidebar.selectbox(key="layer").value == "embed"
