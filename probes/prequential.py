"""Prequential coding: what is told next is told by what was told before; and its units.

Unit trap: the code published with the papers on control tasks sums the blocks in nats and adds the
first block, and divides by the uniform code, in bits. Its "compression" is too high by up to
1/ln 2 = 1.44; `mixed_units_to_bits` converts its totals.
"""

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int, Shaped

Chances = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From rows seen and rows asked: the chance of every class (asked, classes)."""


def order_and_stops(
    n: int,
    groups: Shaped[np.ndarray, " items"] | None,
    fractions: Sequence[float],
    rng: np.random.Generator,
) -> tuple[Int[np.ndarray, " items"], list[int]]:
    """Return the order of the message, and after how many items each block ends.

    Args:
        n: items.
        groups: if given, a group stays together and no block ends within one.
        fractions: shares of the items at which blocks end.
        rng: shuffles the items, or the groups.

    Raises:
        ValueError: if the fractions do not rise from above 0 to 1.
    """
    rising = all(one < two for one, two in itertools.pairwise(fractions))
    if not (rising and fractions and fractions[0] > 0 and fractions[-1] == 1):
        raise ValueError(f"the fractions must rise from above 0 to 1, got {tuple(fractions)}")
    stops = sorted({math.ceil(fraction * n) for fraction in fractions})
    if groups is None:
        return rng.permutation(n), stops
    group_of = np.unique(groups, return_inverse=True)[1]
    place = rng.permutation(int(group_of.max()) + 1)[group_of]
    order = np.argsort(place, kind="stable")
    ends = np.cumsum(np.bincount(place))  # a block ends where a group does
    return order, sorted({int(ends[np.searchsorted(ends, stop)]) for stop in stops})


def prequential_bits(
    codes: Int[np.ndarray, " items"],
    stops: Sequence[int],
    chances_of: Chances,
    *,
    classes: int,
    mix: bool = True,
) -> float:
    """Return the length of the online code under any probe, in bits.

    Args:
        codes: class number of every item, in the order of the message.
        stops: after how many items each block ends; the last one is all of them.
        chances_of: gets the rows seen and the rows asked, returns the chances of every class.
            It must not look at the labels of the rows asked.
        classes: C.
        mix: add half an item of each class to the chances, so that none is 0.

    Returns:
        The first block at log₂ C an item, and −log₂ of the chances of the rest.

    Raises:
        ValueError: if the blocks do not end at the last item, or chances are none.
    """
    if not stops or stops[-1] != len(codes) or sorted(set(stops)) != list(stops) or stops[0] < 1:
        raise ValueError(f"blocks must rise and end at item {len(codes)}, got {list(stops)}")
    total = stops[0] * math.log2(classes)
    for start, stop in itertools.pairwise(stops):
        rows = np.arange(start, stop)
        chances = np.asarray(chances_of(np.arange(start), rows), dtype=np.float64)
        if chances.shape != (len(rows), classes) or not np.allclose(chances.sum(axis=1), 1.0):
            raise ValueError(
                f"the probe returned {chances.shape} for {len(rows)} items of {classes} classes, "
                "or rows that do not sum to 1"
            )
        at_truth = (mixed(chances, start) if mix else chances)[np.arange(len(rows)), codes[rows]]
        if not (at_truth > 0).all():
            raise ValueError("the probe gave a true class the chance 0: infinitely many bits")
        total -= float(np.log2(at_truth).sum())
    return total


def mixed(
    chances: Float[np.ndarray, "asked classes"], seen: int
) -> Float[np.ndarray, "asked classes"]:
    """Add half an item of each class to chances that were learnt from so many items."""
    return (seen * chances + 0.5) / (seen + chances.shape[1] / 2)


def class_shares(codes: Int[np.ndarray, " items"], classes: int) -> Chances:
    """Return a probe that learns the shares of the classes and nothing else."""

    def chances(seen: np.ndarray, asked: np.ndarray) -> np.ndarray:
        shares = np.bincount(codes[seen], minlength=classes) / len(seen)
        return np.tile(shares, (len(asked), 1))

    return chances


def nats_to_bits(nats: float) -> float:
    """Return nats / ln 2."""
    return nats / math.log(2)


def bits_to_nats(bits: float) -> float:
    """Return bits · ln 2."""
    return bits * math.log(2)


def mixed_units_to_bits(mixed: float, first_block: int, classes: int) -> float:
    """Convert a total of the published code, first block in bits and the rest in nats, to bits.

    Args:
        mixed: the total as published, in units (not thousands).
        first_block: items of the first block.
        classes: C.

    Returns:
        The length of the same code in bits.

    Raises:
        ValueError: if the first block alone is longer than the total.
    """
    first = first_block * math.log2(classes)
    if first > mixed:
        raise ValueError(
            f"the first block, {first_block} items of {classes} classes, is {first:.0f} bits and "
            f"longer than the whole code of {mixed:.0f}"
        )
    return first + nats_to_bits(mixed - first)
