"""The start page: the shipped answer is that of the shipped runs, and is not shown of others."""

import json
import shutil

import pytest
import streamlit as st

from app import answers, state, workbench
from app.answers import pair_of, rows_of, sentences, shipped, slim, stamp_of, wanted_of
from app.cached import store as opened
from tests.app.test_views import words

pytestmark = pytest.mark.usefixtures("no_umap")
SONGS = ("image", "audio")


@pytest.fixture
def sample(tmp_path):
    """A small folder with an answer that was made from what is in it."""
    (tmp_path / "aviary").mkdir()
    (tmp_path / "aviary" / "metadata.csv").write_text("id\n1\n")
    (tmp_path / "runs" / "a").mkdir(parents=True)
    (tmp_path / "runs" / "a" / "config.json").write_text("{}")
    kept = {"stamp": stamp_of(tmp_path), "runs": {"a": {"pairs": []}}}
    (tmp_path / "answer.json").write_text(json.dumps(kept))
    return tmp_path


def test_the_shipped_answer_is_made_of_the_shipped_runs():
    found = shipped()

    assert list(found) == ["paired", "separate", "shared"]
    assert wanted_of(found) == SONGS
    assert [row[0] for row in rows_of(found, SONGS)][:3] == list(found)
    assert {row[1] for row in rows_of(found, SONGS)} == {
        "trained", "shuffled pairs", "random twin", "low-level features",
    }  # fmt: skip
    for *_, score in rows_of(found, SONGS):
        assert score["low"] < score["value"] < score["high"]


@pytest.mark.slow
def test_the_shipped_answer_is_what_measuring_gives():
    if not list(workbench.SAMPLE_RUNS.glob("*/config.json")):
        pytest.skip("there are no trained runs in sample_data/runs: `make sample` makes them")
    made = answers.make()["runs"]
    kept = shipped()

    assert list(made) == list(kept)
    for name, alignment in kept.items():
        for pair in alignment["pairs"]:
            both = (pair["first"], pair["second"])
            again = pair_of(made[name], both)
            assert again["claims"] == pair["claims"]
            for ours, theirs in zip(
                [pair["run"], *pair["controls"]], [again["run"], *again["controls"]], strict=True
            ):
                assert ours["tap"] == theirs["tap"]
                for way in answers.WAYS:
                    value, measured = (
                        ladder["labels"][way]["mean_average_precision"]["value"]
                        for ladder in (ours, theirs)
                    )
                    assert value == pytest.approx(measured, abs=0.02)  # other processors round


def test_an_answer_is_read_while_its_files_are_as_they_were(sample):
    assert shipped(sample / "answer.json") == {"a": {"pairs": []}}


@pytest.mark.parametrize("file", ["aviary/metadata.csv", "runs/a/config.json", "runs/a/new.txt"])
def test_an_answer_of_other_files_is_none(sample, tmp_path_factory, file):
    other = tmp_path_factory.mktemp("other") / "sample"  # what was hashed is remembered by place
    shutil.copytree(sample, other)
    (other / file).write_text("changed")

    assert shipped(other / "answer.json") == {}


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", '{"stamp": 1}'])
def test_an_answer_that_is_missing_or_broken_is_none(sample, text):
    file = sample / "answer.json"
    file.unlink() if text is None else file.write_text(text)

    assert shipped(file) == {}


def alignment(verdict, value=0.5):
    score = {"mean_average_precision": {"value": value}, "nearest": {"value": 0.1}}
    ladder = {"encoder": "a", "role": "trained", "tap": "joint", "by_layer": {}, "labels": None}
    ladder["labels"] = {"x_to_y": score, "y_to_x": score}
    twin = {**ladder, "encoder": "twin", "role": "random twin", "labels": None}
    claims = [
        {"level": "class", "verdict": "cannot tell", "sentence": ""},
        {"level": "class", "verdict": verdict, "sentence": ""},
        {"level": "instance", "verdict": "not aligned", "sentence": ""},
    ]
    pair = {"first": "image", "second": "audio", "run": ladder, "controls": [twin]}
    return {"pairs": [{**pair, "claims": claims, "gap": {}}]}


def test_what_is_kept_of_an_alignment_answers_the_same():
    whole = {"a": alignment("aligned")}
    small = {name: slim(one) for name, one in whole.items()}

    assert sentences(small, SONGS) == sentences(whole, SONGS)
    assert rows_of(small, SONGS) == rows_of(whole, SONGS)
    assert "gap" not in small["a"]["pairs"][0]
    assert len(rows_of(small, SONGS)) == 1  # without labels there is no score


def test_one_sentence_a_verdict_and_nothing_of_partners():
    found = {
        "a": alignment("aligned"),
        "b": alignment("not aligned"),
        "c": alignment("cannot tell"),
        "d": alignment("cannot tell"),
    }
    said = sentences(found, SONGS)

    assert len(said) == 3
    assert "**Yes**] in **a**: a sound lands near pictures of its own kind" in said[0]
    assert "**No**] in **b**" in said[1]
    assert "that is shown, not merely not found" in said[1]
    assert "**Cannot be told**] in **c** and **d**" in said[2]


@pytest.mark.parametrize(
    ("arguments", "session", "query", "wanted"),
    [
        ([], {}, {}, True),
        (["--store", "mine"], {}, {}, False),
        (["--store", "mine"], {"store": "sample"}, {}, True),
        (["--store", "mine"], {}, {"store": state.SAMPLE_WORDS}, True),
        ([], {}, {"store": "mine"}, False),
        ([], {"opened": ["mine"]}, {}, True),  # what a visit opened is not everybody's usual one
        ([], {"opened": ["mine"], "store": "mine"}, {}, False),
    ],
)
def test_whether_the_sample_will_be_shown(monkeypatch, arguments, session, query, wanted):
    monkeypatch.setattr(state.sys, "argv", ["main.py", *arguments])
    monkeypatch.setattr(st, "session_state", dict(session))
    monkeypatch.setattr(st, "query_params", dict(query))

    assert state.wants_sample() is wanted


@pytest.mark.slow
def test_a_store_of_ones_own_is_measured_and_never_shown_the_shipped_answer(open_app, toy_store):
    app = open_app(toy_store)

    assert not app.exception
    assert app.title[0].value == "What lands near what?"
    assert set(app.dataframe[0].value["run"]) == {"toy", "twin", "lowlevel"}
    assert [link.proto.page_script_hash for link in app.get("page_link")]
    assert len(app.get("page_link")) == 8


@pytest.mark.slow
def test_without_the_sample_its_answer_stands_there_all_the_same(open_app):
    app = open_app()  # the items of the sample are gone, the file with the answer is not

    assert not app.exception
    assert app.title[0].value == "Does a bird's song land near a bird's picture?"
    assert "**Yes**] in **paired**" in words(app)


def test_a_question_without_labels_is_sent_on(open_app, changed_store):
    place, _ = changed_store(lambda table: table.drop(columns=["label"]))
    app = open_app(place)

    assert not app.exception
    assert "The items have no labels, so kinds cannot be looked for" in words(app)
    assert opened(place).names()


def test_a_store_is_called_by_its_name_and_where_it_is(monkeypatch, tmp_path):
    monkeypatch.setattr(state.home_places, "home", lambda: tmp_path)

    assert state.called(state.SAMPLE) == state.SAMPLE_WORDS
    assert state.called(str(tmp_path / "stores" / "birds")) == "birds"
    assert state.called("/far/away/birds/") == "birds (/far/away)"
    assert state.called("birds") == "birds"


def test_stores_that_were_made_here_can_be_chosen_after_a_restart(monkeypatch, tmp_path):
    monkeypatch.setattr(state.home_places, "home", lambda: tmp_path)
    monkeypatch.setattr(state.sys, "argv", ["main.py"])
    monkeypatch.setattr(st, "session_state", {})
    (tmp_path / "stores" / "birds" / "run.lance").mkdir(parents=True)
    (tmp_path / "stores" / "empty").mkdir()

    assert state.places() == [state.SAMPLE, str(tmp_path / "stores" / "birds")]


@pytest.mark.parametrize("say", ["{0}/birds", "birds ({0})"])
def test_an_address_opens_the_store_that_it_names(monkeypatch, tmp_path, say):
    (tmp_path / "birds" / "run.lance").mkdir(parents=True)
    monkeypatch.setattr(state.sys, "argv", ["main.py", "--store", "mine"])
    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setattr(st, "query_params", {"store": say.format(tmp_path)})
    state.adopt()

    assert str(tmp_path / "birds") in state.places()
    assert st.session_state["store"] == str(tmp_path / "birds")


@pytest.mark.parametrize("named", ["s3://bucket/birds", "birds", "mine", "{0}/empty", "\0"])
def test_an_address_opens_nothing_else(monkeypatch, tmp_path, named):
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(state.sys, "argv", ["main.py", "--store", "mine"])
    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setattr(st, "query_params", {"store": named.format(tmp_path)})
    state.adopt()

    assert state.places()[0] == "mine"


def test_the_checkpoints_of_a_run_are_called_after_it(monkeypatch, tmp_path):
    place = tmp_path / "runs" / "birds" / "learning"
    (place / "step.lance").mkdir(parents=True)
    monkeypatch.setattr(state.home_places, "home", lambda: tmp_path)
    monkeypatch.setattr(state.sys, "argv", ["main.py"])
    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setattr(st, "query_params", {"store": "birds: its checkpoints"})
    assert state.called(str(place)) == "birds: its checkpoints"
    state.adopt()

    assert str(place) in state.places()
    assert st.session_state["store"] == str(place)
