"""The page that makes a report: what it asks, how it waits, what it hands out, what goes wrong."""

import io
import json
import zipfile
from html import escape

import pytest
from typer.testing import CliRunner

from app import deeper, places, reporting, supervisor, tasks, workbench
from app.cached import store as opened
from app.cli import app as commands
from app.reporting import Order
from tests.app.report_store import fill_with_numbers
from tests.app.test_views import words

pytestmark = pytest.mark.usefixtures("no_umap")


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    """A run and its three controls; what takes longer to measure is tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        for measure in ("probes", "alignment"):
            patch.setattr(deeper, measure, lambda *_, **__: {})
        yield str(fill_with_numbers(tmp_path_factory.mktemp("report")))


@pytest.fixture
def home(monkeypatch, tmp_path):
    """Keep what is done in the background in a folder of the test."""
    monkeypatch.setattr(places, "home", lambda: tmp_path)
    return tmp_path


@pytest.fixture
def at_once(monkeypatch, home):  # or reports would land in the project
    """Run the command while the click waits."""
    done = []

    def begin(folder, command):
        folder.mkdir(parents=True, exist_ok=True)
        done.append(CliRunner().invoke(commands, command[3:], catch_exceptions=False))

    monkeypatch.setattr(supervisor, "begin", begin)
    return done


def pick_quick_map(app):
    """See which runs are offered, and choose the quick map."""
    runs = next(box for box in app.multiselect if box.key.startswith("report_runs"))
    assert runs.options == ["trained"]  # its controls come with it
    app.button_group(key="report_method").set_value("pca")
    return app.run()


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_an_address_has_what_the_report_is_about(open_app, numbers):
    keys = ("report_runs", "report_labels", "report_method", "report_chapters", "report_preview")
    odd = open_app(numbers, page="report", **dict.fromkeys(keys, "nonsense"))
    assert not odd.exception
    assert odd.multiselect(key="report_labels").value == ["label"]
    assert len(odd.multiselect(key="report_runs").value) == 1
    assert odd.button_group(key="report_method").value == "umap"

    app = open_app(numbers, page="report", report_method="PCA", report_labels="")
    assert app.button_group(key="report_method").value == "pca"
    assert app.multiselect(key="report_labels").value == []


@pytest.mark.slow
def test_a_report_is_made_shown_and_handed_out(open_app, numbers, at_once):
    app = pick_quick_map(open_app(numbers, page="report"))
    assert not app.exception
    assert not app.get("download_button")

    app.button(key="report_begin").click().run()
    assert not app.exception
    assert [run.exit_code for run in at_once] == [0]
    assert {b.proto.id.rpartition("-")[2] for b in app.get("download_button")} == {
        "report_html", "report_json", "report_zip",
    }  # fmt: skip
    chapters = app.multiselect(key="report_chapters")
    assert chapters.options[0] == "In plain words"
    (frame,) = app.get("iframe")
    assert 'sandbox="allow-scripts"' in frame.proto.srcdoc
    assert escape("<title>") in frame.proto.srcdoc

    chapters.set_value(["words"]).run()
    assert not app.exception
    (frame,) = app.get("iframe")
    assert "In plain words" in frame.proto.srcdoc
    assert "What does each layer know?" not in frame.proto.srcdoc

    app.toggle(key="report_preview").set_value(False).run()
    assert not app.get("iframe")

    app.toggle(key="report_preview").set_value(True)
    app.multiselect(key="report_chapters").set_value([]).run()
    assert "Choose at least one chapter." in words(app)
    assert not app.get("download_button")


@pytest.mark.slow
def test_without_runs_there_is_nothing_to_report_on(open_app, numbers, home):
    app = open_app(numbers, page="report")
    next(box for box in app.multiselect if box.key.startswith("report_runs")).set_value([]).run()

    assert not app.exception
    assert "Choose at least one run: there is nothing to report on." in words(app)
    assert not [b for b in app.button if b.key == "report_begin"]


@pytest.mark.slow
def test_a_report_that_is_being_made_shows_how_far_it_is(open_app, numbers, home, monkeypatch):
    monkeypatch.setattr(tasks, "standing", lambda _folder: "running")
    app = open_app(numbers, page="report")

    assert not app.exception
    assert "it is made in the background and kept" in words(app)
    assert not [b for b in app.button if b.key == "report_begin"]
    assert [b for b in app.button if b.key == "report_stop"]


@pytest.mark.slow
def test_a_report_that_failed_says_why_and_can_be_tried_again(open_app, numbers, home, monkeypatch):
    monkeypatch.setattr(tasks, "standing", lambda _folder: "failed")
    monkeypatch.setattr(tasks, "why_failed", lambda _folder: "The disk is full.")
    app = open_app(numbers, page="report")

    assert [error.value for error in app.error] == ["The disk is full."]
    assert app.button(key="report_begin").label == "Try again"


@pytest.fixture(scope="module")
def made(numbers, tmp_path_factory):
    """An order whose report is there."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setattr(places, "home", lambda: home)
        store = opened(numbers)
        names = reporting.with_controls(store, [workbench.name_of(store, "trained")])
        assert [name.rpartition("-")[0] for name in names] == [
            "trained", "low-level-features", "random-twin", "shuffled-pairs",
        ]  # fmt: skip
        order = Order(numbers, names, ("label",), "pca")
        assert CliRunner().invoke(commands, order.command()[3:]).exit_code == 0
        yield order


@pytest.mark.slow
def test_the_same_order_is_the_same_report_and_another_is_not(made, numbers):
    again = Order(numbers, made.names, ("label",), "pca")

    assert made.results()["format"] == "d2v report"
    assert again.results() == made.results()
    assert Order(numbers, made.names, ("label",), "umap").results() is None
    assert Order(numbers, made.names[:1], ("label",), "pca").folder() != made.folder()


@pytest.mark.slow
def test_chapters_are_left_out_without_measuring(made):
    report = reporting.Made.read(made)
    page = report.page(["layers"])

    assert list(report.titles)[:2] == ["words", "layers"]
    assert report.titles["layers"] in page
    assert report.titles["words"] not in page


@pytest.mark.slow
def test_the_chapters_are_built_once_and_the_whole_page_is_the_file_that_was_made(
    made, monkeypatch
):
    built, make = [], reporting.make_chapters
    monkeypatch.setattr(reporting, "make_chapters", lambda r: built.append(1) or make(r))
    report = reporting.Made.read(made)
    every = list(report.titles)

    assert report.page(every) == (made.folder() / reporting.HTML).read_text(encoding="utf-8")
    assert report.page(every[:1]) != report.page(every)
    assert report.tables_zip(every)
    assert built == [1]


@pytest.mark.slow
def test_the_tables_of_some_chapters_are_the_same_bytes_every_time(made):
    report = reporting.Made.read(made)
    packed = report.tables_zip(["layers"])

    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        clusters, probes = sorted(archive.namelist())
        assert clusters.startswith("clusters_label")
        assert probes.startswith("probes_label")
        assert b"trained" in archive.read(probes)
    assert packed == report.tables_zip(["layers"])
    assert len(report.tables_zip(list(report.titles))) > len(packed)


@pytest.mark.slow
def test_the_results_of_another_version_are_no_report(made):
    path = made.folder() / reporting.JSON
    before = path.read_text()
    path.write_text(json.dumps({**json.loads(before), "version": 0}))
    try:
        assert made.results() is None
    finally:
        path.write_text(before)


def test_downloaded_files_are_named_after_the_runs():
    assert reporting.file_name(["paired", "a/b c"], "html") == "report-paired-a-b-c.html"
    assert len(reporting.file_name(["x" * 200], "zip")) == 64
