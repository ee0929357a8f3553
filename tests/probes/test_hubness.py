"""Hubs and anti-hubs: counts, published values, closed forms, directions; and CSLS against them."""

import json

import numpy as np
import pytest
from scipy.stats import ortho_group, skew

from probes.csls import Bank, csls
from probes.hubness import hubness, random_figures
from probes.ranks import cosines, mid_ranks
from probes.retrieval import retrieve, retrieve_ranked


def test_counts_by_hand():
    """Two gallery items are found by four queries each, one by none."""
    gallery = np.array([[1.0, 0.0], [1.0, 0.1], [-1.0, 0.0]])
    queries = np.array([[1.0, 0.05]] * 4)
    found = hubness(queries, gallery, rng=np.random.default_rng(0), k=2)

    assert found.occurrences.tolist() == [4, 4, 0]
    assert found.anti_hubs.value == pytest.approx(1 / 3)
    assert found.robin_hood.value == pytest.approx(1 / 3)  # 8/3 of 8 have to change hands
    assert found.skewness.value == pytest.approx(skew([4, 4, 0]))
    assert json.loads(json.dumps(found.to_json()))["occurrences"] == [4, 4, 0]


@pytest.mark.parametrize("k", [1, 10, 37])
def test_every_query_finds_k(k):
    rng = np.random.default_rng(0)
    queries, gallery = rng.normal(size=(50, 8)), rng.normal(size=(30, 8))
    found = hubness(queries, gallery, rng=rng, k=k)

    assert found.k == min(k, 30)
    assert found.occurrences.sum() == 50 * found.k
    assert len(found.occurrences) == found.gallery == 30


def test_everybody_found_equally_often_has_no_skewness():
    found = hubness(np.eye(4), np.eye(4), rng=np.random.default_rng(0), k=1)

    assert found.skewness.value is None
    assert found.skewness.reason.startswith("every item is found equally often: a constant has no")
    assert found.robin_hood.value == found.anti_hubs.value == 0.0
    whole = hubness(np.eye(4), np.eye(4), rng=np.random.default_rng(0), k=4)
    assert whole.anti_hubs.low is None
    assert whole.anti_hubs.reason.startswith("no interval: leaving out a tenth of the queries ch")
    assert (whole.robin_hood.chance, whole.anti_hubs.chance) == (0.0, 0.0)


def test_order_and_joint_rotation_do_not_matter_but_a_shift_does():
    rng = np.random.default_rng(0)
    queries, gallery = rng.normal(size=(2, 200, 12))
    plain = hubness(queries, gallery, rng=rng)
    order = rng.permutation(200)
    turn = ortho_group.rvs(12, random_state=0)
    same = hubness((queries @ turn)[::-1], 7 * (gallery @ turn)[order], rng=rng)
    shifted = hubness(queries + 5 * np.eye(12)[0], gallery, rng=rng)

    np.testing.assert_array_equal(same.occurrences, plain.occurrences[order])
    assert same.skewness.value == pytest.approx(plain.skewness.value)
    assert shifted.skewness.low > plain.skewness.value


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dim", "expected", "within"), [(3, 0.05, 0.15), (50, 0.26, 0.1), (768, 0.34, 0.12)]
)
def test_skewness_of_a_uniform_sphere(dim, expected, within):
    """2,000 points, k = 10, within one set: means of six other draws by brute force ± 3 SD."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, dim))
    found = hubness(x, x, rng=rng, itself=np.arange(2000))

    assert found.skewness.value == pytest.approx(expected, abs=within)
    assert found.skewness.low < found.skewness.value < found.skewness.high


def test_chance_is_what_random_naming_gives():
    rng = np.random.default_rng(0)
    figures = []
    for _ in range(150):
        ids = np.stack([rng.choice(25, size=3, replace=False) for _ in range(40)])
        counts = np.bincount(ids.ravel(), minlength=25)
        figures.append([skew(counts), np.abs(counts - 4.8).sum() / 240, (counts == 0).mean()])
    expected = random_figures(40, 25, 3)

    x = rng.normal(size=(26, 3))
    within = hubness(x, x, rng=rng, k=3, itself=np.arange(26))  # one of 26 is the query
    assert within.anti_hubs.chance == pytest.approx((22 / 25) ** 26)
    assert np.mean(figures, axis=0)[1:] == pytest.approx(expected[1:], abs=0.007)
    assert np.mean(figures, axis=0)[0] == pytest.approx(expected[0], abs=0.1)


@pytest.mark.slow
def test_the_interval_covers_the_robin_hood_index_of_other_queries():
    rng = np.random.default_rng(0)
    gallery = rng.normal(size=(60, 10)) + 0.7
    many = rng.normal(size=(40_000, 10))
    truth = []
    for part in np.array_split(many, 100):
        truth.append(hubness(part, gallery, rng=rng, k=3).robin_hood.value)
    hits = 0
    for part in np.array_split(many, 100)[:40]:
        score = hubness(part, gallery, rng=rng, k=3).robin_hood
        hits += score.low <= np.mean(truth) <= score.high

    assert hits >= 34


def hub_world(rng, items=120, dim=16):
    """Partners, and a gallery in which four items lie where all queries are."""
    x = rng.normal(size=(items, dim)) + 0.6
    y = x + 1.5 * rng.normal(size=x.shape)
    y[:4] = 4.0 + 0.3 * rng.normal(size=(4, dim))
    return x, y


def test_hubs_are_of_one_direction_and_csls_finds_them_less_often():
    rng = np.random.default_rng(0)
    x, y = hub_world(rng)
    there, back = hubness(x, y, rng=rng, k=2), hubness(y, x, rng=rng, k=2)
    ranks = csls(x, y).ranks()
    counts = (ranks <= 2).sum(axis=0)
    plain = retrieve(x, y, rng=rng, count=19).x_to_y.scores["R@1"]
    scaled = retrieve_ranked(ranks, rng=rng, count=19, likeness=csls(x, y).likeness)

    assert there.robin_hood.low > max(back.robin_hood.value, there.robin_hood.chance)
    assert there.skewness.value > back.skewness.value
    assert there.anti_hubs.value > 1.5 * there.anti_hubs.chance
    assert skew(counts) < 0.5 * there.skewness.value
    assert scaled.scores["R@1"].value > plain.value


def test_the_reference_is_named_in_every_score():
    rng = np.random.default_rng(0)
    x, y = hub_world(rng)
    bank = Bank(*hub_world(rng, items=50))
    alone, banked = csls(x, y), csls(x, y, bank=bank, k=5)

    assert alone.is_transductive
    assert not banked.is_transductive
    assert "transductive" not in banked.likeness
    method = (
        retrieve_ranked(alone.ranks(), rng=rng, count=9, likeness=alone.likeness)
        .scores["MRR"]
        .method
    )
    assert method.startswith(
        "MRR, CSLS (k = 10, transductive: test items as reference), gallery of 120; "
    )
    assert banked.likeness == "CSLS (k = 5, bank of 50 and 50 other items)"


def test_without_transduction_other_queries_do_not_matter():
    rng = np.random.default_rng(0)
    x, y = hub_world(rng)
    bank = Bank(*hub_world(rng, items=50))

    np.testing.assert_allclose(csls(x[:7], y, bank=bank).values, csls(x, y, bank=bank).values[:7])
    assert np.abs(csls(x[:7], y).values - csls(x, y).values[:7]).max() > 0.01


def test_csls_by_its_formula():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(9, 4)), rng.normal(size=(7, 4))
    c = cosines(x, y)
    r_x = np.sort(c, axis=1)[:, -3:].mean(axis=1)
    r_y = np.sort(c, axis=0)[-3:].mean(axis=0)

    np.testing.assert_allclose(csls(x, y, k=3).values, 2 * c - r_x[:, None] - r_y)
    bank = Bank(rng.normal(size=(6, 4)), rng.normal(size=(5, 4)))
    r_x = np.sort(cosines(x, bank.y), axis=1)[:, -3:].mean(axis=1)
    r_y = np.sort(cosines(y, bank.x), axis=1)[:, -3:].mean(axis=1)
    np.testing.assert_allclose(csls(x, y, bank=bank, k=3).values, 2 * c - r_x[:, None] - r_y)


def test_with_k_the_whole_gallery_it_is_the_cosine_without_means():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 8, 4))
    c = cosines(x, y)
    expected = 2 * c - c.mean(axis=1, keepdims=True) - c.mean(axis=0)

    np.testing.assert_allclose(csls(x, y, k=8).values, expected)
    np.testing.assert_allclose(csls(x, y, k=99).values, expected)


def test_a_query_that_is_near_to_everything_keeps_its_order():
    """What is added to a whole row cancels with its r: ranks within the row stay."""
    rng = np.random.default_rng(0)
    x, y = hub_world(rng)
    values = csls(x, y).values

    np.testing.assert_array_equal(
        csls(x, y).ranks(), (-(values + rng.normal(size=(120, 1)))).argsort(1).argsort(1) + 1
    )
    constant = csls(np.ones((5, 3)), np.ones((5, 3))).ranks()
    assert (constant == 3.0).all()
    np.testing.assert_array_equal(
        csls(x, y, bank=Bank(x[:1], y[:1])).ranks().shape, mid_ranks(x, y).shape
    )


def test_refusals():
    x = np.eye(3)
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"^queries have 3 channels and the gallery has 2: only e"):
        csls(x, x[:, :2])
    with pytest.raises(ValueError, match=r"^queries have 3 channels and the bank has 2: only embe"):
        csls(x, x, bank=Bank(x[:, :2], x[:, :2]))
    with pytest.raises(ValueError, match=r"^k=0 neighbours: at least 1 is needed$"):
        hubness(x, x, rng=rng, k=0)
    with pytest.raises(ValueError, match=r"^3 items but 2 groups$"):
        hubness(x, x, rng=rng, groups=np.arange(2))
