"""Every page in every state that a visitor can bring it into: never a traceback."""

import pytest
from streamlit.testing.v1 import AppTest

from app.views.item_panel import shortened
from tests.app.conftest import PATIENCE

pytestmark = pytest.mark.usefixtures("no_umap")
PAGES = ("start", "map", "layers", "meet")


def words(app):
    """Return all that the page says."""
    kinds = ("title", "subheader", "markdown", "caption", "info", "warning", "error")
    return "\n".join(element.value for kind in kinds for element in app.get(kind))


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens(open_app, toy_store, page):
    app = open_app(toy_store, page=page)

    assert not app.exception
    assert not app.error
    assert app.title
    assert app.sidebar.selectbox(key="run").options == ["toy", "twin", "lowlevel"]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("run", ["twin", "lowlevel"])
def test_controls_can_be_looked_at_too(open_app, toy_store, page, run):
    app = open_app(toy_store, page=page)
    app.sidebar.selectbox(key="run").select_index(["toy", "twin", "lowlevel"].index(run)).run()

    assert not app.exception
    assert app.title


@pytest.mark.slow
def test_start_compares_the_run_with_its_controls(open_app, toy_store):
    app = open_app(toy_store)

    assert not app.exception
    assert "**toy**" in words(app)
    assert len(app.get("plotly_chart")) == 1
    assert set(app.dataframe[0].value["run"]) == {"toy", "twin", "lowlevel"}
    assert set(app.dataframe[0].value.columns) >= {"value", "95 % interval", "chance", "p", "n"}


def test_without_a_sample_and_without_a_store_the_way_out_is_said(open_app):
    app = open_app()

    assert not app.exception
    assert "`make sample` makes it; or open a store of your own" in words(app)


@pytest.mark.slow
def test_a_store_that_is_none_is_refused_and_one_that_is_opens(open_app, toy_store, tmp_path):
    app = open_app()
    app.sidebar.text_input(key="typed_store").input(str(tmp_path / "nowhere")).run()
    assert "there is no store at" in app.sidebar.error[0].value

    (tmp_path / "empty").mkdir()
    app.sidebar.text_input(key="typed_store").input(str(tmp_path / "empty")).run()
    assert "holds no representation; `d2v embed ENCODER DATA --out" in app.sidebar.error[0].value

    app.sidebar.text_input(key="typed_store").input(toy_store).run()
    assert not app.exception
    assert not app.sidebar.error
    assert app.sidebar.selectbox(key="store").value == toy_store
    assert app.title


def test_a_named_store_that_is_not_there(open_app, tmp_path):
    app = open_app(str(tmp_path / "gone"))

    assert not app.exception
    assert "there is no store at" in words(app)


@pytest.mark.slow
def test_the_choice_stays_when_the_page_changes(open_app, toy_store):
    app = open_app(toy_store, page="map")
    app.sidebar.selectbox(key="layer").select_index(0).run()
    app.switch_page("views/meet.py").run()

    assert not app.exception
    assert app.sidebar.selectbox(key="layer").value == "embed"


def test_the_map_starts_with_an_item_and_its_surroundings(open_app, toy_store):
    app = open_app(toy_store, page="map")
    said = words(app)

    assert not app.exception
    assert "UMAP is being computed" in app.get("progress")[0].proto.text
    assert "PCA, trustworthiness" in said
    assert "A picture: robin" in said  # the first picture in the test split, by id
    for near in ("Nearest pictures", "Nearest sounds", "Nearest sentences"):
        assert near in said
    assert "agree; by chance" in said
    assert "**Its own sound** is number" in said
    assert 1 <= len(app.get("audio")) <= 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("item", "title"), [("01:audio", "A sound: owl"), ("02:text", "A sentence: duck")]
)
def test_the_item_in_the_address_is_shown(open_app, toy_store, item, title):
    app = open_app(toy_store, page="map", item=item)

    assert not app.exception
    assert title in words(app)


@pytest.mark.slow
def test_an_address_of_no_item_shows_the_first(open_app, toy_store):
    app = open_app(toy_store, page="map", item="nosuch:image")

    assert not app.exception
    assert "A picture: robin" in words(app)


@pytest.mark.slow
@pytest.mark.parametrize("column", ["label", "modality", "size", "trust", "split"])
def test_the_map_can_be_coloured_by_any_column(open_app, toy_store, column):
    app = open_app(toy_store, page="map")
    app.selectbox(key="colour").select(column).run()

    assert not app.exception


@pytest.mark.slow
def test_a_file_that_is_gone_is_said_in_the_panel(open_app, changed_store):
    place, data = changed_store(lambda table: table)
    for file in data.glob("*.*"):
        if file.suffix in (".png", ".wav"):
            file.unlink()
    for item in ("00:image", "00:audio"):
        app = open_app(place, page="map", item=item)
        assert not app.exception
        assert "It cannot be shown:" in words(app)
        assert "is not there; were the data moved since they were embedded?" in words(app)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_store_without_labels(open_app, changed_store, page):
    place, _ = changed_store(lambda table: table.drop(columns=["label"]))
    app = open_app(place, page=page)

    assert not app.exception
    assert app.title


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_one_modality_only(open_app, changed_store, page):
    place, _ = changed_store(lambda table: table.drop(columns=["image_file_name", "text"]))
    app = open_app(place, page=page)

    assert not app.exception
    if page in ("start", "meet"):
        assert "has no two modalities with test items; it has audio" in words(app)


@pytest.mark.slow
def test_the_layers_of_another_column(open_app, toy_store):
    app = open_app(toy_store, page="layers")
    assert app.selectbox(key="label").options[0] == "label"
    before = app.dataframe[0].value

    app.selectbox(key="label").select("size").run()
    after = app.dataframe[0].value
    assert not app.exception
    assert not after.equals(before)
    assert {"toy", "twin", "lowlevel"} == set(after["run"])


@pytest.mark.slow
def test_the_claims_come_with_reasons_and_all_that_they_rest_on(open_app, toy_store):
    app = open_app(toy_store, page="meet")
    said = words(app)

    assert not app.exception
    verdicts = [v for v in ("Aligned]", "Not aligned]", "Cannot tell]") if v in said]
    assert verdicts
    assert any(
        set(t.value.get("rests on", [])) >= {"run", "random twin", "low-level features"}
        for t in app.dataframe
    )
    assert app.table[0].value.columns.tolist() == ["question", "toy"]


def test_long_texts_are_shortened():
    assert shortened("x" * 60) == "x" * 60
    assert shortened("x" * 61) == "x" * 59 + "…"


@pytest.mark.slow
def test_the_words_are_searched():
    def window():  # in the app a fragment, which is not run alone here
        from app.views import words_window

        words_window.window("map")

    app = AppTest.from_function(window, default_timeout=PATIENCE).run()
    assert "words of this page first" in words(app)

    app.text_input(key="words_search").input("modality gap").run()
    assert not app.exception
    assert "**modality gap**" in words(app)
    assert "words of this page first" not in words(app)

    app.text_input(key="words_search").input("phlogiston").run()
    assert "There is no word like 'phlogiston'" in words(app)
