"""The regression probe: the number (size, pitch) a linear map reads from frozen embeddings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Num, Shaped

from probes.checks import check_finite, check_same_length
from probes.intervals import CONFIDENCE, resample_counts
from probes.penalties import largest_first, quarter_decades
from probes.result import Plain, Score, to_plain
from probes.ridge import RidgeScreen, scores_of, screen_targets
from probes.ridge_fit import RIDGE_PENALTIES, fit_ridge
from probes.splits import Splits

DRAWS = 2000
MEASURES = ("R2", "Pearson's r", "mean absolute error")
FEWEST = 3  # items or groups below which an interval of a ratio would be a fiction


@dataclass(frozen=True, kw_only=True)
class RegressionResult:
    """What the regression probe found at one layer."""

    r2: Score
    """On test: 1 − squared error / squared error of the test mean. Chance is predicting the mean of
    the fitted items, which is 0 or a little less."""

    pearson: Score
    """Correlation of prediction and truth on test: blind to a wrong offset or scale."""

    mean_absolute_error: Score
    """On test, in the unit of the target; lower is better."""

    penalty: float
    """The λ chosen on val."""

    penalties: tuple[float, ...]
    """Everything tried: the decades, then quarters of a decade around the best of them."""

    val_r2: tuple[float, ...]
    """On val, for every λ, fitted on train."""

    def to_json(self) -> Plain:
        """Return the result as plain JSON."""
        return to_plain(self)


def regression_probe(
    x: Float[np.ndarray, "items dim"],
    target: Num[np.ndarray, " labelled"],
    splits: Splits,
    *,
    penalties: Sequence[float] = RIDGE_PENALTIES,
    rng: np.random.Generator,
) -> RegressionResult:
    """Fit ridge regressions on train, choose λ on val, fit again on both, report on test.

    Args:
        x: embeddings of one layer.
        target: the number to be read, one an item.
        splits: rows of each part; with groups the intervals draw whole groups.
        penalties: candidates for λ in units of the layer's mean square; the largest wins among
            equals, and quarters of a decade are tried around the best.
        rng: draws the bootstrap samples.

    Returns:
        R², correlation and absolute error on test with 95 % intervals, and everything tried.

    Raises:
        ValueError: if a target is missing or infinite, all targets of the fitted items or of val
            are equal, a penalty is not positive, lengths differ, or all items are the same.
    """
    check_same_length(x, target, "targets")
    check_finite(x)
    y = _check_target(target, splits)
    tried, on_val = _sweep(x, y, splits, penalties)
    best = max(range(len(tried)), key=lambda place: (on_val[place], tried[place]))
    rows = splits.fit_and_val
    fit = fit_ridge(x[rows], y[rows, None])
    predicted = fit.predict(x[splits.test], tried[best])[:, 0]
    truth, groups = y[splits.test], splits.test_groups
    moments = _Moments.of(predicted, truth, centre=float(y[rows].mean()))
    r2, pearson, error = moments.scores(groups=groups, rng=rng)
    return RegressionResult(
        r2=r2,
        pearson=pearson,
        mean_absolute_error=error,
        penalty=tried[best],
        penalties=tuple(tried),
        val_r2=tuple(on_val),
    )


def regression_screen(
    layers: Mapping[str, np.ndarray],
    target: Num[np.ndarray, " labelled"],
    splits: Splits,
    *,
    penalties: Sequence[float] = RIDGE_PENALTIES,
) -> RidgeScreen:
    """Rank layers by how well ridge regression reads a number from them.

    Args:
        layers: embeddings (items, dim) by tap id, the first layer first.
        target: the number, one an item.
        splits: rows of each part; test is not used.
        penalties: candidates for λ.

    Returns:
        R² at every layer and penalty, and the ranking.

    Raises:
        ValueError: as `regression_probe`, and if there is no layer.
    """
    y = _check_target(target, splits)
    return screen_targets(layers, y[:, None], splits, penalties=penalties)


def _check_target(
    target: Num[np.ndarray, " labelled"], splits: Splits
) -> Float[np.ndarray, " labelled"]:
    y = target.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(y))
    if bad.size:
        raise ValueError(
            f"the target is missing or infinite for {bad.size} of {len(y)} items, the first is "
            f"row {bad[0]}; leave these items out"
        )
    for part in ("train", "val"):
        values = y[getattr(splits, part)]
        if np.ptp(values) == 0:
            raise ValueError(
                f"the target is {values[0]:g} for all {len(values)} items of {part}: "
                "there is nothing to predict"
            )
    return y


def _sweep(
    x: Float[np.ndarray, "items dim"],
    y: Float[np.ndarray, " items"],
    splits: Splits,
    penalties: Sequence[float],
) -> tuple[list[float], list[float]]:
    """Return the λ tried and R² on val, first as given, then finer around the best."""
    tried = largest_first(penalties)
    fit = fit_ridge(x[splits.train], y[splits.train, None])

    def scores(some: Sequence[float]) -> list[float]:
        predicted = [fit.predict(x[splits.val], penalty) for penalty in some]
        return scores_of(np.stack(predicted, axis=1), y[splits.val, None]) if some else []

    found = scores(tried)
    finer = quarter_decades(tried, tried[int(np.argmax(found))])
    return tried + finer, found + scores(finer)


@dataclass(frozen=True)
class _Moments:
    """Sums over test items that every score is made of, so that resampling is one product."""

    table: Float[np.ndarray, "items terms"]
    """1, squared error, absolute error, y, y², p, p², y·p, with y and p centred."""

    blind: Float[np.ndarray, " items"]
    """The error of predicting the mean of the fitted items."""

    @classmethod
    def of(
        cls,
        predicted: Float[np.ndarray, " items"],
        truth: Float[np.ndarray, " items"],
        *,
        centre: float,
    ) -> "_Moments":
        error, y, p = truth - predicted, truth - truth.mean(), predicted - predicted.mean()
        terms = [np.ones_like(y), error**2, np.abs(error), y, y**2, p, p**2, y * p]
        return cls(np.stack(terms, axis=1), truth - centre)

    def scores(
        self, *, groups: Shaped[np.ndarray, " items"] | None, rng: np.random.Generator
    ) -> tuple[Score, Score, Score]:
        """Return R², Pearson's r and mean absolute error with percentile intervals."""
        n = len(self.table)
        units = n if groups is None else len(np.unique(groups))
        draws = np.empty((0, 3))
        if units >= FEWEST:
            chunks = resample_counts(n, DRAWS, rng=rng, groups=groups)
            draws = np.vstack([_measures(counts @ self.table) for counts in chunks])
        values = _measures(self.table.sum(axis=0, keepdims=True))[0]
        spread = self.table[:, 4].sum()
        blind_r2 = 1 - float(np.sum(self.blind**2)) / spread if spread > 0 else 0.0
        chances = (min(blind_r2, 0.0), 0.0, float(np.abs(self.blind).mean()))
        kind = "bootstrap" if groups is None else "cluster bootstrap"
        r2, pearson, error = (
            _score(MEASURES[i], values[i], draws[:, i], chance=chances[i], n=n, kind=kind)
            for i in range(3)
        )
        return r2, pearson, error


def _measures(
    sums: Float[np.ndarray, "draws terms"],
) -> Float[np.ndarray, "draws measures"]:
    """Return R², r and mean absolute error from sums; NaN where undefined."""
    total, squared, absolute, y, yy, p, pp, yp = sums.T
    of_y, of_p = yy - y * y / total, pp - p * p / total
    rounding = 1e-12
    with np.errstate(invalid="ignore", divide="ignore"):
        r2 = np.where(of_y > rounding * yy, 1 - squared / of_y, np.nan)
        defined = (of_y > rounding * yy) & (of_p > rounding * pp)
        r = np.where(defined, (yp - y * p / total) / np.sqrt(of_y * of_p), np.nan)
    return np.stack([r2, r, absolute / total], axis=1)


def _score(
    measure: str,
    value: float,
    draws: Float[np.ndarray, " draws"],
    *,
    chance: float,
    n: int,
    kind: str,
) -> Score:
    method = f"{measure}; {kind} interval; chance: predicting the mean"
    if not np.isfinite(value):
        reason = "targets or predictions of test are all equal: there is nothing to compare"
        return Score(value=None, n=n, method=method, reason=reason)
    known = draws[np.isfinite(draws)]
    if not len(known):
        reason = f"no interval: fewer than {FEWEST} independent items or groups on test"
        return Score(value=float(value), chance=chance, n=n, method=method, reason=reason)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return Score(
        value=float(value), low=float(low), high=float(high), chance=chance, n=n, method=method
    )
