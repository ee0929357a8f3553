"""Mutual nearest neighbours: identities, the exact chance level, and permutations."""

import numpy as np
import pytest
from scipy.stats import kstest, ortho_group

from probes.mutual_knn import MutualKnnNull, knn_graph, mutual_knn, mutual_knn_values, overlap
from probes.similarity import compare_mutual_knn, mutual_knn_curve
from probes.stacks import mutual_knn_matrix


def test_the_graph_and_overlap_by_hand():
    """Directions at 0, 10, 25 and 90 degrees against the order 0, 90, 10, 25."""

    def at(*degrees):
        angle = np.radians(degrees)
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)

    one = knn_graph(at(0, 10, 25, 90), 1)
    other = knn_graph(at(0, 90, 10, 25), 1)

    assert one.tolist() == [[1], [0], [1], [2]]
    assert other.tolist() == [[2], [3], [0], [2]]
    assert overlap(one, other).tolist() == [0.0, 0.0, 0.0, 1.0]


def test_overlap_counts_sets_not_places():
    one, other = np.array([[1, 2], [0, 2], [1, 0]]), np.array([[2, 1], [2, 0], [0, 1]])

    assert overlap(one, other).tolist() == [1.0, 1.0, 1.0]


def test_overlap_of_some_items_with_neighbours_among_all():
    """Rows are told apart though ids are larger than the number of rows."""
    one, other = np.array([[5, 9], [3, 8]]), np.array([[9, 7], [5, 3]])

    assert overlap(one, other).tolist() == [0.5, 0.5]
    assert overlap(np.array([[2], [0]]), np.array([[0], [2]])).tolist() == [0.0, 0.0]


def test_it_ignores_rotation_and_the_length_of_items_but_not_a_shift():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 5))
    moved = rng.uniform(0.1, 9, size=(80, 1)) * x @ ortho_group.rvs(5, random_state=0)

    assert mutual_knn(x, moved) == 1.0
    assert mutual_knn(x, x + 3.0) < 0.9


def test_it_is_symmetric_and_one_with_all_neighbours():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 4)), rng.normal(size=(30, 6))

    assert mutual_knn(x, y, k=5) == pytest.approx(mutual_knn(y, x, k=5))
    assert mutual_knn(x, y, k=29) == 1.0


def test_permuting_the_graph_equals_permuting_the_items():
    rng = np.random.default_rng(0)
    xs, ys = [rng.normal(size=(60, 4)) for _ in range(9)], [rng.normal(size=(60, 3)) for _ in "ab"]
    graphs = [knn_graph(x, 5) for x in xs], [knn_graph(y, 5) for y in ys]
    null = MutualKnnNull.of(*graphs)
    order = rng.permutation(60)
    expected = [[mutual_knn(x, y[order], k=5) for y in ys] for x in xs]

    np.testing.assert_allclose(null.values(order), expected, atol=1e-12)
    np.testing.assert_allclose(null.values(np.arange(60)), mutual_knn_values(*graphs), atol=1e-12)


def test_chance_is_exactly_k_over_the_others():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(100, 8)), rng.normal(size=(100, 8))
    found = compare_mutual_knn(x, y, rng=rng, k=10, count=499)

    assert found.score.chance == 10 / 99
    assert found.null.null_mean == pytest.approx(10 / 99, abs=0.001)


@pytest.mark.slow
def test_p_is_super_uniform_on_unrelated_data_also_for_the_best_of_many_layers():
    rng = np.random.default_rng(0)
    single, best = [], []
    for _ in range(200):
        xs = {i: rng.normal(size=(40, 4)) for i in "abc"}
        ys = {i: rng.normal(size=(40, 4)) for i in "abcd"}
        found = mutual_knn_matrix(xs, ys, k=5, count=39, rng=rng)
        single.append(found.p[0, 0])
        best.append(found.best_null.p)

    for ps in (single, best):
        assert kstest(ps, "uniform", alternative="greater").pvalue > 0.01
        assert np.mean(np.array(ps) <= 0.05) < 0.1


def test_shared_structure_is_found_with_an_interval_off_chance():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 6))
    found = compare_mutual_knn(x, x + rng.normal(size=x.shape), rng=rng, count=99)

    assert found.score.p == 0.01
    assert found.score.low > found.score.chance
    assert found.null.calibrated > 0


@pytest.mark.slow
def test_the_jackknife_covers_where_resampling_with_copies_would_not():
    """Copies of an item become each other's neighbours, on both sides."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 5)), rng.normal(size=(200, 5))
    rows = [rng.integers(200, size=200) for _ in range(20)]
    with_copies = np.mean([mutual_knn(x[drawn], y[drawn]) for drawn in rows])
    hits = 0
    for _ in range(40):
        x, y = rng.normal(size=(200, 5)), rng.normal(size=(200, 5))
        score = compare_mutual_knn(x, y, rng=rng, count=1).score
        hits += score.low <= score.chance <= score.high
        assert score.high < with_copies

    assert hits >= 35


def test_the_matrix_searches_each_layer_once(monkeypatch):
    from probes import stacks

    calls = []
    monkeypatch.setattr(
        stacks, "knn_graph", lambda x, k, device: calls.append(device) or knn_graph(x, k)
    )
    rng = np.random.default_rng(0)
    xs = {i: rng.normal(size=(30, 3)) for i in "abc"}
    found = mutual_knn_matrix(xs, xs, k=4, count=19, rng=rng)

    assert len(calls) == 6
    np.testing.assert_allclose(np.diag(found.values), 1.0)
    assert found.values[0, 1] == pytest.approx(mutual_knn(xs["a"], xs["b"], k=4))
    assert found.n == 30
    assert found.to_json()["values"][0][0] == 1.0


def test_refusals():
    x = np.random.default_rng(0).normal(size=(6, 3))
    with pytest.raises(ValueError, match=r"^k=6 neighbours among 6 items; choose 1 <= k <= 5$"):
        mutual_knn(x, x, k=6)
    with pytest.raises(ValueError, match=r"^65 layers at once; at most 64 can be tested$"):
        MutualKnnNull.of([knn_graph(x, 2)] * 65, [knn_graph(x, 2)])
    one = np.zeros((40_000, 1), dtype=np.int64)
    with pytest.raises(
        ValueError,
        match=r"^a permutation test of mutual kNN on 40000 items and 1 layers needs more than 1 GiB"
        r"; take a random subset of at most 32768 items$",
    ):
        MutualKnnNull.of([one], [one])
    with pytest.raises(ValueError, match=r"^x has 6 rows and y has 5: row i of one must be the"):
        mutual_knn(x, x[:5])
    with pytest.raises(
        ValueError, match=r"^layers to compare: 1 and 0; at least 1 each is needed$"
    ):
        mutual_knn_matrix({"a": x}, {})


@pytest.mark.parametrize("layers", [1, 9, 20, 40])
def test_as_many_layers_as_bits_need_not_be_of_one_kind(layers):
    """Tables of 8, 16, 32 and 64 bits count the same."""
    rng = np.random.default_rng(0)
    left = [knn_graph(rng.normal(size=(30, 4)), 3) for _ in range(layers)]
    right = [knn_graph(rng.normal(size=(30, 4)), 3) for _ in range(3)] + left[-1:]
    values = MutualKnnNull.of(left, right).values(np.arange(30))

    np.testing.assert_allclose(values, mutual_knn_values(left, right), atol=1e-12)
    assert values[-1, -1] == 1.0


def test_the_curve_falls_while_the_excess_over_chance_stays():
    """Equal likeness, more items: mutual kNN falls, and chance with it."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(800, 6))
    curve = mutual_knn_curve(x, x + 0.7 * rng.normal(size=x.shape), rng=rng, k=10)
    means = [at.point.mean for at in curve]

    assert [at.point.n for at in curve] == [800, 400, 200, 100]
    assert [at.point.subsets for at in curve] == [1, 2, 4, 8]
    assert [at.chance for at in curve] == [10 / 799, 10 / 399, 10 / 199, 10 / 99]
    assert means == sorted(means)
    assert all(at.point.mean > 3 * at.chance for at in curve[:2])
    assert curve[0].to_json()["point"]["n"] == 800


@pytest.mark.slow
def test_the_best_of_144_pairs_is_called_alike_by_mistake_in_at_most_6_of_100():
    """Layers are related within a side, as those of a network are; the sides are unrelated."""
    rng = np.random.default_rng(0)
    mistakes = 0
    for _ in range(300):
        sides = []
        for _side in "xy":
            base = rng.normal(size=(40, 6))
            sides.append({str(i): base + i / 6 * rng.normal(size=(40, 6)) for i in range(12)})
        mistakes += mutual_knn_matrix(*sides, k=5, count=19, rng=rng).best_null.p <= 0.05

    assert mistakes / 300 <= 0.06


def test_without_the_same_permutation_for_all_pairs_the_maximum_would_be_inflated():
    """The control: the maximum of 144 against the null of one pair is nearly always significant."""
    rng = np.random.default_rng(0)
    mistakes = 0
    for _ in range(20):
        xs, ys = ({str(i): rng.normal(size=(40, 6)) for i in range(12)} for _ in "xy")
        mistakes += mutual_knn_matrix(xs, ys, k=5, count=39, rng=rng).p.min() <= 0.05

    assert mistakes >= 18
