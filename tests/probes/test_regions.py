"""Dense places of a map: clumps are found where they are, with their items."""

import numpy as np
import pytest

from probes.regions import dense_regions


def clumps(rng):
    """Return three clumps of 400, 200 and 100 items, and 60 strays."""
    middles = np.repeat([[0.0, 0.0], [10.0, 0.0], [5.0, 8.0]], [400, 200, 100], axis=0)
    strays = rng.uniform([-2, -2], [12, 10], size=(60, 2))
    return np.concatenate([middles + rng.normal(0, 0.2, size=middles.shape), strays])


def test_clumps_are_found_the_largest_first_with_their_items():
    at = clumps(np.random.default_rng(0))
    found = dense_regions(at)

    assert len(found) == 3
    for region, middle, rows in zip(
        found, [(0, 0), (10, 0), (5, 8)], [(0, 400), (400, 600), (600, 700)], strict=True
    ):
        assert np.hypot(region.x - middle[0], region.y - middle[1]) < 0.4
        inside = (region.rows >= rows[0]) & (region.rows < rows[1])
        assert inside.sum() > 0.95 * (rows[1] - rows[0])
        assert inside.mean() > 0.95
    assert len(dense_regions(at, most=2)) == 2


def test_places_move_and_grow_with_the_map():
    at = clumps(np.random.default_rng(1))
    for one, moved in zip(dense_regions(at), dense_regions(4.0 * at + 100.0), strict=True):
        assert (moved.x, moved.y) == pytest.approx((4 * one.x + 100, 4 * one.y + 100))
        np.testing.assert_array_equal(moved.rows, one.rows)


def test_few_items_are_no_region_and_one_place_is_one():
    assert dense_regions(np.random.default_rng(0).normal(size=(15, 2))) == ()
    (all_,) = dense_regions(np.full((30, 2), 7.0, dtype=np.float32))
    assert len(all_.rows) == 30


def test_places_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match=r"^coordinates has NaN or infinite numbers in 1 of 3 row"):
        dense_regions(np.array([[0, 0], [np.nan, 1], [1, 1]]))
