"""The page to label on: every control, every state, and what it keeps."""

import pytest

from app import labelling, places
from app.label_words import score_sentence, verdict_words, waiting_words
from app.views import label_gallery, label_loop
from d2v_core.store import Store


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """Labels are kept apart from those of the one who runs the tests; nobody is too quick."""
    monkeypatch.setattr(places, "home", lambda: tmp_path)
    monkeypatch.setattr(label_loop, "SOONEST_SECONDS", 0.0)
    return tmp_path


@pytest.fixture
def label(open_app, toy_store):
    return open_app(toy_store, page="label", concept="is a duck", run="toy")


def words(app):
    kinds = ("title", "subheader", "markdown", "caption", "info", "warning", "error", "success")
    return "\n".join(element.value for kind in kinds for element in app.get(kind))


def journal(home):
    (path,) = (home / "labels").iterdir()
    return labelling.read(path)


def press(app, *keys):
    for key in keys:
        app.button(key=f"label_{key}").click().run()
    assert not app.exception
    return app


def test_a_concept_is_named_and_begun(open_app, toy_store):
    app = open_app(toy_store, page="label")
    assert not app.exception
    assert "1. Name it" in words(app)
    app.text_input(key="label_name").input("  ")
    app.button(key="label_go").click().run()
    assert "That is no name: say what you look for" in app.error[0].value

    app.text_input(key="label_name").input("is a duck")
    app.button(key="label_go").click().run()
    assert not app.exception
    assert app.title[0].value == "Label: is a duck"
    app.button(key="label_end").click().run()
    assert app.title[0].value == "Label"


def test_the_keys_are_those_that_are_promised(label):
    keys = {
        name: label.button(key=f"label_{name}").proto.shortcut for name in ("yes", "no", "skip")
    }

    assert keys == {"yes": "1", "no": "2", "skip": "0"}
    assert label.button(key="label_undo").proto.shortcut == "u"
    assert label.button(key="label_undo").disabled
    assert "It thinks nothing yet" in words(label)


def test_answers_are_kept_with_all_that_led_to_them(label, home):
    press(label, "yes", "no", "skip")
    said = journal(home).answers

    assert [one.said for one in said] == ["yes", "no", "skip"]
    assert [one.how for one in said] == ["spread", "spread", "exam"]
    assert len({one.id for one in said}) == 3
    assert {one.concept for one in said} == {"is a duck"}
    assert {one.run for one in said} == {"toy"}
    assert said[0].margin is None
    assert said[2].margin is not None  # a yes and a no were there by then
    assert "1 yes, 1 no, 1 skipped" in words(label)
    assert "Answers that are kept: 3" in [one.label for one in label.expander]


def test_taking_back_asks_the_same_again(label, home):
    asked = [c.value for c in label.caption if "to begin with" in c.value]
    press(label, "yes", "undo")

    assert [c.value for c in label.caption if "to begin with" in c.value] == asked
    assert len(journal(home).answers) == 1
    assert journal(home).standing("is a duck") == {}
    ident = asked[0].split(" · ")[0]
    assert f"yes to {ident}" in words(label)
    assert label.button(key="label_undo").disabled


def test_a_key_that_was_pressed_too_soon_is_no_answer(label, home, monkeypatch):
    monkeypatch.setattr(label_loop, "SOONEST_SECONDS", 60.0)
    press(label, "yes")

    assert not (home / "labels").exists()
    assert "too soon" in label.toast[0].value


def test_the_exam_is_judged_and_the_rest_can_be_corrected(label, home):
    store = Store(label.sidebar.selectbox(key="store").value)
    ducks = store.read("toy") if "toy" in store.names() else store.read(store.names()[0])
    labels = dict(zip(ducks.items["id"], ducks.items["label"], strict=True))
    for _ in range(15):
        asked = next(c.value for c in label.caption if " · " in c.value and "\\" not in c.value[:2])
        ident = next(i for i in labels if asked.startswith(i))
        press(label, "yes" if labels[ident] == "duck" else "no")
    said = words(label)

    assert "Right about pictures it has not met" in label.metric[0].label
    assert "from n = 5 exam questions" in said
    assert "(chance)" in said
    for said in ("no", "yes"):
        key = next(b.key for b in label.button if b.key.startswith(f"label_tile_{said}_"))
        label.button(key=key).click().run()
        assert not label.exception
        told = journal(home).answers[-1]
        assert (told.how, told.said) == ("gallery", said)
        assert key == f"label_tile_{said}_{told.id}_{told.modality}"
    for name in ("no", "unsure"):
        label.segmented_control(key="label_gallery").set_value(name).run()
        assert not label.exception


def test_another_sense_has_its_own_questions(label, home):
    press(label, "yes")
    label.segmented_control(key="label_sense").set_value("text").run()
    assert not label.exception
    assert "0 yes, 0 no" in words(label)
    press(label, "no")

    assert [one.modality for one in journal(home).answers] == ["image", "text"]
    assert label.segmented_control(key="label_sense").options == ["Pictures", "Sounds", "Sentences"]


@pytest.mark.slow
def test_another_visit_and_another_run_know_the_answers(label, home, open_app, toy_store):
    press(label, "yes", "no")
    again = open_app(toy_store, page="label", concept="is a duck", run="twin")
    assert "1 yes, 1 no" in words(again)
    start = open_app(toy_store, page="label")
    start.pills(key="label_known").set_value("is a duck").run()

    assert start.title[0].value == "Label: is a duck"


@pytest.mark.slow
@pytest.mark.usefixtures("no_umap")
def test_the_map_is_coloured_by_what_was_said(label, home, open_app, toy_store):
    press(label, "yes", "no")
    app = open_app(toy_store, page="map", run="toy", colour="is it: is a duck")

    assert not app.exception
    assert app.selectbox(key="colour").value == "is it: is a duck"
    for file in (home / "labels").iterdir():
        file.unlink()
        file.mkdir()
    app = open_app(toy_store, page="map", run="toy")
    assert not app.exception
    assert "is it: is a duck" not in app.selectbox(key="colour").options


@pytest.mark.slow
def test_when_all_was_asked_it_says_so(label):
    for _ in range(24):
        press(label, "yes")

    assert "Every item was asked about." in words(label)
    assert label.button(key="label_yes").disabled


def test_the_name_of_the_one_who_answers_is_kept(label, home):
    label.text_input(key="label_who").input(" Ada  L. ").run()
    press(label, "yes")

    assert journal(home).answers[0].who == "Ada L."


def test_what_cannot_be_kept_is_said(label, home, monkeypatch):
    def full(_file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(labelling.os, "fsync", full)
    press(label, "yes")

    assert label.error[0].value.startswith("The answer could not be kept in")
    assert label.error[0].value.endswith("No space left on device.")


def test_what_cannot_be_read_is_said(open_app, toy_store, home):
    (home / "labels").write_text("in the way")
    app = open_app(toy_store, page="label", concept="is a duck")

    assert not app.exception
    assert "cannot be read: Not a directory" in app.warning[0].value


def test_a_concept_in_the_address_that_is_none_is_not_begun(open_app, toy_store):
    app = open_app(toy_store, page="label", concept="x" * 99)

    assert not app.exception
    assert app.title[0].value == "Label"


def score(low, high, chance=0.6):
    return {"value": (low + high) / 2, "low": low, "high": high, "chance": chance, "n": 20}


def test_a_score_is_put_into_words():
    assert "Better than blind" in verdict_words(score(0.7, 0.9))
    assert "Worse than blind" in verdict_words(score(0.1, 0.5))
    assert "Not shown to be better" in verdict_words(score(0.5, 0.9))
    assert score_sentence(score(0.7, 0.9), "no") == (
        "95 % interval 70 % to 90 %, from n = 20 exam questions. Always answering “no” is right "
        "in 60 % of them (chance)."
    )
    assert "one more exam question;" in waiting_words(1)
    assert "3 more exam questions;" in waiting_words(3)
    assert "as soon as there is a yes and a no" in waiting_words(0)
    assert label_gallery.surest_words("yes", 0.5, "x") == "x"
    assert "say no to all" in label_gallery.surest_words("yes", -0.5, "x")
