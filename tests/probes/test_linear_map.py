"""Maps between spaces: what they recover, what they must not use, what they do not change."""

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.stats import ortho_group
from sklearn.linear_model import Ridge

from probes.linear_map import PENALTIES, Means, centred_space, procrustes_space, ridge_space


def turned(seed, *, items=60, dim=6, noise=0.0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(items, dim)) * np.arange(1, dim + 1)
    turn = ortho_group.rvs(dim, random_state=seed)
    y = 3 * (x + 5.0) @ turn - 2.0 + noise * rng.normal(size=x.shape)
    return x, y, turn


def test_enough_anchors_determine_the_rotation():
    x, y, turn = turned(0)
    space = procrustes_space(x[:20], y[:20])
    left, right = space.of_x(x[20:]), space.of_y(y[20:])

    np.testing.assert_allclose(space.turn_x @ space.turn_y.T, turn, atol=1e-9)
    np.testing.assert_allclose(3 * left, right, atol=1e-9)


def test_the_rotation_is_that_of_scipy():
    x, y, _ = turned(1, noise=2.0)
    space = procrustes_space(x, y)
    theirs = orthogonal_procrustes(x - x.mean(axis=0), y - y.mean(axis=0))[0]

    np.testing.assert_allclose(space.turn_x @ space.turn_y.T, theirs, atol=1e-9)


def test_few_anchors_determine_as_many_axes_as_they_span():
    """Five centred anchors span four axes; there lengths and angles are kept."""
    x, y, _ = turned(2, dim=9)
    space = procrustes_space(x[:5], y[:5])
    centred = x[:5] - x[:5].mean(axis=0)

    assert space.turn_x.shape == (9, 4)
    np.testing.assert_allclose(space.turn_x.T @ space.turn_x, np.eye(4), atol=1e-9)
    np.testing.assert_allclose(
        space.of_x(x[:5]) @ space.of_x(x[:5]).T, centred @ centred.T, atol=1e-9
    )


def test_another_width_is_no_obstacle():
    x, y, _ = turned(3)
    wide = np.pad(y, ((0, 0), (0, 4))) @ ortho_group.rvs(10, random_state=0)
    space = procrustes_space(x[:30], wide[:30])

    np.testing.assert_allclose(3 * space.of_x(x[30:]), space.of_y(wide[30:]), atol=1e-9)


def test_a_rotation_does_not_undo_stretching_but_ridge_does():
    x, y, _ = turned(4)
    y = y * np.array([10, 1, 1, 0.1, 1, 1])
    errors = []
    for fit in (procrustes_space, ridge_space):
        space = fit(x[:40], y[:40])
        left, right = space.of_x(x[40:]), space.of_y(y[40:])
        cosines = np.sum(left * right, axis=1)
        cosines /= np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
        errors.append(1 - cosines.mean())

    assert errors[0] > 0.01
    assert errors[1] < 1e-4


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_ridge_chooses_the_penalty_by_leaving_one_out(scale):
    """The penalty is the one with the least error when every anchor in turn is predicted."""
    x, y, _ = turned(5, items=16, dim=12, noise=30.0)
    space = ridge_space(scale * x, y)
    left, right = scale * (x - x.mean(axis=0)), y - y.mean(axis=0)
    unit = left / np.sqrt(np.sum(left**2) / 12)
    errors = []
    for penalty in PENALTIES:
        error = 0.0
        for i in range(16):
            kept = np.arange(16) != i
            fit = Ridge(alpha=penalty, fit_intercept=False).fit(unit[kept], right[kept])
            error += np.sum((fit.predict(unit[[i]]) - right[[i]]) ** 2)
        errors.append(error)

    assert space.penalty == PENALTIES[int(np.argmin(errors))]
    assert PENALTIES[0] < space.penalty < PENALTIES[-1]
    theirs = Ridge(alpha=space.penalty, fit_intercept=False).fit(unit, right)
    np.testing.assert_allclose(space.of_x(scale * x), theirs.predict(unit), atol=1e-6)


def test_means_need_no_pairs():
    x, y, _ = turned(6)
    means = Means.of(x, y[:7])
    space = procrustes_space(x[:20], y[:20], means=means)

    np.testing.assert_allclose(space.mean_x, x.mean(axis=0))
    np.testing.assert_allclose(space.mean_y, y[:7].mean(axis=0))
    np.testing.assert_allclose(centred_space(means).of_y(y[:7]).mean(axis=0), 0, atol=1e-9)


def test_refusals():
    x, y, _ = turned(7)
    flat = np.ones_like(x)
    with pytest.raises(
        ValueError, match=r"^x has 6 channels and y has 5: without a map only embeddings of one"
    ):
        centred_space(Means.of(x, y[:, :5]))
    with pytest.raises(ValueError, match=r"^the 60 anchors do not vary together: there is nothing"):
        procrustes_space(x, flat)
    with pytest.raises(ValueError, match=r"^the 60 anchors of x do not vary: nothing can be predi"):
        ridge_space(flat, y)
    with pytest.raises(ValueError, match=r"^x has 60 rows and y has 9: row i of one must be the"):
        procrustes_space(x, y[:9])
