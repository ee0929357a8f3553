"""Ridge from one decomposition against fits one by one, and a screen that never sees test."""

import json

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from probes.ridge import ridge_screen, screen_targets
from probes.ridge_fit import RIDGE_PENALTIES, fit_ridge, one_hot
from probes.splits import Splits


def alpha(x, penalty):
    """What scikit-learn calls the same penalty."""
    return len(x) * penalty * np.mean((x - x.mean(axis=0)) ** 2)


def problem(items, dim, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(items, dim)) * np.arange(1, dim + 1) ** -0.5 + 3.0
    codes = (x @ rng.normal(size=(dim, classes))).argmax(axis=1)
    codes[:classes] = np.arange(classes)
    return x, codes, one_hot(codes, classes)


@pytest.mark.parametrize(("items", "dim"), [(30, 5), (12, 40), (20, 19), (20, 20), (15, 1)])
@pytest.mark.parametrize("penalty", [1e-6, 1e-2, 1.0, 1e3])
def test_leaving_one_out_equals_fitting_without_it(items, dim, penalty):
    """n refits with the intercept of their own, at the same nλ."""
    x, _, y = problem(items, dim)
    predicted = fit_ridge(x, y).leave_one_out([1.0, penalty])[:, 1]

    for i in range(items):
        rest = np.arange(items) != i
        peer = Ridge(alpha=alpha(x, penalty), solver="svd").fit(x[rest], y[rest])
        np.testing.assert_allclose(predicted[i], peer.predict(x[i : i + 1])[0], atol=1e-7)


@pytest.mark.parametrize(("items", "dim"), [(200, 10), (25, 60), (30, 29)])
@pytest.mark.parametrize("penalty", [1e-4, 0.1, 10.0])
def test_equals_sklearn(items, dim, penalty):
    x, _, y = problem(items, dim)
    fresh = np.random.default_rng(1).normal(size=(7, dim))
    peer = Ridge(alpha=alpha(x, penalty), solver="svd").fit(x, y)
    fit = fit_ridge(x, y)

    np.testing.assert_allclose(fit.weights(penalty), peer.coef_.T, atol=1e-8)
    np.testing.assert_allclose(fit.predict(fresh, penalty), peer.predict(fresh), atol=1e-8)


def test_limits_of_the_penalty():
    """Without a penalty least squares, or all items reproduced; with all of it the mean."""
    x, _, y = problem(50, 4)
    design = np.hstack([x, np.ones((50, 1))])
    plain = design @ np.linalg.lstsq(design, y)[0]
    np.testing.assert_allclose(fit_ridge(x, y).predict(x, 1e-14), plain, atol=1e-9)
    np.testing.assert_allclose(fit_ridge(x, y).predict(x, 1e12), np.tile(y.mean(0), (50, 1)), 1e-9)

    wide, _, y = problem(10, 30)
    np.testing.assert_allclose(fit_ridge(wide, y).predict(wide, 1e-12), y, atol=1e-9)


def test_channels_that_say_nothing_change_nothing():
    """Zeros beside the channels turn the tall problem into a wide one."""
    x, _, y = problem(20, 6)
    padded = np.hstack([x, np.zeros((20, 30))])
    tall, wide = fit_ridge(x, y), fit_ridge(padded, y)

    same = np.array([1e-3, 1.0]) * 6  # the mean square is that of 36 channels instead of 6
    np.testing.assert_allclose(
        tall.leave_one_out([1e-3, 1.0]), wide.leave_one_out(same.tolist()), atol=1e-9
    )
    np.testing.assert_allclose(wide.weights(1e-3)[6:], 0.0, atol=1e-12)


def test_an_item_on_its_own_axis_cannot_be_left_out_without_a_penalty():
    x, _, y = problem(8, 20)
    fit = fit_ridge(x, y)

    with pytest.raises(
        ValueError, match=r"^item \d is reproduced whatever the others are: leaving"
    ):
        fit.leave_one_out([1.0, 0.0])
    assert np.isfinite(fit.leave_one_out([1e-12])).all()


@pytest.mark.parametrize(("items", "dim"), [(60, 12), (20, 50), (22, 20)])
def test_single_precision_says_nearly_the_same(items, dim):
    """Also far from the origin, where single precision alone would see nothing."""
    x, _, y = problem(items, dim)
    one, two = fit_ridge(x + 1e4, y), fit_ridge(x + 1e4, y, single=True)

    penalties = [1e-6, 1e-2, 1.0]
    assert two.leave_one_out(penalties).dtype == np.float32
    np.testing.assert_allclose(
        two.leave_one_out(penalties), one.leave_one_out(penalties), rtol=1e-2, atol=1e-2
    )
    np.testing.assert_allclose(two.weights(1e-2), one.weights(1e-2), atol=1e-4)


def test_a_penalty_means_the_same_at_any_scale():
    x, _, y = problem(40, 5)
    penalties = [1e-3, 1.0]

    np.testing.assert_allclose(
        fit_ridge(1e-5 * x, y).leave_one_out(penalties), fit_ridge(x, y).leave_one_out(penalties)
    )


def stack(items=240, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=items)
    centres = 2 * rng.normal(size=(classes, 8))
    layers = {
        "noise": rng.normal(size=(items, 8)),
        "clear": centres[labels] + rng.normal(size=(items, 8)),
        "flat": np.full((items, 8), 0.2),
        "blurred": centres[labels] + 6 * rng.normal(size=(items, 8)),
    }
    parts = np.array_split(rng.permutation(items), 3)
    return layers, labels, parts, rng


def test_layers_are_ranked():
    layers, labels, parts, _ = stack()
    screen = ridge_screen(layers, labels, Splits(*parts))
    by_tap = {row.tap: row for row in screen.rows}

    assert screen.ranking == ("clear", "blurred", "noise")
    assert (screen.measure, screen.chosen_by) == ("accuracy", "leave-one-out on train")
    assert by_tap["clear"].score == max(by_tap["clear"].leave_one_out) > 0.9
    assert by_tap["flat"].score is None
    assert by_tap["flat"].reason.startswith("all 80 items have the same embedding")
    assert json.loads(json.dumps(screen.to_json()))["rows"][2]["penalty"] is None


def test_scores_equal_refits_on_train():
    layers, labels, parts, _ = stack(items=60)
    splits, x = Splits(*parts), layers["blurred"]
    row = ridge_screen({"x": x}, labels, splits, penalties=[0.1]).rows[0]
    train = x[splits.train]
    y = one_hot(labels, 3)[splits.train]
    right = []
    for i in range(20):
        rest = np.arange(20) != i
        peer = Ridge(alpha=alpha(train, 0.1), solver="svd").fit(train[rest], y[rest])
        right.append(peer.predict(train[i : i + 1])[0].argmax() == labels[splits.train][i])
    whole = Ridge(alpha=alpha(train, 0.1)).fit(train, y)

    assert row.leave_one_out == (np.mean(right),)
    on_val = whole.predict(x[splits.val]).argmax(axis=1) == labels[splits.val]
    assert row.val == (on_val.mean(),)


def test_the_screen_does_not_look_at_test():
    layers, labels, parts, rng = stack()
    splits = Splits(*parts)
    other = labels.copy()
    other[splits.test] = rng.permutation(labels[splits.test])
    broken = {tap: x.copy() for tap, x in layers.items()}
    for x in broken.values():
        x[splits.test] = 1e6

    assert ridge_screen(broken, other, splits) == ridge_screen(layers, labels, splits)


def test_with_groups_val_decides():
    """Twins in train: left-out items are read off their twins, and only val shows the truth."""
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=60).repeat(2)
    groups = np.arange(60).repeat(2)
    own, seen = rng.normal(size=(60, 200)).repeat(2, axis=0), rng.normal(size=(120, 2))
    seen[:, 0] += 3 * labels
    parts = np.arange(60), np.arange(60, 90), np.arange(90, 120)
    layers = {"twins": own, "class": seen}

    assert ridge_screen(layers, labels, Splits(*parts)).ranking == ("twins", "class")
    screen = ridge_screen(layers, labels, Splits(*parts, groups))
    assert screen.chosen_by == "val"
    assert screen.ranking == ("class", "twins")
    assert screen.rows[1].score == max(screen.rows[1].val)


def test_numbers_are_screened_by_r2():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 5))
    y = x @ np.array([1.0, 0, 0, 0, 0]) + 0.5 * rng.normal(size=300)
    splits = Splits(*np.array_split(np.arange(300), 3))
    layers = {"other": rng.normal(size=(300, 5)), "x": x}
    screen = screen_targets(layers, y[:, None], splits)

    assert screen.measure == "R2"
    assert screen.ranking == ("x", "other")
    assert screen.rows[1].score == pytest.approx(0.8, abs=0.06)
    assert abs(screen.rows[0].score) < 0.1


def test_random_labels_are_not_read():
    layers, labels, parts, rng = stack(items=900)
    screen = ridge_screen(layers, rng.permutation(labels), Splits(*parts))

    assert max(row.score for row in screen.rows if row.score is not None) < 0.45


def test_refusals():
    layers, labels, parts, _ = stack(items=30)
    splits = Splits(*parts)
    with pytest.raises(ValueError, match=r"^no layer to screen$"):
        ridge_screen({}, labels, splits)
    with pytest.raises(ValueError, match=r"^the penalties must be positive, got \[1.0, 0.0\]$"):
        ridge_screen(layers, labels, splits, penalties=[0.0, 1.0])
    with pytest.raises(ValueError, match=r"^the train split has items of one class only: there is"):
        ridge_screen(layers, np.zeros(30), splits)
    with pytest.raises(ValueError, match=r"^29 items but 30 labels$"):
        ridge_screen({"short": layers["clear"][:29]}, labels, splits)
    with pytest.raises(ValueError, match=r"^all 4 items have the same embedding: there is nothing"):
        fit_ridge(np.full((4, 2), 0.1), np.eye(4))
    with pytest.raises(ValueError, match=r"^y has NaN or infinite numbers in 1 of 3 rows"):
        fit_ridge(np.eye(3), np.array([[0.0], [np.nan], [1.0]]))


def test_the_penalties_reach_from_least_squares_to_the_mean():
    """On standardised data the sweep covers both ends of what ridge can do."""
    x, _, y = problem(300, 10)
    fit = fit_ridge(x, y)

    free = fit.predict(x, 0.0)
    np.testing.assert_allclose(fit.predict(x, min(RIDGE_PENALTIES)), free, atol=1e-3)
    np.testing.assert_allclose(
        fit.predict(x, max(RIDGE_PENALTIES)), y.mean(0) + 0 * free, atol=1e-2
    )
