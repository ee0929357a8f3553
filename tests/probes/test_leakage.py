"""Torn groups: coins are told where groups are torn, and only there."""

import json

import numpy as np
import pytest

from probes.leakage import refusal, torn_groups


def clumps(rng, groups=12, each=6, spread=0.1):
    """Return groups that are one clump each."""
    group_of = np.repeat(np.arange(groups), each)
    return rng.normal(size=(groups, 10))[group_of] + spread * rng.normal(
        size=(len(group_of), 10)
    ), group_of


def test_coins_are_told_where_groups_are_torn_and_only_there():
    rng = np.random.default_rng(0)
    x, groups = clumps(rng)
    one, two, four = torn_groups(x, groups, rng=rng, draws=150)

    assert (one.size, two.size, four.size) == (1, 2, 4)
    assert one.groups == two.groups == four.groups == 12
    assert four.by_item.low > 0.95  # three relatives of four are in train, most of the time
    assert 0.8 < two.by_item.value < four.by_item.value
    for alone in (one.by_item, one.by_group, two.by_group, four.by_group):
        assert alone.low - 0.05 < alone.chance == 0.5 < alone.high + 0.05
    assert four.by_group.n == 150


def test_without_likeness_inside_a_group_nothing_leaks():
    rng = np.random.default_rng(1)
    found = torn_groups(rng.normal(size=(48, 10)), np.repeat(np.arange(12), 4), rng=rng)

    assert all(abs(one.by_item.value - 0.5) < 0.08 for one in found)


def test_the_same_lot_gives_the_same_and_it_is_json():
    x, groups = clumps(np.random.default_rng(2))
    names = np.array([f"recording {g}" for g in groups])
    first, again = (torn_groups(x, names, rng=np.random.default_rng(0), draws=10) for _ in range(2))

    assert first == again
    plain = json.loads(json.dumps(first[0].to_json()))
    assert list(plain) == ["size", "groups", "by_item", "by_group"]


def test_small_groups_stand_aside():
    x, groups = clumps(np.random.default_rng(3), groups=10, each=4)
    groups[-3:] = [100, 101, 102]  # one group keeps a single item, and three are alone
    found = torn_groups(x, groups, rng=np.random.default_rng(0), draws=5)

    assert [one.size for one in found] == [1, 2, 4]
    assert {one.groups for one in found} == {9}


def test_every_probe_refuses_torn_groups():
    said = refusal(np.repeat(["owl", "cat"], 20), rng=np.random.default_rng(0))

    assert said == (
        "2 groups are in both train and val, the first is cat: the probe would measure the "
        "group, not the label"
    )
    assert refusal(np.arange(20), rng=np.random.default_rng(0)) == ""


def test_refusals():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"^10 items but 9 groups$"):
        torn_groups(np.ones((10, 2)), np.arange(9), rng=rng)
    with pytest.raises(ValueError, match=r"^2 groups have two items or more; 3 are needed"):
        torn_groups(np.ones((5, 2)), np.array([0, 0, 1, 1, 2]), rng=rng)
