"""Intervals cover what they should, and permutations test what they say."""

import itertools

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap, kstest

from probes.intervals import (
    bootstrap_interval,
    jackknife_interval,
    jackknife_or_reason,
    mean_interval,
    percentile_and_bca,
    resample_counts,
    resample_means,
    share_interval,
    wilson,
)
from probes.nulls import against_null, class_permutations, permutations


@pytest.mark.parametrize(("successes", "n"), [(0, 5), (3, 10), (50, 100), (999, 1000), (7, 7)])
def test_wilson_equals_scipy(successes, n):
    expected = binomtest(successes, n).proportion_ci(method="wilson")

    assert wilson(successes, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_is_symmetric_and_has_width_at_the_edges():
    low, high = wilson(3, 10)

    assert wilson(7, 10) == pytest.approx((1 - high, 1 - low))
    assert wilson(0, 5)[1] > 0.3
    with pytest.raises(ValueError, match=r"^6 successes of 5 is no share$"):
        wilson(6, 5)


def test_bootstrap_of_a_mean_has_the_textbook_width():
    scores = np.random.default_rng(0).normal(size=400)
    low, high = bootstrap_interval(scores, rng=np.random.default_rng(1), draws=5000)

    half = 1.96 * scores.std() / 20
    assert low == pytest.approx(scores.mean() - half, abs=0.01)
    assert high == pytest.approx(scores.mean() + half, abs=0.01)


def test_bootstrap_of_a_median_equals_drawing_the_items():
    """The weighted median of the counts is the median of the drawn items."""
    scores = np.array([5.0, 1.0, 4.0, 2.0, 3.0, 9.0])
    (counts,) = resample_counts(6, 200, rng=np.random.default_rng(2))
    drawn = [np.median(np.repeat(scores, row)) for row in counts]
    found = bootstrap_interval(scores, "median", rng=np.random.default_rng(2), draws=200)

    assert found == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))


def test_clusters_that_agree_widen_the_interval():
    """20 groups of 10 equal items carry as much as 20 items."""
    values = np.random.default_rng(0).normal(size=20)
    copies, groups = np.repeat(values, 10), np.repeat(np.arange(20), 10)
    low, high = bootstrap_interval(copies, rng=np.random.default_rng(1), groups=groups, draws=5000)
    single = bootstrap_interval(values, rng=np.random.default_rng(1), draws=5000)
    naive = bootstrap_interval(copies, rng=np.random.default_rng(1), draws=5000)

    assert (low, high) == pytest.approx(single, abs=0.02)
    assert high - low > 2.5 * (naive[1] - naive[0])


def test_groups_are_drawn_whole():
    groups = np.array(["a", "b", "a", "c", "b"])
    (counts,) = resample_counts(5, 50, rng=np.random.default_rng(0), groups=groups)

    assert (counts[:, 0] == counts[:, 2]).all()
    assert (counts[:, 1] == counts[:, 4]).all()
    assert (counts[:, [0, 1, 3]].sum(axis=1) == 3).all()


def test_bca_equals_scipy_with_and_without_groups():
    rng = np.random.default_rng(0)
    scores = rng.exponential(size=15) ** 2
    peer = bootstrap((scores,), np.mean, n_resamples=60_000, method="BCa", rng=rng)
    expected = (peer.confidence_interval.low, peer.confidence_interval.high)
    percentile, found = percentile_and_bca(scores, rng=rng, draws=60_000)

    assert found == pytest.approx(expected, rel=0.02)
    assert percentile == pytest.approx(bootstrap_interval(scores, rng=rng, draws=60_000), rel=0.02)
    assert found[1] > 1.01 * percentile[1]  # it leans to where the tail is

    scores, groups = rng.exponential(size=40), rng.integers(12, size=40)
    sums, sizes = np.bincount(groups, scores), np.bincount(groups)
    peer = bootstrap(
        (sums, sizes),
        lambda s, n, axis=-1: s.sum(axis=axis) / n.sum(axis=axis),
        paired=True,
        n_resamples=20_000,
        rng=rng,
    )
    expected = (peer.confidence_interval.low, peer.confidence_interval.high)
    _, found = percentile_and_bca(scores, rng=rng, groups=groups, draws=20_000)
    assert found == pytest.approx(expected, rel=0.02)


def test_rows_share_one_stream_of_samples():
    """The mean of a sum is the sum of the means, sample by sample."""
    x = np.random.default_rng(0).normal(size=(2, 30))
    groups = np.arange(30) % 7
    rows = np.vstack([x, x.sum(axis=0)])
    means = resample_means(rows, 50, rng=np.random.default_rng(1), groups=groups)

    assert means.shape == (50, 3)
    np.testing.assert_allclose(means[:, 2], means[:, 0] + means[:, 1], atol=1e-12)
    (counts,) = resample_counts(30, 50, rng=np.random.default_rng(1), groups=groups)
    np.testing.assert_allclose(means[:, 0], counts @ x[0] / counts.sum(axis=1), atol=1e-12)


def test_drawing_how_many_of_each_kind_is_drawing_items():
    """Right or wrong at two layers makes four kinds of items; means and covariance must agree."""
    rng = np.random.default_rng(0)
    x = np.repeat([[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0]], [30, 10, 20, 40], axis=1)
    means = resample_means(x, 40_000, rng=rng)

    np.testing.assert_allclose(means.mean(axis=0), [0.6, 0.5], atol=0.002)
    np.testing.assert_allclose(np.cov(means.T) * 100, np.cov(x, bias=True), atol=0.006)


def test_a_bootstrap_without_variation_is_refused():
    with pytest.raises(ValueError, match=r"^the scores do not vary between units: a bootstrap"):
        percentile_and_bca(np.ones(9), rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"^a bootstrap needs at least 2 units, got 1$"):
        resample_means(np.ones((1, 3)), 5, rng=np.random.default_rng(0), groups=np.zeros(3))


def test_the_share_of_nothing_still_has_an_interval():
    groups = np.repeat([0, 1, 2, 3], 5)
    rng = np.random.default_rng(0)

    assert share_interval(np.zeros(20, bool)) == (*wilson(0, 20), "Wilson")
    found = share_interval(np.zeros(20, bool), groups=groups, rng=rng)
    assert found == (*wilson(0, 4), "Wilson, groups as trials")
    with pytest.raises(ValueError, match=r"^groups are drawn at random: give a generator as rng$"):
        share_interval(np.zeros(20, bool), groups=groups)


def test_the_mean_of_equal_scores_still_has_an_interval():
    rng = np.random.default_rng(0)
    scores = np.linspace(0, 1, 30)

    assert mean_interval(np.ones(20), rng=rng) == (*wilson(20, 20), "Wilson")
    assert mean_interval(np.ones(20), rng=rng, groups=np.arange(20) % 4)[:2] == wilson(4, 4)
    found = mean_interval(scores, rng=np.random.default_rng(1))
    assert found == (*bootstrap_interval(scores, rng=np.random.default_rng(1)), "bootstrap")


def test_the_jackknife_of_a_mean_covers_it():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(300):
        x = rng.exponential(size=60)
        low, high = jackknife_interval(lambda rows, x=x: float(x[rows].mean()), 60, rng=rng)
        hits += low <= 1.0 <= high

    assert 0.90 <= hits / 300 <= 0.98


def test_a_jackknife_that_cannot_be_made_says_why():
    low, high, reason = jackknife_or_reason(lambda rows: 0.0, 1, rng=np.random.default_rng(0))

    assert (low, high) == (None, None)
    assert reason == "no interval: a jackknife needs at least 2 units, got 1"
    with pytest.raises(ValueError, match=r"^a bootstrap needs at least 2 units, got 1$"):
        bootstrap_interval(np.ones(1), rng=np.random.default_rng(0))


def test_p_counts_the_observed_value_itself():
    null = np.array([0.1, 0.2, 0.3, 0.4])

    assert against_null(0.5, null, kind="rows").p == 1 / 5
    assert against_null(0.3, null, kind="rows").p == 3 / 5
    assert against_null(0.0, null, kind="rows").p == 1.0
    assert against_null(0.0, null, kind="ranks", smaller_is_better=True).p == 1 / 5
    assert against_null(0.5, null, kind="rows").floor == 1 / 5


def test_calibration_runs_from_the_threshold_to_the_maximum():
    """With 99 null values 0.01 to 0.99, τ is the 95th of 100 with the observed one."""
    null = np.arange(1, 100) / 100
    test = against_null(1.0, null, kind="rows")

    assert test.threshold == pytest.approx(0.95)
    assert test.calibrated == 1.0
    assert against_null(0.2, null, kind="rows").calibrated == 0.0
    halfway = against_null(0.98, np.arange(1, 100) / 100 * 0.96, kind="rows")
    assert halfway.calibrated == pytest.approx((0.98 - 0.912) / (1 - 0.912))
    assert against_null(0.2, null, kind="ranks", smaller_is_better=True).calibrated is None


def test_p_is_super_uniform_when_there_is_nothing():
    rng = np.random.default_rng(0)
    ps = [against_null(rng.normal(), rng.normal(size=99), kind="rows").p for _ in range(400)]

    assert kstest(ps, "uniform", alternative="greater").pvalue > 0.01
    assert np.mean(np.array(ps) <= 0.05) < 0.09


def test_refusals_of_the_null():
    with pytest.raises(ValueError, match=r"^rows: no permutation was made, so there is nothing to"):
        against_null(0.5, np.array([]), kind="rows")
    with pytest.raises(
        ValueError, match=r"^rows: the measure is undefined on the data or on a per"
    ):
        against_null(0.5, np.array([0.1, np.nan]), kind="rows")


def test_permutations_within_groups_stay_there_and_reach_every_order():
    groups = np.array(["b", "a", "b", "a", "b"])
    rng = np.random.default_rng(0)
    drawn = [tuple(order) for order in permutations(5, 400, rng=rng, within=groups)]

    assert all((groups[list(order)] == groups).all() for order in drawn)
    assert len(set(drawn)) == 2 * 6


def test_permutations_without_groups_reach_every_order():
    rng = np.random.default_rng(0)

    assert len({tuple(order) for order in permutations(4, 500, rng=rng)}) == 24


def test_class_permutations_are_exact_where_they_can_be():
    rng = np.random.default_rng(0)
    exact = class_permutations(4, 23, rng=rng)

    assert {tuple(row) for row in exact} == set(itertools.permutations(range(4))) - {(0, 1, 2, 3)}
    assert class_permutations(4, 22, rng=rng).shape == (22, 4)
    assert (np.sort(class_permutations(30, 50, rng=rng), axis=1) == np.arange(30)).all()
