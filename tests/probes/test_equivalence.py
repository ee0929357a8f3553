"""Equivalence and power: known p, the interval, refusals, and the planner's closed forms."""

import json
import math

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from probes.equivalence import Margin, equivalence_test, interval_within
from probes.power import (
    Design,
    Spread,
    minimum_detectable,
    plan,
    power_of_equivalence,
    power_of_test,
    smallest_margin,
)
from probes.result import Score

HALF = Margin(value=0.5, basis="half a point, agreed in advance")
SPREAD = Spread(seed=0.02, class_=0.05, seed_by_class=0.03, item=0.4)


def test_p_is_the_larger_of_two_t_tests():
    rng = np.random.default_rng(0)
    for shift in (-0.3, 0.0, 0.45, 2.0):
        values = 3 + shift + rng.normal(size=12)
        found = equivalence_test(values, HALF, reference=3.0)
        both = (
            ttest_1samp(values, 2.5, alternative="greater").pvalue,
            ttest_1samp(values, 3.5, alternative="less").pvalue,
        )
        assert found.p == pytest.approx(max(both))
        assert found.is_equivalent == (max(both) < 0.05)


def test_both_tests_reject_exactly_if_the_90_percent_interval_lies_within():
    rng = np.random.default_rng(1)
    verdicts = set()
    for _ in range(300):
        values = rng.normal(size=6) * rng.uniform(0.05, 0.9) + rng.normal() * 0.3
        found = equivalence_test(values, HALF)
        assert found.is_equivalent == (-0.5 < found.low and found.high < 0.5)
        assert (found.reason == "") == found.is_equivalent
        verdicts.add(found.is_equivalent)

    assert verdicts == {True, False}


def test_not_significant_is_not_equivalent():
    """Three noisy units: no difference can be shown, and none can be ruled out."""
    values = np.array([-1.0, 0.2, 1.1])
    found = equivalence_test(values, HALF)

    assert ttest_1samp(values, 0).pvalue > 0.5
    assert not found.is_equivalent
    assert found.reason.startswith("the interval from -1.6")
    assert found.reason.endswith("is not within 0.500 (half a point, agreed in advance)")
    assert json.loads(json.dumps(found.to_json()))["margin"]["value"] == 0.5


def test_units_without_spread_are_judged_by_their_value():
    assert equivalence_test(np.full(3, 0.25), HALF).p == 0.0
    assert equivalence_test(np.full(3, 0.75), HALF).p == 1.0


def score(low, high, chance=0.1, **more):
    return Score(value=0.12, low=low, high=high, chance=chance, n=9, method="m", **more)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.05, 0.18, True), (0.0, 0.18, False), (0.05, 0.2, False), (0.3, 0.4, False)],
)
def test_a_score_is_equivalent_to_chance_if_its_whole_interval_is_near(low, high, expected):
    found = interval_within(score(low, high), Margin(value=0.09, basis="in advance"))

    assert found.is_equivalent == expected
    assert found.difference == pytest.approx(0.02)


def test_without_interval_or_chance_nothing_is_equivalent():
    no_interval = interval_within(score(None, None, reason="3 classes"), HALF)
    no_chance = interval_within(score(0.1, 0.2, chance=None), HALF)

    assert not no_interval.is_equivalent
    assert no_interval.reason == "there is no interval (3 classes)"
    assert not no_chance.is_equivalent
    assert no_chance.reason == "there is no chance level"


def test_a_margin_is_a_share_of_a_way_that_was_known_before():
    margin = Margin.share_of_range(0.1, 0.5, of="untrained to trained on all pairs")

    assert margin.value == pytest.approx(0.02)
    assert margin.basis == "5 % of the way from untrained to trained on all pairs"
    assert Margin.share_of_range(0.1, 0.5).basis == "5 % of the way from 0.1 to 0.5"


def test_power_at_no_difference_is_alpha_and_grows_to_one():
    design = Design(classes=20, items=50, seeds=5)

    assert power_of_test(0.0, design, SPREAD) == pytest.approx(0.05)
    powers = [power_of_test(size, design, SPREAD) for size in (0.01, 0.03, 0.1, 1.0)]
    assert powers == sorted(powers)
    assert powers[-1] > 0.999


def test_the_plan_keeps_its_word():
    design = Design(classes=20, items=50, seeds=5)
    found = plan(design, SPREAD)
    margin = Margin(value=found.smallest_margin, basis="planned")

    assert power_of_test(found.minimum_detectable, design, SPREAD) == pytest.approx(0.8)
    assert power_of_equivalence(margin, design, SPREAD) == pytest.approx(0.8)
    assert found.sentence.startswith("5 seeds x 20 classes x 50 items find a difference of 0.0")
    assert found.to_json()["design"]["seeds"] == 5


def test_with_many_units_the_figures_are_those_of_the_normal_distribution():
    """(z₀.₉₇₅ + z₀.₈) σ / √n, and for equivalence (z₀.₉₅ + z₀.₉) σ / √n."""
    design = Design(classes=1, items=1, seeds=2000)
    spread = Spread(seed=1.0, class_=0.0, seed_by_class=0.0, item=0.0)

    assert minimum_detectable(design, spread) == pytest.approx(
        (1.959964 + 0.841621) / math.sqrt(2000), rel=2e-3
    )
    assert smallest_margin(design, spread) == pytest.approx(
        (1.644854 + 1.281552) / math.sqrt(2000), rel=2e-3
    )


def test_a_published_sample_size():
    """A two-sided t test of one sample needs 34 units for half a deviation at 80 %."""
    spread = Spread(seed=1.0, class_=0.0, seed_by_class=0.0, item=0.0)
    powers = [
        power_of_test(0.5, Design(classes=1, items=1, seeds=units), spread) for units in (33, 34)
    ]

    assert powers[0] < 0.8 < powers[1]


def test_more_of_anything_finds_less_unless_it_is_not_what_varies():
    base = Design(classes=10, items=20, seeds=5)
    size = minimum_detectable(base, SPREAD)
    more = (
        Design(classes=40, items=20, seeds=5),
        Design(classes=10, items=80, seeds=5),
        Design(classes=10, items=20, seeds=10),
    )
    for design in more:
        assert minimum_detectable(design, SPREAD) < size
    # more items never make up for the difference between seeds
    endless = Design(classes=10_000, items=10_000, seeds=5)
    assert SPREAD.of_unit(endless) == pytest.approx(0.02, rel=0.01)


def test_what_the_conclusion_is_about_decides_what_counts_as_noise():
    by_seed = Design(classes=12, items=30, seeds=4)
    by_class = Design(classes=12, items=30, seeds=4, unit="class")

    assert SPREAD.of_unit(by_seed) ** 2 == pytest.approx(0.02**2 + (0.03**2 + 0.16 / 30) / 12)
    assert SPREAD.of_unit(by_class) ** 2 == pytest.approx(0.05**2 + (0.03**2 + 0.16 / 30) / 4)
    assert by_class.units == 12


def test_refusals():
    with pytest.raises(
        ValueError, match=r"^a margin of 0.0 rules nothing out; it must be positive$"
    ):
        Margin(value=0.0, basis="none")
    with pytest.raises(
        ValueError, match=r"^a margin needs its grounds, or it could have been made"
    ):
        Margin(value=0.1, basis=" ")
    with pytest.raises(ValueError, match=r"^share=1.5 must lie between 0 and 1$"):
        Margin.share_of_range(0.0, 1.0, share=1.5)
    with pytest.raises(ValueError, match=r"^the ceiling 0.1 does not lie above the floor 0.1$"):
        Margin.share_of_range(0.1, 0.1)
    with pytest.raises(ValueError, match=r"^equivalence needs 2 finite units or more, got 1$"):
        equivalence_test(np.ones(1), HALF)
    with pytest.raises(ValueError, match=r"^alpha=0.7 must lie between 0 and 0.5$"):
        equivalence_test(np.ones(3), HALF, alpha=0.7)
    with pytest.raises(ValueError, match=r"^items=0 must be at least 1$"):
        Design(classes=3, items=0, seeds=3)
    with pytest.raises(ValueError, match=r"^1 seeds as the unit: a test needs at least 2$"):
        Design(classes=3, items=3, seeds=1)
    with pytest.raises(ValueError, match=r"^item=-1.0 is no standard deviation$"):
        Spread(seed=0.1, class_=0.1, seed_by_class=0.1, item=-1.0)
    still = Spread(seed=0.0, class_=1.0, seed_by_class=0.0, item=0.0)
    with pytest.raises(ValueError, match=r"^nothing varies between units \(seed\): any difference"):
        still.of_unit(Design(classes=3, items=3, seeds=3))
    with pytest.raises(ValueError, match=r"^0 < alpha < power < 1 is needed, got alpha=0.05 and"):
        plan(Design(classes=3, items=3, seeds=3), SPREAD, power=0.01)
