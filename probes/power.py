"""Before an experiment: how small a difference could it find, and could it show that there is none?

The difference is between a run and its control (or chance). It varies between pretraining seeds,
between classes, between classes from seed to seed, and between items. What is drawn anew in the
imagined repetition is the unit: other seeds of the same classes, or other classes for the same
seeds. Averages over the rest are what the test sees, one number a unit.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from probes.equivalence import ALPHA, Margin
from probes.result import Plain, to_plain

Unit = Literal["seed", "class"]
POWER = 0.8
NODES = 4000  # midpoints of the distribution of the standard deviation


@dataclass(frozen=True, kw_only=True)
class Design:
    """How much will be measured, and about what the conclusion is to be."""

    classes: int
    items: int
    """Items of every class."""

    seeds: int
    unit: Unit = "seed"
    """"seed": other trainings, the same classes. "class": other classes, the same trainings."""

    def __post_init__(self) -> None:
        for name in ("classes", "items", "seeds"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        if self.units < 2:
            word = "seeds" if self.unit == "seed" else "classes"
            raise ValueError(f"{self.units} {word} as the unit: a test needs at least 2")

    @property
    def units(self) -> int:
        """Return how many independent numbers the test sees."""
        return self.seeds if self.unit == "seed" else self.classes


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Standard deviations of the difference, from a pilot or from a guess that is written down."""

    seed: float
    """Between pretraining seeds, the same for all classes."""

    class_: float
    """Between classes, the same for all seeds."""

    seed_by_class: float
    """Between classes, another way for every seed."""

    item: float
    """Between the items of one class under one seed."""

    def __post_init__(self) -> None:
        for name in ("seed", "class_", "seed_by_class", "item"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ValueError(f"{name}={value} is no standard deviation")

    def of_unit(self, design: Design) -> float:
        """Return the standard deviation of one unit, after averaging over everything else.

        Raises:
            ValueError: if nothing varies.
        """
        per_cell = self.seed_by_class**2 + self.item**2 / design.items
        if design.unit == "seed":
            variance = self.seed**2 + per_cell / design.classes
        else:
            variance = self.class_**2 + per_cell / design.seeds
        if variance == 0:
            raise ValueError(
                f"nothing varies between units ({design.unit}): any difference is seen"
            )
        return math.sqrt(variance)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a design can show."""

    design: Design
    minimum_detectable: float
    """The difference that is found with the power asked for, two-sided."""

    smallest_margin: float
    """The margin within which a difference of exactly 0 is shown to lie with that power."""

    power: float
    alpha: float
    sentence: str

    def to_json(self) -> Plain:
        """Return the plan as plain JSON."""
        return to_plain(self)


def plan(design: Design, spread: Spread, *, power: float = POWER, alpha: float = ALPHA) -> Plan:
    """Say what a design can find, and within what margin it can show that there is nothing.

    Args:
        design: classes, items, seeds and the unit.
        spread: how the difference varies.
        power: how often a difference that is there should be found.
        alpha: how often one that is not there may be.

    Raises:
        ValueError: if power does not lie between alpha and 1, or nothing varies.
    """
    if not 0 < alpha < power < 1:
        raise ValueError(f"0 < alpha < power < 1 is needed, got alpha={alpha} and power={power}")
    found = minimum_detectable(design, spread, power=power, alpha=alpha)
    margin = smallest_margin(design, spread, power=power, alpha=alpha)
    what = "other trainings" if design.unit == "seed" else "other classes"
    return Plan(
        design=design,
        minimum_detectable=found,
        smallest_margin=margin,
        power=power,
        alpha=alpha,
        sentence=f"{design.seeds} seeds x {design.classes} classes x {design.items} items find a "
        f"difference of {found:.3g} in {100 * power:g} % of experiments, and show that there is "
        f"none within ±{margin:.3g} as often, for {what}.",
    )


def power_of_test(
    difference: float, design: Design, spread: Spread, *, alpha: float = ALPHA
) -> float:
    """Return how often a two-sided t test over the units finds a difference.

    Args:
        difference: the true one.
        design: as in `plan`.
        spread: as in `plan`.
        alpha: level of the test.

    Returns:
        The power, exact for normal units; `alpha` at a difference of 0.
    """
    from scipy.stats import nct, t  # imported late: the app starts without it

    df = design.units - 1
    ratio = abs(difference) * math.sqrt(design.units) / spread.of_unit(design)
    bound = float(t.ppf(1 - alpha / 2, df))
    return float(nct.sf(bound, df, ratio) + nct.cdf(-bound, df, ratio))


def power_of_equivalence(
    margin: Margin,
    design: Design,
    spread: Spread,
    *,
    difference: float = 0.0,
    alpha: float = ALPHA,
) -> float:
    """Return how often two one-sided t tests show that a difference lies within the margin.

    Args:
        margin: what is to be ruled out.
        design: as in `plan`.
        spread: as in `plan`.
        difference: the true one.
        alpha: level of each of the two tests.

    Returns:
        The power, exact for normal units up to the quadrature.
    """
    error = spread.of_unit(design) / math.sqrt(design.units)
    return _equivalence_power(margin.value, difference, error, _bounds(design.units - 1, alpha))


def minimum_detectable(
    design: Design, spread: Spread, *, power: float = POWER, alpha: float = ALPHA
) -> float:
    """Return the smallest difference that is found with the power asked for."""
    error = spread.of_unit(design) / math.sqrt(design.units)
    return _smallest(
        lambda size: power_of_test(size, design, spread, alpha=alpha), power, start=error
    )


def smallest_margin(
    design: Design, spread: Spread, *, power: float = POWER, alpha: float = ALPHA
) -> float:
    """Return the margin within which no difference at all is shown with the power asked for."""
    error = spread.of_unit(design) / math.sqrt(design.units)
    bounds = _bounds(design.units - 1, alpha)
    return _smallest(lambda size: _equivalence_power(size, 0.0, error, bounds), power, start=error)


def _smallest(power_at: Callable[[float], float], power: float, *, start: float) -> float:
    """Return where a growing power reaches the one asked for."""
    from scipy.optimize import bisect  # imported late: the app starts without it

    high = start
    while power_at(high) < power:
        high *= 2
    root = bisect(lambda size: power_at(size) - power, 0.0, high, xtol=1e-9 * high)
    return float(np.asarray(root).item())


def _bounds(df: int, alpha: float) -> Float[np.ndarray, " nodes"]:
    """Return t · s / σ at equally likely values of the estimated standard deviation s."""
    from scipy.stats import chi2, t  # imported late: the app starts without it

    shares = (np.arange(NODES) + 0.5) / NODES
    return float(t.ppf(1 - alpha, df)) * np.sqrt(chi2.ppf(shares, df) / df)


def _equivalence_power(
    margin: float, difference: float, error: float, bounds: Float[np.ndarray, " nodes"]
) -> float:
    """Average, over s, the chance that the mean falls where both tests reject."""
    from scipy.special import ndtr  # imported late: the app starts without it

    upper = (margin - difference) / error - bounds
    lower = -(margin + difference) / error + bounds
    return float(np.maximum(ndtr(upper) - ndtr(lower), 0.0).mean())
