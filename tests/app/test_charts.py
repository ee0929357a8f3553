"""Figures and tables hold the numbers they were given, and only those."""

import numpy as np
import pandas as pd
import pytest

from app.charts import (
    ROLE_LOOKS,
    cells_to_pick,
    layer_curves,
    score_dots,
    spectra,
    spectrogram,
)
from app.map_chart import GL_FROM, MANY, MISSING, Marked, colour_columns, map_figure, palette_of
from app.report.figures import heatmap
from app.tables import (
    matrix_table,
    number,
    score_cells,
    score_table,
    turned,
    verdict_table,
)
from app.views.item_panel import hover_words


def score(value, low=None, high=None, chance=0.1, p=None, reason=""):
    found = {"value": value, "low": low, "high": high, "chance": chance, "n": 50, "p": p}
    return {**found, "method": "accuracy", "reason": reason}


def probed(name, taps, values):
    rows = [
        {"tap": tap, "probe": probe, "score": score(value, value - 0.1, value + 0.2)}
        for tap, value in zip(taps, values, strict=True)
        for probe in ("knn", "linear")
    ]
    best = {"probe": "linear", "tap": taps[-1], "score": score(values[-1]), "searched": len(taps)}
    table = {"rows": rows, "best": [best]}
    return {"representation": name, "label": "label", "modalities": {"audio": table}}


RUN = probed("run-1", ["embed", "block_01.resid"], [0.3, 0.6])
LOW = probed("low-1", ["lowlevel"], [0.4])


def named(figure, name):
    (trace,) = [t for t in figure.data if t.name == name]
    return trace


def test_curves_hold_the_scores_and_their_bands():
    figure = layer_curves([RUN, LOW], "audio", names={"run-1": "mine"})
    (band,) = [t for t in figure.data if t.fill == "toself" and t.name is None][:1]

    assert named(figure, "mine, linear probe").y == (0.3, 0.6)
    assert named(figure, "mine, linear probe").x == ("embed", "block_01.resid")
    assert band.y == pytest.approx((0.5, 0.8, 0.5, 0.2))  # up along the high ends, back the low
    assert named(figure, "chance").y == (0.1, 0.1)
    assert named(figure, "chosen on val").x == ("block_01.resid",)


def test_features_without_layers_are_a_line_right_across():
    low = named(layer_curves([RUN, LOW], "audio"), "low-1, nearest neighbours")

    assert low.x == ("embed", "block_01.resid")
    assert low.y == (0.4, 0.4)
    assert low.mode == "lines"


def test_a_colour_is_a_role_and_a_dash_is_a_probe():
    roles = {"run-1": "trained", "low-1": "low-level features"}
    figure = layer_curves([RUN, LOW], "audio", roles=roles)
    linear, knn = (named(figure, f"run-1, {p}") for p in ("linear probe", "nearest neighbours"))

    assert linear.line.color == knn.line.color == ROLE_LOOKS["trained"][0]
    assert (linear.line.dash, knn.line.dash) == ("solid", "dash")


def test_a_modality_that_was_not_probed_is_an_empty_figure():
    assert len(layer_curves([RUN], "image").data) == 0
    refused = {"representation": "x", "modalities": {"image": {"reason": "too few"}}}
    assert len(layer_curves([refused], "image").data) == 0


def test_dots_have_their_interval_and_chance():
    rows = [("a", "trained", score(0.5, 0.4, 0.7)), ("b", "random twin", score(0.2, chance=0.25))]
    figure = score_dots(rows, "score")

    assert named(figure, "trained").x == (0.5,)
    assert named(figure, "trained").error_x.array == pytest.approx((0.2,))
    assert named(figure, "trained").error_x.arrayminus == pytest.approx((0.1,))
    assert named(figure, "random twin").error_x.array == (None,)
    assert named(figure, "chance").x == (0.1, 0.25)
    assert list(figure.layout.yaxis.categoryarray) == ["b", "a"]  # plotly counts from the bottom


def test_an_undefined_score_is_no_dot():
    figure = score_dots([("a", "trained", score(None, reason="collapsed"))], "score")

    assert sum(len(trace.x) for trace in figure.data) == 0


MATRIX = {
    "taps_x": ["embed", "block_01.resid"],
    "taps_y": ["embed", "block_01.resid", "joint"],
    "values": [[1.0, 0.5, None], [0.25, 1.0, 0.75]],
    "chance": [[0.1, 0.1, 0.1], [0.2, 0.2, 0.2]],
    "p": [[0.01, 0.5, None], [1.0, 0.01, 0.02]],
    "n": 40,
    "undefined": "constant",
}


def test_every_cell_can_be_clicked_and_knows_the_layer_of_its_row():
    marks = cells_to_pick(MATRIX, heatmap(MATRIX, "image", "audio"))

    assert list(zip(marks.x, marks.y, strict=True)) == [
        (x, y) for y in ("input", "block 1") for x in ("input", "block 1", "shared")
    ]
    assert [tap for (tap,) in marks.customdata] == ["embed"] * 3 + ["block_01.resid"] * 3
    assert "chance 0.200" in marks.hovertext[4]


def test_the_table_of_a_matrix_has_a_row_a_cell_and_a_dash_for_what_is_undefined():
    table = matrix_table(MATRIX)

    assert table["value"].tolist() == ["1.000", "0.500", "–", "0.250", "1.000", "0.750"]
    assert table["column"].tolist()[2] == "shared space (joint)"
    assert set(table["n"]) == {"40"}


def test_spectra_start_at_the_first_axis_and_leave_out_what_no_logarithm_has():
    figure = spectra([("embed", [0.5, 0.25, 0.0]), ("joint", [0.9])])

    assert [list(trace.x) for trace in figure.data] == [[1, 2], [1]]
    assert list(figure.data[0].y) == [0.5, 0.25]
    assert figure.data[0].opacity < figure.data[1].opacity == 1.0
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", "log")


def test_a_spectrogram_spans_its_seconds_and_kilohertz():
    image = spectrogram(np.zeros((5, 7, 3), dtype=np.uint8), 1.5, 8.0).layout.images[0]

    assert (image.x, image.y, image.sizex, image.sizey) == (0, 8.0, 1.5, 8.0)
    assert image.source.startswith("data:image/png;base64,")


@pytest.fixture
def points():
    n = 12
    return pd.DataFrame(
        {
            "id": [f"{i:02d}" for i in range(n)],
            "modality": ["image", "audio", "text"] * 4,
            "label": pd.array(["robin", "owl", None] * 4, dtype="string"),
            "level": np.linspace(0, 1, n),
            "x": np.arange(n, dtype=float),
            "y": np.arange(n, dtype=float) ** 2,
            "trust": 1.0,
            "row": np.arange(100, 100 + n),
            "hover": "hover",
        }
    )


def clouds(figure):
    return {t.name: t for t in figure.data if t.customdata is not None}


def test_every_modality_is_a_trace_with_its_shape_and_its_rows(points):
    found = clouds(map_figure(points, "label", marked=None, dark=False))

    assert {name: t.marker.symbol for name, t in found.items()} == {
        "pictures": "circle",
        "sounds": "triangle-up",
        "sentences": "square",
    }
    assert list(found["sounds"].customdata) == [101, 104, 107, 110]
    assert list(found["sounds"].y) == [1.0, 16.0, 49.0, 100.0]


def test_both_axes_have_one_scale_and_no_ticks(points):
    layout = map_figure(points, "label", marked=None, dark=False).layout

    assert (layout.yaxis.scaleanchor, layout.yaxis.scaleratio) == ("x", 1)
    assert (layout.xaxis.visible, layout.yaxis.visible) == (False, False)


def test_few_values_are_colours_and_many_are_a_scale(points):
    points["fine"] = np.arange(12) / 7
    many = pd.concat([points] * 2, ignore_index=True)
    many["fine"] = np.arange(24) / 7
    labels = clouds(map_figure(points, "label", marked=None, dark=False))
    scale = clouds(map_figure(many, "fine", marked=None, dark=False))

    assert set(labels["pictures"].marker.color) == {palette_of(points, "label")["robin"]}
    assert set(labels["sentences"].marker.color) == {palette_of(points, "label")[MISSING]}
    assert scale["pictures"].marker.coloraxis == "coloraxis"
    assert list(scale["pictures"].marker.color[:2]) == pytest.approx([0, 3 / 7])


def test_twenty_values_have_twenty_colours():
    assert len(set(MANY)) == len(MANY) == 20


def test_few_points_need_no_webgl_and_many_use_it(points):
    many = pd.concat([points] * (GL_FROM // 12 + 1), ignore_index=True)

    assert {t.type for t in map_figure(points, "label", marked=None, dark=False).data} == {
        "scatter"
    }
    assert {t.type for t in clouds(map_figure(many, "label", marked=None, dark=True)).values()} == {
        "scattergl"
    }


def test_many_points_can_be_drawn_without_webgl(points):
    many = pd.concat([points] * (GL_FROM // 12 + 1), ignore_index=True)
    figure = map_figure(many, "label", marked=None, dark=False, webgl=False)

    assert {trace.type for trace in figure.data} == {"scatter"}


def test_lines_lead_from_the_item_to_its_partners_that_are_shown(points):
    plain = map_figure(points, "label", marked=None, dark=False)
    figure = map_figure(points, "label", marked=Marked(100, (101, 999)), dark=False)
    line, ring = figure.data[-2:]

    assert len(figure.data) == len(plain.data) + 2
    assert (list(line.x), list(line.y)) == ([0.0, 1.0], [0.0, 1.0])
    assert (list(ring.x), list(ring.y)) == ([0.0], [0.0])


def test_columns_to_colour_by():
    n = 30
    items = pd.DataFrame(
        {
            "id": [str(i) for i in range(n)],
            "modality": ["image", "audio"] * 15,
            "label": ["a", "b", "c"] * 10,
            "group": [str(i) for i in range(n)],
            "text": "t",
            "constant": 1,
            "size": [1, 2, 3] * 10,
            "loudness": np.linspace(0, 1, n),
            "names": [f"n{i}" for i in range(n)],
            "is_bird": [True, False] * 15,
        }
    )

    wanted = ["label", "modality", "size", "loudness", "is_bird", "trust"]
    assert colour_columns(items) == wanted
    assert colour_columns(items.assign(label=None))[0] == "modality"


def test_what_data_say_on_hovering_is_no_html():
    items = pd.DataFrame(
        {"id": ["<i>"], "modality": ["text"], "label": ["<b>x</b>"], "text": ["a < b & c"]}
    )

    assert hover_words(items) == [
        "<b>A sentence</b><br>&lt;b&gt;x&lt;/b&gt;<br>a &lt; b &amp; c<br>&lt;i&gt;"
    ]


def test_numbers_as_text():
    assert [number(v) for v in (None, 0.12345, -0.0001, 1)] == ["–", "0.123", "0.000", "1.000"]
    cells = score_cells(score(0.5, 0.4, 0.6, p=0.00123), 2)
    assert cells["95 % interval"] == "0.40 to 0.60"
    assert (cells["p"], cells["n"]) == ("0.0012", "50")


def test_a_missing_number_brings_its_reason():
    table = score_table([({"run": "a"}, score(0.5)), ({"run": "b"}, score(None, reason="why"))])

    assert table["note"].tolist() == ["", "why"]
    assert "note" not in score_table([({"run": "a"}, score(0.5))])


def test_two_ways_that_differ_are_both_said():
    claims = [
        {"level": "class", "verdict": "aligned"},
        {"level": "class", "verdict": "cannot tell"},
        {"level": "instance", "verdict": "not aligned"},
        {"level": "instance", "verdict": "not aligned"},
    ]
    pair = {"first": "image", "second": "audio", "claims": claims}
    (row,) = verdict_table({"run": {"pairs": [pair]}}).to_dict("records")

    assert row == {
        "run": "run",
        "pictures and sounds: kind": "✓ Aligned / ? Cannot tell",
        "pictures and sounds: own partner": "✗ Not aligned",
    }


def test_a_table_that_is_turned_has_its_rows_as_columns():
    table = pd.DataFrame({"run": ["a", "b"], "kind": ["yes", "no"], "partner": ["no", None]})

    assert turned(table, "run", "question").fillna("").to_dict("list") == {
        "question": ["kind", "partner"], "a": ["yes", "no"], "b": ["no", ""],
    }  # fmt: skip
