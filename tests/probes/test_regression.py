"""A number is read off embeddings, with intervals that cover and a chance that is no better."""

import json

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, r2_score

from probes import regression
from probes.intervals import resample_counts
from probes.penalties import largest_first, quarter_decades
from probes.regression import regression_probe, regression_screen
from probes.ridge_fit import fit_ridge
from probes.splits import Splits


def generator(seed=0):
    return np.random.default_rng(seed)


def problem(items=300, dim=6, noise=0.5, seed=0):
    """The target is the first channel with noise: the best R² is 1 / (1 + noise²)."""
    rng = generator(seed)
    x = rng.normal(size=(items, dim)) + 2.0
    return x, x[:, 0] + noise * rng.normal(size=items) + 100.0, np.array_split(np.arange(items), 3)


def test_scores_equal_those_of_a_refit_on_train_and_val():
    x, y, parts = problem()
    splits = Splits(*parts)
    found = regression_probe(x, y, splits, penalties=[0.1], rng=generator())
    fitted, test = np.concatenate(parts[:2]), parts[2]
    variance = np.mean((x[fitted] - x[fitted].mean(axis=0)) ** 2)
    peer = Ridge(alpha=200 * 0.1 * variance, solver="svd").fit(x[fitted], y[fitted])
    predicted = peer.predict(x[test])

    assert found.penalties == (0.1,)
    assert found.r2.value == pytest.approx(r2_score(y[test], predicted))
    assert found.pearson.value == pytest.approx(pearsonr(y[test], predicted).statistic)
    assert found.mean_absolute_error.value == pytest.approx(mean_absolute_error(y[test], predicted))
    blind = np.full(100, y[fitted].mean())
    assert found.r2.chance == pytest.approx(r2_score(y[test], blind))
    assert found.r2.chance <= 0
    assert found.mean_absolute_error.chance == pytest.approx(mean_absolute_error(y[test], blind))
    assert found.pearson.chance == 0
    assert json.loads(json.dumps(found.to_json()))["r2"]["n"] == 100


def test_a_planted_number_is_found_and_a_shuffled_one_is_not():
    x, y, parts = problem(900)
    splits = Splits(*parts)
    found = regression_probe(x, y, splits, rng=generator())
    nothing = regression_probe(x, generator(1).permutation(y), splits, rng=generator())

    assert found.r2.low < 1 / 1.25 < found.r2.high
    assert found.r2.low > 0.7
    assert nothing.r2.high < 0.05
    assert nothing.pearson.low < 0 < nothing.pearson.high
    assert nothing.penalty > found.penalty


def test_the_unit_of_the_target_matters_to_the_error_only():
    x, y, parts = problem()
    splits = Splits(*parts)
    one = regression_probe(x, y, splits, rng=generator())
    two = regression_probe(x, 1000.0 * y - 7.0, splits, rng=generator())

    assert two.penalty == one.penalty
    assert two.r2.value == pytest.approx(one.r2.value)
    assert (two.r2.low, two.r2.high) == pytest.approx((one.r2.low, one.r2.high))
    assert two.mean_absolute_error.low == pytest.approx(1000 * one.mean_absolute_error.low)


def test_the_penalty_is_chosen_without_test():
    x, y, parts = problem(noise=3.0)
    splits = Splits(*parts)
    other, broken = y.copy(), x.copy()
    other[splits.test] = generator(1).permutation(y[splits.test])
    broken[splits.test] = 1e3
    one = regression_probe(x, y, splits, rng=generator())
    two = regression_probe(broken, other, splits, rng=generator())

    assert (two.penalty, two.penalties, two.val_r2) == (one.penalty, one.penalties, one.val_r2)
    assert one.val_r2[one.penalties.index(one.penalty)] == max(one.val_r2)


def test_what_is_tried():
    assert largest_first([1.0, 10.0, 1.0]) == [10.0, 1.0]
    np.testing.assert_allclose(
        quarter_decades([10.0, 1.0, 0.1], 1.0), 10.0 ** (np.array([3, 2, 1, -1, -2, -3]) / 4)
    )
    assert all(penalty < 10.0 for penalty in quarter_decades([10.0, 1.0], 10.0))
    assert len(quarter_decades([10.0, 1.0], 10.0)) == 3
    assert quarter_decades([1.0], 1.0) == []
    steps = [10.0 ** (quarter / 4) for quarter in range(9)]
    assert quarter_decades(steps, 10.0) == []


@pytest.mark.slow
def test_intervals_cover():
    """200 samples of 60 items: 95 % intervals hold the truth in 90 to 99 % of them."""
    hits = np.zeros(3)
    for seed in range(200):
        rng = generator(seed)
        x = rng.normal(size=(4060, 1))
        y = x[:, 0] + rng.normal(size=4060)
        splits = Splits(np.arange(3000), np.arange(3000, 4000), np.arange(4000, 4060))
        found = regression_probe(x, y, splits, penalties=[1e-6], rng=rng)
        truths = 0.5, np.sqrt(0.5), np.sqrt(2 / np.pi)
        scores = found.r2, found.pearson, found.mean_absolute_error
        hits += [s.low <= truth <= s.high for s, truth in zip(scores, truths, strict=True)]

    assert (hits / 200 >= 0.9).all()
    assert (hits / 200 <= 0.99).all()


def test_the_interval_is_that_of_scores_of_resampled_items(monkeypatch):
    """Each bootstrap score equals the definition on a sample with its repeated items."""
    monkeypatch.setattr(regression, "DRAWS", 40)
    x, y, parts = problem(90, noise=1.0)
    found = regression_probe(x, y, Splits(*parts), penalties=[0.1], rng=generator(3))
    fitted, test = np.concatenate(parts[:2]), parts[2]
    predicted = fit_ridge(x[fitted], y[fitted, None]).predict(x[test], 0.1)[:, 0]
    samples = []
    for counts in resample_counts(30, 40, rng=generator(3)):
        for row in counts:
            truth, told = np.repeat(y[test], row), np.repeat(predicted, row)
            error = mean_absolute_error(truth, told)
            samples.append([r2_score(truth, told), pearsonr(truth, told).statistic, error])
    lows, highs = np.quantile(samples, [0.025, 0.975], axis=0)

    scores = found.r2, found.pearson, found.mean_absolute_error
    np.testing.assert_allclose([score.low for score in scores], lows)
    np.testing.assert_allclose([score.high for score in scores], highs)


def test_groups_widen_the_interval():
    """Ten copies of an item are one item: the interval is that of a tenth of them."""
    x, y, _ = problem(90, noise=1.0)
    copies, groups = np.arange(90).repeat(10), np.arange(90).repeat(10)
    parts = np.array_split(np.arange(900), 3)
    alone = regression_probe(x[copies], y[copies], Splits(*parts), rng=generator())
    grouped = regression_probe(x[copies], y[copies], Splits(*parts, groups), rng=generator())

    assert grouped.r2.value == alone.r2.value
    ratio = (grouped.r2.high - grouped.r2.low) / (alone.r2.high - alone.r2.low)
    assert ratio == pytest.approx(np.sqrt(10), rel=0.25)
    assert grouped.r2.method.startswith("R2; cluster bootstrap")


def test_undefined_scores_say_why():
    x, y, parts = problem(30)
    y[parts[2]] = 5.0
    flat = regression_probe(x, y, Splits(*parts), rng=generator())
    assert flat.r2.value is None
    assert flat.r2.reason.startswith("targets or predictions of test are all equal")
    assert flat.mean_absolute_error.low is not None

    x, y, parts = problem(30)
    few = regression_probe(x, y, Splits(*parts[:2], parts[2][:2]), rng=generator())
    assert few.r2.low is None
    assert few.r2.reason == "no interval: fewer than 3 independent items or groups on test"


def test_layers_are_ranked_by_a_number():
    x, y, parts = problem()
    layers = {"noise": generator(5).normal(size=x.shape), "x": x}

    assert regression_screen(layers, y, Splits(*parts)).ranking == ("x", "noise")


def test_refusals():
    x, y, parts = problem(30)
    splits, rng = Splits(*parts), generator()
    missing, flat = y.copy(), y.copy()
    missing[[3, 5]] = np.nan
    flat[splits.val] = 2.5

    with pytest.raises(
        ValueError,
        match=r"^the target is missing or infinite for 2 of 30 items, the first is row 3",
    ):
        regression_probe(x, missing, splits, rng=rng)
    with pytest.raises(ValueError, match=r"^the target is 2.5 for all 10 items of val: there is"):
        regression_probe(x, flat, splits, rng=rng)
    with pytest.raises(ValueError, match=r"^the target is 1 for all 10 items of train: there is"):
        regression_screen({"x": x}, np.ones(30), splits)
    with pytest.raises(ValueError, match=r"^30 items but 29 targets$"):
        regression_probe(x, y[:29], splits, rng=rng)
    with pytest.raises(ValueError, match=r"^the penalties must be positive, got \[-1.0\]$"):
        regression_probe(x, y, splits, penalties=[-1.0], rng=rng)
    with pytest.raises(ValueError, match=r"^all 10 items have the same embedding: there is"):
        regression_probe(np.ones((30, 2)), y, splits, rng=rng)
