"""Paired tests between two probes: exact values, the right size, and more power than unpaired."""

import numpy as np
import pytest
from scipy.stats import binom, kstest

from probes.compare_probes import compare_paired, mcnemar, sign_flip
from probes.intervals import wilson
from probes.linear import linear_probe
from probes.predictions import linear_predictions
from probes.splits import Splits


def like_probes(rng, items, *, gain=0.0):
    """Return right or wrong of two probes that mostly agree; the first is better by `gain`."""
    hard = rng.random(items) < 0.3
    flips = rng.random((2, items)) < np.array([[0.05 - gain / 2], [0.05 + gain / 2]])
    return (~hard ^ flips[0]) | (flips[0] & flips[1]), ~hard ^ flips[1]


@pytest.mark.parametrize(("a", "b"), [(0, 1), (3, 9), (10, 10), (20, 4), (0, 12)])
def test_mcnemar_by_hand(a, b):
    """Twice the tail of a fair coin, both tails as likely as what was seen."""
    tail = binom.cdf(min(a, b), a + b, 0.5)

    assert mcnemar(a, b) == pytest.approx(min(1.0, 2 * tail))
    assert mcnemar(b, a) == mcnemar(a, b)


def test_nothing_to_tell_apart_has_p_one():
    assert mcnemar(0, 0) == 1.0
    assert sign_flip(np.zeros(5), rng=np.random.default_rng(0)) == 1.0


def test_the_difference_and_its_counts():
    first = np.array([1, 1, 1, 0, 1, 0, 1, 1], dtype=bool)
    second = np.array([1, 0, 0, 0, 1, 1, 0, 1], dtype=bool)
    found = compare_paired(first, second, rng=np.random.default_rng(0))

    assert found.difference.value == pytest.approx(2 / 8)
    assert (found.only_first, found.only_second) == (3, 1)
    assert found.mcnemar_p == found.difference.p == pytest.approx(0.625)
    assert found.difference.method == "paired difference; bootstrap interval; p by exact McNemar"
    back = compare_paired(second, first, rng=np.random.default_rng(0))
    assert back.difference.value == -found.difference.value
    assert back.difference.low == pytest.approx(-found.difference.high)
    assert found.to_json()["difference"]["chance"] == 0.0


def test_pairing_finds_what_two_intervals_hide():
    rng = np.random.default_rng(0)
    hard = rng.random(1000) < 0.4
    first, second = ~hard, ~hard
    second = second & ~(rng.random(1000) < 0.03)  # the second fails on a few more
    found = compare_paired(first, second, rng=rng)
    one, two = (wilson(int(x.sum()), 1000) for x in (first, second))

    assert found.difference.low > 0
    assert found.difference.p < 0.001
    assert one[0] < two[1]  # yet the two intervals overlap


@pytest.mark.slow
def test_intervals_cover_and_mcnemar_keeps_its_size():
    rng = np.random.default_rng(0)
    hits, bca_hits, ps = 0, 0, []
    for _ in range(300):
        first, second = like_probes(rng, 300)
        found = compare_paired(first, second, rng=rng, draws=500)
        hits += found.difference.low <= 0 <= found.difference.high
        bca_hits += found.bca[0] <= 0 <= found.bca[1]
        ps.append(found.mcnemar_p)

    assert hits / 300 >= 0.92
    assert bca_hits / 300 >= 0.91
    assert np.mean(np.array(ps) <= 0.05) <= 0.07


@pytest.mark.slow
def test_groups_make_mcnemar_false_and_signs_of_groups_right():
    """Ten equal items a group: McNemar sees ten times the evidence."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 10)
    naive, ours, hits = [], [], 0
    for _ in range(200):
        first = np.repeat(rng.random(40) < 0.6, 10)
        second = np.repeat(rng.random(40) < 0.6, 10)
        found = compare_paired(first, second, rng=rng, groups=groups, draws=500)
        naive.append(found.mcnemar_p)
        ours.append(found.difference.p)
        hits += found.difference.low <= 0 <= found.difference.high

    assert np.mean(np.array(naive) <= 0.05) > 0.3
    assert np.mean(np.array(ours) <= 0.05) <= 0.08
    assert hits / 200 >= 0.9
    assert found.units == 40


@pytest.mark.slow
def test_random_signs_agree_with_mcnemar_and_are_uniform():
    """On right or wrong both condition on the items the probes differ in."""
    rng = np.random.default_rng(0)
    sums = np.repeat([1.0, -1.0, 0.0], [15, 5, 100])
    found = sign_flip(sums, rng=rng, flips=40_000)
    assert found == pytest.approx(mcnemar(15, 5), abs=0.005)

    ps = [sign_flip(rng.normal(size=30), rng=rng, flips=199) for _ in range(300)]
    assert kstest(ps, "uniform").pvalue > 0.01


def test_scores_that_are_not_right_or_wrong_get_random_signs():
    rng = np.random.default_rng(0)
    first, second = rng.random(200), rng.random(200) * 0.7
    found = compare_paired(first, second, rng=rng)

    assert found.only_first is found.only_second is found.mcnemar_p is None
    assert found.difference.p == pytest.approx(1 / 10_000)
    assert found.difference.method.endswith("p by random signs of items or groups")


def test_two_probes_that_never_differ_still_have_an_interval():
    same = np.array([1, 0, 1, 1, 0], dtype=bool)
    found = compare_paired(same, same, rng=np.random.default_rng(0))
    width = wilson(0, 5)[1]

    assert (found.difference.low, found.difference.high) == (-width, width)
    assert found.difference.p == 1.0
    assert found.bca is None
    opposite = compare_paired(np.ones(5), np.zeros(5), rng=np.random.default_rng(0))
    assert opposite.difference.high == 1.0
    assert opposite.difference.low == pytest.approx(1 - 2 * width)


def test_predictions_are_those_of_the_linear_probe():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(240, 6))
    labels = np.array(["a", "b", "c"])[(x[:, :3] + 0.8 * rng.normal(size=(240, 3))).argmax(axis=1)]
    splits = Splits(*np.array_split(rng.permutation(240), 3))
    probe = linear_probe(x, labels, splits)
    found = linear_predictions(x, labels, splits, penalty=probe.penalty)

    assert found.right.mean() == probe.accuracy.value
    assert found.log_loss.mean() == pytest.approx(probe.negative_log_likelihood, abs=1e-5)
    names = np.unique(labels)
    np.testing.assert_array_equal(names[found.predicted] == labels[splits.test], found.right)


def test_refusals():
    rng = np.random.default_rng(0)
    with pytest.raises(
        ValueError,
        match=r"^the first was scored on 3 items and the second on 4: a paired comparison needs",
    ):
        compare_paired(np.ones(3), np.ones(4), rng=rng)
    with pytest.raises(ValueError, match=r"^the second has scores outside 0 to 1; scale them$"):
        compare_paired(np.ones(3), np.array([0.0, 0.5, np.nan]), rng=rng)
    with pytest.raises(ValueError, match=r"^a comparison needs at least 2 items or groups, got 1$"):
        compare_paired(np.ones(3), np.ones(3), rng=rng, groups=np.zeros(3))
