"""RSA: distances, comparisons with and without ties, sampled pairs, and exchanged items."""

import itertools

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import kendalltau, rankdata, spearmanr

from probes.rsa import Distances, rsa
from probes.similarity import compare

SPEARMAN = {"pearson": "correlation", "cosine": "cosine", "euclidean": "euclidean"}


def pair(items=30, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(items, 6)) + 0.5
    return x, x[:, :4] @ rng.normal(size=(4, 5)) + rng.normal(size=(items, 5))


@pytest.mark.parametrize("distance", SPEARMAN)
def test_against_scipy(distance):
    x, y = pair()
    one, other = (pdist(side, SPEARMAN[distance]) for side in (x, y))

    rho = rsa(x, y, distance=distance)
    assert rho == pytest.approx(spearmanr(one, other).statistic, abs=1e-9)
    tau = rsa(x, y, distance=distance, comparison="kendall")
    assert tau == pytest.approx(kendalltau(one, other).statistic, abs=1e-9)
    assert rsa(x, y, distance=distance, comparison="rho_a") == pytest.approx(rho, abs=1e-9)
    cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    if distance != "euclidean":
        assert rsa(x, y, distance=distance, comparison="cosine") == pytest.approx(cosine, abs=1e-9)


@pytest.mark.parametrize("comparison", ["spearman", "kendall", "rho_a"])
def test_a_monotone_function_of_the_distances_changes_nothing(comparison):
    """On the unit sphere cosine distances are half the squared Euclidean ones."""
    x, y = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in pair())
    one = rsa(x, y, distance="cosine", comparison=comparison)

    assert one == pytest.approx(rsa(x, y, distance="euclidean", comparison=comparison), abs=1e-9)
    straight = Distances.of(x, distance="cosine", comparison=comparison)
    bent = Distances.of(x, distance="euclidean", comparison=comparison)
    assert straight.compare(bent) == pytest.approx(1.0)


def tied():
    """Items on a coarse grid: many distances are equal."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 3, size=(7, 2)).astype(float), rng.normal(size=(7, 2))


def test_ties_count_as_disagreement():
    x, y = tied()
    one, other = pdist(x).round(12), pdist(y).round(12)
    signs = [
        np.sign(one[i] - one[j]) * np.sign(other[i] - other[j])
        for i, j in itertools.combinations(range(len(one)), 2)
    ]

    options = {"distance": "euclidean", "comparison": "kendall"}
    assert rsa(x, y, **options) == pytest.approx(np.mean(signs))
    assert rsa(x, x, **options) < 0.99
    # ρ_a is the mean of Spearman's ρ over random orders among ties
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(1000):
        shuffle = rng.permutation(len(one))
        broken = np.empty(len(one))
        broken[shuffle] = rankdata(one[shuffle], method="ordinal")
        drawn.append(spearmanr(broken, other).statistic)
    options["comparison"] = "rho_a"
    assert rsa(x, y, **options) == pytest.approx(np.mean(drawn), abs=0.02)
    assert rsa(x, y, distance="euclidean") > rsa(x, y, **options)


@pytest.mark.parametrize("distance", SPEARMAN)
def test_sampled_pairs_give_nearly_what_all_pairs_give(distance):
    x, y = pair(items=300)
    every = rsa(x, y, distance=distance)
    some = rsa(x, y, distance=distance, pairs=20_000, rng=np.random.default_rng(0))

    assert some == pytest.approx(every, abs=0.02)
    assert some != every


def test_sampling_all_pairs_but_one_takes_each_of_them_once():
    from probes.rsa import _pairs

    ends = _pairs(50, 50 * 49 // 2, np.random.default_rng(0))

    assert {tuple(end) for end in ends.T.tolist()} == {(i, j) for i in range(50) for j in range(i)}


def test_numbers_of_pairs_are_decoded_exactly_where_they_are_large():
    from probes.rsa import _pairs

    rows, columns = _pairs(3_000_000, 1000, np.random.default_rng(0))

    assert (0 <= columns).all()
    assert (columns < rows).all()
    assert rows.max() < 3_000_000
    assert rows.max() > 2_900_000


def test_reordered_distances_are_those_of_reordered_items():
    x, _ = pair()
    order = np.random.default_rng(0).permutation(30)
    one = Distances.of(x, comparison="kendall").reorder(order)

    np.testing.assert_allclose(one.ready, Distances.of(x[order], comparison="kendall").ready)


def test_exchanging_items_gives_0_on_average_and_exchanging_entries_would_be_too_narrow():
    """Items that differ in length alone make rows of an RDM alike: its entries are no sample."""
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(20, 3)) * rng.exponential(size=(20, 1)) for _ in "xy")
    one, other = (Distances.of(side, distance="euclidean") for side in (x, y))
    items = [one.compare(other.reorder(rng.permutation(20))) for _ in range(500)]
    entries = [spearmanr(one.ready, rng.permutation(other.ready)).statistic for _ in range(500)]

    assert abs(np.mean(items)) < 4 * np.std(items) / np.sqrt(500)
    assert np.std(items) > 2 * np.std(entries)


def test_few_items_are_exchanged_in_every_way_there_is():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 4))
    found = compare("rsa_euclid", x, 2 * x + 1, rng=rng, count=999)

    assert found.null.permutations == 119
    assert found.score.p == found.null.floor == 1 / 120


def test_refusals():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 4))
    flat = x.copy()
    flat[7] = 3.0
    with pytest.raises(
        ValueError, match=r"^40 items have more than 100 pairs, of which a sample is drawn: give a "
    ):
        rsa(x, x, pairs=100)
    with pytest.raises(
        ValueError, match=r"^1 of 40 rows of the items, centred over channels, have"
    ):
        rsa(x, flat)
    with pytest.raises(ValueError, match=r"^1 − Pearson over 2 channels is 0 or 2 for any items"):
        rsa(x[:, :2], x)
    with pytest.raises(
        ValueError, match=r"^RSA is undefined: one representation has the same dist"
    ):
        rsa(x, np.eye(40), distance="euclidean")
    for comparison in ("kendall", "rho_a"):
        with pytest.raises(ValueError, match=r"^RSA is undefined"):
            rsa(np.eye(40), x, distance="euclidean", comparison=comparison)
    with pytest.raises(ValueError, match=r"^RSA needs at least 3 items, got 2$"):
        rsa(x[:2], x[:2])
    with pytest.raises(ValueError, match=r"^RSA needs at least 3 items, got 2$"):
        Distances.of(x[:2])
    with pytest.raises(
        ValueError, match=r"^all distances between 2001 items are too many to permute; take a rand"
    ):
        Distances.of(np.ones((2001, 3)))
