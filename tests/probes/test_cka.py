"""CKA: closed forms, invariances, the debiased form, and its null."""

import math
import tracemalloc

import numpy as np
import pytest
from scipy.stats import kstest, ortho_group

from probes.cka import CkaNull, cka_values, linear_cka
from probes.similarity import compare_cka
from probes.stacks import cka_matrix


def orthonormal(items, dim, seed=0):
    """Return `dim` centred, orthonormal columns."""
    x = np.random.default_rng(seed).normal(size=(items, dim))
    return np.linalg.qr(x - x.mean(axis=0))[0]


def gram_debiased(x, y):
    """The U-statistic from its definition with items × items matrices."""
    n = len(x)

    def hsic(k, g):
        k, g = k - np.diag(np.diag(k)), g - np.diag(np.diag(g))
        ones = np.ones(n)
        inner = np.trace(k @ g) + k.sum() * g.sum() / ((n - 1) * (n - 2))
        return (inner - 2 / (n - 2) * ones @ k @ g @ ones) / (n * (n - 3))

    k, g = x @ x.T, y @ y.T
    return hsic(k, g) / math.sqrt(hsic(k, k) * hsic(g, g))


def gram_biased(x, y):
    centre = np.eye(len(x)) - 1 / len(x)
    k, g = centre @ x @ x.T @ centre, centre @ y @ y.T @ centre
    return np.sum(k * g) / math.sqrt(np.sum(k * k) * np.sum(g * g))


@pytest.mark.parametrize(("kept", "dim"), [(1, 1), (1, 4), (2, 8), (8, 8)])
def test_cka_with_a_subset_of_orthonormal_channels(kept, dim):
    """Keeping k of p orthonormal channels gives sqrt(k / p)."""
    x = orthonormal(100, dim)

    assert linear_cka(x, x[:, :kept]) == pytest.approx(math.sqrt(kept / dim))


@pytest.mark.parametrize("debiased", [False, True])
@pytest.mark.parametrize(("items", "dim", "other"), [(4, 3, 2), (30, 50, 4), (60, 5, 8)])
def test_the_feature_form_equals_the_gram_form(items, dim, other, debiased):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(items, dim)) + 3.0
    y = x[:, :2] @ rng.normal(size=(2, other)) + 0.1 * rng.normal(size=(items, other))
    expected = gram_debiased(x, y) if debiased else gram_biased(x, y)

    assert linear_cka(x, y, debiased=debiased) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("debiased", [False, True])
def test_cka_ignores_rotation_scale_and_shift_but_not_stretching(debiased):
    x = np.random.default_rng(1).normal(size=(200, 6))
    rotated = -3.0e-4 * x @ ortho_group.rvs(6, random_state=0) + 5.0
    stretched = x * np.array([100.0, 1, 1, 1, 1, 1])

    assert linear_cka(x, rotated, debiased=debiased) == pytest.approx(1.0, abs=1e-9)
    assert linear_cka(x, 1e-30 * x, debiased=debiased) == pytest.approx(1.0, abs=1e-9)
    assert linear_cka(x, stretched, debiased=debiased) < 0.9


@pytest.mark.parametrize("debiased", [False, True])
def test_cka_is_symmetric(debiased):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 4)), rng.normal(size=(50, 9))
    forth, back = linear_cka(x, y, debiased=debiased), linear_cka(y, x, debiased=debiased)

    assert forth == pytest.approx(back, abs=1e-12)


def test_chance_of_biased_cka_is_far_from_zero_and_of_debiased_is_zero():
    """For unrelated isotropic Gaussians biased CKA is sqrt(d₁d₂ / ((n+d₁)(n+d₂)))."""
    rng = np.random.default_rng(0)
    drawn = [(rng.normal(size=(256, 64)), rng.normal(size=(256, 128))) for _ in range(20)]

    biased = np.mean([linear_cka(x, y) for x, y in drawn])
    assert biased == pytest.approx(math.sqrt(64 * 128 / (320 * 384)), abs=0.005)
    assert abs(np.mean([linear_cka(x, y, debiased=True) for x, y in drawn])) < 0.005


def test_more_shared_channels_give_more_debiased_cka():
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(300, 16)), rng.normal(size=(300, 16))
    scores = [
        linear_cka(x, np.hstack([x[:, :k], noise[:, k:]]), debiased=True) for k in range(0, 17, 4)
    ]

    assert scores == sorted(scores)
    assert abs(scores[0]) < 0.05
    assert scores[-1] == pytest.approx(1.0)


def test_no_items_by_items_matrix_is_made():
    x = np.random.default_rng(0).normal(size=(4000, 8))
    tracemalloc.start()
    linear_cka(x, x[:, ::-1].copy(), debiased=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 4000 * 4000 * 8 / 20


def test_the_null_with_nothing_permuted_is_the_value():
    rng = np.random.default_rng(0)
    xs, ys = [rng.normal(size=(40, d)) for d in (3, 50)], [rng.normal(size=(40, 7))]
    order = rng.permutation(40)
    for debiased in (False, True):
        null = CkaNull.of(xs, ys, debiased=debiased)
        shuffled = cka_values(xs, [y[order] for y in ys], debiased=debiased)
        np.testing.assert_allclose(null.values(order), shuffled, atol=1e-12)


def test_a_constant_representation_is_undefined_and_says_so():
    rng = np.random.default_rng(0)
    x, flat = rng.normal(size=(20, 3)), np.full((20, 3), 0.1)
    found = compare_cka(x, flat, rng=rng)

    assert found.score.value is None
    assert found.null is None
    assert found.score.reason.startswith("CKA is undefined: one representation is (nearly) the sa")
    with pytest.raises(
        ValueError, match=r"^CKA is undefined: one representation is .nearly. the s"
    ):
        linear_cka(x, flat)
    with pytest.raises(ValueError, match=r"^CKA needs at least 4 items, got 3$"):
        linear_cka(x[:3], x[:3], debiased=True)


def test_the_matrix_holds_what_single_comparisons_give():
    rng = np.random.default_rng(0)
    xs = {"embed": rng.normal(size=(50, 4)), "flat": np.ones((50, 4)), "top": None}
    xs["top"] = xs["embed"] @ rng.normal(size=(4, 4))
    ys = {"embed": xs["embed"][:, :2] + 0.5 * rng.normal(size=(50, 2))}
    found = cka_matrix(xs, ys, count=99, rng=rng)

    assert found.values[2, 0] == pytest.approx(linear_cka(xs["top"], ys["embed"], debiased=True))
    assert found.best == ("embed", "embed")
    assert found.best_null.p == 0.01
    plain = found.to_json()
    assert plain["values"][1] == plain["chance"][1] == plain["p"][1] == [None]
    assert plain["undefined"].startswith("CKA is undefined")


def test_calibrated_cka_of_a_rotation_is_one_and_p_its_floor():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 5))
    found = compare_cka(x, 2 * x @ ortho_group.rvs(5, random_state=0) + 1, rng=rng, count=99)

    assert found.null.calibrated == pytest.approx(1.0)
    assert found.score.p == found.null.floor == 0.01


def test_p_is_super_uniform_on_unrelated_data_also_for_the_best_of_many_layers():
    rng = np.random.default_rng(0)
    single, best = [], []
    for _ in range(200):
        xs = {i: rng.normal(size=(30, 4)) for i in "abc"}
        ys = {i: rng.normal(size=(30, 4)) for i in "abcd"}
        found = cka_matrix(xs, ys, count=39, rng=rng)
        single.append(found.p[0, 0])
        best.append(found.best_null.p)

    for ps in (single, best):
        assert kstest(ps, "uniform", alternative="greater").pvalue > 0.01
        assert np.mean(np.array(ps) <= 0.05) < 0.1


@pytest.mark.slow
def test_the_jackknife_covers_the_cka_of_many_items():
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(6, 6)) * np.arange(1, 7)

    def draw(items):
        x = rng.normal(size=(items, 6))
        return x, x @ mix + 4 * rng.normal(size=(items, 6))

    expected = linear_cka(*draw(200_000), debiased=True)
    hits = 0
    for _ in range(100):
        score = compare_cka(*draw(150), rng=rng, count=1).score
        hits += score.low <= expected <= score.high

    assert hits >= 88


def test_refusals():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 3))
    with pytest.raises(
        ValueError, match=r"^permutations are drawn at random: give a generator as r"
    ):
        cka_matrix({"a": x}, {"a": x}, count=9)
    with pytest.raises(
        ValueError,
        match=r"^a permutation test of CKA on 9000 items and 2 layers n.*"
        "take a random subset of at most 8192 items$",
    ):
        CkaNull.of([np.ones((9000, 1))], [np.ones((9000, 1))], debiased=True)
    with pytest.raises(ValueError, match=r"^x has 20 rows and y has 19: row i of one must be the"):
        cka_matrix({"a": x}, {"a": x[:19]})
