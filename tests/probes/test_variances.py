"""Variance components are recovered, and what cannot be told is said."""

import numpy as np
import pytest
from scipy.stats import t, ttest_1samp

from probes.linear import linear_probe
from probes.splits import Splits
from probes.variances import over_seeds, refit_on_resamples, three_variances


def simulated(rng, *, seeds, fits, items, sds=(0.03, 0.02, 0.4, 0.1, 0.2)):
    """Return scores with known deviations of seed, fit, item, item by seed and the rest."""
    of_seed, of_fit, of_item, of_both, rest = sds
    return (
        0.7
        + of_seed * rng.normal(size=(seeds, 1, 1))
        + of_fit * rng.normal(size=(seeds, fits, 1))
        + of_item * rng.normal(size=(1, 1, items))
        + of_both * rng.normal(size=(seeds, 1, items))
        + rest * rng.normal(size=(seeds, fits, items))
    )


@pytest.mark.slow
def test_known_components_are_recovered_within_a_fifth():
    scores = simulated(np.random.default_rng(0), seeds=400, fits=8, items=400)
    found = three_variances(scores)

    assert found.pretraining_seed.variance == pytest.approx(0.03**2, rel=0.2)
    assert found.fit_set.variance == pytest.approx(0.02**2, rel=0.2)
    expected = (0.4**2 + 0.1**2 + 0.2**2) / 400
    assert found.test_sampling.variance == pytest.approx(expected, rel=0.2)
    assert found.test_sampling.sd == pytest.approx(np.sqrt(expected), rel=0.1)
    assert (found.seeds, found.fits, found.items) == (400, 8, 400)


@pytest.mark.parametrize(
    "sds",
    [(0.0, 0.1, 0.3, 0.0, 0.2), (0.0, 0.0, 0.3, 0.5, 0.2)],
    ids=["fits differ", "items suit one seed or another"],
)
def test_what_is_not_the_seed_is_taken_out_of_it(sds):
    """The means of seeds spread by 0.07 and 0.11 here, yet no seed is better than another."""
    scores = simulated(np.random.default_rng(2), seeds=400, fits=2, items=20, sds=sds)
    found = three_variances(scores)

    assert scores.mean(axis=(1, 2)).var(ddof=1) > 0.005
    assert found.pretraining_seed.variance < 0.0015


@pytest.mark.slow
def test_components_are_right_on_average_with_few_seeds_and_with_groups():
    """Items of a group share their difficulty and how each fit takes them."""
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(60), 5)
    found = []
    for _ in range(150):
        scores = simulated(rng, seeds=5, fits=4, items=60, sds=(0.08, 0.08, 0.4, 0.0, 0.2))
        result = three_variances(scores[:, :, groups], groups=groups)
        found.append(
            [
                result.pretraining_seed.variance,
                result.fit_set.variance,
                result.test_sampling.variance,
            ]
        )

    expected = [0.08**2, 0.08**2, (0.4**2 + 0.2**2) / 60]
    np.testing.assert_allclose(np.mean(found, axis=0), expected, rtol=0.2)
    naive = three_variances(scores[:, :, groups])
    assert naive.test_sampling.variance < 0.3 * expected[2]


def test_deterministic_refits_have_no_variance_and_are_called_so():
    """The same convex fit three times: nothing can differ, and nothing is learnt from it."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 4))
    labels = (x[:, 0] + 0.5 * rng.normal(size=120) > 0).astype(int)
    splits = Splits(*np.array_split(np.arange(120), 3))
    scores = [linear_probe(x, labels, splits).accuracy.value for _ in range(3)]
    assert len(set(scores)) == 1

    right = np.repeat(rng.random((4, 1, 50)) < 0.7, 3, axis=1)
    found = three_variances(right)
    assert found.fit_set.variance == 0.0
    assert found.fit_set.note.startswith("deterministic: all fits of a seed say the same")
    assert found.fit_set.units == 1
    assert found.test_sampling.variance > 0


def test_what_one_draw_cannot_tell_is_said():
    right = np.random.default_rng(0).random((1, 1, 80)) < 0.6
    found = three_variances(right)

    assert found.fit_set.variance is None
    assert found.fit_set.note == "one fit a seed: fit again on resampled fit sets"
    assert found.pretraining_seed.variance is None
    assert found.pretraining_seed.note == "one pretraining seed: train again with others"
    assert found.mean.low is None
    assert found.mean.reason.startswith("no interval: one pretraining seed does not tell")
    share = right.mean()
    assert found.test_sampling.variance == pytest.approx(share * (1 - share) / 79)
    several = three_variances(np.random.default_rng(0).random((3, 1, 80)) < 0.6)
    assert several.pretraining_seed.note == "includes the variance from the fit set"
    assert found.to_json()["fit_set"]["variance"] is None


@pytest.mark.parametrize(("seeds", "word"), [(2, "none"), (3, "exploratory"), (5, "confirmatory")])
def test_seeds_decide_what_may_be_claimed(seeds, word):
    right = np.random.default_rng(0).random((seeds, 2, 30)) < 0.6

    assert three_variances(right).standing.split(":")[0] == word


def test_the_seed_is_the_unit():
    values = np.array([0.71, 0.74, 0.69, 0.75])
    found = over_seeds(values, chance=0.7)
    half = t.ppf(0.975, 3) * values.std(ddof=1) / 2

    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half))
    assert found.p == pytest.approx(ttest_1samp(values, 0.7).pvalue)
    assert found.n == 4
    same = over_seeds(np.array([0.7, 0.7]))
    assert same.low is None
    assert same.reason == "no interval: all pretraining seeds give the same number"


def test_resampled_fit_sets_vary_and_many_items_vary_less():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1400, 5))
    labels = (x[:, 0] + rng.normal(size=1400) > 0).astype(int)
    test = np.arange(1000, 1400)
    spread = []
    for n in (40, 800):
        splits = Splits(np.arange(n // 2), np.arange(n // 2, n), test)
        right = refit_on_resamples(x, labels, splits, penalty=1e-3, draws=12, rng=rng)
        assert right.shape == (12, 400)
        spread.append(three_variances(right[None]).fit_set.variance)

    assert spread[0] > 4 * spread[1]


def test_groups_of_the_fit_set_are_drawn_whole(monkeypatch):
    from probes import variances

    seen = []

    def spy(x, codes, rows, penalty, classes):
        seen.append(rows[0])
        return np.zeros((len(rows[1]), classes))

    monkeypatch.setattr(variances, "fitted_logits", spy)
    groups = np.array([0, 0, 0, 1, 1, 2, 2, 3, 4])
    splits = Splits(np.array([0, 1, 2, 3, 4]), np.array([5, 6]), np.array([7, 8]), groups)
    labels = np.arange(9) % 2
    rng = np.random.default_rng(0)
    refit_on_resamples(np.eye(9), labels, splits, penalty=1.0, draws=20, rng=rng)

    for rows in seen:
        counts = np.bincount(rows, minlength=9)
        assert counts[0] == counts[1] == counts[2]
        assert counts[3] == counts[4]
        assert counts[0] + counts[3] + counts[5] == 3
        assert counts[7:].sum() == 0


def test_refusals():
    with pytest.raises(ValueError, match=r"^scores of 1 seeds, 1 fits, 2 items: empty or not fin"):
        three_variances(np.array([[[0.5, np.nan]]]))
    with pytest.raises(ValueError, match=r"^test sampling needs at least 2 items or groups, got 1"):
        three_variances(np.ones((2, 2, 3)), groups=np.zeros(3))
    with pytest.raises(ValueError, match=r"^no seed to average over$"):
        over_seeds(np.array([]))
