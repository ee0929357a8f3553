"""What an outline holds, by closed forms and by what must not matter."""

import json
import math
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.routes import STATIC
from app.selecting import (
    MOST_CORNERS,
    MOST_ROWS,
    MOST_STROKES,
    fold,
    passes,
    read_drawn,
    select,
)
from d2v_core.errors import InputError

SQUARE = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])
PENTAGRAM = np.array([[math.sin(0.8 * math.pi * k), math.cos(0.8 * math.pi * k)] for k in range(5)])


def cloud(n=2000, seed=0, size=3.0):
    return np.random.default_rng(seed).uniform(-size, size, (n, 2)).astype(np.float32)


def rows(mask):
    return np.flatnonzero(mask).tolist()


def test_a_square_holds_what_lies_between_its_sides():
    x = cloud(size=6.0)
    between = (x > 0).all(axis=1) & (x < 4).all(axis=1)

    assert 100 < between.sum() < 1000
    assert select(x, SQUARE).tolist() == rows(between)


def test_a_circle_of_many_corners_holds_what_is_nearer_than_its_radius():
    x = cloud()
    turn = np.linspace(0, 2 * math.pi, 1000, endpoint=False)
    held = select(x, 2 * np.stack([np.cos(turn), np.sin(turn)], axis=1))
    far = np.hypot(*x.astype(float).T)

    inner = 2 * math.cos(math.pi / 1000)  # the polygon lies between these two circles
    assert set(rows(far < inner)) <= set(held.tolist()) <= set(rows(far <= 2))
    assert len(held) > 500


def test_a_notch_is_outside():
    notched = np.array([[0, 0], [4, 0], [4, 4], [2, 1], [0, 4]])

    assert select(np.array([[2.0, 0.5], [2.0, 2.0], [0.5, 2.0], [3.5, 2.0]]), notched).tolist() == [
        0,
        2,
        3,
    ]


def test_where_an_outline_goes_round_twice_is_outside():
    """Even-odd: the five tips of a pentagram are inside, the pentagon in the middle is not."""
    tips = 0.8 * PENTAGRAM

    assert select(tips, PENTAGRAM).tolist() == [0, 1, 2, 3, 4]
    assert select(np.zeros((1, 2)), PENTAGRAM).tolist() == []


corners = st.lists(
    st.tuples(st.integers(-12, 12), st.integers(-12, 12)).map(lambda c: (c[0] / 4, c[1] / 4)),
    min_size=3,
    max_size=9,
)


@given(corners, st.integers(0, 8))
@settings(max_examples=60, deadline=None)
def test_neither_start_nor_direction_matters(outline, shift):
    x, outline = cloud(300), np.array(outline)
    held = select(x, outline).tolist()

    assert select(x, np.roll(outline, shift, axis=0)).tolist() == held
    assert select(x, outline[::-1]).tolist() == held
    quarters = np.round(x * 4) / 4  # which can be moved without rounding
    assert select(quarters + 8, outline + 8).tolist() == select(quarters, outline).tolist()


@given(corners)
@settings(max_examples=60, deadline=None)
def test_sorting_changes_nothing_against_looking_at_every_edge(outline):
    """The reference tells each point by itself, by the angle that the outline turns around it."""
    x = cloud(100)

    def turns(point):
        ways = np.array(outline) - point
        angles = np.arctan2(ways[:, 1], ways[:, 0])
        steps = np.diff(angles, append=angles[:1])
        return round(float(((steps + math.pi) % (2 * math.pi) - math.pi).sum()) / (2 * math.pi))

    # a winding number is odd just where the even-odd rule says inside
    assert select(x, np.array(outline)).tolist() == [i for i, p in enumerate(x) if turns(p) % 2]


def test_two_halves_share_no_point_and_miss_none():
    """Points on the cut, and on its corners, are in one half and not in both."""
    grid = np.stack(np.meshgrid(np.arange(0, 4.5, 0.5), np.arange(0, 4.5, 0.5)), axis=-1)
    x = grid.reshape(-1, 2)
    left = select(x, np.array([[0, 0], [2, 0], [2, 4], [0, 4]]))
    right = select(x, np.array([[2, 0], [4, 0], [4, 4], [2, 4]]))
    whole = select(x, SQUARE)

    assert not set(left) & set(right)
    assert sorted([*left, *right]) == whole.tolist()
    assert len(whole) == 64  # left and lower sides are inside, the others are not


def test_a_line_holds_nothing():
    assert len(select(cloud(), np.array([[0.0, 0.0], [1.0, 1.0]]))) == 0
    assert len(select(cloud(), np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]))) == 0
    assert len(select(np.empty((0, 2), dtype=np.float32), SQUARE)) == 0


def test_all_filters_have_to_be_passed():
    x = np.full((4, 2), 1.0)
    first, second = np.array([True, True, False, False]), np.array([True, False, True, False])

    assert select(x, SQUARE).tolist() == [0, 1, 2, 3]
    assert select(x, SQUARE, [first]).tolist() == [0, 1]
    assert select(x, SQUARE, [first, second]).tolist() == [0]
    assert first.tolist() == [True, True, False, False]  # it was only read


def test_filters_keep_wanted_values_and_no_wish_is_no_filter():
    table = pd.DataFrame({"label": ["owl", None, "duck"], "split": ["test", "train", "test"]})
    masks = passes(table, {"label": ["owl"], "split": []})

    assert [mask.tolist() for mask in masks] == [[True, False, False]]


def outline(**other):
    return sent({"how": "new", "geometry": "g", "polygon": SQUARE.tolist(), **other})


def sent(*strokes, **other):
    return {"stamp": "s", "base": "none", "strokes": list(strokes), **other}


def test_what_the_browser_sent_is_read():
    drawn = read_drawn(outline(), 10)
    (picked,) = read_drawn(outline(polygon=None, rows=[3, 1, 3]), 10).strokes

    assert (drawn.stamp, drawn.base) == ("s", "none")
    (stroke,) = drawn.strokes
    assert (stroke.how, stroke.geometry, stroke.rows) == ("new", "g", None)
    assert (stroke.polygon == SQUARE).all()
    assert picked.polygon is None
    assert picked.rows.tolist() == [1, 3]
    assert read_drawn(None, 10) is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1], "a selection is an object, got list"),
        ({"polygon": []}, "a selection needs a stamp and a base, both texts"),
        (sent(stamp=7), "a selection needs a stamp and a base, both texts"),
        (sent(base=None), "a selection needs a stamp and a base, both texts"),
        (sent(), f"a selection is a list of 1 to {MOST_STROKES} strokes"),
        (sent(strokes="all"), f"a selection is a list of 1 to {MOST_STROKES} strokes"),
        (sent(strokes=[{}] * (MOST_STROKES + 1)), "a selection is a list of 1 to"),
        (sent({}), "a stroke says how: new, add, subtract"),
        (sent(7), "a stroke says how: new, add, subtract"),
        (outline(how="xor"), "a stroke says how: new, add, subtract"),
        (outline(geometry=None), "an outline needs the hash of the map that it was drawn on"),
        (outline(polygon=None), f"an outline is a list of 3 to {MOST_CORNERS} corners"),
        (outline(polygon=[[0, 0]] * 2), f"an outline is a list of 3 to {MOST_CORNERS} corners"),
        (outline(polygon=[[0, 0]] * (MOST_CORNERS + 1)), "an outline is a list of 3 to"),
        (outline(polygon=[[0, 0], [1, 1], [1]]), "a corner of an outline is two finite numbers"),
        (outline(polygon=[[0, 0], [1, 1], [1, math.nan]]), "a corner of an outline is two finite"),
        (outline(polygon=[[0, 0], [1, 1], [1, "2"]]), "a corner of an outline is two finite"),
        (outline(polygon=[[0, 0], [1, 1], [1, True]]), "a corner of an outline is two finite"),
        (outline(rows="all"), f"rows of a selection are a list of at most {MOST_ROWS}"),
        (outline(rows=[0] * (MOST_ROWS + 1)), "rows of a selection are a list of at most"),
        (outline(rows=[10]), "rows of a selection are whole numbers from 0 to 9"),
        (outline(rows=[-1]), "rows of a selection are whole numbers from 0 to 9"),
        (outline(rows=[1.0]), "rows of a selection are whole numbers from 0 to 9"),
    ],
)
def test_what_is_no_selection_is_refused(value, message):
    with pytest.raises(InputError, match=message):
        read_drawn(value, 10)


LEFT, RIGHT = ([[x - 2.1, -9], [x, -9], [x, 9], [x - 2.1, 9]] for x in (2.1, 4.1))


def stroke(how, polygon=None, rows=None):
    given = {"how": how, "geometry": "g", "polygon": polygon, "rows": rows}
    return read_drawn(sent(given), 5).strokes[0]


@pytest.mark.parametrize(
    ("strokes", "selected"),
    [
        ([stroke("new", LEFT)], [0, 1, 2]),
        ([stroke("add", LEFT)], [0, 1, 2, 4]),
        ([stroke("new", LEFT), stroke("add", RIGHT)], [0, 1, 2, 3]),
        ([stroke("add", LEFT), stroke("subtract", RIGHT)], [0, 1, 4]),
        ([stroke("subtract", rows=[4]), stroke("add", rows=[0])], [0]),
        ([stroke("add", RIGHT), stroke("new", rows=[1])], [1]),
    ],
)
def test_strokes_begin_anew_add_and_take_away(strokes, selected):
    """Of five items in a row the last is selected before; strips hold 0 to 2, and 2 to 3."""
    x = np.stack([np.arange(5) + 0.1, np.zeros(5)], axis=1).astype(np.float32)
    rows = fold(
        np.array([4]), strokes, coordinates={"g": x}.get, shown=np.array([1, 1, 1, 1, 0], bool)
    )

    assert rows.tolist() == selected


def test_an_outline_on_a_map_that_is_gone_is_refused():
    shown = np.ones(5, dtype=bool)
    for gone in (None, np.zeros((4, 2), np.float32)):
        with pytest.raises(InputError, match="that this was drawn on is gone; draw it once more"):
            fold(
                np.array([], int),
                [stroke("new", LEFT)],
                coordinates=lambda _name, x=gone: x,
                shown=shown,
            )


def test_the_browser_lights_up_what_the_server_selects():
    """The same formula twice, here on 4000 points with many on edges and corners."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node on this machine; the browser tests compare them too")
    rng = np.random.default_rng(3)
    x = np.concatenate([cloud(2000), rng.integers(-12, 13, (2000, 2)) / 4]).astype(np.float32)
    outlines = [rng.integers(-12, 13, (n, 2)) / 4 for n in (3, 5, 8, 40)] + [PENTAGRAM]
    program = f"""
        import {{ isInside }} from {json.dumps((STATIC / "polygon.js").as_uri())};
        const [x, outlines] = JSON.parse(await new Response(process.stdin).text());
        console.log(JSON.stringify(outlines.map((corners) =>
            x.flatMap(([a, b], row) => (isInside(a, b, corners) ? [row] : [])))));
    """
    given = json.dumps([x.tolist(), [o.tolist() for o in outlines]])
    done = subprocess.run(
        [node, "--input-type=module", "-e", program],
        input=given, capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip

    assert json.loads(done.stdout) == [select(x, o).tolist() for o in outlines]
