"""CKA: closed forms, invariances, the debiased form, and its null."""

import math
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import torch
from scipy.stats import kstest, ortho_group

from probes.cka import cka_values, linear_cka
from probes.cka_null import AxesNull, KernelNull, cka_null
from probes.nulls import against_null
from probes.similarity import compare_cka
from probes.stacks import cka_matrix
from tests.probes.fixtures import CASES, fixture

REPSIM = 0.3940633123, 0.3626692182, 0.5335342310, 0.3600801207, 0.3240881150


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


PEAK = """
import sys
from pathlib import Path

import numpy as np

from probes.cka_null import AxesNull
from probes.stacks import cka_matrix

def peak():  # of this program: getrusage would count the one that started it
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

rng = np.random.default_rng(0)
items = int(sys.argv[1])
xs, ys = ({i: rng.normal(size=(items, 8)).astype(np.float32) for i in "abc"} for _ in "xy")
cka_matrix({"a": xs["a"][:100]}, {"a": ys["a"][:100]})
before = peak()
found = cka_matrix(xs, ys, count=int(sys.argv[2]), rng=rng)
print(1024 * (peak() - before))
"""


def peak_of(items, count):
    """Return the bytes that a matrix of 3 × 3 layers adds to a process's peak."""
    command = [sys.executable, "-c", PEAK, str(items), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 5])
def test_no_items_by_items_matrix_is_made(count):
    """Neither for the values nor for their null; one in single precision would be 900 MB."""
    assert peak_of(15_000, count) < 15_000 * 15_000 * 4 / 10


def test_values_and_null_allocate_no_items_by_items_matrix_in_numpy():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6000, 4))
    tracemalloc.start()
    null = cka_null([x], [x[:, ::-1].copy()], debiased=True)
    null.values(rng.permutation(6000))
    linear_cka(x, x[:, ::-1].copy(), debiased=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 6000 * 6000 * 8 / 50


@pytest.mark.parametrize("debiased", [False, True])
def test_all_axes_give_what_kernels_give_under_every_permutation(debiased):
    """And both what the measure gives on permuted items."""
    rng = np.random.default_rng(0)
    xs = [rng.normal(size=(50, dim)) + 1 for dim in (3, 8)]
    ys = [xs[0] @ rng.normal(size=(3, 5)) + rng.normal(size=(50, 5)), rng.normal(size=(50, 70))]
    axes = AxesNull.of(xs, ys, debiased=debiased, share=1.0, most_axes=70)
    kernels = KernelNull.of(xs, ys, debiased=debiased)
    for order in (np.arange(50), rng.permutation(50)):
        expected = cka_values(xs, [y[order] for y in ys], debiased=debiased)
        np.testing.assert_allclose(axes.values(order), expected, atol=1e-10)
        np.testing.assert_allclose(kernels.values(order), expected, atol=1e-10)


def test_leading_axes_are_as_many_as_the_share_asks_and_say_what_they_hold():
    """Variances 4, 2, 1 have squares 16, 4, 1: two axes hold 20/21 of the kernel."""
    basis = orthonormal(200, 3) * np.sqrt([4.0, 2.0, 1.0])
    null = AxesNull.of([basis], [basis], debiased=False, share=0.9)

    assert null.left.z.shape == (200, 2)
    assert (
        null.note == "rows of y, on principal axes with at least 95.24 % of each kernel's squares"
    )
    capped = AxesNull.of([basis], [basis], debiased=False, share=0.9, most_axes=1)
    assert capped.left.share == pytest.approx(16 / 21)


@pytest.mark.parametrize("debiased", [False, True])
def test_what_few_axes_leave_out_is_right_on_average(debiased):
    """Half of the axes are cut off; over permutations the mean of CKA stays what it is."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 8)), rng.normal(size=(60, 8))
    orders = [rng.permutation(60) for _ in range(2000)]
    few = AxesNull.of([x], [y], debiased=debiased, most_axes=4)
    every = KernelNull.of([x], [y], debiased=debiased)
    means = [np.mean([null.values(order)[0, 0] for order in orders]) for null in (few, every)]

    assert means[0] == pytest.approx(means[1], abs=0.003)
    assert few.left.share < 0.9


@pytest.mark.slow
def test_p_is_super_uniform_also_where_axes_are_left_out():
    """Two of six axes are kept: the test is of a coarser statistic, and keeps its level."""
    rng = np.random.default_rng(0)
    ps = []
    for _ in range(200):
        x, y = rng.normal(size=(30, 6)), rng.normal(size=(30, 6))
        null = AxesNull.of([x], [y], debiased=True, most_axes=2)
        drawn = np.array([null.values(rng.permutation(30))[0, 0] for _ in range(19)])
        ps.append(against_null(null.values(np.arange(30))[0, 0], drawn, kind="rows").p)

    assert kstest(ps, "uniform", alternative="greater").pvalue > 0.01
    assert np.mean(np.array(ps) <= 0.05) < 0.1


def test_single_precision_is_good_to_a_ten_thousandth_far_from_the_origin():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 20)) + 50
    y = x[:, :5] @ rng.normal(size=(5, 30)) + rng.normal(size=(300, 30))
    exact = linear_cka(x, y, debiased=True)
    single = linear_cka(x.astype(np.float32), y.astype(np.float32), debiased=True)

    assert single == pytest.approx(exact, abs=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_the_same():
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(5000, 64)).astype(np.float32) for _ in "xy")
    orders = [np.arange(5000), rng.permutation(5000)]
    nulls = [cka_null([x], [y], debiased=True, device=device) for device in ("cpu", "cuda")]
    for order in orders:
        assert nulls[0].values(order) == pytest.approx(nulls[1].values(order), abs=1e-4)
    values = [linear_cka(x, y, debiased=True, device=device) for device in ("cpu", "cuda")]
    assert values[0] == pytest.approx(values[1], abs=1e-4)


def test_the_convention_of_repsim_takes_diagonals_out_after_centring():
    """Reference values of HSIC as in repsim: lower triangles of centred kernels."""
    for case, expected in zip(CASES, REPSIM, strict=True):
        assert linear_cka(*fixture(*case), compat="lange") == pytest.approx(expected, abs=1e-6)


def test_many_items_are_tested_on_axes_and_the_calibrated_maximum_of_a_rotation_is_one():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4500, 5)).astype(np.float32)
    xs = {"low": rng.normal(size=(4500, 4)).astype(np.float32), "top": x}
    found = cka_matrix(xs, {"top": x[:, ::-1] * 3}, count=19, rng=rng)

    assert found.best == ("top", "top")
    assert found.best_null.observed == found.values[1, 0]
    assert "principal axes with at least 100 %" in found.best_null.kind
    assert found.best_null.calibrated == pytest.approx(1.0, abs=1e-5)
    assert found.best_null.p == 0.05
    assert found.p[0, 0] > 0.05 or abs(found.values[0, 0]) < 0.01


def test_the_null_with_nothing_permuted_is_the_value():
    rng = np.random.default_rng(0)
    xs, ys = [rng.normal(size=(40, d)) for d in (3, 50)], [rng.normal(size=(40, 7))]
    order = rng.permutation(40)
    for debiased in (False, True):
        null = KernelNull.of(xs, ys, debiased=debiased)
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


@pytest.mark.slow
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
    with pytest.raises(ValueError, match=r"^x has 20 rows and y has 19: row i of one must be the"):
        cka_matrix({"a": x}, {"a": x[:19]})


@pytest.mark.slow
def test_raw_values_look_alike_and_calibrated_ones_do_not():
    """Two unrelated representations of 512 items and 768 channels: biased CKA is 0.60."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(512, 768)), rng.normal(size=(512, 768))
    biased = compare_cka(x, y, rng=rng, debiased=False, count=99)

    assert biased.score.value == pytest.approx(0.60, abs=0.01)
    assert biased.score.chance == pytest.approx(0.60, abs=0.01)
    assert biased.null.calibrated <= 0.02
    assert abs(compare_cka(x, y, rng=rng, count=9).score.value) < 0.02


@pytest.mark.slow
def test_the_best_of_144_pairs_is_called_alike_by_mistake_in_at_most_6_of_100():
    """Layers are related within a side, as those of a network are; the sides are unrelated."""
    rng = np.random.default_rng(0)
    mistakes, calibrated, ps = 0, [], []
    for _ in range(300):
        sides = []
        for _side in "xy":
            base = rng.normal(size=(40, 6))
            sides.append({str(i): base + i / 6 * rng.normal(size=(40, 6)) for i in range(12)})
        null = cka_matrix(*sides, count=19, rng=rng).best_null
        mistakes += null.p <= 0.05
        calibrated.append(null.calibrated)
        ps.append(null.p)

    assert mistakes / 300 <= 0.06
    assert kstest(ps[:200], "uniform", alternative="greater").pvalue > 0.01
    assert np.mean(calibrated) < 0.01
