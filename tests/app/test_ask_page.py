"""The page to ask on: every way to ask, what it returns, and what it refuses to say."""

import io

import numpy as np
import pytest
import soundfile

from app import asking, uploads, workbench
from d2v_core.errors import MediaError
from d2v_core.store import Store

pytestmark = pytest.mark.slow  # models are opened and measured


@pytest.fixture(autouse=True)
def kept_elsewhere(monkeypatch, tmp_path):
    """Uploads are kept apart from those of the one who runs the tests."""
    monkeypatch.setattr(uploads, "kept_root", lambda: tmp_path / "asked")


@pytest.fixture(scope="module")
def asked_store(toys, tmp_path_factory):
    place = tmp_path_factory.mktemp("asked") / "store"
    for encoder in ("random:tiny", "lowlevel"):
        workbench.embed(encoder, toys, place)
    return str(place)


@pytest.fixture
def page(open_app, asked_store):
    return open_app(asked_store, page="ask", store=asked_store, run="random:tiny")


def captions(app):
    return [c.value for c in app.caption]


def test_it_waits_for_a_question(page):
    assert not page.exception
    assert page.title[0].value == "Ask"
    assert not page.warning


def test_words_find_sentences_and_no_numbers_elsewhere(page):
    page.text_input(key="ask_words").input("One robin sits here, number 0.").run()

    assert not page.exception
    assert any("Nearest pictures" in m.value for m in page.markdown)
    assert len(page.warning) == 2  # pictures and sounds: nothing is claimed of an untrained network
    assert all(w.value.startswith("No alignment is claimed") for w in page.warning)
    assert any("turn the spaces onto each other" in i.value for i in page.info)
    numbers = [c for c in captions(page) if "· 0." in c or "· 1." in c]
    assert len(numbers) == 6  # the sentences only


def test_an_example_is_put_into_the_field(page):
    example = page.pills(key="ask_example").options[0]
    page.pills(key="ask_example").select(example).run()

    assert page.text_input(key="ask_words").value == example
    assert not page.exception


def test_turned_spaces_say_by_how_many_pairs(page):
    page.text_input(key="ask_words").input("One robin sits here, number 0.").run()
    page.radio(key="ask_space").set_value("turned").run()

    assert not page.exception
    assert not page.warning
    said = [i.value for i in page.info]
    assert sum(s.startswith("Turned by 21 pairs") for s in said) == 2  # 24 rows, 3 of them in test
    assert any("labelled" in c for c in captions(page))


def test_the_other_runs_answer_beside_chance(page):
    page.text_input(key="ask_words").input("One robin sits here, number 0.").run()
    page.toggle(key="ask_others_too").set_value(True).run()
    table = page.dataframe[0].value

    assert set(table["run"]) == {"random:tiny", "lowlevel"}
    row = table.set_index("run").loc["random:tiny"]
    assert row["sentences"].count("by lot") == 1
    assert row["pictures"] == "shares no space with the question"
    assert "no model" in table.set_index("run").loc["lowlevel", "note"]


@pytest.mark.parametrize(("way", "key"), [("A picture", "ask_picture"), ("A sound", "ask_sound")])
def test_a_file_is_asked_with(page, toys, way, key):
    page.segmented_control(key="ask_with").set_value(way).run()
    name = "00.png" if key == "ask_picture" else "00.wav"
    kind = "image/png" if key == "ask_picture" else "audio/wav"
    page.file_uploader(key=key).set_value((name, (toys / name).read_bytes(), kind)).run()

    assert not page.exception
    assert any("Nearest sentences" in m.value for m in page.markdown)
    (kept,) = uploads.kept_root().iterdir()
    assert kept.read_bytes() == (toys / name).read_bytes()
    assert "00" not in kept.suffix


@pytest.mark.parametrize(
    ("way", "key", "source", "kind"),
    [
        ("A picture", "ask_from_image", "The camera", "camera_input"),
        ("A sound", "ask_from_audio", "The microphone", "audio_input"),
    ],
)
def test_a_device_is_asked_for_only_by_those_who_choose_it(page, way, key, source, kind):
    page.segmented_control(key="ask_with").set_value(way).run()
    assert not page.get(kind)
    assert len(page.file_uploader) == 1

    page.segmented_control(key=key).set_value(source).run()
    assert not page.exception
    assert len(page.get(kind)) == 1
    assert not page.file_uploader


def test_what_is_no_picture_is_refused(page):
    page.segmented_control(key="ask_with").set_value("A picture").run()
    page.file_uploader(key="ask_picture").set_value(("x.png", b"no picture", "image/png")).run()

    assert not page.exception
    assert page.error[0].value.startswith("This cannot be used: not a picture")


def test_a_representation_without_a_model_says_why(open_app, asked_store):
    app = open_app(asked_store, page="ask", store=asked_store, run="lowlevel")
    app.text_input(key="ask_words").input("a robin").run()

    assert not app.exception
    assert any("are no model" in i.value for i in app.info)


def test_uploads_are_kept_once_and_bounded(monkeypatch):
    sound = io.BytesIO()
    soundfile.write(sound, np.zeros(8000) + 0.1, 16_000, format="WAV")
    first = uploads.keep("audio", sound.getvalue())
    assert uploads.keep("audio", sound.getvalue()) == first
    assert len(list(uploads.kept_root().iterdir())) == 1

    monkeypatch.setattr(uploads, "MOST_BYTES", 100)
    with pytest.raises(MediaError, match=r"MB; up to 0 MB are taken"):
        uploads.keep("audio", sound.getvalue())


def test_turning_needs_pairs(asked_store, monkeypatch):
    monkeypatch.setattr(asking, "FEWEST_PAIRS", 100)
    store = Store(asked_store)
    name = workbench.name_of(store, "random:tiny")
    with pytest.raises(asking.StoreError, match="21 pairs of sentences and pictures are not held"):
        asking.ask(store, name, asking.Query("text", "a robin", turned=True))
