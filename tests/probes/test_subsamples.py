"""Curves over the number of items: disjoint subsets, nothing twice."""

import numpy as np
import pytest

from probes.subsamples import subsample_curve


def test_every_item_is_in_one_subset_of_each_size():
    seen = []

    def value_of(rows):
        seen.append(rows)
        return float(len(rows))

    points = subsample_curve(value_of, 163, rng=np.random.default_rng(0))

    assert [(point.n, point.subsets) for point in points] == [(163, 1), (81, 2), (40, 4), (20, 8)]
    for size in (slice(0, 1), slice(1, 3), slice(3, 7), slice(7, 15)):
        np.testing.assert_array_equal(np.sort(np.concatenate(seen[size])), np.arange(163))
    assert points[0].sd is None
    assert points[1].mean == 81.5


def test_the_spread_between_subsets_follows_the_square_root():
    """Means of disjoint subsets of m of n draws have the standard deviation σ / √m."""
    x = np.random.default_rng(0).normal(size=8000)
    points = subsample_curve(
        lambda rows: float(x[rows].mean()), 8000, rng=np.random.default_rng(1), halvings=6
    )

    assert points[6].sd == pytest.approx(1 / np.sqrt(125), rel=0.25)


def test_subsets_that_cannot_be_measured_are_left_out():
    def value_of(rows):
        if 0 in rows or len(rows) < 45:
            raise ValueError("not this one")
        return 1.0

    points = subsample_curve(value_of, 160, rng=np.random.default_rng(0))

    assert [(point.n, point.subsets) for point in points] == [(80, 1)]


def test_few_items_are_not_cut_further():
    points = subsample_curve(lambda rows: 0.0, 39, rng=np.random.default_rng(0))

    assert [point.n for point in points] == [39]
