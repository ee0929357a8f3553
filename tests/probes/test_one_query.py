"""One item beside all others: the same answers as the searches that copy the bank."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.neighbours import nearest
from probes.one_query import CHUNK, OneQuery
from probes.ranks import mid_ranks


def cloud(items, dim, seed=0):
    return np.random.default_rng(seed).standard_normal((items, dim)).astype(np.float32)


def test_the_nearest_are_those_of_the_whole_search():
    x = cloud(500, 32)
    among = np.arange(500)[np.arange(500) % 3 == 1]
    rows, cosines = OneQuery.of(x[7], x).nearest(among, 9)
    found = nearest(x[[7]], x[among], 9)

    assert rows.tolist() == among[found.ids[0]].tolist()
    assert cosines == pytest.approx(found.cosines[0], abs=1e-6)


def test_a_small_case_by_hand():
    angles = np.radians([0, 90, 10, 20, 40])
    x = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32) * 3
    query = OneQuery.of(x[0], x)

    assert query.cosines == pytest.approx(np.cos(angles), abs=1e-6)
    assert query.nearest(np.array([1, 2, 3, 4]), 2)[0].tolist() == [2, 3]
    assert [query.rank(row, np.arange(1, 5)) for row in (1, 2, 3, 4)] == [4, 1, 2, 3]


def test_fewer_than_k_are_all():
    x = cloud(4, 3)

    assert len(OneQuery.of(x[0], x).nearest(np.array([1, 2]), 5)[0]) == 2


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 4))
def test_ranks_are_mid_ranks(seed, items, values):
    """Few values, so that many cosines are equal, or differ by less than single precision sees."""
    rng = np.random.default_rng(seed)
    x = rng.integers(1, values + 1, (items, 3)) + rng.choice([0, 1e-6], (items, 1))
    x = x.astype(np.float32)
    query, among = OneQuery.of(x[0], x), np.arange(items)
    ranks = mid_ranks(x[[0]], x)[0]

    assert [query.rank(row, among) for row in range(items)] == ranks.tolist()


def test_in_a_collapsed_space_all_share_the_middle():
    items = CHUNK + 3  # more than are compared at once
    x = np.full((items, 2), 0.3, np.float32)

    assert OneQuery.of(x[0], x).rank(5, np.arange(items)) == (items + 1) / 2


def test_extreme_lengths_do_not_overflow():
    x = np.array([[3e30, 4e30], [4e-30, 3e-30], [-1, 0]], np.float32)

    assert OneQuery.of(x[0], x).cosines == pytest.approx([1, 0.96, -0.6], abs=1e-6)


@pytest.mark.parametrize(
    ("query", "bank", "words"),
    [
        ([1, 0, 0], [[1, 0]], "the query has 3 channels and the bank has 2: only embeddings of"),
        (
            [1, 0],
            [[1, 0], [0, 0]],
            "1 of 2 rows of bank have length 0",
        ),
        (
            [1, 0],
            [[1, 0], [np.nan, 0]],
            "bank has NaN or infinite numbers in 1 of 2 rows",
        ),
        ([0, 0], [[1, 0]], "1 of 1 rows of query have length 0"),
    ],
)
def test_refusals(query, bank, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        OneQuery.of(np.array(query, np.float32), np.array(bank, np.float32))
