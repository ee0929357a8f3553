"""Showing that there is nothing: two one-sided tests against a margin fixed beforehand.

A difference that is not significant is no evidence of equality; few items are never significant.
Two groups are called equivalent only if a difference of the margin or more can be ruled out on
both sides.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from probes.result import Plain, Score, to_plain

ALPHA = 0.05
MARGIN_SHARE = 0.05


@dataclass(frozen=True, kw_only=True)
class Margin:
    """The largest difference that counts as none, and where it comes from."""

    value: float
    basis: str
    """On what grounds, in words. A margin is chosen before the result is seen: never from it."""

    def __post_init__(self) -> None:
        if not 0 < self.value < float("inf"):
            raise ValueError(f"a margin of {self.value} rules nothing out; it must be positive")
        if not self.basis.strip():
            raise ValueError("a margin needs its grounds, or it could have been made to fit")

    @classmethod
    def share_of_range(
        cls, floor: float, ceiling: float, *, share: float = MARGIN_SHARE, of: str = ""
    ) -> "Margin":
        """Take a share of the way from a floor to a ceiling.

        Args:
            floor: chance, or an untrained model.
            ceiling: the best there can be, or a model trained for the purpose.
            share: of the way, between 0 and 1.
            of: what floor and ceiling are, in words.

        Raises:
            ValueError: if the share is not between 0 and 1, or the ceiling not above the floor.
        """
        if not 0 < share < 1:
            raise ValueError(f"share={share} must lie between 0 and 1")
        if not ceiling > floor:
            raise ValueError(f"the ceiling {ceiling} does not lie above the floor {floor}")
        way = of or f"{floor:.3g} to {ceiling:.3g}"
        return cls(
            value=share * (ceiling - floor), basis=f"{100 * share:g} % of the way from {way}"
        )


@dataclass(frozen=True, kw_only=True)
class Equivalence:
    """Whether a difference of the margin or more was ruled out, on both sides."""

    is_equivalent: bool
    difference: float | None
    """What was found, minus the reference; None if it is undefined."""

    low: float | None
    """Both ends of the interval that has to lie within the margin; None if there is none."""

    high: float | None
    margin: Margin
    p: float | None
    """The larger of the two one-sided p; None where only an interval was known."""

    n: int
    """Units: items, classes or seeds."""

    method: str
    reason: str = ""
    """Why it was not shown; empty if it was."""

    def to_json(self) -> Plain:
        """Return the test as plain JSON."""
        return to_plain(self)


def equivalence_test(
    values: Float[np.ndarray, " units"],
    margin: Margin,
    *,
    reference: float = 0.0,
    alpha: float = ALPHA,
) -> Equivalence:
    """Test whether the mean of independent units lies within the margin of a reference.

    Two one-sided t tests; both have to reject. That is the same as the 1 − 2 α interval lying
    within the margin.

    Args:
        values: one number a unit, such as the difference between run and control of every seed.
        margin: fixed beforehand.
        reference: what the mean is compared with.
        alpha: how often a difference of just the margin may be called none.

    Returns:
        The verdict, with the larger p of the two.

    Raises:
        ValueError: if there are fewer than two units, one is not finite, or alpha does not fit.

    Source: D. J. Schuirmann, 1987, "A comparison of the two one-sided tests procedure".
    """
    from scipy.stats import t  # imported late: the app starts without it

    n = len(values)
    if n < 2 or not np.isfinite(values).all():
        raise ValueError(f"equivalence needs 2 finite units or more, got {n}")
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha={alpha} must lie between 0 and 0.5")
    difference = float(values.mean()) - reference
    error = float(values.std(ddof=1)) / n**0.5
    half = float(t.ppf(1 - alpha, n - 1)) * error
    p = _one_sided_p(abs(difference) - margin.value, error, n)
    is_equivalent = p < alpha
    return Equivalence(
        is_equivalent=is_equivalent,
        difference=difference,
        low=difference - half,
        high=difference + half,
        margin=margin,
        p=p,
        n=n,
        method=f"two one-sided t tests at {alpha:g}, {n} units, or the "
        f"{100 * (1 - 2 * alpha):g} % interval",
        reason="" if is_equivalent else _reaches_out(difference - half, difference + half, margin),
    )


def interval_within(score: Score, margin: Margin) -> Equivalence:
    """Test whether a score is equivalent to its chance level, by its 95 % interval.

    The interval lies within the margin if both one-sided tests are passed at 2.5 %.

    Args:
        score: with interval and chance.
        margin: fixed beforehand.

    Returns:
        The verdict; never equivalent where interval or chance is missing.
    """
    method = "two one-sided tests at 0.025, by the 95 % interval"
    if score.value is None or score.low is None or score.high is None or score.chance is None:
        missing = (
            "chance level" if score.value is not None and score.low is not None else "interval"
        )
        return Equivalence(
            is_equivalent=False,
            difference=None,
            low=None,
            high=None,
            margin=margin,
            p=None,
            n=score.n,
            method=method,
            reason=f"there is no {missing}{f' ({score.reason})' if score.reason else ''}",
        )
    low, high = score.low - score.chance, score.high - score.chance
    is_equivalent = -margin.value < low and high < margin.value
    return Equivalence(
        is_equivalent=is_equivalent,
        difference=score.value - score.chance,
        low=low,
        high=high,
        margin=margin,
        p=None,
        n=score.n,
        method=method,
        reason="" if is_equivalent else _reaches_out(low, high, margin),
    )


def _one_sided_p(beyond: float, error: float, n: int) -> float:
    """Return the larger of the two p: that of the margin the mean is nearer to."""
    from scipy.stats import t  # imported late: the app starts without it

    if error == 0:
        return 0.0 if beyond < 0 else 1.0
    return float(t.cdf(beyond / error, n - 1))


def _reaches_out(low: float, high: float, margin: Margin) -> str:
    return (
        f"the interval from {low:+.3f} to {high:+.3f} is not within {margin.value:.3f} "
        f"({margin.basis})"
    )
