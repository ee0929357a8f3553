"""The report: complete, self-contained, safe, and made again from its JSON byte for byte."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from jsonschema import Draft202012Validator

from app import deeper
from app.importing import import_vectors
from app.report.again import Afresh, compare, measure_again
from app.report.chapters import CHAPTERS
from app.report.gather import gather, read_results
from app.report.page import check_out, columns_of, figure_json, slug, write_report
from app.report.schema import validator
from d2v_core.errors import InputError, StoreError
from d2v_core.store import Store
from tests.app.report_store import KINDS, PAIRS, fill_with_numbers
from tests.conftest import ROOT

pytestmark = pytest.mark.slow  # every probe of a run and of three controls


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return str(fill_with_numbers(tmp_path_factory.mktemp("numbers") / "n"))


@pytest.fixture(scope="module")
def results(place):
    return gather([place], labels=["label", "pitch"], method="pca")


@pytest.fixture(scope="module")
def written(results, tmp_path_factory):
    return write_report(results, tmp_path_factory.mktemp("report") / "r.html")


class Page(HTMLParser):
    """Collects what a page would load, its headings, ids and links."""

    def __init__(self):
        super().__init__()
        self.loads, self.links, self.ids, self.headings, self.texts = [], [], [], [], []
        self.inside = ""

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.inside = tag
        self.loads += [
            values[name] for name in ("src", "data", "poster", "action") if name in values
        ]
        if tag == "link":
            self.loads.append(values["href"])
        if tag == "a":
            self.links.append(values["href"])
        if "id" in values:
            self.ids.append(values["id"])
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_data(self, data):
        if self.inside not in ("script", "style"):
            self.texts.append(data)


@pytest.fixture(scope="module")
def page(written):
    parsed = Page()
    parsed.feed(written.html.read_text())
    return parsed


def test_nothing_is_loaded_from_anywhere(page, written):
    assert page.loads == ["data:,"]
    style = re.search("<style>(.*?)</style>", written.html.read_text(), re.S)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    assert "default-src 'none'" in written.html.read_text()


def test_contents_lead_to_every_chapter_in_order(page, results):
    chapters = [made for chapter in CHAPTERS if (made := chapter(results))]

    assert page.links[1 : 1 + len(chapters)] == [f"#{chapter.id}" for chapter in chapters]
    assert len(chapters) == len(CHAPTERS)
    assert len(set(page.ids)) == len(page.ids)
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert page.headings[0] == 1
    assert all(
        after - before <= 1 for before, after in zip(page.headings, page.headings[1:], strict=False)
    )


def test_every_figure_says_how_to_read_it_and_what_it_cannot_tell(written):
    html = written.html.read_text()
    exhibits = html.split('<section class="exhibit"')[1:]

    assert len(exhibits) > 8
    for exhibit in exhibits:
        readings = re.findall(r"<dd>(.*?)</dd>", exhibit.split("</section>")[0], re.S)
        assert len(readings) == 2
        assert all(len(text) > 60 for text in readings)


def test_the_json_makes_the_same_page_again(written, tmp_path):
    again = write_report(read_results(written.json), tmp_path / "again.html", with_json=False)

    assert again.html.read_bytes() == written.html.read_bytes()
    assert not again.json.exists()
    for table in written.tables.iterdir():
        assert (again.tables / table.name).read_bytes() == table.read_bytes()


def test_the_json_is_what_its_schema_says(written):
    results = json.loads(written.json.read_text())
    Draft202012Validator.check_schema(validator().schema)

    assert list(validator().iter_errors(results)) == []
    assert list(validator().iter_errors({**results, "runs": []})) != []


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda r: r.pop("method"), "at the top, 'method' is a required property"),
        (lambda r: r["runs"][0]["recipe"].pop("hash"), "at runs/0/recipe, 'hash' is a required"),
        (lambda r: r["runs"][0].update(role="best"), "at runs/0/role, 'best' is not one of"),
        (
            lambda r: first_score(r["runs"][0]["geometry"]).update(low="much"),
            "'much' is not of type 'number', 'null'",
        ),
        (
            lambda r: first_score(r["runs"][0]["deeper"]).pop("chance"),
            "'chance' is a required property",
        ),
    ],
)
def test_what_is_no_report_is_refused_with_its_place(written, tmp_path, spoil, words):
    results = json.loads(written.json.read_text())
    spoil(results)
    (tmp_path / "spoilt.json").write_text(json.dumps(results))

    with pytest.raises(InputError, match="is not a report of this version: at ") as refusal:
        read_results(tmp_path / "spoilt.json")
    assert words in str(refusal.value)


def first_score(found):
    """Return the first score in a part of a report."""
    if isinstance(found, dict) and {"value", "low", "high"} <= set(found):
        return found
    parts = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
    return next((score for part in parts if (score := first_score(part))), None)


def test_measured_again_in_another_process_all_numbers_are_as_before(place, tmp_path):
    (run,) = [name for name in Store(place).names() if "trained" in name]
    quick = gather([place], names=[run], method="pca", deep=False)
    done = write_report(quick, tmp_path / "r.html")
    command = [sys.executable, "-m", "app.cli", "report", str(done.json), "--again"]
    said = subprocess.run(
        [*command, "--out", str(tmp_path / "again.html")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert said.returncode == 0, said.stderr
    assert re.search(r"[\d,]{5,} numbers measured anew: all are as before", said.stderr)
    assert read_results(tmp_path / "again.json")["runs"] == quick["runs"]


def test_nothing_is_taken_from_what_was_kept(place):
    fresh, store = Afresh(place), Store(place)
    store.keep("key", pd.DataFrame({"a": [1]}), {"b": 2})

    assert fresh.kept("key") is None
    fresh.keep("key", pd.DataFrame({"a": [3]}), {"b": (4,)})
    assert fresh.kept("key")[1] == {"b": [4]}
    assert store.kept("key")[1] == {"b": 2}


def test_what_differs_is_named(results):
    now = json.loads(json.dumps(results))
    score = now["runs"][0]["probe"]["label"]["image"]["rows"][0]["score"]
    before, score["value"] = score["value"], score["value"] + 0.01
    del now["runs"][0]["map_reason"]
    found = compare(results, now)

    assert found.differences == (
        f"runs/0/probe/label/image/rows/0/score/value: {before}, now {before + 0.01}",
        f"runs/0/map_reason: {results['runs'][0]['map_reason']}, now nothing",
    )
    score["value"] = before * (1 + 1e-9)  # of another processor
    now["runs"][0]["map_reason"] = results["runs"][0]["map_reason"]
    assert compare(results, now).differences == ()
    assert compare(results, now).numbers > 1000


def test_a_store_that_is_no_longer_what_was_reported_on_is_named(results, tmp_path):
    changed = json.loads(json.dumps(results))
    changed["runs"][0]["counts"]["image"]["test"] += 1
    with pytest.raises(StoreError, match=r"items in its splits, and the report is of .* in theirs"):
        measure_again(changed)

    changed["runs"][0] |= {"store": str(tmp_path / "gone")}
    with pytest.raises(StoreError, match="there is no store at"):
        measure_again(changed)


def test_what_is_known_of_the_numbers_is_what_is_said(results):
    """Both modalities are one but for noise, in the second layer; the controls are noise."""
    (run,) = [run for run in results["runs"] if run["role"] == "trained"]
    (pair,) = run["align"]["pairs"]
    best = {b["probe"]: b["tap"] for b in run["probe"]["label"]["image"]["best"]}
    assert {claim["verdict"] for claim in pair["claims"]} == {"aligned"}
    assert pair["run"]["tap"] == "block_02.resid"
    assert best["linear"] == "block_02.resid"

    words = " ".join(t for part in CHAPTERS[0](results).parts for t in getattr(part, "points", ()))
    assert "A picture lands near sentences with the same label" in words
    assert "Cannot be told" not in words

    (regressed,) = run["probe"]["pitch"]["image"]["best"]
    assert (regressed["probe"], regressed["tap"]) == ("ridge", "block_02.resid")
    assert regressed["score"]["value"] > 0.9
    assert run["deeper"]["pitch"] == {}


def test_a_run_is_reported_on_beside_controls_that_are_not(results, tmp_path):
    alone = {**results, "runs": [run for run in results["runs"] if run["role"] == "trained"]}
    written = write_report(alone, tmp_path / "alone.html", with_json=False)
    shown = pd.read_csv(written.tables / "finding_labels.csv")["run"]

    assert {"trained", "random-twin", "shuffled-pairs", "low-level-features"} <= set(shown)


def test_tables_beside_the_report_hold_the_raw_numbers(results, written):
    frame = pd.read_csv(written.tables / "finding_labels.csv")
    (run,) = [run for run in results["runs"] if run["role"] == "trained"]
    (pair,) = run["align"]["pairs"]
    score = pair["run"]["labels"]["x_to_y"]["mean_average_precision"]
    own = frame[(frame["run"] == "trained") & (frame["measure"] == "mean average precision")]

    assert own["value"].tolist()[0] == pytest.approx(score["value"], abs=1e-12)
    assert set(frame["run"]) == {"trained", "random-twin", "shuffled-pairs", "low-level-features"}
    points = pd.read_csv(written.tables / "map_trained.csv")
    assert len(points) == 2 * PAIRS
    assert points["label"].nunique() == KINDS
    assert len(list(written.tables.iterdir())) == written.tables_written


def test_texts_of_the_data_stay_texts(written, page):
    html = written.html.read_text()
    figures = re.findall(r'<script type="application/json">(.*?)</script>', html, re.S)

    assert "<b>number</b>" not in html
    assert all(json.loads(figure) for figure in figures)
    traces = [trace for figure in figures for trace in json.loads(figure)["data"]]
    said = [t for trace in traces for t in trace.get("hovertext", []) if isinstance(t, str)]
    assert any("&lt;b&gt;number&lt;/b&gt; 5 &lt;/script&gt;" in text for text in said)


def test_no_path_of_this_machine_but_the_stores_own_is_in_the_report(written, place):
    text = written.json.read_text().replace(json.dumps(place), "")

    assert str(written.json.parents[1]) not in text
    assert json.loads(text.replace('"stores": [\n  \n ]', '"stores": []').replace(
        '"store": ,', '"store": "",'))["runs"][0]["recipe"]["data"] == "n"  # fmt: skip


def test_measures_are_kept(place, results, monkeypatch):
    """A second report measures nothing: every kept result is found again."""
    monkeypatch.setattr(Store, "keep", lambda *_: pytest.fail("measured again"))
    again = gather([place], labels=["label", "pitch"], method="pca")

    assert {**again, "made": ""} == {**results, "made": ""}


def test_deep_probes_take_types_from_the_low_level_features(place, results):
    (run,) = [run for run in results["runs"] if run["role"] == "trained"]
    control = run["deeper"]["label"]["image"]["control"]

    assert control["kind_of_types"] == "clusters of low-level features"
    assert control["recurring"] > 0.5
    assert run["deeper"]["label"]["image"]["few_shot"]["rows"][-1]["accuracy"]["value"] > 0.5
    rungs = run["extras"]["image-text"]["ladders"][0]["rungs"]
    assert rungs[0]["x_to_y"]["scores"]["R@1"]["value"] > 0.8
    twin = run["extras"]["image-text"]["ladders"][1]
    assert twin["role"] == "random twin" or twin["encoder"] != "trained"
    assert deeper.geometry(Store(place), run["name"])["image"]["rows"][0]["spectrum"]["dim"] == 6


def test_without_labels_pairs_or_a_second_modality_a_report_says_what_is_missing(tmp_path):
    x = np.random.default_rng(0).normal(size=(30, 4))
    np.save(tmp_path / "v.npy", x)
    pd.DataFrame({"modality": ["audio"] * 30}).to_csv(tmp_path / "m.csv", index=False)
    import_vectors(tmp_path / "v.npy", tmp_path / "m.csv", tmp_path / "store")
    results = gather([str(tmp_path / "store")], method="pca")
    chapters = {made.id: made for chapter in CHAPTERS if (made := chapter(results))}
    html = write_report(results, tmp_path / "r.html").html.read_text()

    assert set(chapters) == {"words", "layers", "map", "geometry", "method"}
    assert "No item has a value in the columns that were asked for" in html
    assert "v has no two modalities; it has audio" in html


def test_what_cannot_be_reported_is_said(place, tmp_path):
    with pytest.raises(InputError, match=r"r.pdf must end in .html"):
        check_out(tmp_path / "r.pdf")
    with pytest.raises(StoreError, match="there is no store at"):
        gather([str(tmp_path / "gone")])
    with pytest.raises(InputError, match="no representation to report on"):
        gather([place], names=["nobody"])
    for text, message in (
        ("{", "cannot be read as JSON"),
        ("[]", "is not the JSON of a report"),
        ('{"format": "d2v report", "version": 99}', "is of version 99 of the report"),
    ):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(InputError, match=message):
            read_results(tmp_path / "x.json")


def test_figures_cannot_end_their_script_element():
    import plotly.graph_objects as go

    text = figure_json(go.Figure(go.Scatter(x=[0], y=[0], name="</script><!--")))

    assert "<" not in text
    assert json.loads(text)["data"][0]["name"] == "</script><!--"


def test_cells_and_file_names():
    frame = pd.DataFrame(
        {"v": ["0.1", "–"], "i": ["0.1 to 0.2", "–"], "w": ["a", "1"], "n": [1, None]}
    )

    assert [c.is_number for c in columns_of(frame)] == [True, True, False, True]
    assert columns_of(frame)[3].cells == ["1.0", ""]
    assert slug("claim_a/b c..") == "claim_a-b-c"
