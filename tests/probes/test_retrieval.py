"""Retrieval of partners and of labels: closed forms, ties, nested nulls."""

import math

import numpy as np
import pytest
from scipy.stats import kstest, ortho_group, rankdata
from sklearn.metrics import average_precision_score

from probes.label_retrieval import (
    average_precision,
    fewest_classes,
    random_average_precision,
    retrieve_labels,
)
from probes.ranks import _rank_rows, mid_ranks
from probes.retrieval import MEDIAN, MRR, chance_levels, measures, retrieve, retrieve_ranked


def test_ranks_by_hand():
    """Gallery at 0, 60, 60 and 90 degrees: for a query at 0 the ranks are 1, 2.5, 2.5, 4."""
    angles = np.radians([0, 60, 60, 90])
    gallery = np.stack([np.cos(angles), np.sin(angles)], axis=1)

    assert mid_ranks(gallery[:1], gallery).tolist() == [[1.0, 2.5, 2.5, 4.0]]


@pytest.mark.parametrize("values", [2, 5, 1000])
def test_ranks_with_many_and_few_ties_equal_scipy(values):
    rows = np.random.default_rng(0).integers(values, size=(20, 30)).astype(float)

    np.testing.assert_array_equal(_rank_rows(rows), rankdata(rows, axis=1))


def test_a_constant_embedding_ranks_everything_in_the_middle():
    """Neither 100 % right, as with optimistic ranks, nor 0 %."""
    x = np.full((50, 7), 0.3, dtype=np.float32)
    found = retrieve(x, x, rng=np.random.default_rng(0), count=19).x_to_y

    assert (found.ranks == 25.5).all()
    assert found.scores["R@1"].value == 0.0
    assert found.scores[MEDIAN].value == found.scores[MEDIAN].chance
    assert found.scores[MRR].p == 1.0


def test_the_same_space_is_perfect_both_ways():
    x = np.random.default_rng(0).normal(size=(40, 6))
    found = retrieve(x, 3 * x, rng=np.random.default_rng(0), count=99)

    for direction in (found.x_to_y, found.y_to_x):
        assert direction.gallery == 40
        assert [direction.scores[name].value for name in ("R@1", MEDIAN, MRR)] == [1.0, 1.0, 1.0]
        assert [direction.scores[name].p for name in ("R@1", MEDIAN, MRR)] == [0.01] * 3
        assert 0.9 < direction.scores["R@1"].low < 1.0


def test_the_two_directions_are_not_swapped():
    """y₁ is a hub: it is the nearest of both x, while each y is nearest to its own x."""
    x = np.array([[1.0, 0.0], [0.0, 1.0]])
    y = np.array([[1.0, -2.0], [0.9, 1.0]])
    found = retrieve(x, y, rng=np.random.default_rng(0), count=9)

    assert found.x_to_y.ranks.tolist() == [2.0, 1.0]
    assert found.y_to_x.ranks.tolist() == [1.0, 1.0]


def test_joint_rotation_changes_nothing_but_turning_one_side_does():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 8))
    y = x + rng.normal(size=x.shape)
    turn = ortho_group.rvs(8, random_state=0)
    ranks = retrieve(x, y, rng=rng, count=1).x_to_y.ranks

    np.testing.assert_array_equal(
        retrieve(x @ turn, y @ turn, rng=rng, count=1).x_to_y.ranks, ranks
    )
    assert retrieve(x, y @ turn, rng=rng, count=1).x_to_y.ranks.mean() > 2 * ranks.mean()


def test_chance_levels_are_the_means_over_random_ranks():
    drawn = measures(np.random.default_rng(0).integers(1, 21, size=(400, 2000)).astype(float))
    chance = chance_levels(20)

    assert chance["R@5"] == 0.25
    assert chance[MEDIAN] == 10.5
    assert chance[MRR] == pytest.approx(sum(1 / r for r in range(1, 21)) / 20)
    for name, level in chance.items():
        assert float(drawn[name].mean()) == pytest.approx(level, rel=0.01)


@pytest.mark.slow
def test_p_is_super_uniform_on_unrelated_modalities():
    rng = np.random.default_rng(0)
    ps = []
    for _ in range(200):
        found = retrieve(rng.normal(size=(30, 4)), rng.normal(size=(30, 4)), rng=rng, count=39)
        ps.append([found.x_to_y.scores[name].p for name in (MRR, MEDIAN, "R@5")])

    for column in np.array(ps).T:
        assert kstest(column, "uniform", alternative="greater").pvalue > 0.01
        assert np.mean(column <= 0.05) < 0.1


def class_only(rng, items=60, classes=4):
    """Two modalities that share the class and nothing else."""
    labels = rng.integers(classes, size=items)
    centres = 2 * rng.normal(size=(classes, 10))
    x, y = (centres[labels] + rng.normal(size=(items, 10)) for _ in "xy")
    return x, y, labels


@pytest.mark.slow
def test_nested_nulls_tell_class_from_instance():
    """Class-only data: free permutations always find it, those within classes do not."""
    rng = np.random.default_rng(0)
    free, within = [], []
    for _ in range(200):
        x, y, labels = class_only(rng)
        found = retrieve(x, y, rng=rng, classes=labels, count=49).x_to_y
        free.append(found.nulls[MRR].p)
        within.append(found.within_class[MRR].p)

    assert max(free) == 0.02
    assert kstest(within, "uniform", alternative="greater").pvalue > 0.01
    assert np.mean(np.array(within) <= 0.05) < 0.1
    x, _, labels = class_only(rng)
    own = retrieve(x, x + rng.normal(size=x.shape), rng=rng, classes=labels, count=99)
    assert own.x_to_y.within_class[MRR].p == 0.01


def test_the_class_level_null_by_hand():
    """Three classes of two; every item ranks its class first, the own partner in second place."""
    ranks = np.full((6, 6), 4.5)
    for i in range(6):
        ranks[i, i] = 2.0
        ranks[i, i ^ 1] = 1.0
    labels = np.array(["a", "a", "b", "b", "c", "c"])
    found = retrieve_ranked(ranks, rng=np.random.default_rng(0), classes=labels, count=9)
    test = found.class_level["R@1"]

    assert found.scores["R@1"].value == 0.0  # the own partner is never first
    assert test.observed == 1.0  # its companion always is
    assert test.permutations == 5
    assert sorted([test.p, test.floor]) == [1 / 6, 1 / 6]
    # of the five, three keep one class in its place and two none
    assert test.null_mean == pytest.approx(3 / 5 * 1 / 3)
    assert set(found.class_level) == {"R@1", "R@5", "R@10", MRR}
    assert "R@1, cosine, gallery of 6" in found.scores["R@1"].method


def test_classes_of_one_item_say_nothing_about_classes():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 12, 3))
    alone = retrieve(x, y, rng=rng, classes=np.arange(12), count=9).x_to_y
    two = retrieve(x, y, rng=rng, classes=np.minimum(np.arange(12), 8) // 4, count=9).x_to_y

    assert alone.class_level is None
    assert alone.within_class[MRR].p == 1.0  # nothing could change places
    assert two.class_level[MRR].permutations == 5
    assert retrieve(x, y, rng=rng, count=9).x_to_y.class_level is None


def test_sharing_single_items_is_no_sharing_of_classes():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 6))
    y = x + 0.3 * rng.normal(size=x.shape)
    any_labels = rng.permutation(np.arange(90) % 6)
    found = retrieve(x, y, rng=rng, classes=any_labels, count=99).x_to_y

    assert found.nulls[MRR].p == 0.01
    assert found.within_class[MRR].p == 0.01
    assert found.class_level[MRR].p > 0.05


@pytest.mark.slow
@pytest.mark.parametrize("shares", ["nothing", "single items", "classes"])
def test_each_null_is_uniform_where_nothing_of_its_kind_is_shared(shares):
    """Global, within class, class level: which of them finds something says what is shared."""
    rng = np.random.default_rng(0)
    ps = []
    for _ in range(200):
        labels = rng.permutation(np.arange(48) % 6)
        x = rng.normal(size=(48, 5))
        y = rng.normal(size=(48, 5))
        if shares == "single items":
            y = x + 0.5 * y
        if shares == "classes":
            centres = 2 * rng.normal(size=(6, 5))
            x, y = centres[labels] + x, centres[labels] + y
        found = retrieve(x, y, rng=rng, classes=labels, count=99).x_to_y
        ps.append([found.nulls[MRR].p, found.within_class[MRR].p, found.class_level[MRR].p])

    silent = {"nothing": (0, 1, 2), "single items": (2,), "classes": (1,)}[shares]
    for place, column in enumerate(np.array(ps).T):
        if place in silent:
            # p has steps of 1/100, which are spread to make it continuous
            spread = column - rng.uniform(0, 0.01, size=200)
            assert kstest(spread, "uniform").pvalue > 0.01
        else:
            assert np.mean(column <= 0.05) > 0.95


def test_groups_widen_the_interval():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 10)
    noise = np.repeat(rng.uniform(0, 4, size=20), 10)[:, None]
    x = rng.normal(size=(200, 8))
    y = x + noise * rng.normal(size=x.shape)
    alone = retrieve(x, y, rng=rng, count=1).x_to_y.scores
    grouped = retrieve(x, y, rng=rng, groups=groups, count=1).x_to_y.scores

    for name in ("R@1", MRR):
        width = alone[name].high - alone[name].low
        assert grouped[name].high - grouped[name].low > 1.5 * width
        assert "cluster bootstrap" in grouped[name].method


def test_average_precision_equals_sklearn():
    rng = np.random.default_rng(0)
    cosines, right = rng.normal(size=(20, 30)), np.arange(30) % 3 == 0
    ranks = (-cosines).argsort(axis=1).argsort(axis=1) + 1.0
    expected = [average_precision_score(right, row) for row in cosines]

    np.testing.assert_allclose(average_precision(ranks[:, right]), expected)


def test_average_precision_of_a_random_order():
    rng = np.random.default_rng(0)
    ranks = np.stack([rng.permutation(12)[:4] + 1.0 for _ in range(40_000)])

    assert random_average_precision(4, 12) == pytest.approx(
        average_precision(ranks).mean(), rel=0.01
    )
    assert random_average_precision(12, 12) == pytest.approx(1.0)
    assert random_average_precision(1, 1) == 1.0


def clusters(rng, classes, each=8, *, shift=0, spread=0.02):
    """Tight classes around the axes; class c of the second modality sits at axis c + shift."""
    labels = np.repeat(np.arange(classes), each)
    x, y = (
        np.eye(classes)[(labels + move) % classes]
        + spread * rng.normal(size=(len(labels), classes))
        for move in (0, shift)
    )
    return x, y, np.array([f"class {c}" for c in labels])


def test_classes_that_meet_are_perfect_and_significant():
    rng = np.random.default_rng(0)
    x, y, labels = clusters(rng, 6)
    found = retrieve_labels(x, y, labels, labels, rng=rng).x_to_y

    assert found.mean_average_precision.value == pytest.approx(1.0)
    assert found.nearest.value == 1.0
    assert found.null.permutations == math.factorial(6) - 1
    assert found.mean_average_precision.p == pytest.approx(1 / 720)
    assert found.nearest.chance == pytest.approx(1 / 6)
    assert set(found.per_class) == {f"class {c}" for c in range(6)}


def test_tight_classes_that_miss_each_other_are_not_called_aligned():
    """Every class meets another one: chance has to count that whole classes lie together.

    Tight clusters in random places give more than a random order of items does, so that unaligned
    ones would often look significant if items were permuted.
    """
    rng = np.random.default_rng(0)
    x, y, labels = clusters(rng, 6, shift=1)
    found = retrieve_labels(x, y, labels, labels, rng=rng).x_to_y

    assert found.nearest.value == 0.0
    assert found.mean_average_precision.p > 0.5
    assert found.mean_average_precision.chance > 1.3 * found.item_chance
    assert found.mean_average_precision.value < found.mean_average_precision.chance


@pytest.mark.slow
def test_p_is_super_uniform_for_clustered_but_unrelated_modalities():
    rng = np.random.default_rng(0)
    ps = []
    for _ in range(200):
        labels = np.repeat(np.arange(7), 4)
        x, y = (rng.normal(size=(7, 6))[labels] + 0.3 * rng.normal(size=(28, 6)) for _ in "xy")
        ps.append(retrieve_labels(x, y, labels, labels, rng=rng, count=39).x_to_y.null.p)

    assert kstest(ps, "uniform", alternative="greater").pvalue > 0.01
    assert np.mean(np.array(ps) <= 0.05) < 0.1


def test_a_collapsed_space_is_at_chance():
    labels = np.repeat(np.arange(4), 5)
    x = np.ones((20, 3))
    found = retrieve_labels(x, x, labels, labels, rng=np.random.default_rng(0)).x_to_y

    assert found.nearest.value == pytest.approx(0.25)
    assert found.mean_average_precision.value == pytest.approx((5 + 1) / (20 + 1))
    assert found.mean_average_precision.p == 1.0


def test_unpaired_unequal_modalities_and_labels_of_one_side_only():
    rng = np.random.default_rng(0)
    x, y, labels = clusters(rng, 5)
    more = np.vstack([y, rng.normal(size=(9, 5))])
    found = retrieve_labels(
        np.vstack([x, x[:3]]),
        more,
        np.append(labels, ["only here"] * 3),
        np.append(labels, ["only there"] * 9),
        rng=rng,
    )

    assert found.x_to_y.skipped == 3
    assert found.x_to_y.queries == 40
    assert found.x_to_y.gallery == 49
    assert found.y_to_x.skipped == 9
    assert found.x_to_y.nearest.value > 0.9


def test_few_classes_say_what_cannot_be_shown():
    rng = np.random.default_rng(0)
    x, y, labels = clusters(rng, 3)
    score = retrieve_labels(x, y, labels, labels, rng=rng).x_to_y.mean_average_precision

    assert score.low is None
    assert score.reason == (
        "3 classes are too few for an interval over classes; with 3 classes p cannot be below 0.17"
    )
    assert fewest_classes(0.01) == 5


def test_refusals():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 3))
    with pytest.raises(
        ValueError, match=r"^1 labels occur in both modalities; at least 2 are need"
    ):
        retrieve_labels(x, x, np.array(list("aabb")), np.array(list("aacc")), rng=rng)
    with pytest.raises(
        ValueError, match=r"^retrieval needs at least 2 pairs: a gallery of one ite"
    ):
        retrieve(x[:1], x[:1], rng=rng)
    with pytest.raises(
        ValueError, match=r"^queries have 3 channels and the gallery has 2: only em"
    ):
        retrieve(x, x[:, :2], rng=rng)
    with pytest.raises(ValueError, match=r"^4 items but 3 classes$"):
        retrieve(x, x, rng=rng, classes=np.array([0, 1, 1]))
    with pytest.raises(ValueError, match=r"^4 items but 5 labels of y$"):
        retrieve_labels(x, x, np.arange(4), np.arange(5), rng=rng)
