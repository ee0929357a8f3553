"""The lessons: a wrong answer gets its word, a right one solves; every control does something."""

import functools
import re

import pytest

from app import glossary, workbench
from app.lessons import doors
from app.lessons.all import LESSONS
from app.lessons.quiz import Choice, Question
from d2v_core.teaching import collapse
from tests.conftest import smallest
from tests.core.test_teaching import write_run

pytestmark = pytest.mark.usefixtures("no_umap")
FEW_STEPS = 20


def words(app):
    """Return all that the page says."""
    kinds = ("title", "header", "subheader", "markdown", "caption", "info", "warning", "success")
    return "\n".join(element.value for kind in kinds for element in app.get(kind))


def numbers(app):
    """Return the metrics by their label."""
    return {metric.label: metric.value for metric in app.metric}


@pytest.fixture(scope="module")
def lesson_store(toys, tmp_path_factory):
    """Toys embedded with a run that lies in a folder, as one's own would."""
    root = tmp_path_factory.mktemp("lessons")
    run = write_run(root / "mine", smallest())
    workbench.embed(str(run), toys, root / "store")
    workbench.embed("lowlevel", toys, root / "store")
    return str(root / "store")


@pytest.fixture
def learn(open_app, lesson_store, monkeypatch):
    """Return a function that opens a lesson, with all its parts shown if asked for."""
    quick = functools.partial(collapse.watch_training, steps=FEW_STEPS)
    monkeypatch.setattr(collapse, "watch_training", quick)
    doors.trainings.clear()

    def open_lesson(key, *, show=True):
        app = open_app(lesson_store, page="learn", lesson=key)
        if show:
            for part in next(lesson for lesson in LESSONS if lesson.key == key).parts:
                app.button(key=f"show_{part.question.key}").click().run()
        assert not app.exception
        return app

    return open_lesson


def test_there_are_six_lessons_with_their_sources():
    assert len(LESSONS) == 6
    assert len({lesson.key for lesson in LESSONS}) == 6
    cited = " ".join(source for lesson in LESSONS for source in lesson.sources)
    for word in ("data2vec 2.0", "MAE", "BYOL", "DINO", "CLIP", "Mind the Gap", "Procrustes"):
        assert word in cited
    assert "Understanding UMAP" in cited
    for lesson in LESSONS:
        assert all(re.search(r", (19|20)\d\d: \w", source) for source in lesson.sources)


def test_a_question_has_one_right_answer():
    with pytest.raises(ValueError, match="question 'twice' has 2 right answers, not 1"):
        Question("twice", "?", (Choice("a", "", True), Choice("b", "", True)))
    questions = [part.question for lesson in LESSONS for part in lesson.parts]
    assert len({question.key for question in questions}) == len(questions)
    for question in questions:
        assert len(question.choices) >= 3
        assert all(choice.feedback for choice in question.choices)
        assert len({choice.text for choice in question.choices}) == len(question.choices)


@pytest.mark.slow
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.key)
def test_every_wrong_answer_gets_its_word_and_the_right_one_solves(learn, lesson):
    app = learn(lesson.key, show=False)
    assert "0 of 6 lessons done" in app.get("progress")[0].proto.text

    for part in lesson.parts:
        key = part.question.key
        assert app.button(key=f"check_{key}").disabled
        wrong = [choice for choice in part.question.choices if not choice.is_right]
        for choice in wrong:
            app.radio(key=f"guess_{key}").set_value(choice.text).run()
            app.button(key=f"check_{key}").click().run()
            assert not app.exception
            assert f"**Not quite.** {choice.feedback}" in words(app)
            assert key not in app.session_state["lessons_solved"]
        app.radio(key=f"guess_{key}").set_value(part.question.right.text).run()
        app.button(key=f"check_{key}").click().run()
        assert f"**Yes.** {part.question.right.feedback}" in words(app)
        assert key in app.session_state["lessons_solved"]
        assert app.radio(key=f"guess_{key}").disabled
    assert "1 of 6 lessons done" in app.get("progress")[0].proto.text


def test_nothing_is_shown_before_a_guess(learn):
    app = learn("masking", show=False)

    assert not app.slider
    assert not app.get("imgs")


def test_the_next_lesson_is_one_click_away_and_in_the_address(learn):
    app = learn("masking", show=False)
    app.button(key="next_lesson").click().run()

    assert not app.exception
    assert app.header[0].value == "Student and teacher"
    assert app.query_params["lesson"] in ("teacher", ["teacher"])


def test_an_address_of_no_lesson_opens_the_first(open_app, lesson_store):
    app = open_app(lesson_store, page="learn", lesson="nosuch")

    assert not app.exception
    assert app.header[0].value == LESSONS[0].title


@pytest.mark.slow
def test_masking_follows_its_sliders(learn):
    app = learn("masking")
    way = "From a hidden patch to the nearest visible one"
    before = [metric.value for metric in app.metric if metric.label == way]
    app.slider(key="mask_length").set_value(1).run()
    after = [metric.value for metric in app.metric if metric.label == way]
    assert len(before) == len(after) == 2  # a picture and a sound
    assert after != before

    app.button(key="mask_again").click().run()
    assert app.session_state["mask_draw"] == 1
    app.slider(key="mask_percent").set_value(90).run()
    assert [m.value for m in app.metric if m.label == way] != after

    assert numbers(app)["Patches through the teacher"] == "64"
    assert numbers(app)["Patches through the student"] == "64"  # 4 views of 16
    app.slider(key="views_count").set_value(8).run()
    assert numbers(app)["Patches through the student"] == "128"
    assert numbers(app)["Patches through the teacher"] == "64"
    app.slider(key="views_percent").set_value(50).run()
    assert numbers(app)["Patches through the student"] == "256"
    assert not app.exception


@pytest.mark.slow
def test_two_trainings_are_compared_and_kept(learn):
    app = learn("teacher")
    assert "As published" not in words(app)
    app.button(key="train_both").click().run()

    assert not app.exception
    assert "**As published**" in words(app)
    assert "**Changed**" in words(app)
    assert {key[1:] for key in doors.trainings()} == {(True, 0.998), (False, 0.998)}
    app.select_slider(key="guard_decay").set_value(0.0).run()
    assert "**Changed**" not in words(app)  # another change waits for its click
    app.button(key="train_both").click().run()
    assert (False, 0.0) in {key[1:] for key in doors.trainings()}
    app.toggle(key="guard_norm").set_value(True).run()
    assert "**Changed**" not in words(app)

    alike = numbers(app)["Block 1 is like the others"]
    app.button_group(key="layers_of").set_value("audio").run()
    assert not app.exception
    assert numbers(app)["Block 1 is like the others"] != alike


@pytest.mark.slow
def test_both_targets_follow_noise_and_contrast(learn):
    def kept(app):
        return [float(metric.value) for metric in app.metric]

    app = learn("targets")
    before = kept(app)
    app.slider(key="target_noise").set_value(0.0).run()
    clean = kept(app)
    assert clean[:4] == [1.0, 1.0, 1.0, 1.0]  # a picture and a sound, both targets
    assert before[0] < 1.0
    app.slider(key="target_gain").set_value(1.0).run()
    assert kept(app) == [1.0] * 8
    app.selectbox(key="noise_picture_image").select_index(1).run()
    assert not app.exception


@pytest.mark.slow
def test_weights_and_recipe_are_those_of_the_chosen_run(learn):
    app = learn("senses")

    parts = app.dataframe[0].value
    mine = parts[parts["run"] == "mine"]
    assert "all senses" in set(mine["used by"])
    assert mine["weights"].sum() > 0
    table = app.table[0].value
    assert table.loc["task", "the same for all?"] == "yes"
    assert table.loc["tokens", "the same for all?"] == "no"
    assert "the run **mine**" in words(app)


@pytest.mark.slow
def test_clouds_are_turned_by_hand_and_by_procrustes(learn):
    app = learn("spaces")
    before = numbers(app)["Partners are apart"]
    app.slider(key="turn_angle").set_value(90).run()
    assert numbers(app)["Partners are apart"] != before

    app.button(key="procrustes").click().run()
    assert not app.exception
    assert float(numbers(app)["Partners are apart"]) < 0.1
    assert "Found. Nothing but the angle has changed." in words(app)
    app.button(key="next_puzzle").click().run()
    assert app.slider(key="turn_angle").value == 0
    assert "Found." not in words(app)

    assert {"As the spaces are", "Turned by 21 pairs"} <= set(numbers(app))
    app.select_slider(key="anchor_pairs").set_value(4).run()
    assert "Turned by 4 pairs" in numbers(app)
    app.select_slider(key="anchor_pairs").set_value(0).run()
    assert "Turned by 4 pairs" not in numbers(app)
    app.selectbox(key="anchor_measure").select("mAP by class").run()
    app.selectbox(key="anchor_senses").select(("image", "text")).run()
    app.selectbox(key="anchor_run").select_index(1).run()
    assert not app.exception


@pytest.mark.slow
def test_pairs_can_be_turned_up_and_mixed(learn):
    app = learn("pairs")
    assert numbers(app)["Pairs that taught the towers"] == "0"
    app.select_slider(key="contrast_percent").set_value(100).run()
    assert numbers(app)["Pairs that taught the towers"] == "21"
    score = next(m.value for m in app.metric if "finds" in m.label)
    app.toggle(key="contrast_mixed").set_value(True).run()
    assert next(m.value for m in app.metric if "finds" in m.label) != score

    trust = [c.value for c in app.caption if c.value.startswith("trust")]
    assert len(trust) == 6
    app.select_slider(key="map_neighbours").set_value(15).run()
    assert not app.exception
    assert [c.value for c in app.caption if c.value.startswith("trust")] != trust


@pytest.mark.slow
def test_coins_are_told_where_groups_are_torn_and_what_probes_say_to_that(learn):
    app = learn("pairs")
    torn, whole = "Items dealt out one by one", "Every label dealt out as a whole"

    assert {torn, whole} <= set(numbers(app))
    assert "groups are in both train and val" in app.code[0].value
    assert "drawn 300 times" in words(app)
    share = {
        label: float(value.rstrip(" %")) for label, value in numbers(app).items() if "%" in value
    }
    assert share[torn] > 80
    assert 35 < share[whole] < 65
    app.selectbox(key="leak_sense").select("text").run()
    assert "sentences each" in words(app)
    app.selectbox(key="leak_run").select_index(1).run()
    assert not app.exception


@pytest.mark.slow
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.key)
def test_a_store_of_one_sense_says_what_is_missing(open_app, changed_store, lesson):
    place, _ = changed_store(lambda table: table.drop(columns=["image_file_name", "text"]))
    app = open_app(place, page="learn", lesson=lesson.key)
    for part in lesson.parts:
        app.button(key=f"show_{part.question.key}").click().run()
    if lesson.key == "teacher":
        app.button(key="train_both").click().run()
        assert "0 pictures; this training needs at least 16" in words(app)
    if lesson.key in ("spaces", "pairs"):
        assert "no two senses with enough pairs" in words(app)

    assert not app.exception


def test_without_any_run_or_data_the_way_out_is_said(open_app, toy_store, monkeypatch, tmp_path):
    monkeypatch.setattr(workbench, "SAMPLE_RUNS", tmp_path / "noruns")
    app = open_app(toy_store, page="learn")

    assert not app.exception
    assert "There is nothing to learn with" in words(app)


@pytest.mark.slow
def test_the_words_are_one_click_away(open_app, toy_store):
    app = open_app(toy_store, page="meet")
    app.button(key="words").click().run()

    assert not app.exception
    assert "words of this page first" in words(app)
    assert "**modality gap**" in words(app)  # which this page speaks of


def test_the_three_levels_of_a_word(open_app):
    app = open_app(term="CKA")
    child, student = glossary.find("CKA").child, glossary.find("CKA").student
    assert student in words(app)

    app = open_app(term="CKA", words_level="Child")
    assert child in words(app)
    assert student not in words(app)
    app = open_app(term="CKA", words_level="Researcher")
    assert [latex.value.strip("$\n ") for latex in app.get("latex")] == [
        glossary.find("CKA").formula
    ]
    assert "Source: Kornblith" in words(app)


def test_an_address_of_no_word_says_so(open_app):
    app = open_app(term="flux capacitor")

    assert not app.exception
    assert "There is no word like 'flux capacitor'" in words(app)


def test_an_address_opens_its_word(open_app):
    app = open_app(term="effective-rank")

    assert not app.exception
    assert "**effective rank**" in words(app)
