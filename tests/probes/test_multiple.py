"""Corrections for many tests: definitions by brute force, and the error rates they promise."""

import itertools

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from probes.multiple import benjamini_hochberg, correct_tests, holm, max_t
from probes.result import to_plain


def closed_testing(p):
    """A test is rejected if every set that holds it is, by Bonferroni: that is Holm."""
    found = np.zeros(len(p))
    for size in range(1, len(p) + 1):
        for subset in itertools.combinations(range(len(p)), size):
            joint = min(1.0, size * min(p[list(subset)]))
            found[list(subset)] = np.maximum(found[list(subset)], joint)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_holm_is_closed_testing(seed):
    p = np.random.default_rng(seed).random(6) ** 3
    p[3] = p[1]  # a tie

    np.testing.assert_allclose(holm(p), closed_testing(p), rtol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_benjamini_hochberg_by_its_definition(seed):
    p = np.random.default_rng(seed).random(8) ** 2
    by_hand = [min(1.0, min(len(p) * q / np.sum(p <= q) for q in p if q >= one)) for one in p]

    np.testing.assert_allclose(benjamini_hochberg(p), by_hand, rtol=1e-12)
    np.testing.assert_array_equal(benjamini_hochberg(p), false_discovery_control(p))


def test_a_list_made_beforehand_is_held_to_more_than_a_grid():
    tests = {"a": 0.01, "b": 0.02, "c": 0.03, "d": 0.5}
    strict = correct_tests(tests, "confirmatory")
    loose = correct_tests(tests, "exploratory")

    assert strict.adjusted == pytest.approx((0.04, 0.06, 0.06, 0.5))
    assert strict.rejected == (True, False, False, False)
    assert loose.adjusted == pytest.approx((0.04, 0.04, 0.04, 0.5))
    assert loose.rejected == (True, True, True, False)
    assert (strict.method, loose.method) == ("Holm", "Benjamini-Hochberg")
    assert to_plain(strict) == strict.to_json()


def test_one_test_needs_no_correction():
    p = np.array([0.03])

    assert holm(p) == benjamini_hochberg(p) == 0.03


def test_the_maximum_counts_what_any_test_reaches():
    """Tests that move together under permutation are one test, whatever their scales."""
    null = np.arange(1.0, 100.0)[:, None] * [1.0, 1000.0]

    assert max_t(np.array([100.0, 100_000.0]), null) == pytest.approx([0.01, 0.01])
    assert max_t(np.array([50.0, 50_000.0]), null) == pytest.approx([0.51, 0.51])
    opposed = null * [1.0, -1.0]  # the larger of both is as far out as either, twice as often
    assert max_t(np.array([90.0, -10_000.0]), opposed) == pytest.approx([0.21, 0.21], abs=0.011)


def test_the_maximum_keeps_false_claims_at_five_percent_and_beats_holm_on_like_tests():
    rng = np.random.default_rng(0)
    false, gained = 0, 0
    for _ in range(400):
        shared = rng.normal(size=(200, 1))
        values = shared + 0.3 * rng.normal(size=(200, 10))
        alone = (1 + (values[1:] >= values[0]).sum(axis=0)) / 200
        together = max_t(values[0], values[1:])
        false += together.min() <= 0.05
        gained += np.sum(together < holm(alone)) - np.sum(together > holm(alone))

    assert 0.02 <= false / 400 <= 0.08
    assert gained > 0


def test_refusals():
    with pytest.raises(ValueError, match=r"^no test to correct$"):
        correct_tests({}, "confirmatory")
    with pytest.raises(ValueError, match=r"^p\[1\] is nan; a p value lies between 0 and 1$"):
        holm(np.array([0.5, np.nan]))
    with pytest.raises(ValueError, match=r"^p\[0\] is 1.5; a p value lies between 0 and 1$"):
        benjamini_hochberg(np.array([1.5]))
    with pytest.raises(ValueError, match=r"^no permutation or no test: there is nothing to"):
        max_t(np.array([1.0]), np.empty((0, 1)))
    with pytest.raises(ValueError, match=r"^a test is undefined on the data or on a permutation"):
        max_t(np.array([np.nan]), np.ones((3, 1)))
    with pytest.raises(ValueError, match=r"^test 1 has the same value under all permutations;"):
        max_t(np.array([1.0, 2.0]), np.array([[0.5, 2.0], [0.1, 2.0]]))
