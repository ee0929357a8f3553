"""Every measure keeps what it promises, and the check finds measures that do not."""

import math
from dataclasses import replace

import numpy as np
import pytest

from probes.contracts import CHANGES, broken_promises
from probes.measures import MEASURES, cknna_measure, find_measure, mutual_knn_measure


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_keeps_its_promises(name):
    """Invariances, reactions, axioms, range and the value on unrelated items."""
    assert broken_promises(MEASURES[name], rng=np.random.default_rng(1)) == ()


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_reacts_to_something_on_either_side(name):
    measure = MEASURES[name]

    assert set(CHANGES) - measure.of_side("x")
    assert set(CHANGES) - measure.of_side("y")


@pytest.mark.parametrize("name", MEASURES)
def test_the_fewest_items_are_enough_and_one_less_is_refused(name):
    measure, rng = MEASURES[name], np.random.default_rng(0)
    fewest = measure.fewest(6)
    x, y = rng.normal(size=(fewest, 5)), rng.normal(size=(fewest, 6))

    assert math.isfinite(measure(x, y))
    if name == "svcca":  # here one axis less is kept
        return
    with pytest.raises(ValueError, match=r"needs at least|undefined|items|to fit"):
        measure(x[1:], y[1:])


def drawn():
    return np.random.default_rng(0)


def test_a_false_invariance_is_found():
    liar = replace(MEASURES["cka"], invariances=MEASURES["cka"].invariances | {"linear map"})
    found = broken_promises(liar, rng=drawn())

    assert len(found) == 2
    assert found[0].startswith("linear map of x moves it from ")
    assert found[1].startswith("linear map of y moves it from ")


def test_an_invariance_that_was_kept_quiet_is_found():
    modest = replace(MEASURES["mean_cca"], invariances=frozenset({"rotation", "scale", "shift"}))

    assert broken_promises(modest, rng=drawn()) == (
        "linear map of x has no effect, and none was promised",
        "linear map of y has no effect, and none was promised",
    )


def test_false_axioms_are_found():
    cka = MEASURES["cka"]
    found = [
        broken_promises(replace(MEASURES["pwcca"], is_symmetric=True), rng=drawn()),
        broken_promises(replace(cka, is_symmetric=False), rng=drawn()),
        broken_promises(replace(cka, is_distance=True), rng=drawn()),
        broken_promises(replace(cka, high=0.01), rng=drawn()),
        broken_promises(replace(cka, reorder=lambda side, order: side), rng=drawn()),
        broken_promises(replace(cka, null=lambda *_: 0.0, null_error=0.0), rng=drawn()),
    ]

    assert [len(sentences) for sentences in found] == [1] * 6
    assert found[0][0].startswith("symmetric was said to be True: ")
    assert found[1][0].startswith("symmetric was said to be False: ")
    assert found[2] == ("x compared with itself gives 1",)
    assert found[3][0].endswith("lies outside [0, 0.01]")
    assert found[4] == ("reordering what was prepared differs from preparing what was reordered",)
    assert found[5][0].endswith("not 0")


def test_a_distance_that_is_no_metric_is_found():
    """1 − t grows with the square of a distance: two half steps are shorter than one whole."""
    found = broken_promises(replace(MEASURES["procrustes_gap"], is_metric=True), rng=drawn())

    assert len(found) == 1
    assert found[0].startswith("a detour is shorter: ")


@pytest.mark.parametrize(
    ("name", "items", "dim", "expected", "error"),
    [
        ("cka", 1024, 768, 0.4286, 0.005),
        ("cka", 256, 64, 0.200, 0.01),
        ("mean_squared_cca", 1024, 64, 64 / 1023, 0.003),
        ("procrustes_gap", 1024, 64, 1 - 8 / (3 * math.pi) / 4, 0.015),
        ("mutual_knn", 1024, 64, 10 / 1023, 0.003),
        ("debiased_cka", 256, 768, 0.0, 0.02),
        ("procrustes_held_out", 1024, 64, 0.0, 0.03),
    ],
)
def test_the_value_on_unrelated_items_at_real_sizes(name, items, dim, expected, error):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(items, dim)), rng.normal(size=(items, dim))
    measure = MEASURES[name]

    assert measure.null(items, dim, dim) == pytest.approx(expected, abs=1e-3)
    assert measure(x, y) == pytest.approx(expected, abs=error)


def test_neighbours_can_be_chosen():
    assert broken_promises(mutual_knn_measure(4), rng=drawn()) == ()
    assert broken_promises(cknna_measure(20), rng=drawn()) == ()
    assert mutual_knn_measure(4).name == "mutual kNN, k = 4, cosine"


def test_names():
    names = [measure.name for measure in MEASURES.values()]

    assert len(set(names)) == len(names)
    assert find_measure("rsa") is MEASURES["rsa"] is find_measure(MEASURES["rsa"])
    with pytest.raises(
        ValueError, match=r"^no measure 'ckb'; there are cka, debiased_cka, rbf_cka"
    ):
        find_measure("ckb")


def test_an_undefined_value_says_why():
    rng = np.random.default_rng(0)
    x, flat = rng.normal(size=(20, 4)), np.ones((20, 4))
    with pytest.raises(ValueError, match=r"^CKA is undefined: one representation is .nearly. the "):
        MEASURES["debiased_cka"](x, flat)
    with pytest.raises(ValueError, match=r"^RSA is undefined: one representation has the same dis"):
        MEASURES["rsa_euclid"](x, flat)
    with pytest.raises(ValueError, match=r"^x has 20 rows and y has 19: row i of one must be the"):
        MEASURES["rsa"](x, x[:19])
