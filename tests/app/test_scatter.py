"""Where items are drawn, in which colours, and what the browser is told."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ortho_group

from app.charts import GREY, MODALITY_COLOURS
from app.map_chart import palette_of
from app.routes import ASSETS
from app.scatter.component import Scene, Selected, coordinates_of, scene_data
from app.scatter.layout import place
from app.scatter.paint import kinds_of, paint
from app.views.map_selection import decide
from app.views.selected import composition
from d2v_core.errors import InputError


def cloud(n=60, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 2)) * [3.0, 1.0] + 10


def test_maps_are_centred_and_of_size_one_and_keep_their_shape():
    x = cloud()
    placed = place(x).coordinates.astype(float)
    before, after = (np.linalg.norm(a[1:] - a[:-1], axis=1) for a in (x, placed))

    assert placed.mean(axis=0) == pytest.approx([0, 0], abs=1e-6)
    assert np.mean(np.sum(placed**2, axis=1)) == pytest.approx(1.0, abs=1e-6)
    assert after / before == pytest.approx(np.full(59, after[0] / before[0]), rel=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_a_map_that_was_turned_mirrored_and_stretched_evenly_lies_where_it_was(seed):
    x = cloud()
    turned = 7.0 * x @ ortho_group.rvs(2, random_state=seed) - 3
    placed = place(turned, reference=x)

    assert placed.coordinates == pytest.approx(place(x).coordinates, abs=1e-5)
    assert placed.residual == pytest.approx(0, abs=1e-12)


def test_the_residual_of_a_circle_laid_on_a_line_is_a_half():
    """A line has one singular value; circle · line keeps 1 / sqrt(2), and 1 - 1/2 remains."""
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    line = circle * [1, 0]

    assert place(circle, reference=line).residual == pytest.approx(0.5)
    assert place(circle, reference=np.random.default_rng(0).normal(size=(40, 2))).residual > 0.5


def test_no_turning_does_better():
    """Of all turned and mirrored maps the chosen one is nearest to the reference."""
    x, y = cloud(seed=1), cloud(seed=2) @ np.array([[1, 0.4], [0, 1]])
    reference = place(y).coordinates
    best = np.sum((place(x, reference=y).coordinates - reference) ** 2)
    own = place(x).coordinates

    for angle in np.linspace(0, 2 * np.pi, 90):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        for mirror in (np.eye(2), np.diag([1, -1])):
            assert np.sum((own @ turn @ mirror - reference) ** 2) >= best - 1e-3


def test_items_in_one_place_stay_in_one_place():
    assert (place(np.ones((5, 2))).coordinates == 0).all()


def test_a_map_is_not_laid_on_one_of_other_items():
    with pytest.raises(ValueError, match="a map of 60 items cannot be laid on one of 59"):
        place(cloud(), reference=cloud(59))


@pytest.fixture
def points():
    return pd.DataFrame(
        {
            "modality": ["image", "audio", "text", "image"],
            "label": pd.array(["robin", "owl", None, "owl"], dtype="string"),
            "trust": [0.0, 0.5, 1.0, np.nan],
        }
    )


ALL = np.ones(4, dtype=bool)


def rgb(text):
    return [int(text[at : at + 2], 16) for at in (1, 3, 5)]


def test_values_have_the_colours_of_the_palette_and_what_is_missing_is_grey(points):
    painted, legend = paint(points, "label", ALL)
    palette = palette_of(points, "label")

    assert painted[:, :3].tolist() == [
        rgb(palette["robin"]), rgb(palette["owl"]), rgb(GREY), rgb(palette["owl"])
    ]  # fmt: skip
    assert [(v["name"], v["count"]) for v in legend["values"]] == [
        ("owl", 2), ("robin", 1), ("not known", 1)
    ]  # fmt: skip


def test_what_is_hidden_is_transparent_and_not_counted(points):
    painted, legend = paint(points, "modality", np.array([True, False, True, False]))

    assert painted[:, 3].tolist() == [255, 0, 255, 0]
    assert painted[1, :3].tolist() == rgb(MODALITY_COLOURS["audio"])  # it keeps its colour
    assert [(k["name"], k["count"]) for k in legend["kinds"]] == [("pictures", 1), ("sentences", 1)]
    assert [v["name"] for v in legend["values"]] == ["pictures", "sentences"]


def test_a_scale_goes_from_least_to_largest(points):
    painted, legend = paint(points, "trust", ALL)
    colours = legend["scale"]["colours"]

    assert (legend["scale"]["low"], legend["scale"]["high"]) == (0.0, 1.0)
    assert painted[0, :3].tolist() == rgb(colours[0]) == [0x44, 0x01, 0x54]  # Viridis
    assert painted[2, :3].tolist() == rgb(colours[-1]) == [0xFD, 0xE7, 0x25]
    assert painted[3, :3].tolist() == rgb(GREY)


def test_a_column_without_numbers_is_all_grey(points):
    painted, _ = paint(points.assign(trust=np.nan), "trust", ALL)

    assert painted[:, :3].tolist() == [rgb(GREY)] * 4


def test_more_values_than_colours_leave_some_grey():
    many = pd.DataFrame({"modality": "image", "label": [f"l{n:02d}" for n in range(25)]})
    painted, _ = paint(many, "label", np.ones(25, dtype=bool))

    assert len({tuple(p) for p in painted[:20, :3].tolist()}) == 20
    assert painted[20:, :3].tolist() == [rgb(GREY)] * 5


def scene(**other):
    given = {
        "items": "i",
        "coordinates": np.zeros((4, 2), np.float32),
        "kinds": np.array([0, 1, 2, 0], np.uint8),
        "colours": np.zeros((4, 4), np.uint8),
        "legend": {},
        "label": "a map",
    }
    return Scene(**{**given, **other})


def test_arrays_go_to_the_routes_and_their_hashes_to_the_browser():
    x = np.arange(8, dtype=np.float32).reshape(4, 2)
    data = scene_data(scene(coordinates=x, selected=Selected("s", np.array([1, 3]))))

    assert (coordinates_of(data["geometry"]) == x).all()
    assert np.frombuffer(ASSETS.array(data["kinds"]), np.uint8).tolist() == [0, 1, 2, 0]
    assert np.frombuffer(ASSETS.array(data["selected"]["rows"]), "<u4").tolist() == [1, 3]
    assert (data["count"], data["selected"]["count"]) == (4, 2)


def test_an_array_of_something_else_names_no_coordinates():
    assert coordinates_of(ASSETS.put(b"twelve bytes")) is None
    assert coordinates_of("0" * 64) is None


def test_a_change_of_colours_is_no_change_of_geometry():
    before = scene_data(scene())
    after = scene_data(scene(colours=np.full((4, 4), 9, np.uint8)))

    assert {name for name in before if before[name] != after[name]} == {"colours"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kinds": np.zeros(3, np.uint8)}, r"kinds must be \(4,\) of uint8, got \(3,\) of uint8"),
        ({"colours": np.zeros((4, 4))}, r"colours must be \(4, 4\) of uint8, got .* of float64"),
        ({"coordinates": np.zeros((4, 2))}, r"coordinates must be \(4, 2\) of float32, got"),
    ],
)
def test_arrays_that_the_browser_would_misread_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        scene_data(scene(**wrong))


def test_shapes_are_numbered_as_the_modalities():
    assert kinds_of(pd.Series(["text", "image", "audio"])).tolist() == [2, 0, 1]


SQUARE = [[-1, -1], [1, -1], [1, 1], [-1, 1]]


def test_the_server_decides_on_the_map_that_was_drawn_on():
    x = np.array([[0, 0], [0.5, 0], [3, 0], [0, 0]], np.float32)
    geometry = ASSETS.put(x.tobytes())
    shown = np.array([True, True, True, False])

    def drawn(base="none", **stroke):
        stroke = {"how": "add", "geometry": geometry, "polygon": SQUARE, **stroke}
        return {"stamp": "s", "base": base, "strokes": [stroke]}

    before = [Selected("a", np.array([2])), Selected("b", np.array([3]))]
    assert decide(drawn(), shown, []).rows.tolist() == [0, 1]
    assert decide(drawn("a"), shown, before).rows.tolist() == [0, 1, 2]
    assert decide(drawn(polygon=None, rows=[2]), shown, before).rows.tolist() == [2]
    assert decide(None, shown, before).rows.tolist() == []
    with pytest.raises(InputError, match="the selection that this goes on from is gone; draw it"):
        decide(drawn("c"), shown, before)
    with pytest.raises(InputError, match="the map that this was drawn on is gone; draw it once mo"):
        decide(drawn(geometry="0" * 64), shown, [])
    with pytest.raises(InputError, match="the map that this was drawn on is gone"):
        decide(drawn(), np.ones(5, dtype=bool), [])


def test_what_a_selection_is_made_of(points):
    assert composition(points) == "2 pictures, 1 sound, 1 sentence · owl 2, robin 1"
    sly = points.assign(label=[f"*{n}*" for n in range(4)])
    assert "\\*0\\* 1" in composition(sly)


@pytest.mark.slow
@pytest.mark.usefixtures("no_umap")
def test_the_page_sends_hashes_and_a_recolouring_only_other_colours(
    open_app, toy_store, monkeypatch
):
    monkeypatch.setattr(ASSETS, "served", True)
    app = open_app(toy_store, page="map")
    before = json.loads(app.get("bidi_component")[0].proto.json)
    app.selectbox(key="colour").select("modality").run()
    after = json.loads(app.get("bidi_component")[0].proto.json)

    assert not app.exception
    assert before["count"] == 72
    assert len(json.dumps(before)) < 5000  # whatever the number of items
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"colours", "legend", "label"}
    assert coordinates_of(before["geometry"]).shape == (72, 2)


@pytest.mark.slow
@pytest.mark.usefixtures("no_umap")
def test_without_routes_the_page_falls_back_to_plotly(open_app, toy_store, monkeypatch):
    monkeypatch.setattr(ASSETS, "served", False)
    app = open_app(toy_store, page="map")

    assert not app.exception
    assert len(app.get("bidi_component")) == 0
    assert len(app.get("plotly_chart")) == 1
