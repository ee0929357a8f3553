"""Any measure against chance: what a copy, unrelated items and groups give."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kstest

from probes.measures import MEASURES
from probes.similarity import compare, compare_cka, compare_mutual_knn
from probes.stacks import cka_matrix, layer_matrix, mutual_knn_matrix


def turned(x, rng):
    return 2 * x @ np.linalg.qr(rng.normal(size=(x.shape[1], x.shape[1])))[0]


@pytest.mark.parametrize("name", MEASURES)
def test_a_copy_reaches_the_floor_and_a_calibrated_value_of_one(name):
    """A rotated copy; where rotations matter, a scaled one."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 5))
    copy = turned(x, rng) if "rotation" in MEASURES[name].of_side("y") else 2 * x
    found = compare(name, x, copy, rng=rng, count=39)

    assert found.score.p == found.null.floor == 1 / 40
    assert found.score.chance == found.null.null_mean
    if MEASURES[name].is_distance:
        assert found.score.value < found.null.threshold < found.score.chance
        assert found.null.calibrated is None
    else:
        assert found.score.value > found.null.threshold > found.score.chance
        assert found.null.calibrated == pytest.approx(1.0, abs=1e-6)
    assert found.score.method.startswith(MEASURES[name].name)
    assert found.to_json()["null"]["permutations"] == 39


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rbf_cka", "cknna", "mean_cca", "procrustes_angle", "rsa"])
def test_p_is_super_uniform_on_unrelated_items(name):
    rng = np.random.default_rng(0)
    measure = MEASURES[name]
    ps = []
    for _ in range(200):
        xs, ys = {"x": rng.normal(size=(25, 4))}, {"y": rng.normal(size=(25, 3))}
        ps.append(layer_matrix(measure, xs, ys, count=19, rng=rng).p[0, 0])

    assert kstest(ps, "uniform", alternative="greater").pvalue > 0.01
    assert np.mean(np.array(ps) <= 0.05) < 0.1


def test_the_fast_ways_agree_with_the_general_one():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 5))
    y = x[:, :2] @ rng.normal(size=(2, 4)) + rng.normal(size=(50, 4))
    for name, fast in (("debiased_cka", compare_cka), ("mutual_knn", compare_mutual_knn)):
        one = compare(name, x, y, rng=np.random.default_rng(1), count=99).score
        other = fast(x, y, rng=np.random.default_rng(1), count=99).score
        assert one.p == other.p
        assert one.value == pytest.approx(other.value, abs=1e-12)
        if name == "debiased_cka":
            assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=1e-9)


def test_within_groups_only_what_goes_beyond_them_counts():
    """Both sides know the class and nothing else in common."""
    rng = np.random.default_rng(0)
    classes = np.repeat(np.arange(4), 15)
    centres = 3 * rng.normal(size=(4, 5))
    x, y = (centres[classes] + rng.normal(size=(60, 5)) for _ in "xy")
    free = compare("debiased_cka", x, y, rng=rng, count=99)
    kept = compare("debiased_cka", x, y, rng=rng, count=99, within=classes)

    assert free.score.p == 0.01
    assert kept.score.p > 0.05
    assert kept.null.kind == "rows of y within groups"
    shared = compare("debiased_cka", x, x + y, rng=rng, count=99, within=classes)
    assert shared.score.p == 0.01


def test_an_undefined_measure_has_no_value_and_says_why():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 4))
    found = compare("rsa_euclid", x, np.ones((20, 4)), rng=rng)

    assert found.null is None
    assert found.score.reason.startswith("RSA is undefined")
    with pytest.raises(ValueError, match=r"^no measure 'cak'; there are cka, debiased_cka, "):
        compare("cak", x, x, rng=rng)


def stacks(rng, items=30):
    base = rng.normal(size=(items, 4))
    xs = {"embed": rng.normal(size=(items, 3)), "top": base}
    return xs, {"one": rng.normal(size=(items, 5)), "two": turned(base, rng)}


@pytest.mark.parametrize("name", ["rbf_cka", "cknna", "svcca", "procrustes_angle", "rsa_euclid"])
def test_a_matrix_of_any_measure_holds_what_single_comparisons_give(name):
    rng = np.random.default_rng(0)
    xs, ys = stacks(rng)
    found = layer_matrix(name, xs, ys, count=19, rng=rng)

    expected = [[MEASURES[name](x, y) for y in ys.values()] for x in xs.values()]
    np.testing.assert_allclose(found.values, expected, atol=1e-12)
    assert found.best == ("top", "two")
    assert found.best_null.p == found.p[1, 1] == 0.05
    assert found.best_null.observed == pytest.approx(0.0 if "angle" in name else 1.0, abs=1e-9)
    assert found.to_json()["measure"] == MEASURES[name].name


@pytest.mark.parametrize(
    ("name", "fast"), [("debiased_cka", cka_matrix), ("mutual_knn", mutual_knn_matrix)]
)
def test_fast_matrices_agree_with_the_general_one_cell_by_cell(name, fast):
    xs, ys = stacks(np.random.default_rng(0))
    one, other = (
        make(xs, ys, count=49, rng=np.random.default_rng(1))
        for make in (lambda *sides, **kind: layer_matrix(name, *sides, **kind), fast)
    )

    np.testing.assert_allclose(one.values, other.values, atol=1e-12)
    np.testing.assert_allclose(one.chance, other.chance, atol=1e-12)
    np.testing.assert_allclose(one.p, other.p)
    assert one.best_null.threshold == pytest.approx(other.best_null.threshold, abs=1e-12)


def test_the_best_of_many_pairs_is_held_against_the_best_of_many():
    """The threshold for the best of 16 pairs lies above that of any one pair."""
    rng = np.random.default_rng(0)
    xs, ys = ({str(i): rng.normal(size=(30, 4)) for i in range(4)} for _ in "xy")
    found = layer_matrix("rsa_euclid", xs, ys, count=99, rng=rng)
    alone = compare("rsa_euclid", xs["0"], ys["0"], rng=rng, count=99)

    assert found.best_null.threshold > alone.null.threshold
    assert found.best_null.p > found.p.min()
    near = layer_matrix("procrustes_angle", xs, ys, count=99, rng=rng)
    assert near.best_null.observed == near.values.min()
    assert near.best_null.threshold < near.chance.min()


def test_within_groups_in_a_matrix():
    rng = np.random.default_rng(0)
    xs, ys = stacks(rng)
    found = layer_matrix("cka", xs, ys, count=9, rng=rng, within=np.arange(30) // 2)

    assert found.best_null.kind.startswith("rows of y within groups, the same way for all pairs")


def test_refusals():
    rng = np.random.default_rng(0)
    xs = {"a": np.ones((1500, 1), dtype=np.float32)}
    many = {str(i): xs["a"] for i in range(59)}
    with pytest.raises(
        ValueError,
        match=r"^RSA, Euclid, Spearman of 60 layers on 1500 items needs more than 1 GiB; take a "
        r"random subset of at most 1495 items$",
    ):
        layer_matrix("rsa_euclid", xs, many, count=9, rng=rng)
    with pytest.raises(ValueError, match=r"^permutations are drawn at random: give a generator as"):
        layer_matrix(replace(MEASURES["cka"]), *stacks(rng), count=9)
