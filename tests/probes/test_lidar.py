"""LiDAR: bounds, known ranks, and the part that δ plays."""

import numpy as np
import pytest
from scipy.linalg import inv, sqrtm
from scipy.stats import ortho_group

from probes.lidar import lidar

RNG = np.random.default_rng


def views_of(means, views=10, noise=0.1, seed=1):
    """Return noisy views of every row of `means`, and which row each is of."""
    item_of = np.repeat(np.arange(len(means)), views)
    return means[item_of] + noise * RNG(seed).normal(size=(len(item_of), means.shape[1])), item_of


def rank_of(x, item_of, **options):
    return lidar(x, item_of, rng=RNG(0), **options).lidar.value


def test_item_means_on_a_line_have_rank_one():
    """Exactly, when the views of an item are placed evenly around its mean."""
    means = np.linspace(-1, 1, 20)[:, None] * RNG(0).normal(size=6)
    around = np.vstack([np.eye(6), -np.eye(6)]) * 0.1
    x = (means[:, None] + around).reshape(-1, 6)

    assert rank_of(x, np.repeat(np.arange(20), 12)) == pytest.approx(1, abs=1e-4)


def test_items_spread_evenly_have_full_rank():
    x, item_of = views_of(RNG(0).normal(size=(4000, 5)), views=6)

    assert rank_of(x, item_of) == pytest.approx(5, rel=0.005)


@pytest.mark.parametrize(("items", "dim"), [(4, 10), (12, 10), (200, 3)])
def test_bounded_by_channels_and_items(items, dim):
    x, item_of = views_of(RNG(0).normal(size=(items, dim)), views=3)
    found = lidar(x, item_of, rng=RNG(0))

    assert 1 <= found.lidar.value <= min(dim, items - 1)
    assert f"at most {min(dim, items - 1)};" in found.lidar.method


def test_equal_to_the_formula():
    means = RNG(0).normal(size=(40, 4)) * [3, 1, 1, 0.3]
    x, item_of = views_of(means, views=5, noise=0.5)
    grouped = x.reshape(40, 5, 4)
    centres = grouped.mean(axis=1)
    inner = (grouped - centres[:, None]).reshape(-1, 4)
    root = inv(sqrtm(inner.T @ inner / 200 + 0.2 * np.eye(4)))
    values = np.linalg.eigvalsh(root @ np.cov(centres.T) @ root)
    shares = values / values.sum() + 1e-7

    assert rank_of(x, item_of, delta=0.2) == pytest.approx(np.exp(-shares @ np.log(shares)))


def test_directions_in_which_views_differ_count_little():
    """Ten directions of equal spread between items; in five of them views differ as much."""
    means = RNG(0).normal(size=(500, 10))
    item_of = np.repeat(np.arange(500), 10)
    noise = RNG(1).normal(size=(5000, 10)) * ([0.05] * 5 + [2.0] * 5)
    found = lidar(means[item_of] + noise, item_of, rng=RNG(0)).lidar

    assert 4.9 < found.value < 5.2
    assert found.low < found.value < found.high


def test_invertible_maps_change_nothing_as_delta_vanishes():
    x, item_of = views_of(RNG(0).normal(size=(60, 5)) * [3, 2, 1, 1, 1])
    mapped = x @ (RNG(2).normal(size=(5, 5)) * [1, 1, 1, 1, 1e-2])
    turned = x @ ortho_group.rvs(5, random_state=0) + 7.0

    assert rank_of(turned, item_of, delta=0.1) == pytest.approx(rank_of(x, item_of, delta=0.1))
    assert rank_of(mapped, item_of, delta=1e-12) == pytest.approx(
        rank_of(x, item_of, delta=1e-12), abs=1e-5
    )
    assert abs(rank_of(mapped, item_of, delta=0.1) - rank_of(x, item_of, delta=0.1)) > 0.3


def test_sensitivity_says_how_much_delta_matters():
    x, item_of = views_of(RNG(0).normal(size=(60, 5)))
    large = lidar(x, item_of, rng=RNG(0))
    small = lidar(1e-3 * x, item_of, rng=RNG(0))

    assert [fit.delta for fit in large.sensitivity] == pytest.approx([1e-6, 1e-5, 1e-3, 1e-2])
    assert large.sensitivity[0].lidar == pytest.approx(
        rank_of(x, item_of, delta=large.sensitivity[0].delta)
    )
    assert large.delta_share == pytest.approx(1e-4 / (0.009 + 1e-4), rel=0.1)  # 0.9 of 0.1²
    assert small.delta_share > 0.99
    assert large.to_json()["views"] == [10, 10]


def test_items_with_one_view_only_add_to_the_means():
    """They must not pass for items whose views agree perfectly."""
    means = RNG(0).normal(size=(100, 3))
    x, item_of = views_of(means, views=2, noise=1.0)
    alone = RNG(5).permutation(means) @ ortho_group.rvs(3, random_state=0)
    both = lidar(
        np.vstack([x, alone]), np.append(item_of, np.arange(100, 200)), rng=RNG(0), delta=0.5
    )

    assert both.views == (1, 2)
    assert both.delta_share == pytest.approx(lidar(x, item_of, rng=RNG(0), delta=0.5).delta_share)


def test_groups_and_undefined():
    x, item_of = views_of(RNG(0).normal(size=(30, 3)), views=4)
    grouped = lidar(x, item_of, rng=RNG(0), groups=item_of // 3).lidar
    same = lidar(np.ones((12, 3)), np.arange(12) // 2, rng=RNG(0))

    assert grouped.low < grouped.value < grouped.high
    assert same.lidar.value is None
    assert same.lidar.reason == "the means of all items are the same: nothing tells them apart"
    assert same.sensitivity == ()


def test_refusals():
    x, item_of = views_of(RNG(0).normal(size=(5, 3)), views=2)
    with pytest.raises(ValueError, match=r"^LiDAR needs 3 items and two views of at least one, "):
        lidar(x, np.arange(10), rng=RNG(0))
    with pytest.raises(ValueError, match=r"got 2 items of at most 5 views$"):
        lidar(x, np.arange(10) // 5, rng=RNG(0))
    with pytest.raises(ValueError, match=r"^delta=0\.0: it must be positive"):
        lidar(x, item_of, rng=RNG(0), delta=0.0)
    with pytest.raises(ValueError, match=r"^row 1 is in another group than the first view of its"):
        lidar(x, item_of, rng=RNG(0), groups=np.arange(10))
    with pytest.raises(ValueError, match=r"^10 items but 9 ids of items$"):
        lidar(x, item_of[:9], rng=RNG(0))
    with pytest.raises(ValueError, match=r"^10 items but 9 groups$"):
        lidar(x, item_of, rng=RNG(0), groups=np.arange(9))
