"""The page on layers: every control does something, every empty or failed state says why."""

import pandas as pd
import plotly.graph_objects as go
import pytest
import streamlit as st

from app import measured, showing, supervisor
from app.cached import store as opened
from app.views import layers_choice, opening
from tests.app.report_store import fill_with_numbers
from tests.app.test_views import words

pytestmark = pytest.mark.usefixtures("no_umap")


@pytest.fixture
def at_once(monkeypatch):
    """Let what is asked of the background be done while the click waits; return what was asked."""
    asked = []

    def begin(_folder, command):
        asked.append(command)
        measured.main(command[3:])

    monkeypatch.setattr(supervisor, "begin", begin)
    return asked


@pytest.fixture(scope="module")
def number_store(tmp_path_factory):
    """Pictures and sentences whose vectors are numbers with a known answer."""
    return str(fill_with_numbers(tmp_path_factory.mktemp("numbers")))


def figures(app):
    """Return what the figures show, by their alternative text."""
    return [chart.proto.alt for chart in app.get("plotly_chart")]


def show(app, view):
    return app.button_group(key="layers_view").set_value(view).run()


@pytest.mark.slow
def test_curves_of_the_run_and_its_controls(open_app, toy_store):
    app = open_app(toy_store, page="layers")
    (table,) = [t.value for t in app.dataframe if "best on val" in t.value]

    assert not app.exception
    assert figures(app) == [
        f"{measure} label over the layers, {m}"
        for measure in ("accuracy of the linear probe for", "adjusted Rand index of clusters and")
        for m in ("pictures", "sounds", "sentences")
    ]
    assert set(table["run"]) == {"toy", "twin", "lowlevel"}
    assert set(table.columns) >= {"value", "95 % interval", "chance", "n"}
    assert words(app).count("the layer that was best on val") == 3

    (clusters,) = [
        t.value for t in app.dataframe if "adjusted Rand index" in set(t.value.get("measure", ()))
    ]
    assert set(clusters["run"]) == {"toy", "twin", "lowlevel"}
    assert set(clusters["measure"]) == {"adjusted Rand index", "adjusted mutual information"}
    app.button_group(key="knows_1_option").set_value("adjusted mutual information").run()
    assert "adjusted mutual information of clusters and label" in " ".join(figures(app))


@pytest.mark.slow
def test_the_other_probe_and_other_runs_beside_it(open_app, toy_store):
    app = open_app(toy_store, page="layers")
    app.button_group(key="knows_0_option").set_value("nearest neighbours").run()
    assert "nearest neighbours" in figures(app)[0]

    beside = app.button_group(key="beside")
    beside.set_value([]).run()
    (table,) = [t.value for t in app.dataframe if "best on val" in t.value]
    assert not app.exception
    assert set(table["run"]) == {"toy"}


@pytest.mark.slow
def test_a_column_of_numbers_is_told_by_regression(open_app, changed_store):
    def with_pitch(table):
        return table.assign(pitch=[100.0 + 7 * n for n in range(len(table))])

    place, _ = changed_store(with_pitch)
    app = open_app(place, page="layers")
    app.selectbox(key="label").select("pitch").run()

    assert not app.exception
    assert figures(app)[0].startswith("R² of the ridge regression for pitch")
    assert "Ridge regression at" in words(app)

    show(app, "takes")
    assert "pitch is a number; few examples, bits and made-up labels are for kinds." in words(app)


@pytest.mark.slow
def test_what_takes_longer_is_measured_when_asked_and_then_shown(open_app, toy_store, at_once):
    app = show(open_app(toy_store, page="layers"), "takes")
    next(g for g in app.button_group if g.key.startswith("beside")).set_value([]).run()
    assert not app.exception
    assert not figures(app)
    assert not at_once

    app.button(key="deeper_begin").click().run()
    assert not app.exception
    assert len(at_once) == 1
    shown = " ".join(figures(app))
    for what in ("Accuracy by examples", "Compression by layer", "Contribution of each layer"):
        assert what in shown
    assert not [b for b in app.button if b.key == "deeper_begin"]


@pytest.mark.slow
def test_layers_of_the_run_of_another_and_of_another_sense_are_compared(open_app, number_store):
    app = show(open_app(number_store, page="layers"), "alike")
    own = "trained: pictures with every layer of trained: pictures"
    assert not app.exception
    assert figures(app) == [f"CKA of every layer of {own}"]
    assert "Most alike: block 1 and block 1, 1.00" in words(app)
    assert "n = 36." in words(app)

    app.button_group(key="alike_measure").set_value("mutual_knn").run()
    assert figures(app) == [f"Mutual kNN of every layer of {own}"]

    columns = app.selectbox(key="alike_columns")
    columns.select("trained: sentences").run()
    assert "with every layer of trained: sentences" in figures(app)[0]
    # only the second layer of the run has both senses in one place
    assert "Most alike: block 2 and block 2" in words(app)

    columns = app.selectbox(key="alike_columns")
    columns.select("random-twin: pictures").run()
    assert not app.exception
    assert "with every layer of random-twin: pictures" in figures(app)[0]


@pytest.mark.slow
def test_an_address_has_what_is_beside_what_and_passes_over_what_is_not_there(
    open_app, number_store
):
    keys = ("alike_rows", "alike_columns", "alike_measure", "beside", "label")
    app = show(open_app(number_store, page="layers", **dict.fromkeys(keys, "nonsense")), "alike")
    own = "trained: pictures with every layer of trained: pictures"
    assert not app.exception
    assert figures(app) == [f"CKA of every layer of {own}"]

    said = ("sentences", "random-twin: pictures", "Mutual kNN")
    query = {"layers_view": "How alike they are", **dict(zip(keys, said, strict=False))}
    app = open_app(number_store, page="layers", **query)
    assert not app.exception
    assert figures(app) == [
        "Mutual kNN of every layer of trained: sentences with every layer of random-twin: pictures"
    ]

    app.button_group(key="alike_rows").set_value("image").run()  # columns begin with the same
    assert figures(app) == [f"Mutual kNN of every layer of {own}"]


def test_too_few_items_to_compare_are_said(open_app, toy_store):
    app = show(open_app(toy_store, page="layers"), "alike")

    assert not app.exception
    assert "items that are reported on belong together; layers are compared on" in words(app)


@pytest.mark.slow
def test_the_shape_of_layers_with_their_spectra(open_app, toy_store):
    app = show(open_app(toy_store, page="layers"), "shape")
    shown = " ".join(figures(app))

    assert not app.exception
    assert "effective rank over layers, pictures" in shown
    assert "Share of variance of each axis, sentences of toy" in shown

    app.button_group(key="shape_0_option").set_value("Intrinsic dimension").run()
    assert "intrinsic dimension over layers, pictures" in " ".join(figures(app))


def test_items_without_anything_to_tell(open_app, changed_store):
    place, _ = changed_store(lambda table: table[["id", "image_file_name"]])
    app = open_app(place, page="layers")

    assert not app.exception
    assert "no column of these items has a few values or numbers" in words(app)


def test_columns_that_can_be_told():
    items = pd.DataFrame(
        {
            "id": [str(n) for n in range(30)],
            "modality": ["image", "text"] * 15,
            "label": ["a", "b", "c"] * 10,
            "pitch": [float(n) for n in range(30)],
            "name": [f"n{n}" for n in range(30)],
            "constant": 1,
            "split": ["train", "val", "test"] * 10,
        }
    )

    assert layers_choice.label_columns(items) == ["label", "pitch"]


def test_the_label_can_be_told_however_many_kinds_it_has():
    items = pd.DataFrame({"label": [f"kind {n // 5}" for n in range(300)], "size": "s"})
    items["note"] = items["label"]

    assert layers_choice.label_columns(items) == ["label"]
    items["label"] = [f"its own {n}" for n in range(300)]
    assert layers_choice.label_columns(items) == []


@pytest.mark.parametrize(
    ("trace", "x", "wished"),
    [
        ("toy", "embed", "embed"),
        ("lowlevel", "embed", "lowlevel"),  # one layer, drawn across all
        ("chance", "embed", None),
    ],
)
def test_a_click_on_a_point_wishes_for_the_map_of_its_layer(
    monkeypatch, toy_store, trace, x, wished
):
    recipes = opened(toy_store).recipes()
    names = {called: name for name, called in showing.called_by(recipes).items()}
    asked = []
    monkeypatch.setattr(layers_choice, "wish_map", lambda *wish: asked.append(wish))

    figure = go.Figure([go.Scatter(name="other"), go.Scatter(name=trace)])
    layers_choice.open_at(recipes)(figure, {"curve_number": 1, "x": x})
    assert asked == ([(names[trace], wished)] if wished else [])


def test_a_wish_for_the_map_is_followed_once(monkeypatch):
    state, went = {"store": "s"}, []
    monkeypatch.setattr(st, "session_state", state)
    monkeypatch.setattr(st, "switch_page", lambda page, **_: went.append(page))
    opening.wish_map("run-1", "block_02.resid")
    opening.follow_wish()
    opening.follow_wish()

    assert went == ["views/map.py"]
    assert (state["run"], state["layer"]) == ("run-1", "block_02.resid")
    assert opening.WISH not in state
