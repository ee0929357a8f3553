"""Clusters against labels: what perfect, shuffled and turned data must give, and scikit-learn."""

import json

import numpy as np
import pytest
from scipy.stats import ortho_group
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

from probes.clusters import (
    STARTS,
    adjusted_mutual,
    adjusted_rand,
    cluster_layers,
    cross_tables,
    find_clusters,
)


def directions(rng, items=120, classes=4, dim=6, spread=0.05):
    """Return embeddings around one direction a class, of all lengths, and the classes."""
    labels = np.repeat(np.arange(classes), items // classes)
    x = np.eye(dim)[labels] + spread * rng.normal(size=(len(labels), dim))
    return x * rng.uniform(0.5, 20, size=(len(labels), 1)), labels


def one(x, labels, seed=0, **more):
    table = cluster_layers({"layer": x}, labels, rng=np.random.default_rng(seed), **more)
    return table.rows[0]


def test_both_indices_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    for classes, clusters in ((2, 2), (3, 5), (7, 4)):
        labels = rng.integers(classes, size=(6, 50))
        found = rng.integers(clusters, size=50)
        labels[0] = found % classes  # far from chance
        labels[1] = 0  # a table of one class only
        tables = cross_tables(found, labels)

        np.testing.assert_allclose(
            adjusted_rand(tables), [adjusted_rand_score(row, found) for row in labels], atol=1e-12
        )
        np.testing.assert_allclose(
            adjusted_mutual(tables),
            [adjusted_mutual_info_score(row, found) for row in labels],
            atol=1e-12,
        )


def test_a_table_by_hand():
    """One of six items is in the wrong cluster: 4 pairs are together in both, 2.8 by chance."""
    tables = cross_tables(np.array([0, 0, 0, 1, 1, 1]), np.array([[0, 0, 1, 1, 1, 1]]))

    np.testing.assert_array_equal(tables[0], [[2, 1], [0, 3]])
    together, one_pairs, other_pairs, all_pairs = 1 + 3, 3 + 3, 1 + 6, 15
    expected = one_pairs * other_pairs / all_pairs
    by_hand = (together - expected) / ((one_pairs + other_pairs) / 2 - expected)
    assert adjusted_rand(tables)[0] == pytest.approx(by_hand)


def test_nothing_to_tell_apart_is_agreement():
    same = cross_tables(np.zeros(5, dtype=np.int64), np.zeros((1, 5), dtype=np.int64))

    assert adjusted_rand(same)[0] == adjusted_mutual(same)[0] == 1.0


def test_clear_kinds_are_found_whatever_the_lengths():
    x, labels = directions(np.random.default_rng(0))
    row = one(x, labels)

    assert row.rand.value == row.mutual.value == pytest.approx(1.0)
    assert row.rand.p == row.mutual.p == pytest.approx(0.01)
    assert row.rand.low is None
    assert row.rand.reason == "no interval: the value is the same without any tenth"
    assert len(row.by_start) == STARTS


def test_labels_by_lot_are_at_chance_and_chance_is_near_zero():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(300, 8))
    rows = [one(x, rng.integers(5, size=300), seed) for seed in range(6)]

    for row in rows:
        for score in (row.rand, row.mutual):
            assert abs(score.chance) < 0.005
            assert abs(score.value) < 0.03
    assert min(row.rand.p for row in rows) > 0.01


def test_between_perfect_and_chance_there_is_an_interval():
    x, labels = directions(np.random.default_rng(2), spread=0.35)
    row = one(x, labels)

    assert 0.2 < row.rand.value < 0.95
    assert row.rand.low < row.rand.value < row.rand.high <= 1.0
    assert row.rand.method == (
        "adjusted Rand index of 4 clusters by k-means; jackknife with clusters held fixed; "
        "chance and p by shuffling labels between items"
    )


def test_turning_renaming_and_scaling_change_nothing():
    rng = np.random.default_rng(3)
    x, labels = directions(rng, spread=0.3)
    turned = x @ ortho_group.rvs(6, random_state=0)
    names = np.array(["owl", "cat", "dog", "bat"])[labels]
    plain, changed = one(x, labels), one(3.0 * turned, names)

    assert changed.rand.value == pytest.approx(plain.rand.value, abs=1e-9)
    assert changed.mutual.value == pytest.approx(plain.mutual.value, abs=1e-9)


def test_the_tightest_start_comes_first():
    x, _ = directions(np.random.default_rng(4), spread=0.6)
    found, spreads = find_clusters(x, 4, rng=np.random.default_rng(0))

    assert found.shape == (STARTS, 120)
    assert list(spreads) == sorted(spreads)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    for clusters, spread in zip(found, spreads, strict=True):
        own = sum(((u := unit[clusters == c]) - u.mean(axis=0)).__pow__(2).sum() for c in range(4))
        assert spread == pytest.approx(own)


def test_recordings_that_clump_raise_the_chance_level_and_are_not_praised():
    """Every recording is a clump of its own and has a label by lot: there is nothing to find."""
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(12), 20)
    x = rng.normal(size=(12, 8))[groups] + 0.05 * rng.normal(size=(240, 8))
    labels = rng.permutation(np.repeat(np.arange(4), 3))[groups]
    by_item, by_group = one(x, labels), one(x, labels, groups=groups)

    assert by_item.mutual.value == by_group.mutual.value
    assert by_item.mutual.p == pytest.approx(0.01)  # wrongly sure
    assert by_group.mutual.p > 0.05
    assert by_group.mutual.chance > by_item.mutual.chance + 0.01
    assert by_group.mutual.method.endswith("labels between groups")
    mixed = np.where(np.arange(240) == 0, (labels + 1) % 4, labels)
    assert one(x, mixed, groups=groups).rand.method.endswith("labels between items")


def test_of_many_items_some_are_drawn_and_all_layers_have_the_same():
    x, labels = directions(np.random.default_rng(6), items=200, spread=0.3)
    layers = {"one": x, "two": x.copy()}
    table = cluster_layers(layers, labels, rng=np.random.default_rng(0), most=80)

    assert (table.items, table.of, table.clusters) == (80, 200, 4)
    assert table.rows[0].rand == table.rows[1].rand
    assert table.rows[0].rand.n == 80
    again = cluster_layers(layers, labels, rng=np.random.default_rng(0), most=80)
    assert again == table
    plain = json.loads(json.dumps(table.to_json()))
    assert list(plain) == ["rows", "clusters", "items", "of"]
    assert list(plain["rows"][0]) == ["tap", "rand", "mutual", "by_start"]


def test_a_layer_that_cannot_be_clustered_says_why():
    x, labels = directions(np.random.default_rng(7))
    flat = np.ones((120, 3))
    flat[:60] = [1, 2, 3]
    broken = x.copy()
    broken[5] = 0
    layers = {"flat": flat, "zero": broken, "good": x}
    found = {
        row.tap: row for row in cluster_layers(layers, labels, rng=np.random.default_rng(0)).rows
    }

    assert found["flat"].rand.reason == "only 2 different embeddings for 4 clusters"
    assert found["flat"].mutual.value is None
    assert "1 of 120 rows of embeddings have length 0" in found["zero"].rand.reason
    assert found["good"].rand.value > 0.9


def test_refusals():
    x, labels = directions(np.random.default_rng(0))
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"^no layer to cluster$"):
        cluster_layers({}, labels, rng=rng)
    with pytest.raises(ValueError, match=r"^120 items but 119 labels$"):
        cluster_layers({"layer": x}, labels[:-1], rng=rng)
    with pytest.raises(ValueError, match=r"^120 items but 3 groups$"):
        cluster_layers({"layer": x}, labels, rng=rng, groups=np.arange(3))
    with pytest.raises(ValueError, match=r"^all items have the same label: clusters have nothing"):
        cluster_layers({"layer": x}, np.zeros(120), rng=rng)
    with pytest.raises(ValueError, match=r"^120 items for 120 clusters; there must be two for"):
        cluster_layers({"layer": x}, np.arange(120), rng=rng)
