"""The largest count of a label among items drawn by lot."""

import numpy as np
import pytest

from probes.drawn_by_lot import largest_count


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_one_item_shares_its_label_with_itself(rng):
    found = largest_count(np.array([3, 5, 1]), 1, rng=rng)
    assert (found.mean, found.low, found.high) == (1.0, 1, 1)


def test_all_items_have_the_largest_count_of_all(rng):
    found = largest_count(np.array([3, 5, 1]), 9, rng=rng)
    assert (found.mean, found.low, found.high) == (5.0, 5, 5)


def test_two_of_two_equal_labels(rng):
    """Both of one label with the chance (n - 1) / (2n - 1)."""
    n = 10
    found = largest_count(np.array([n, n]), 2, rng=rng, draws=20_000)
    assert found.mean == pytest.approx(1 + (n - 1) / (2 * n - 1), abs=0.01)
    assert (found.low, found.high) == (1, 2)


def test_more_than_the_share_of_any_label(rng):
    """The label is chosen after the fact: six of sixteen equal labels share one more than 6/16."""
    found = largest_count(np.full(16, 15), 6, rng=rng)
    assert 1.4 < found.mean < 2
    assert found.high <= 3


def test_more_than_there_are_cannot_be_drawn(rng):
    with pytest.raises(ValueError, match="7 items cannot be drawn from 6"):
        largest_count(np.array([3, 3]), 7, rng=rng)
