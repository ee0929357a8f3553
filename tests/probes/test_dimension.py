"""TwoNN: known dimensions, the law of the ratios, and what must not matter."""

import numpy as np
import pytest
from scipy.stats import ortho_group
from sklearn.neighbors import NearestNeighbors

from probes import dimension
from probes.dimension import likelihood_dimension, neighbour_ratios, slope_dimension, two_nn

RNG = np.random.default_rng


@pytest.mark.parametrize("dim", [1, 2, 3, 5])
def test_a_uniform_cube_has_about_its_dimension(dim):
    """Within 10 % up to 5 dimensions: the mean of four draws of 1200."""
    found = [slope_dimension(neighbour_ratios(RNG(s).uniform(size=(1200, dim)))) for s in range(4)]

    assert np.mean(found) == pytest.approx(dim, rel=0.1)


def test_ten_dimensions_come_out_too_low():
    """Border effects: about 8.4 of 10 at 1200 items, as the docs warn."""
    found = [slope_dimension(neighbour_ratios(RNG(s).uniform(size=(1200, 10)))) for s in range(4)]

    assert np.mean(found) == pytest.approx(8.4, abs=0.5)


def test_ratios_equal_an_exact_search(monkeypatch):
    monkeypatch.setattr(dimension, "CHUNK", 500)
    x = RNG(0).normal(size=(120, 4)) + 10
    x[7] = x[3] + 1e-9  # a pair that the product of matrices cannot resolve
    distances = NearestNeighbors(n_neighbors=3, algorithm="kd_tree").fit(x).kneighbors(x)[0]

    np.testing.assert_allclose(neighbour_ratios(x), distances[:, 2] / distances[:, 1], rtol=1e-9)


@pytest.mark.parametrize("dim", [2.0, 7.5])
def test_ratios_that_follow_the_law_give_its_dimension(dim):
    """μ has the distribution function 1 − μ^−d: at its quantiles the points lie on the line."""
    n = 2000
    ratios = (1 - np.arange(1, n) / n) ** (-1 / dim)
    ratios = np.append(ratios, ratios[-1] * 2)

    assert slope_dimension(ratios) == pytest.approx(dim)
    drawn = RNG(0).pareto(dim, size=200_000) + 1
    assert likelihood_dimension(drawn) == pytest.approx(dim, rel=0.01)


def test_outliers_are_discarded_from_the_slope():
    n = 1000
    ratios = (1 - np.arange(1, n + 1) / (n + 1)) ** (-1 / 3)
    spoilt = np.sort(ratios)
    spoilt[-50:] *= 1e6

    assert slope_dimension(spoilt) == slope_dimension(ratios)
    assert slope_dimension(spoilt, discard=0.0) < 1


def test_scale_rotation_and_more_channels_change_nothing_but_noise_does():
    x = RNG(0).uniform(size=(300, 2))
    turn = ortho_group.rvs(8, random_state=0)[:2]
    plain = two_nn(x, rng=RNG(0)).dimension
    wide = two_nn(1e-5 * x @ turn + 3.0, rng=RNG(0)).dimension
    noisy = two_nn(x @ turn + 0.2 * RNG(1).normal(size=(300, 8)), rng=RNG(0)).dimension

    assert wide.value == pytest.approx(plain.value, rel=1e-5)
    assert (wide.low, wide.high) == pytest.approx((plain.low, plain.high), rel=1e-4)
    assert noisy.value > 2 * plain.value


def test_duplicates_are_left_out_and_counted():
    x = RNG(0).uniform(size=(200, 3))
    plain = two_nn(x, rng=RNG(0))
    doubled = two_nn(np.vstack([x, x[:60], x[:10]]), rng=RNG(0))

    assert (plain.duplicates, doubled.duplicates) == (0, 70)
    assert doubled.dimension == plain.dimension
    assert doubled.dimension.n == 200


def test_the_curve_shows_that_noise_has_more_dimensions_than_the_line_it_surrounds():
    """A line with fine noise: one dimension from afar, many from near."""
    line = np.zeros((1600, 6))
    line[:, 0] = np.linspace(0, 1, 1600)
    found = two_nn(line + 8e-4 * RNG(0).normal(size=(1600, 6)), rng=RNG(0))

    assert [point.n for point in found.curve] == [1600, 800, 400, 200]
    means = [point.mean for point in found.curve]
    assert means == sorted(means, reverse=True)
    assert means[0] > 1.7 * means[-1]
    assert found.to_json()["curve"][3]["subsets"] == 8


def test_the_interval_covers_the_truth_and_is_not_much_too_wide():
    scores = [
        two_nn(RNG(seed).uniform(size=(250, 2)), rng=RNG(seed)).likelihood for seed in range(20)
    ]
    truth = 1.976  # what 250 items of a square give on average, over 400 draws
    widths = [score.high - score.low for score in scores]

    assert sum(score.low <= truth <= score.high for score in scores) >= 18
    assert np.mean(widths) < 2.5 * 2 * 1.96 * np.std([score.value for score in scores])


def test_groups_are_left_out_together():
    centres = RNG(0).uniform(size=(60, 3))
    x = np.repeat(centres, 5, axis=0) + 1e-3 * RNG(1).normal(size=(300, 3))
    groups = np.arange(300) // 5
    by_group = two_nn(x, rng=RNG(0), groups=groups).dimension
    one_group = two_nn(x, rng=RNG(0), groups=np.zeros(300)).dimension

    assert by_group.low < by_group.value < by_group.high
    assert one_group.reason.startswith("no interval: a jackknife needs at least 2 units")


def test_refusals():
    x = RNG(0).normal(size=(30, 3))
    with pytest.raises(ValueError, match=r"^TwoNN needs at least 20 different items, got 12 \(18 "):
        two_nn(np.vstack([x[:12], x[:12], x[:6]]), rng=RNG(0))
    with pytest.raises(ValueError, match=r"^discard=1\.0: choose a share from 0 to below 1$"):
        two_nn(x, rng=RNG(0), discard=1.0)
    with pytest.raises(ValueError, match=r"^two neighbours of 2 items: at least 3 items"):
        neighbour_ratios(x[:2])
    with pytest.raises(ValueError, match=r"^every item is as far from its second neighbour"):
        slope_dimension(np.ones(30))
    with pytest.raises(ValueError, match=r"^every item is as far from its second neighbour"):
        likelihood_dimension(np.ones(30))
    with pytest.raises(ValueError, match=r"^30 items but 29 groups$"):
        two_nn(x, rng=RNG(0), groups=np.arange(29))
