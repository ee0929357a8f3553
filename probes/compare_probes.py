"""Is one probe, layer or model better than another? Answered item by item on the same test items.

Two intervals that overlap prove nothing: most items are right, or wrong, for both, and that part
drops out of the difference.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped

from probes.checks import check_same_length
from probes.intervals import percentile_and_bca, unit_totals, wilson
from probes.result import Plain, Score, to_plain

DRAWS = 10_000
FLIPS = 9999


@dataclass(frozen=True, kw_only=True)
class PairedComparison:
    """The first of two against the second, on the same items."""

    difference: Score
    """Mean over items of first minus second. Its p asks whether it could be 0: exact McNemar
    where items are right or wrong and independent, else random signs of items or groups."""

    bca: tuple[float, float] | None
    """The same interval, bias-corrected and accelerated; None if nothing varies."""

    only_first: int | None
    """Items that only the first has right; None unless all items are right or wrong."""

    only_second: int | None

    mcnemar_p: float | None
    """Exact McNemar on the two counts. With groups it takes items for independent, which they are
    not, and is too small."""

    units: int
    """What was drawn: items or, where there are groups, groups."""

    def to_json(self) -> Plain:
        """Return the comparison as plain JSON."""
        return to_plain(self)


def compare_paired(
    first: Shaped[np.ndarray, " items"],
    second: Shaped[np.ndarray, " other_items"],
    *,
    rng: np.random.Generator,
    groups: Shaped[np.ndarray, " items"] | None = None,
    draws: int = DRAWS,
) -> PairedComparison:
    """Compare two probes by what they did with the same test items.

    This is about the test items only. Whether another fit set or pretraining seed would give the
    same order is another question: see `probes.variances`.

    Args:
        first: right or wrong, or a score between 0 and 1, for every item.
        second: the same of the other probe; item i is item i.
        rng: source of all randomness.
        groups: if given, whole groups are drawn.
        draws: bootstrap samples.

    Returns:
        The difference with interval and p.

    Raises:
        ValueError: if the items do not match, a score lies outside 0 to 1, or there are fewer than
            two units.
    """
    a, b = _checked(first, second)
    if groups is not None:
        check_same_length(a, groups, "groups")
    units = len(a) if groups is None else len(np.unique(groups))
    if units < 2:
        raise ValueError(f"a comparison needs at least 2 items or groups, got {units}")
    counts = _discordant(a, b)
    exact = None if counts is None else mcnemar(*counts)
    sums, _ = unit_totals((a - b)[None], groups)
    p, test = exact, "exact McNemar"
    if p is None or units < len(a):
        p, test = sign_flip(sums[0], rng=rng), "random signs of items or groups"
    low, high, bca, method = _interval(a - b, groups=groups, rng=rng, draws=draws)
    return PairedComparison(
        difference=Score(
            value=float((a - b).mean()),
            low=low,
            high=high,
            chance=0.0,
            n=len(a),
            method=f"paired difference; {method} interval; p by {test}",
            p=p,
        ),
        bca=bca,
        only_first=None if counts is None else counts[0],
        only_second=None if counts is None else counts[1],
        mcnemar_p=exact,
        units=units,
    )


def _checked(
    first: Shaped[np.ndarray, " items"], second: Shaped[np.ndarray, " other_items"]
) -> tuple[Float[np.ndarray, " items"], Float[np.ndarray, " items"]]:
    if len(first) != len(second):
        raise ValueError(
            f"the first was scored on {len(first)} items and the second on {len(second)}: "
            "a paired comparison needs the same items"
        )
    a, b = first.astype(np.float64), second.astype(np.float64)
    for name, scores in (("first", a), ("second", b)):
        if not ((scores >= 0) & (scores <= 1)).all():  # NaN is neither
            raise ValueError(f"the {name} has scores outside 0 to 1; scale them")
    return a, b


def _discordant(
    a: Float[np.ndarray, " items"], b: Float[np.ndarray, " items"]
) -> tuple[int, int] | None:
    if not (np.isin(a, (0.0, 1.0)).all() and np.isin(b, (0.0, 1.0)).all()):
        return None
    return int(np.sum(a > b)), int(np.sum(b > a))


def _interval(
    difference: Float[np.ndarray, " items"],
    *,
    groups: Shaped[np.ndarray, " items"] | None,
    rng: np.random.Generator,
    draws: int,
) -> tuple[float, float, tuple[float, float] | None, str]:
    """Return the percentile interval, the BCa interval and the name of the method."""
    sums, sizes = unit_totals(difference[None], groups)
    means = sums[0] / sizes
    if np.ptp(means) <= 1e-12:
        # units like none that we saw may be this frequent, and lie anywhere from −1 to 1
        _, unseen = wilson(0, len(means))
        value = float(difference.mean())
        low, high = value - unseen * (1 + value), value + unseen * (1 - value)
        return low, high, None, "Wilson, nothing varies"
    (low, high), bca = percentile_and_bca(difference, rng=rng, groups=groups, draws=draws)
    return low, high, bca, "bootstrap" if groups is None else "cluster bootstrap"


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p of McNemar's test.

    If both are equally good, an item that only one of them has right is as likely to be the one's
    as the other's: a coin.

    Args:
        only_first: items that only the first has right.
        only_second: items that only the second has right.

    Returns:
        The binomial p; 1 if there is no such item.

    Source: Q. McNemar, 1947.
    """
    from scipy.stats import binomtest  # imported late: it is slow

    both = only_first + only_second
    return 1.0 if both == 0 else float(binomtest(only_first, both, 0.5).pvalue)


def sign_flip(
    sums: Float[np.ndarray, " units"], *, rng: np.random.Generator, flips: int = FLIPS
) -> float:
    """Return the two-sided p that differences are symmetric about 0, by random signs.

    Args:
        sums: the summed difference of every item or group.
        rng: source of all randomness.
        flips: how many draws of all signs.

    Returns:
        (1 + #{sums at least as far from 0}) / (flips + 1).
    """
    moved = sums[sums != 0]
    observed = abs(float(moved.sum()))
    slack = 1e-12 * float(np.abs(moved).sum())
    as_far = 0
    step = max(1, 4_000_000 // max(1, len(moved)))
    for start in range(0, flips, step):
        signs = rng.integers(2, size=(min(step, flips - start), len(moved))) * 2.0 - 1.0
        as_far += int(np.sum(np.abs(signs @ moved) >= observed - slack))
    return (1 + as_far) / (flips + 1)
