"""What a split by items pretends where items come in groups: a demonstration with tossed coins.

Every group (recording, speaker, kind) is given the answer of a coin. Nothing but recognising a
group can tell the answer, so that there is nothing to learn that would hold for a new group. If
items are dealt out one by one, a group is torn between train and test, and its coin can be looked
up at the nearest relative. If whole groups are dealt out, a probe is right half of the time.

The coins are tossed for each group by itself. Were exactly half of them heads, the groups of train
would give away those of test: more heads here would mean more tails there.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from probes.checks import check_same_length, unit_rows
from probes.intervals import bootstrap_interval
from probes.result import Plain, Score, to_plain
from probes.splits import Splits

TEST_PARTS = 4
"""One part of so many is tested on."""

FEWEST_GROUPS = 3
SIZES = (1, 2, 4, 8, 16)
DRAWS = 300


@dataclass(frozen=True, kw_only=True)
class Torn:
    """How often coins are told, with so many items a group."""

    size: int
    """Items of a group; with one, no group can be torn."""

    groups: int
    by_item: Score
    """Items were dealt out one by one."""

    by_group: Score
    """Whole groups were dealt out."""

    def to_json(self) -> Plain:
        """Return both scores as plain JSON."""
        return to_plain(self)


def torn_groups(
    x: Float[np.ndarray, "items dim"],
    groups: Shaped[np.ndarray, " grouped"],
    *,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> tuple[Torn, ...]:
    """Let the nearest item of train tell the coin of a test item's group, in both kinds of split.

    Args:
        x: embeddings.
        groups: of every item.
        rng: tosses coins, and draws items and splits.
        draws: of all of these, for every size.

    Returns:
        One entry a size: 1, 2, 4 … items a group, always of the same groups: those that have as
        many as the typical group.

    Raises:
        ValueError: if lengths differ, or fewer than `FEWEST_GROUPS` groups have two items.
    """
    check_same_length(x, groups, "groups")
    unit = unit_rows(x)
    members, most = _members(groups)
    units = np.arange(len(members))
    found = []
    for size in (size for size in SIZES if size <= most):
        rights = np.zeros((draws, 2))
        group_of = np.repeat(units, size)
        for draw in range(draws):
            rows = np.concatenate([rng.choice(m, size=size, replace=False) for m in members])
            coins = rng.integers(2, size=len(units))[group_of]
            places = _quarter(len(rows), rng)
            whole = _quarter(len(units), rng)[group_of]
            for column, tested in enumerate((places, whole)):
                rights[draw, column] = _share_right(unit[rows], coins, tested)
        by_item, by_group = (_score(column, rng) for column in rights.T)
        found.append(Torn(size=size, groups=len(units), by_item=by_item, by_group=by_group))
    return tuple(found)


def refusal(groups: Shaped[np.ndarray, " grouped"], *, rng: np.random.Generator) -> str:
    """Return what `Splits` says to groups whose items are dealt out one by one; "" if nothing."""
    parts = np.array_split(rng.permutation(len(groups)), TEST_PARTS)
    try:
        Splits(np.concatenate(parts[2:]), parts[0], parts[1], groups)
    except ValueError as error:
        return str(error)
    return ""


def _members(
    groups: Shaped[np.ndarray, " grouped"],
) -> tuple[list[Int[np.ndarray, " members"]], int]:
    """Return the rows of the groups that are large enough, and how many items each must have."""
    _, group_of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    several = sizes[sizes >= 2]
    if len(several) < FEWEST_GROUPS:
        raise ValueError(
            f"{len(several)} groups have two items or more; {FEWEST_GROUPS} are needed to tear some"
        )
    # so many that there are enough groups that have them
    enough = int(np.sort(several)[::-1][max(FEWEST_GROUPS, len(several) // 2) - 1])
    most = max(size for size in SIZES if size <= enough)
    return [np.flatnonzero(group_of == g) for g in np.flatnonzero(sizes >= most)], most


def _quarter(n: int, rng: np.random.Generator) -> Bool[np.ndarray, " n"]:
    return rng.permutation(n) < max(1, n // TEST_PARTS)


def _share_right(
    unit: Float[np.ndarray, "items dim"],
    coins: Int[np.ndarray, " items"],
    tested: Bool[np.ndarray, " items"],
) -> float:
    """Return how often the nearest item of train has the coin of an item of test."""
    nearest = np.argmax(unit[tested] @ unit[~tested].T, axis=1)
    return float((coins[~tested][nearest] == coins[tested]).mean())


def _score(rights: Float[np.ndarray, " draws"], rng: np.random.Generator) -> Score:
    low, high = bootstrap_interval(rights, rng=rng)
    return Score(
        value=float(rights.mean()),
        low=low,
        high=high,
        chance=0.5,
        n=len(rights),
        method="share of test items whose nearest item of train has their coin, mean over draws of "
        "coins and splits; bootstrap over draws",
    )
