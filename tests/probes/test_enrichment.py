"""Lift: closed forms, the exact test, units instead of items, nothing where there is nothing."""

import json
import math

import numpy as np
import pytest

from probes.enrichment import over_represented


def rows(*values):
    return np.array(values, dtype=object)


def by_value(found):
    return {(row.column, row.value): row for row in found}


def test_the_lift_is_a_ratio_of_shares_and_p_the_share_of_draws_at_least_as_good():
    """Of 3 chosen of 10 all 3 are among the 4 owls: C(4,3) of C(10,3) draws."""
    labels = rows(*["owl"] * 4, *["duck"] * 6)
    chosen = np.arange(10) < 3
    found = by_value(over_represented({"label": labels}, chosen, units=np.arange(10)))
    owl, duck = found["label", "owl"], found["label", "duck"]

    assert owl.lift == pytest.approx(10 / 4)
    assert owl.p == pytest.approx(math.comb(4, 3) / math.comb(10, 3))
    assert owl.adjusted == pytest.approx(2 * owl.p)  # of two values
    assert owl.low < owl.lift <= owl.high
    assert (duck.lift, duck.p, duck.chosen, duck.of_chosen) == (0.0, 1.0, 0, 3)
    assert json.loads(json.dumps(owl.to_json()))["value"] == "owl"


def test_whoever_chooses_everything_finds_nothing():
    labels = rows(*["owl"] * 4, *["duck"] * 6)
    for row in over_represented({"label": labels}, np.ones(10, bool), units=np.arange(10)):
        assert (row.lift, row.low, row.high, row.p) == (1.0, 1.0, 1.0, 1.0)


def test_items_that_belong_together_count_once():
    """Three senses of each bird: the same counts and the same p as of one sense alone."""
    labels, units = rows(*["owl"] * 4, *["duck"] * 6), np.arange(10)
    chosen = np.arange(10) < 3
    one = over_represented({"label": labels}, chosen, units=units)
    three = over_represented(
        {"label": np.repeat(labels, 3)}, np.repeat(chosen, 3), units=np.repeat(units, 3)
    )
    some = np.zeros(30, bool)
    some[[0, 3, 6]] = True  # one sense of each of the three birds is chosen

    assert three == one
    assert over_represented({"label": np.repeat(labels, 3)}, some, units=np.repeat(units, 3)) == one


def test_a_column_that_differs_within_a_unit_counts_its_items():
    senses = rows(*["image", "audio"] * 5)
    chosen = np.array([True, False] * 5)
    found = by_value(
        over_represented(
            {"modality": senses}, chosen, units=np.repeat(np.arange(5), 2), by_item={"modality"}
        )
    )

    assert found["modality", "image"].lift == pytest.approx(2.0)
    assert found["modality", "image"].of_all == 10


def test_what_is_not_known_counts_nowhere():
    labels = rows("owl", None, "duck", None, "owl", "duck")
    found = by_value(
        over_represented({"label": labels}, np.array([1, 1, 0, 0, 0, 0], bool), units=np.arange(6))
    )

    assert found["label", "owl"].of_chosen == 1
    assert found["label", "owl"].of_all == 4
    assert over_represented({"x": rows(None)}, np.array([True]), units=np.arange(1)) == ()


def test_by_lot_hardly_anything_is_found_and_what_is_there_is():
    rng = np.random.default_rng(0)
    columns = {f"c{n}": rng.integers(0, 6, 300).astype(str).astype(object) for n in range(8)}
    false = 0
    for _ in range(60):
        chosen = np.zeros(300, bool)
        chosen[rng.permutation(300)[:40]] = True
        found = over_represented(columns, chosen, units=np.arange(300))
        false += any(row.adjusted <= 0.05 for row in found)
    mostly = (columns["c3"] == "2") & (rng.random(300) < 0.8)
    best = over_represented(columns, mostly, units=np.arange(300))[0]

    assert false <= 6  # 5 % of 60 are 3
    assert (best.column, best.value) == ("c3", "2")
    assert best.adjusted < 1e-6


def test_no_choice_and_other_lengths_are_refused():
    with pytest.raises(ValueError, match="no item is chosen"):
        over_represented({}, np.zeros(3, bool), units=np.arange(3))
    with pytest.raises(ValueError, match="3 items but 2 units"):
        over_represented({}, np.ones(3, bool), units=np.arange(2))
    with pytest.raises(ValueError, match="3 items but 2 values of label"):
        over_represented({"label": rows("a", "b")}, np.ones(3, bool), units=np.arange(3))
