"""Matching classes without pairs: closed forms, invariances, and what cannot be matched."""

import itertools
import json
import math

import numpy as np
import pytest
from scipy.stats import ortho_group

from probes import matching as module
from probes.matching import _agreement, _exchange, class_likeness, fixed_point_p, match_classes


def clusters(rng, classes, *, each=6, dim=24, spread=0.3):
    labels = np.repeat(np.arange(classes), each)
    return rng.normal(size=(classes, dim))[labels] + spread * rng.normal(
        size=(len(labels), dim)
    ), labels


def turned(rng, x, wider=0, noise=0.05):
    """x in other axes, of more channels, with noise of that share of its deviation."""
    dim = x.shape[1] + wider
    y = np.pad(x, ((0, 0), (0, wider))) @ ortho_group.rvs(dim, random_state=rng)
    return y + noise * x.std() * rng.normal(size=y.shape)


@pytest.mark.parametrize(("classes", "wider"), [(3, 0), (6, 5), (7, 0), (8, 3), (20, 0), (60, 7)])
def test_turned_classes_are_all_found(classes, wider):
    rng = np.random.default_rng(classes)
    x, labels = clusters(rng, classes)
    found = match_classes(x, turned(rng, x, wider), labels, labels, rng=rng)

    assert found.accuracy.value == 1.0
    assert found.accuracy.chance == 1 / classes
    assert found.accuracy.p == pytest.approx(1 / math.factorial(classes), rel=1e-9)
    assert found.matched == found.classes
    assert found.is_exact == (classes <= 7)
    assert found.objective == pytest.approx(found.true_objective)
    assert json.loads(json.dumps(found.to_json()))["accuracy"]["n"] == classes


def test_noise_as_large_as_the_signal_needs_the_restarts():
    """Profiles alone put half of the classes right; climbing from several starts does better."""
    rng = np.random.default_rng(0)
    shares = {1: [], 10: []}
    for _ in range(4):
        x, labels = clusters(rng, 20, each=10, dim=32, spread=0.5)
        y = turned(rng, x, noise=1.2)
        for restarts, share in shares.items():
            found = match_classes(x, y, labels, labels, rng=rng, restarts=restarts)
            share.append(found.accuracy.value)

    assert np.mean(shares[10]) > 0.8
    assert np.mean(shares[10]) >= np.mean(shares[1])


def test_unrelated_arrangements_are_at_chance():
    rng = np.random.default_rng(1)
    hits, ps = 0, []
    for _ in range(60):
        (x, labels), (y, _) = clusters(rng, 6), clusters(rng, 6)
        found = match_classes(x, y, labels, labels, rng=rng)
        hits += round(6 * found.accuracy.value)
        ps.append(found.accuracy.p)
        assert found.objective >= found.true_objective

    assert 30 <= hits <= 95  # one a trial is expected, with variance one
    assert np.mean(np.array(ps) <= 0.05) < 0.13


def test_the_order_and_names_of_classes_do_not_matter():
    """Ties, as in a collapsed space, must not be broken in favour of the truth."""
    labels = np.repeat(np.arange(12), 3)
    x = np.ones((36, 4))
    shares = [
        match_classes(x, x, labels, labels, rng=np.random.default_rng(seed)).accuracy.value
        for seed in range(30)
    ]

    assert np.mean(shares) < 0.25


def test_lengths_of_items_and_extra_classes_do_not_matter():
    rng = np.random.default_rng(0)
    x, labels = clusters(rng, 9)
    y = turned(rng, x)
    lengths = rng.uniform(0.1, 9, size=(len(x), 1))
    more = np.vstack([lengths * y, rng.normal(size=(4, 24))])
    names = np.append(labels, [77] * 4)
    found = match_classes(x, more, labels, names, rng=rng)

    assert found.accuracy.value == 1.0
    assert found.accuracy.n == 9


def test_stretching_changes_the_likeness():
    x, labels = clusters(np.random.default_rng(0), 9)
    plain = class_likeness(x, labels, np.arange(9))
    turned_ = class_likeness(x @ ortho_group.rvs(24, random_state=0), labels, np.arange(9))
    stretched = class_likeness(x * np.r_[30.0, np.ones(23)], labels, np.arange(9))

    np.testing.assert_allclose(turned_, plain, atol=1e-12)
    assert np.linalg.norm(plain) == pytest.approx(1.0)
    assert np.linalg.norm(stretched - plain) > 0.3


@pytest.mark.parametrize("classes", [1, 2, 3, 5, 6])
def test_p_counts_the_permutations_that_do_as_well(classes):
    orders = np.array(list(itertools.permutations(range(classes))))
    right = (orders == np.arange(classes)).sum(axis=1)

    for hits in range(classes + 1):
        assert fixed_point_p(hits, classes) == pytest.approx((right >= hits).mean())


def test_the_search_equals_trying_all(monkeypatch):
    rng = np.random.default_rng(0)
    best = []
    for exact in (7, 3):
        monkeypatch.setattr(module, "EXACT", exact)
        values = []
        for seed in range(5):
            (x, labels), (y, _) = (clusters(np.random.default_rng(seed + s), 7) for s in (0, 50))
            found = match_classes(x, y, labels, labels, rng=rng, restarts=30)
            assert found.is_exact == (exact == 7)
            values.append(found.objective)
        best.append(values)

    assert np.allclose(*best, atol=0.02)
    assert (np.array(best[0]) >= np.array(best[1]) - 1e-12).all()


def test_no_exchange_of_two_improves_the_end_of_the_search():
    rng = np.random.default_rng(0)
    a, b = (m + m.T for m in rng.normal(size=(2, 9, 9)))
    start = rng.permutation(9)
    order = _exchange(a, b, start)
    value = _agreement(a, b, order)

    assert value > _agreement(a, b, start)
    for i, j in itertools.combinations(range(9), 2):
        other = order.copy()
        other[[i, j]] = other[[j, i]]
        assert _agreement(a, b, other) <= value + 1e-9


def test_refusals():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 3))
    labels = np.array(list("aabb"))
    with pytest.raises(
        ValueError, match=r"^2 labels occur in both modalities; matching needs at least 3, becau"
    ):
        match_classes(x, x, labels, labels, rng=rng)
    with pytest.raises(ValueError, match=r"^4 items but 3 labels of y$"):
        match_classes(x, x, labels, np.arange(3), rng=rng)
    with pytest.raises(ValueError, match=r"^5 of 4 classes cannot be right$"):
        fixed_point_p(5, 4)
