"""The page on meeting: every pair and view, what is measured when asked, and what cannot be."""

import pytest

from app import measured, meeting, workbench
from app.cached import store as opened
from app.measured import Wanted
from tests.app.report_store import fill_with_numbers
from tests.app.test_layers_page import at_once, figures  # noqa: F401  # a fixture
from tests.app.test_views import words

pytestmark = pytest.mark.usefixtures("no_umap")


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    """A store whose run has both senses in one place, with its three controls."""
    return str(fill_with_numbers(tmp_path_factory.mktemp("meeting")))


@pytest.fixture(scope="module")
def alignment(numbers):
    store = opened(numbers)
    return workbench.align(store, workbench.name_of(store, "trained"))


def view(app, name):
    return app.button_group(key="meet_view").set_value(name).run()


@pytest.mark.slow
def test_the_answer_has_claims_luck_and_power(open_app, numbers):
    app = open_app(numbers, page="meet")
    said = words(app)

    assert not app.exception
    assert app.table[0].value.columns.tolist() == ["question", "trained"]
    assert said.count("Aligned]") == 4  # kind and partner, both ways
    assert figures(app) == [
        "A picture among sentences: MRR beside what permuting gives",
        "A sentence among pictures: MRR beside what permuting gives",
    ]
    assert "36 test pairs: by luck one finds 3% of partners first, and 4 or more" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "figure", "said"),
    [
        ("finding", "mean average precision of runs and controls", "Search is among 36 items"),
        ("clouds", "Modality gap of all runs", "A gap of zero is no alignment"),
    ],
)
def test_the_views_that_are_there_at_once(open_app, numbers, name, figure, said):
    app = view(open_app(numbers, page="meet"), name)

    assert not app.exception
    assert figure in " ".join(figures(app))
    assert said in words(app)


@pytest.mark.slow
def test_help_from_pairs_and_hubs_are_measured_once_when_asked(open_app, numbers, at_once):  # noqa: F811
    app = view(open_app(numbers, page="meet"), "help")
    assert not figures(app)

    app.button(key="extras_begin").click().run()
    assert not app.exception
    shown = " ".join(figures(app))
    assert "R@1 by a rotation" in shown
    assert "Share of kinds matched without pairs" in shown
    (needed,) = [t.value for t in app.dataframe if "turned by" in t.value]
    assert set(needed["turned by"]) == {"a rotation", "a linear map"}
    assert set(needed["trained"]) == {"0"}  # nothing has to be turned
    assert {"random-twin", "low-level-features"} <= set(needed)

    view(app, "hubs")
    assert not app.exception
    assert "R@1 by cosine and by CSLS" in " ".join(figures(app))
    assert "skewness" in {cell for t in app.dataframe for cell in t.value.get("measure", [])}
    assert len(at_once) == 1


@pytest.mark.slow
def test_another_pair_of_senses(open_app, toy_store):
    app = open_app(toy_store, page="meet")
    app.button_group(key="meet_pair").set_value("sounds and sentences").run()

    assert not app.exception
    assert "sentence" in words(app)
    view(app, "finding")
    assert any(alt.startswith("A sound among sentences") for alt in figures(app))


@pytest.mark.slow
def test_pairs_without_labels_have_partners_only(open_app, changed_store):
    place, _ = changed_store(lambda table: table.drop(columns=["label"]))
    app = open_app(place, page="meet")

    assert not app.exception
    assert "these items do not have labels on both sides" in words(app)
    view(app, "finding")
    assert not app.exception


@pytest.mark.slow
def test_one_sense_alone_cannot_meet(open_app, changed_store):
    place, _ = changed_store(lambda table: table.drop(columns=["image_file_name", "text"]))
    app = open_app(place, page="meet")

    assert not app.exception
    assert "has no two modalities with test items; it has audio" in words(app)
    assert not app.button_group


def test_luck_is_drawn_from_its_mean_to_its_threshold(alignment):
    (pair,) = alignment["pairs"]
    exhibit = meeting.nulls_exhibit(pair)
    test = pair["run"]["partners"]["x_to_y"]["nulls"]["MRR"]
    bar, *_, dot = exhibit.options[0].drawings[0].figure.data

    assert list(bar.x) == [test["null_mean"], test["threshold"]]
    assert dot.x[0] == test["observed"]
    assert list(dot.y) == ["any other partner", "a partner of the same kind", "another kind"]
    assert len(exhibit.tables[0].shown) == 6


def test_without_partners_there_is_no_luck_to_show(alignment):
    (pair,) = alignment["pairs"]

    assert meeting.nulls_exhibit({**pair, "run": {**pair["run"], "partners": None}}) is None


def ladder(encoder, role, pairs, accuracy=0.5, found=0.9):
    return {
        "encoder": encoder,
        "role": role,
        "rungs": [{"pairs": 0}, {"pairs": 54}],
        "needed": [
            {"name": "procrustes", "target": 0.5, "pairs": pairs},
            {"name": "ridge", "target": 0.9, "pairs": None},
        ],
        "unsupervised": {
            "accuracy": {
                "value": accuracy, "low": 0.2, "high": 0.8, "chance": 0.25, "p": 0.1, "n": 4,
                "method": "share", "reason": "",
            },
            "objective": found,
            "true_objective": 0.8,
        },
    }  # fmt: skip


def test_pairs_that_are_needed_and_targets_that_nobody_reaches():
    table = meeting.needed_table([ladder("a", "trained", 8), ladder("b", "random twin", None)])

    assert table.to_dict("records") == [
        {"found first": "50%", "turned by": "a rotation", "a": "8", "b": "more than 54"}
    ]
    assert meeting.needed_table([{"reason": "too few"}]).empty


def test_matching_says_where_its_search_fell_short():
    both = [ladder("a", "trained", 8), ladder("b", "random twin", 8, found=0.7)]
    (option,) = meeting.matching_exhibit(both).options

    assert option.note == "The search fell short for b: the true match fits better."
    assert meeting.matching_exhibit(both[:1]).options[0].note == ""
    assert meeting.matching_exhibit([{"reason": "too few"}]) is None


def test_power_in_words():
    assert meeting.power_words(31) == (
        "31 test pairs: by luck one finds 3% of partners first, and 4 or more right answers are no "
        "luck any more. A model that really finds 17% of partners first is noticed in 80% of "
        "experiments; one that finds fewer often is not."
    )
    assert "can show nothing" in meeting.power_words(2)
    assert meeting.power_table()["test pairs needed"].tolist() == ["275", "110", "54", "21", "10"]


def test_measurements_that_take_long_are_never_quick(numbers):
    store = opened(numbers)
    name = workbench.name_of(store, "trained")

    assert measured.are_quick(store, [Wanted("probe", name, ("label",))])
    assert not measured.are_quick(store, [Wanted("extras", name)])
    assert not measured.are_quick(store, [Wanted("deeper", name, ("label",))])


def test_many_quick_measurements_together_are_not_quick(numbers, monkeypatch):
    store = opened(numbers)
    one = Wanted("align", workbench.name_of(store, "trained"))
    monkeypatch.setattr(measured, "QUICK_SECONDS", 2.5 * measured.seconds(store, one))

    assert measured.are_quick(store, [one, one])
    assert not measured.are_quick(store, [one, one, one])


def test_a_probe_of_many_kinds_takes_longer_than_one_of_few_or_of_a_number(numbers):
    store = opened(numbers)
    name = workbench.name_of(store, "trained")
    kinds, number, none = (
        measured.seconds(store, Wanted("probe", name, (column,)))
        for column in ("label", "pitch", "nosuch")
    )

    assert kinds > number == none > 0


def test_what_cannot_be_measured_in_the_background_is_said(numbers, capsys):
    name = workbench.name_of(opened(numbers), "trained")
    one = Wanted("probe", name, ("nosuch",))

    assert measured.main(measured.command(numbers, [one])[3:]) == 2
    assert "has no column 'nosuch'; it has" in capsys.readouterr().err


def test_progress_goes_from_nothing_to_all(numbers):
    noted = []

    class Notes:
        def note(self, done, of, *, stage=""):
            noted.append((done / of, stage))

    name = workbench.name_of(opened(numbers), "trained")
    wanted = [Wanted("probe", name, ("label",)), Wanted("geometry", name)]
    assert measured.measure_all(opened(numbers), wanted, Notes()) == []
    shares = [share for share, _ in noted]
    assert shares[0] == 0.0
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert noted[0][1] == "trained"
