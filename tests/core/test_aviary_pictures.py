"""Pictures: every shared factor and every private factor of the picture can be seen."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from d2v_core.data.aviary.pictures import draw_layers, draw_picture
from d2v_core.data.aviary.sketch import make_pen, paint
from d2v_core.data.aviary.world import SPECIES, Factors, make_factors, random_stream

PLAIN = Factors(
    species="robin",
    size="medium",
    count=1,
    time="day",
    mood="alert",
    facing="right",
    scenery="hills",
    hue_shift=0.0,
    loudness_db=-6.0,
    room="open",
    noise_db=-70.0,
    phrasing=0,
)


def draw(seed=0, **changes):
    return draw_picture(replace(PLAIN, **changes), np.random.default_rng(seed))


def coverage(seed=0, **changes):
    return draw_layers(replace(PLAIN, **changes), np.random.default_rng(seed)).coverage


def middle(share):
    """Return row and column of the centre of mass."""
    rows, columns = np.indices(share.shape)
    return (rows * share).sum() / share.sum(), (columns * share).sum() / share.sum()


def colours(picture):
    """Return the square roots of a histogram of 4 x 4 x 4 colours."""
    cells = (picture.astype(int) // 64).reshape(-1, 3) @ np.array([16, 4, 1])
    return np.sqrt(np.bincount(cells, minlength=64))


def test_a_picture_is_the_same_when_drawn_again():
    np.testing.assert_array_equal(draw(seed=5, count=3), draw(seed=5, count=3))
    assert np.any(draw(seed=5, count=3) != draw(seed=6, count=3))


@pytest.mark.parametrize("species", SPECIES)
@pytest.mark.parametrize("mood", ["calm", "alert", "excited"])
def test_larger_animals_cover_more(species, mood):
    areas = [
        coverage(species=species, mood=mood, size=z).sum() for z in ("small", "medium", "large")
    ]

    assert areas[1] > 1.4 * areas[0]
    assert areas[2] > 1.4 * areas[1]
    assert 0.03 < areas[0] / 64**2
    assert areas[2] / 64**2 < 0.5  # the place stays visible


@pytest.mark.parametrize("species", SPECIES)
def test_animals_can_be_counted(species):
    """Small ones stand apart: as many islands of covered columns as animals, or covered area."""
    areas = [coverage(species=species, size="small", mood="calm", count=n).sum() for n in (1, 2, 3)]
    scales = np.array([22, 19, 16]) ** 2  # pixels of height, squared: they shrink a little

    assert areas[0] < areas[1] < areas[2]
    np.testing.assert_allclose(areas / scales / (areas[0] / scales[0]), [1, 2, 3], rtol=0.15)


@pytest.mark.parametrize("species", SPECIES)
def test_every_mood_has_its_own_posture(species):
    shapes = {
        mood: coverage(species=species, size="large", mood=mood)
        for mood in ("calm", "alert", "excited")
    }

    for one, other in (("calm", "alert"), ("alert", "excited"), ("calm", "excited")):
        both = np.minimum(shapes[one], shapes[other]).sum()
        either = np.maximum(shapes[one], shapes[other]).sum()
        assert both / either < 0.85


@pytest.mark.parametrize("species", SPECIES)
def test_animals_of_one_picture_do_not_hide_each_other(species):
    """Of each of three large animals the column of its middle is covered."""
    share = coverage(species=species, size="large", count=3)

    assert (share[:, [12, 32, 51]].max(axis=0) > 0.9).all()


@pytest.mark.parametrize("species", [name for name in SPECIES if name != "bell"])
def test_facing_mirrors_the_animal_but_not_the_place(species):
    right = draw_layers(replace(PLAIN, species=species), np.random.default_rng(0))
    left = draw_layers(replace(PLAIN, species=species, facing="left"), np.random.default_rng(0))
    shift = round(middle(right.coverage[:, ::-1])[1] - middle(left.coverage)[1])
    mirrored = np.roll(right.coverage[:, ::-1], -shift, axis=1)

    assert np.minimum(mirrored, left.coverage).sum() / left.coverage.sum() > 0.9
    if species != "woodpecker":  # its trunk is in front of it
        np.testing.assert_array_equal(right.background, left.background)


def test_the_sky_tells_the_time():
    tops = {
        time: draw(time=time)[:4].reshape(-1, 3).mean(axis=0)
        for time in ("dawn", "day", "dusk", "night")
    }
    horizons = {time: draw(time=time)[28:32, :2].reshape(-1, 3).mean(axis=0) for time in tops}

    assert tops["night"].mean() < tops["dusk"].mean() < tops["day"].mean()
    assert tops["day"][2] - tops["day"][0] > 80  # blue
    assert horizons["dusk"][0] - horizons["dusk"][2] > 60  # red
    assert horizons["dawn"].mean() > horizons["dusk"].mean() + 40


def test_the_sun_rises_on_the_left_and_sets_on_the_right():
    for time, side in (("dawn", slice(0, 32)), ("dusk", slice(32, 64))):
        light = draw_layers(replace(PLAIN, time=time), np.random.default_rng(0)).background
        rows = light[26:34]
        sunny, other = rows[:, side], np.delete(rows, np.r_[side], axis=1)
        assert sunny.max(axis=0)[:, 0].mean() >= other.max(axis=0)[:, 0].mean()
        assert np.ptp(sunny[..., 1], axis=1).mean() > np.ptp(other[..., 1], axis=1).mean()


def test_scenery_changes_the_place_only():
    places = [
        draw_layers(replace(PLAIN, scenery=s), np.random.default_rng(0))
        for s in ("hills", "mountains")
    ]

    assert np.abs(places[0].background - places[1].background)[24:42].max() > 0.1
    np.testing.assert_array_equal(places[0].background[:16], places[1].background[:16])


def test_hue_shift_turns_the_animals_and_leaves_greys_and_place():
    plain = draw_layers(PLAIN, np.random.default_rng(0))
    turned = draw_layers(replace(PLAIN, hue_shift=12.0), np.random.default_rng(0))
    solid = plain.coverage == 1
    one, other = plain.animals[solid], turned.animals[solid]

    np.testing.assert_array_equal(plain.background, turned.background)
    grey = np.ptp(one, axis=1) < 0.02
    np.testing.assert_allclose(one[grey], other[grey], atol=0.02)
    assert np.abs(one - other)[~grey].max() > 0.05


@pytest.mark.slow
def test_species_differ_in_colour():
    """Nearest centroid of colour histograms, everything else varying: 16 species, chance 6 %."""
    factors = [make_factors(3, index) for index in range(480)]
    pictures = [draw_picture(f, random_stream(3, i, "picture")) for i, f in enumerate(factors)]
    x = np.array([colours(picture) for picture in pictures])
    x = (x - x[:320].mean(axis=0)) / (x[:320].std(axis=0) + 1e-6)
    y = np.array([SPECIES.index(f.species) for f in factors])
    centres = np.array([x[:320][y[:320] == label].mean(axis=0) for label in range(16)])
    nearest = ((x[320:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)

    assert (nearest == y[320:]).mean() > 0.4


def test_paint_leaves_an_outline_and_marks_have_none():
    def painted(*, is_mark, rim=None):
        pen = make_pen(32, 48, height=32, facing_left=False)
        pen.dot((0.0, 0.5), 0.25, (250, 0, 0), is_mark=is_mark)
        image = Image.new("RGB", (64, 64), (255, 255, 255))
        paint(ImageDraw.Draw(image), pen.shapes, outline=3, rim=rim)
        return np.asarray(image)

    row = painted(is_mark=False)[31]
    assert tuple(row[32]) == (250, 0, 0)
    assert tuple(row[32 - 9]) == tuple(row[32 + 9]) == (95, 0, 0)  # 0.38 of it
    assert tuple(row[32 - 12]) == tuple(row[32 + 12]) == (255, 255, 255)
    assert tuple(painted(is_mark=True)[31, 32 - 9]) == (255, 255, 255)
    assert tuple(painted(is_mark=False, rim=(0, 0, 9))[31, 32 - 9]) == (0, 0, 9)


def test_a_turned_pen_turns_counter_clockwise_about_its_point():
    pen = make_pen(0, 0, height=1, facing_left=False)
    pen.turned(90, about=(1.0, 0.0)).polygon([(2.0, 0.0), (1.0, 0.0), (1.0, 1.0)], (0, 0, 0))

    # (2, 0) comes to (1, 1), and rows count downwards.
    np.testing.assert_allclose(pen.shapes[0].points, [[1, -1], [1, 0], [0, 0]], atol=1e-12)


def test_a_blob_passes_through_its_points():
    points = [(0.0, 0.0), (4.0, 0.0), (5.0, 3.0), (1.0, 4.0)]
    pen = make_pen(0, 0, height=1, facing_left=False)
    pen.blob(points, (0, 0, 0))
    curve = pen.shapes[0].points * [1, -1]

    for point in points:
        assert np.abs(curve - point).sum(axis=1).min() < 1e-12
    assert len(curve) > len(points)


def test_an_animal_is_moved_to_its_column_but_stays_on_the_canvas():
    for column, expected in ((30.0, 30.0), (2.0, 9.0), (100.0, 55.0)):
        pen = make_pen(10, 32, height=20, facing_left=False)
        pen.dot((0.3, 0.5), 0.5, (0, 0, 0))
        pen.centre(column, width=64)
        across = pen.shapes[0].points[:, 0]
        assert (across.min() + across.max()) / 2 == pytest.approx(expected)
