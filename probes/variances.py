"""The three reasons why an accuracy would come out differently next time, kept apart.

Other test items, another fit set, another pretraining seed: each has its own variance, and none
stands for another. A probe that is convex has no fit seed: repeating its fit on the same items
gives the same numbers and says nothing, so the fit set is resampled instead.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped

from probes.checks import check_same_length, number_labels
from probes.intervals import CONFIDENCE, unit_totals
from probes.predictions import fitted_logits, judge
from probes.result import Plain, Score, to_plain
from probes.splits import Splits

FEWEST_SEEDS = 3
CONFIRMATORY_SEEDS = 5


@dataclass(frozen=True, kw_only=True)
class Component:
    """What one source contributes to the variance of one accuracy."""

    variance: float | None
    """In squared accuracy; None if it cannot be told from these data, and then `note` says why."""

    sd: float | None
    """Its square root, in accuracy."""

    units: int
    """How many different draws of this source the estimate rests on."""

    note: str = ""


@dataclass(frozen=True, kw_only=True)
class ThreeVariances:
    """An accuracy over seeds, and what it varies with."""

    mean: Score
    """Over pretraining seeds, with the seed as the unit."""

    test_sampling: Component
    """From drawing other test items (or groups of them)."""

    fit_set: Component
    """From drawing another fit set, within one pretraining seed."""

    pretraining_seed: Component
    """From another pretraining seed, with the other two taken out."""

    seeds: int
    fits: int
    """Fits of a seed."""

    items: int
    standing: str
    """What this many seeds allow: nothing, exploratory or confirmatory claims."""

    def to_json(self) -> Plain:
        """Return the variances as plain JSON."""
        return to_plain(self)


def three_variances(
    right: Shaped[np.ndarray, "seeds fits items"],
    *,
    groups: Shaped[np.ndarray, " items"] | None = None,
) -> ThreeVariances:
    """Split the variance of an accuracy into test sampling, fit set and pretraining seed.

    Method of moments for fits nested in seeds and crossed with items: the plain variance between
    fits also holds the chance with which each fit meets these very items, and the variance between
    seeds holds that of their fits; both are taken out. An estimate below 0 is given as 0.

    Args:
        right: right or wrong, or a score, of every item under every fit of every seed.
        groups: if given, test items were drawn in whole groups.

    Returns:
        The three components and the mean.

    Raises:
        ValueError: if there are fewer than two items or groups, or a score is not finite.

    Source: S. R. Searle, G. Casella and C. McCulloch, 1992, "Variance components".
    """
    y = right.astype(np.float64)
    seeds, fits, items = y.shape
    if not y.size or not np.isfinite(y).all():
        raise ValueError(
            f"scores of {seeds} seeds, {fits} fits, {items} items: empty or not finite"
        )
    if groups is not None:
        check_same_length(y[0, 0], groups, "groups")
    units = items if groups is None else len(np.unique(groups))
    if units < 2:
        raise ValueError(f"test sampling needs at least 2 items or groups, got {units}")
    sampling = float(np.mean([_sampling_variance(row, groups) for row in y.reshape(-1, items)]))
    fit_set = _fit_component(y, groups)
    return ThreeVariances(
        mean=over_seeds(y.mean(axis=(1, 2))),
        test_sampling=_component(sampling, units, ""),
        fit_set=fit_set,
        pretraining_seed=_seed_component(y, fit_set, groups),
        seeds=seeds,
        fits=fits,
        items=items,
        standing=_standing(seeds),
    )


def over_seeds(values: Float[np.ndarray, " seeds"], *, chance: float = 0.0) -> Score:
    """Return the mean over pretraining seeds with a t interval of s − 1 degrees of freedom.

    The seed is the unit: ten thousand test items do not make one training into many. For two
    models pass the differences of runs that belong together.

    Args:
        values: one number a seed.
        chance: what the t test asks about.

    Returns:
        Mean, interval and p of the two-sided t test; without them for a single seed.

    Raises:
        ValueError: if there is no seed.
    """
    from scipy.special import stdtr, stdtrit  # imported late: the app starts without it

    seeds = len(values)
    if not seeds:
        raise ValueError("no seed to average over")
    mean, method = float(values.mean()), "mean over pretraining seeds; t interval and t test"
    if seeds < 2:
        why = "no interval: one pretraining seed does not tell how much another would differ"
        return Score(value=mean, chance=chance, n=seeds, method=method, reason=why)
    error = float(values.std(ddof=1)) / math.sqrt(seeds)
    if error <= 1e-12:
        why = "no interval: all pretraining seeds give the same number"
        return Score(value=mean, chance=chance, n=seeds, method=method, reason=why)
    half = float(stdtrit(seeds - 1, (1 + CONFIDENCE) / 2)) * error
    p = 2 * float(stdtr(seeds - 1, -abs(mean - chance) / error))
    return Score(
        value=mean, low=mean - half, high=mean + half, chance=chance, n=seeds, method=method, p=p
    )


def refit_on_resamples(
    x: Float[np.ndarray, "items dim"],
    labels: Shaped[np.ndarray, " labelled"],
    splits: Splits,
    *,
    penalty: float,
    draws: int,
    rng: np.random.Generator,
) -> Bool[np.ndarray, "draws test"]:
    """Fit the linear probe on bootstrap samples of its fit set; test items stay the same.

    The λ stays too: what choosing it adds is not in here. Groups are drawn whole.

    Args:
        x: embeddings of one layer.
        labels: one a row.
        splits: rows of each part.
        penalty: λ, as chosen on val.
        draws: how many fits.
        rng: source of all randomness.

    Returns:
        Whether each fit has each test item right: one seed's part of `three_variances`.
    """
    check_same_length(x, labels, "labels")
    codes, names = number_labels(labels)
    rows = splits.fit_and_val
    unit_of = rows if splits.groups is None else splits.groups[rows]
    members = _members(rows, unit_of)
    found = []
    for _ in range(draws):
        picks = rng.integers(len(members), size=len(members))
        sample = np.concatenate([members[pick] for pick in picks])
        logits = fitted_logits(x, codes, (sample, splits.test), penalty, len(names))
        found.append(judge(logits, codes[splits.test]).right)
    return np.stack(found)


def _members(rows: np.ndarray, unit_of: np.ndarray) -> list[np.ndarray]:
    codes = np.unique(unit_of, return_inverse=True)[1]
    order = np.argsort(codes, kind="stable")
    return np.split(rows[order], np.cumsum(np.bincount(codes))[:-1])


def _sampling_variance(
    scores: Float[np.ndarray, " items"], groups: Shaped[np.ndarray, " items"] | None
) -> float:
    """Return the variance that the mean has from drawing items, or whole groups."""
    sums, sizes = unit_totals((scores - scores.mean())[None], groups)
    units = len(sizes)
    return float(units / (units - 1) * np.sum(sums**2) / sizes.sum() ** 2)


def _fit_component(
    y: Float[np.ndarray, "seeds fits items"], groups: Shaped[np.ndarray, " items"] | None
) -> Component:
    fits = y.shape[1]
    if fits < 2:
        return _component(None, 1, "one fit a seed: fit again on resampled fit sets")
    if (y == y[:, :1]).all():
        note = (
            "deterministic: all fits of a seed say the same, so that repeating them tells nothing; "
            "resample the fit set"
        )
        return _component(0.0, 1, note)
    between = y.mean(axis=2).var(axis=1, ddof=1)
    residual = y - y.mean(axis=1, keepdims=True)
    return _component(float(np.mean(between - _noise(residual, groups))), fits * len(y), "")


def _seed_component(
    y: Float[np.ndarray, "seeds fits items"],
    fit_set: Component,
    groups: Shaped[np.ndarray, " items"] | None,
) -> Component:
    seeds, fits = y.shape[:2]
    if seeds < 2:
        return _component(None, seeds, "one pretraining seed: train again with others")
    of_seed = y.mean(axis=1)
    residual = of_seed - of_seed.mean(axis=0)
    between = float(of_seed.mean(axis=1).var(ddof=1))
    value = between - float(_noise(residual[None], groups)[0]) - (fit_set.variance or 0.0) / fits
    note = "" if fit_set.variance is not None else "includes the variance from the fit set"
    return _component(value, seeds, note)


def _noise(
    residual: Float[np.ndarray, "sets draws items"], groups: Shaped[np.ndarray, " items"] | None
) -> Float[np.ndarray, " sets"]:
    """Return how much the means of draws differ only because of the items they met."""
    draws = residual.shape[1]
    return np.array(
        [sum(_sampling_variance(row, groups) for row in rows) / (draws - 1) for rows in residual]
    )


def _component(variance: float | None, units: int, note: str) -> Component:
    if variance is None:
        return Component(variance=None, sd=None, units=units, note=note)
    kept = max(0.0, variance)
    return Component(variance=kept, sd=math.sqrt(kept), units=units, note=note)


def _standing(seeds: int) -> str:
    if seeds >= CONFIRMATORY_SEEDS:
        return "confirmatory"
    if seeds >= FEWEST_SEEDS:
        return f"exploratory: a confirmatory claim needs {CONFIRMATORY_SEEDS} pretraining seeds"
    return f"none: a claim about pretraining needs at least {FEWEST_SEEDS} seeds"
