"""Procrustes: the three distances in closed form, and what fitting flatters."""

import math

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.stats import ortho_group

from probes.procrustes import fitted_overlap, held_out_procrustes, procrustes


def columns(items, dim, seed=0):
    """Return `dim` centred, orthonormal columns."""
    x = np.random.default_rng(seed).normal(size=(items, dim))
    return np.linalg.qr(x - x.mean(axis=0))[0]


def test_half_of_the_channels_in_common():
    """Each side has two channels of length 1/√2, one of them shared: they overlap by a half."""
    every = columns(50, 3)
    found = procrustes(every[:, :2], every[:, [2, 0]])

    assert found.overlap == pytest.approx(0.5)
    assert found.angle == pytest.approx(math.pi / 3)
    assert found.distance == pytest.approx(1.0)
    assert found.gap == pytest.approx(0.5)
    assert found.to_json()["n"] == 50


@pytest.mark.parametrize(("dim_x", "dim_y"), [(4, 4), (3, 7), (7, 3)])
def test_the_overlap_without_a_singular_value_decomposition(dim_x, dim_y):
    """t is the sum of the roots of the eigenvalues of XᵀYYᵀX."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, dim_x)) + 1, rng.normal(size=(40, dim_y))
    a, b = x - x.mean(axis=0), y - y.mean(axis=0)
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    roots = np.sqrt(np.maximum(np.linalg.eigvalsh(a.T @ b @ b.T @ a), 0.0))

    assert procrustes(x, y).overlap == pytest.approx(roots.sum(), abs=1e-7)
    assert procrustes(x, y).angle == pytest.approx(procrustes(y, x).angle, abs=1e-12)


def test_a_rotated_scaled_shifted_copy_is_at_0_to_rounding():
    """arccos and √(2 − 2t) of an overlap just below 1 would be off by 1e-8."""
    x = np.random.default_rng(0).normal(size=(60, 5))
    found = procrustes(x, 3e-4 * x @ ortho_group.rvs(5, random_state=0) + 7)

    assert found.angle < 1e-10
    assert found.distance < 1e-10
    assert found.overlap == 1.0


def test_zero_channels_beside_the_others_change_nothing():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 4)), rng.normal(size=(30, 4))
    wide = np.column_stack([y, np.zeros((30, 3))])

    assert procrustes(x, wide).distance == pytest.approx(procrustes(x, y).distance, abs=1e-12)


def test_fitting_flatters_unrelated_items_and_scoring_the_others_does_not():
    rng = np.random.default_rng(0)
    fitted, held_out = [], []
    for _ in range(30):
        x, y = rng.normal(size=(200, 16)), rng.normal(size=(200, 16))
        fitted.append(procrustes(x, y).overlap)
        held_out.append(held_out_procrustes(x, y, rng=rng).overlap)

    assert np.mean(fitted) == pytest.approx(8 / (3 * math.pi) * math.sqrt(16 / 200), abs=0.02)
    assert abs(np.mean(held_out)) < 4 * np.std(held_out) / math.sqrt(30)


def test_a_true_rotation_is_found_from_half_of_the_items():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 6))
    turned = 5 * x @ ortho_group.rvs(6, random_state=0) - 3
    wide = np.column_stack([turned, np.zeros((100, 2))])
    for y in (turned, wide):
        exact = held_out_procrustes(x, y, rng=rng)
        assert exact.overlap == pytest.approx(1.0)
        noisy = held_out_procrustes(x, y + rng.normal(size=y.shape), rng=rng)
        assert 0.9 < noisy.overlap < 0.999


def test_the_held_out_overlap_by_hand():
    """Fitted to two items the rotation turns by a quarter; the other two agree with the reverse."""
    x = np.array([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    y = np.array([[0.0, 1.0], [0.0, -1.0], [0.0, -1.0], [0.0, 1.0]])
    fit = np.array([True, True, False, False])

    assert fitted_overlap(x, y, fit=fit) == pytest.approx(-1.0)
    y[2:] *= -1
    assert fitted_overlap(x, y, fit=fit) == pytest.approx(1.0)


def test_means_and_rotation_come_from_the_items_that_are_fitted():
    """Against scipy's solver, with the scored items somewhere else."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 4)), rng.normal(size=(40, 4))
    fit = np.arange(40) < 25
    x[~fit] += 2.0
    y[~fit] -= 1.0
    a, b = x - x[fit].mean(axis=0), y - y[fit].mean(axis=0)
    turned = a[~fit] @ orthogonal_procrustes(a[fit], b[fit])[0]
    expected = np.vdot(turned, b[~fit]) / np.linalg.norm(turned) / np.linalg.norm(b[~fit])

    assert fitted_overlap(x, y, fit=fit) == pytest.approx(expected)


def test_the_same_generator_gives_the_same_halves():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 3)), rng.normal(size=(40, 3))
    one, other, third = (
        held_out_procrustes(x, y, rng=np.random.default_rng(seed)).overlap for seed in (1, 1, 2)
    )

    assert one == other != third


def test_refusals():
    x = np.random.default_rng(0).normal(size=(10, 3))
    with pytest.raises(ValueError, match=r"^Procrustes is undefined: one representation is .nearl"):
        procrustes(x, np.full((10, 3), 0.1))
    with pytest.raises(
        ValueError, match=r"^9 items to fit and 1 to score; at least 2 each are needed$"
    ):
        fitted_overlap(x, x, fit=np.arange(10) > 0)
    with pytest.raises(ValueError, match=r"^10 items but 9 marks of items to fit$"):
        fitted_overlap(x, x, fit=np.ones(9, dtype=bool))
