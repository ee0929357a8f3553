"""What a number of test pairs can find, against the binomial distribution and simulation."""

import numpy as np
import pytest
from scipy.stats import binom

from probes.pairs_power import pairs_to_find, plan_pairs


@pytest.mark.parametrize("pairs", [2, 5, 31, 200, 1000])
def test_the_critical_number_is_the_smallest_that_guessing_seldom_reaches(pairs):
    plan = plan_pairs(pairs)

    assert plan.chance == 1 / pairs
    assert binom.sf(plan.right - 1, pairs, 1 / pairs) <= 0.05
    assert binom.sf(plan.right - 2, pairs, 1 / pairs) > 0.05


@pytest.mark.parametrize("pairs", [31, 200, 1000])
def test_what_is_detectable_is_found_as_often_as_promised(pairs):
    plan = plan_pairs(pairs, power=0.8)
    right = np.random.default_rng(0).binomial(pairs, plan.detectable, size=40_000)

    assert (right >= plan.right).mean() == pytest.approx(0.8, abs=0.01)


def test_two_pairs_can_show_nothing():
    plan = plan_pairs(2)  # guessing gets both right in a quarter of all cases

    assert (plan.right, plan.detectable) == (3, None)


@pytest.mark.parametrize("share", [0.05, 0.1, 0.3, 0.9])
def test_the_fewest_pairs_find_the_share_and_no_fewer_just_below_do(share):
    pairs = pairs_to_find(share)
    assert pairs is not None

    def found(n):
        return binom.sf(plan_pairs(n).right - 1, n, share)

    assert found(pairs) >= 0.8
    assert found(pairs - 1) < 0.8


def test_a_smaller_share_takes_more_pairs_and_a_tiny_one_more_than_are_tried():
    assert pairs_to_find(0.02) > pairs_to_find(0.1) > pairs_to_find(0.5)
    assert pairs_to_find(1e-4, most=1000) is None


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: plan_pairs(1), "pairs=1: a gallery of one is always right"),
        (lambda: plan_pairs(10, power=0.01), "0 < alpha < power < 1 is needed"),
        (lambda: pairs_to_find(0.0), "share=0.0 must lie above 0"),
        (lambda: pairs_to_find(1.2), "share=1.2 must lie above 0 and at most at 1"),
    ],
)
def test_what_makes_no_sense_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_a_plan_as_json():
    assert plan_pairs(50).to_json()["pairs"] == 50
