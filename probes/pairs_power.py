"""How many pairs does a retrieval test need before it can see anything?

Each of n test items looks for its partner among n. R@1 is then a share of n answers with chance
1 / n, and the exact binomial test says from how many right answers on that is more than luck. The
answers share one gallery and are not quite independent; the permutation test of `retrieval` is the
one to publish, this is the one to plan with.
"""

from dataclasses import dataclass

from probes.equivalence import ALPHA
from probes.power import POWER
from probes.result import Plain, to_plain

MOST_PAIRS = 100_000


@dataclass(frozen=True, kw_only=True)
class PairsPlan:
    """What a number of test pairs can show."""

    pairs: int
    chance: float
    """R@1 of guessing: 1 / pairs."""

    right: int
    """So many right answers, or more, are no luck at this level; `pairs` + 1 if no number is."""

    detectable: float | None
    """The smallest true R@1 that is found with the power asked for; None if none is."""

    power: float
    alpha: float

    def to_json(self) -> Plain:
        """Return the plan as plain JSON."""
        return to_plain(self)


def plan_pairs(pairs: int, *, power: float = POWER, alpha: float = ALPHA) -> PairsPlan:
    """Say what R@1 a number of test pairs can find.

    Args:
        pairs: test items, each with its partner in the gallery.
        power: how often a share that is there should be found.
        alpha: how often guessing may pass for finding.

    Raises:
        ValueError: if there are fewer than two pairs, or power is not above alpha.
    """
    _check(pairs, power, alpha)
    right = _critical(pairs, alpha)
    return PairsPlan(
        pairs=pairs,
        chance=1 / pairs,
        right=right,
        detectable=_share_with_power(right, pairs, power) if right <= pairs else None,
        power=power,
        alpha=alpha,
    )


def pairs_to_find(
    share: float, *, power: float = POWER, alpha: float = ALPHA, most: int = MOST_PAIRS
) -> int | None:
    """Return how few test pairs find an R@1 with the power asked for.

    Args:
        share: the true R@1, which is taken to stay the same as the gallery grows.
        power: how often it should be found.
        alpha: how often guessing may pass for finding.
        most: larger numbers are not tried.

    Returns:
        The number of pairs; None if it is above `most`.

    Raises:
        ValueError: if the share does not lie between 0 and 1, or power is not above alpha.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share={share} must lie above 0 and at most at 1")
    _check(2, power, alpha)
    high = 2
    while not _finds(share, high, power, alpha):
        if high >= most:
            return None
        high = min(2 * high, most)
    low = max(2, high // 2)
    # The power zigzags with every whole answer: the fewest are looked for one by one near the end.
    while high - low > 64:
        middle = (low + high) // 2
        low, high = (low, middle) if _finds(share, middle, power, alpha) else (middle, high)
    return next(n for n in range(low, high + 1) if _finds(share, n, power, alpha))


def _check(pairs: int, power: float, alpha: float) -> None:
    if pairs < 2:
        raise ValueError(f"pairs={pairs}: a gallery of one is always right, at least 2 are needed")
    if not 0 < alpha < power < 1:
        raise ValueError(f"0 < alpha < power < 1 is needed, got alpha={alpha} and power={power}")


def _critical(pairs: int, alpha: float) -> int:
    """Return the fewest right answers that guessing gives with probability alpha at most."""
    from scipy.stats import binom  # imported late: the app starts without it

    return int(binom.isf(alpha, pairs, 1 / pairs)) + 1


def _finds(share: float, pairs: int, power: float, alpha: float) -> bool:
    from scipy.stats import binom  # imported late: the app starts without it

    return float(binom.sf(_critical(pairs, alpha) - 1, pairs, share)) >= power


def _share_with_power(right: int, pairs: int, power: float) -> float:
    """Return the share p at which P(at least `right` of `pairs`) is the power: a beta quantile."""
    from scipy.stats import beta  # imported late: the app starts without it

    return float(beta.ppf(power, right, pairs - right + 1))
