"""The page on data: every control, every empty state, every refusal."""

import io
import shutil
import sys
import time
import zipfile

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from app import supervisor, tasks, workbench
from app.views import data_choice
from tests.app.conftest import MAIN, PATIENCE


@pytest.fixture
def open_data(monkeypatch, tmp_path):
    """Return a function that opens the page; the home is a folder of its own."""
    monkeypatch.setattr(workbench, "SAMPLE_DATA", tmp_path / "nosample")
    monkeypatch.setattr(sys, "argv", ["main.py", "--home", str(tmp_path / "home")])

    def run(*folders, **query):
        app = AppTest.from_file(MAIN, default_timeout=PATIENCE)
        if folders:
            app.session_state[data_choice.OPENED] = [str(folder) for folder in folders]
        for name, value in query.items():
            app.query_params[name] = value
        app.run().switch_page("views/data.py").run()
        assert not app.exception
        return app

    return run


def said(app):
    """Return all that the page says."""
    kinds = ("title", "subheader", "markdown", "caption", "info", "warning", "error", "success")
    return "\n".join(element.value for kind in kinds for element in app.get(kind))


def metrics(app):
    return {metric.label: metric.value for metric in app.metric}


def wait_until(is_so):
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def copied(toys, folder, change):
    """Return a copy of the toys whose table was changed."""
    shutil.copytree(toys, folder)
    table = pd.read_csv(folder / "metadata.csv", dtype=str)
    change(table).to_csv(folder / "metadata.csv", index=False)
    return folder


def zipped(folder):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, f"toys/{path.name}")
    return file.getvalue()


def test_without_any_data_the_ways_to_get_some_are_named(open_data):
    app = open_data()

    assert "There are no data here yet" in said(app)
    assert not app.metric


@pytest.mark.slow
def test_a_folder_is_counted_and_shown(open_data, toys):
    app = open_data(toys)

    assert metrics(app) == {
        "Rows": "24",
        "Pictures": "24",
        "Sounds": "24",
        "Sentences": "24",
        "Labels": "3",
    }
    words = said(app)
    assert "24 of pictures and sounds" in words
    assert "No row names a **group**" in words
    assert "**train** to learn from: 18 rows" in words
    assert "1 to 24 of 24 rows" in words
    assert len(app.get("audio")) == 24
    assert len(app.get("image")) == 48  # pictures and spectrograms
    assert len(app.get("plotly_chart")) == 1
    sizes = app.table[0].value
    assert sizes.iloc[1]["shortest"] == "0.2"  # seconds, rounded to even


@pytest.mark.slow
def test_every_filter_filters(open_data, toys):
    app = open_data(toys)
    app.multiselect(key="gallery_labels").select("owl").run()
    assert "1 to 8 of 8 rows" in said(app)
    assert "**robin** ·" not in said(app)

    app.get_by_key("gallery_splits").select("test").run()
    assert "1 to 1 of 1 rows" in said(app)
    app.multiselect(key="gallery_labels").set_value([]).run()
    assert "1 to 3 of 3 rows" in said(app)
    assert not app.exception


FILTERS = ("gallery_labels", "gallery_splits", "gallery_senses")


@pytest.mark.slow
def test_an_address_has_the_filters_and_what_is_no_value_is_passed_over(open_data, toys):
    odd = open_data(toys, **dict.fromkeys([*FILTERS, "data_page"], "nonsense"))
    assert not odd.exception
    assert "1 to 24 of 24 rows" in said(odd)

    app = open_data(toys, gallery_labels="owl", gallery_splits="test")
    assert "1 to 1 of 1 rows" in said(app)


@pytest.mark.slow
def test_rows_that_must_have_a_sense_and_none_that_fits(open_data, with_few_sounds):
    app = open_data(with_few_sounds)
    app.get_by_key("gallery_senses").select("audio").run()
    assert "1 to 6 of 6 rows" in said(app)

    app.get_by_key("gallery_splits").select("val").run()  # none of the sounds is in val
    assert "No row fits these filters; take one away." in said(app)
    assert not app.exception


@pytest.mark.slow
def test_a_gallery_of_two_pages(open_data, toys, tmp_path):
    for n in range(30):
        folder = tmp_path / "many" / ("a" if n % 2 else "b")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{n:02d}.txt").write_text(f"sentence number {n}")
    app = open_data(tmp_path / "many")
    assert "1 to 24 of 30 rows" in said(app)

    app.get_by_key("data_page").set_value(2).run()
    assert "25 to 30 of 30 rows" in said(app)
    app.multiselect(key="gallery_labels").select("a").run()  # back on the first page
    assert "1 to 15 of 15 rows" in said(app)
    assert not app.exception


@pytest.mark.slow
def test_torn_groups_are_a_warning(open_data, toys, tmp_path):
    app = open_data(copied(toys, tmp_path / "torn", lambda table: table.assign(group="one")))

    assert any("1 of 1 groups are torn" in warning.value for warning in app.warning)


@pytest.mark.slow
def test_files_that_cannot_be_used_are_named(open_data, toys, tmp_path):
    folder = tmp_path / "broken"
    shutil.copytree(toys, folder)
    (folder / "00.png").write_bytes(b"no picture")
    (folder / "01.wav").unlink()
    app = open_data(folder)
    assert "Decode every file" in [button.label for button in app.button]
    assert app.expander[0].label.startswith("1 problem: what cannot be used")
    assert "A picture: not a picture" in said(app)

    app.button(key="check_all").click().run()
    (task,) = list((tmp_path / "home" / ".cache" / "tasks").glob("check-*"))
    wait_until(lambda: tasks.standing(task) == "done")
    app.run()
    assert any("2 cannot be used and are passed over" in w.value for w in app.warning)
    table = next(t.value for t in app.dataframe if "reason" in t.value)
    assert sorted(table["file"]) == ["00.png", "01.wav"]


@pytest.mark.slow
def test_a_folder_with_nothing_to_use_says_so(open_data, tmp_path):
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "letter.docx").write_text("x")
    app = open_data(tmp_path / "odd")

    assert any("Nothing in this folder can be used" in w.value for w in app.warning)
    assert "its suffix is none of" in str(app.dataframe[0].value["reason"][0])


def test_metadata_that_cannot_be_read_is_an_error_in_words(open_data, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "metadata.csv").write_text("colour\nred\n")
    app = open_data(tmp_path / "bad")

    assert "has none of the columns image_file_name" in app.error[0].value


@pytest.mark.slow
def test_the_folder_in_the_address_is_opened(open_data, toys):
    app = open_data(data=str(toys))

    assert app.selectbox(key="data").value == str(toys)
    assert metrics(app)["Rows"] == "24"


@pytest.mark.slow
def test_a_typed_path_is_opened_or_refused(open_data, toys):
    app = open_data(data_do="Bring your own")
    app.text_input(key="typed_data").input("/no/such/place")
    app.button(key="FormSubmitter:open_data-Open").click().run()
    assert app.error[0].value.startswith("There is no '/no/such/place' on this machine")

    app.text_input(key="typed_data").input(f" {toys} ")
    app.button(key="FormSubmitter:open_data-Open").click().run()
    assert not app.exception
    assert not app.error
    assert metrics(app)["Rows"] == "24"
    assert app.selectbox(key="data").value == str(toys)


@pytest.mark.slow
def test_an_archive_becomes_a_folder_to_look_at(open_data, toys, tmp_path):
    app = open_data(data_do="Bring your own")
    app.file_uploader(key="brought_data").set_value(
        ("My toys.zip", zipped(toys), "application/zip")
    ).run()
    (name,) = [field for field in app.text_input if field.label == "Call it"]
    assert name.value == "My-toys"
    app.button(key="unpack").click().run()
    assert "files are in **My-toys**" in app.success[0].value
    kept = tmp_path / "home" / ".cache" / "data" / "My-toys"
    assert (kept / "metadata.csv").read_bytes() == (toys / "metadata.csv").read_bytes()

    app.button(key="look_at_brought").click().run()
    assert not app.exception
    assert app.selectbox(key="data").value == str(kept)
    assert metrics(app)["Rows"] == "24"


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b"no archive", "fine", "This is no zip archive, or a damaged one; pack it as .zip"),
        (None, "../out", "'../out' cannot be the name of a data folder: up to 64 letters"),
        (None, "taken", "There is a data folder 'taken' already; choose another name"),
    ],
)
def test_an_archive_or_a_name_that_is_refused(open_data, tmp_path, content, name, message):
    (tmp_path / "home" / ".cache" / "data" / "taken").mkdir(parents=True)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "x")
    app = open_data(data_do="Bring your own")
    app.file_uploader(key="brought_data").set_value(
        ("x.zip", content or file.getvalue(), "application/zip")
    ).run()
    (field,) = [field for field in app.text_input if field.label == "Call it"]
    field.input(name).run()
    app.button(key="unpack").click().run()

    assert not app.exception
    assert app.error[0].value.startswith(message)
    assert not (tmp_path / "home" / ".cache" / "out").exists()
    assert not (tmp_path / "home" / ".cache" / "data" / "fine").exists()


@pytest.mark.slow
def test_one_item_follows_the_sliders(open_data):
    app = open_data(data_do="Make an aviary")
    before = said(app)
    app.selectbox(key="aviary_species").select("owl").run()
    app.get_by_key("aviary_count").set_value(3).run()
    words = said(app)
    assert words != before
    assert "owl" in words
    assert not app.exception

    app.button(key="aviary_other").click().run()
    assert app.session_state["aviary_item_number"] == 1
    assert said(app) != words
    assert len(app.get("audio")) == 1


@pytest.mark.slow
def test_a_whole_data_set_is_made_in_the_background(open_data, tmp_path):
    app = open_data(data_do="Make an aviary")
    app.number_input(key="aviary_items").set_value(32).run()
    (field,) = [field for field in app.text_input if field.label == "Call it"]
    assert field.value == "aviary-32"
    app.button(key="aviary_make").click().run()
    (task,) = list((tmp_path / "home" / ".cache" / "tasks").glob("aviary-*"))
    wait_until(lambda: tasks.standing(task) == "done")
    app.run()
    assert "**aviary-32** is ready." in app.success[0].value

    app.button(key="look_at_made").click().run()
    assert not app.exception
    assert metrics(app)["Rows"] == "32"
    assert app.selectbox(key="data").value.endswith("aviary-32")


def test_a_name_that_is_taken_makes_nothing(open_data, tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "begin", lambda *_: pytest.fail("it was started"))
    (tmp_path / "home" / ".cache" / "data" / "mine").mkdir(parents=True)
    app = open_data(data_do="Make an aviary")
    (field,) = [field for field in app.text_input if field.label == "Call it"]
    field.input("mine").run()
    app.button(key="aviary_make").click().run()

    assert app.error[0].value.startswith("There is a data folder 'mine' already; choose another")
