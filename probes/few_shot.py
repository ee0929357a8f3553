"""The few-shot probe: what can be read from a layer with m labelled items a class.

Which items are labelled matters more than anything else when they are few. Therefore every m is
drawn many times, all layers and models get the same draws, and the spread is reported. The fit is
ridge regression on class columns; λ is chosen by leaving support items out, so that nothing but the
support is ever used: not val, and not the labels of the other train items.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from probes.accuracy import accuracy
from probes.checks import check_finite, check_same_length, number_labels
from probes.intervals import CONFIDENCE, resample_counts, wilson
from probes.result import Plain, Score, to_plain
from probes.ridge_fit import RIDGE_PENALTIES, RidgeFit, fit_ridge, one_hot
from probes.splits import Splits
from probes.supports import Supports

BOOTSTRAPS = 2000
UNKNOWN = 1.0  # λ where the support cannot tell: the mean square of its channels


@dataclass(frozen=True, kw_only=True)
class FewShotRow:
    """One number of shots."""

    shots: str
    """Labelled items a class, or "all"."""

    support: int
    """Labelled items in all."""

    draws: int
    accuracy: Score
    """On test, mean over the draws; the interval is over draws and test items together."""

    spread: float | None
    """Standard deviation over the draws; None for "all", of which there is one."""

    draw_accuracy: tuple[float, ...]
    """Draw by draw, to be paired with those of another layer or model."""

    penalties: tuple[float, ...]
    """The λ that each draw chose."""


@dataclass(frozen=True, kw_only=True)
class FewShotResult:
    """The few-shot curve of one layer."""

    rows: tuple[FewShotRow, ...]
    skipped: Mapping[str, str]
    """Why some numbers of shots are missing."""

    def to_json(self) -> Plain:
        """Return the result as plain JSON."""
        return to_plain(self)


def few_shot_probe(
    x: Float[np.ndarray, "items dim"],
    labels: Shaped[np.ndarray, " labelled"],
    splits: Splits,
    *,
    supports: Supports,
    rng: np.random.Generator,
) -> FewShotResult:
    """Fit on every support, report on test.

    Args:
        x: embeddings of one layer.
        labels: one an item; those outside train are only used to score, those of val not at all.
        splits: rows of each part; with groups, the intervals draw whole groups.
        supports: the labelled items, from `draw_supports`.
        rng: draws the bootstrap samples.

    Returns:
        Accuracy by number of shots.

    Raises:
        ValueError: if labels do not fit, or a number is not finite.
    """
    check_same_length(x, labels, "labels")
    check_finite(x)
    wide, queries = x.astype(np.float64, copy=False), x[splits.test].astype(np.float64)
    found = {
        shots: predict_from(queries, wide, labels, draws) for shots, draws in supports.rows.items()
    }
    rights = {shots: told == labels[splits.test] for shots, (told, _) in found.items()}
    drawn = {shots: right for shots, right in rights.items() if len(right) > 1}
    classes = len(np.unique(labels[splits.train]))
    scores = _over_draws(drawn, splits.test_groups, classes=classes, rng=rng)
    for shots, (told, _) in found.items():
        if shots not in scores:
            scores[shots] = _of_one(told[0], labels, supports.rows[shots][0], splits, rng)
    rows = tuple(
        FewShotRow(
            shots=shots,
            support=draws.shape[1],
            draws=len(draws),
            accuracy=scores[shots],
            spread=float(rights[shots].mean(axis=1).std(ddof=1)) if len(draws) > 1 else None,
            draw_accuracy=tuple(rights[shots].mean(axis=1).tolist()),
            penalties=tuple(found[shots][1]),
        )
        for shots, draws in supports.rows.items()
    )
    return FewShotResult(rows=rows, skipped=supports.skipped)


def few_shot_layers(
    layers: Mapping[str, np.ndarray],
    labels: Shaped[np.ndarray, " labelled"],
    splits: Splits,
    *,
    supports: Supports,
    rng: np.random.Generator,
) -> dict[str, FewShotResult]:
    """Run the few-shot probe on every layer, with the same supports and bootstrap samples.

    Args:
        layers: embeddings (items, dim) by tap id, the first layer first.
        labels: one an item.
        splits: rows of each part.
        supports: the labelled items, from `draw_supports`.
        rng: draws the bootstrap samples; every layer starts from the same state of it.

    Returns:
        A result for every layer.

    Raises:
        ValueError: as `few_shot_probe`.
    """
    seed = int(rng.integers(2**63))
    return {
        tap: few_shot_probe(x, labels, splits, supports=supports, rng=np.random.default_rng(seed))
        for tap, x in layers.items()
    }


def predict_from(
    queries: Float[np.ndarray, "queries dim"],
    x: Float[np.ndarray, "items dim"],
    labels: Shaped[np.ndarray, " items"],
    draws: Int[np.ndarray, "draws support"],
) -> tuple[Shaped[np.ndarray, "draws queries"], list[float]]:
    """Fit on each support and tell the label of every query.

    Args:
        queries: embeddings of the items to be told.
        x: embeddings that the supports are rows of.
        labels: one an item; only those of the supports are looked at.
        draws: rows of each support.

    Returns:
        The label told for every draw and query, and the λ of every draw. Where all items of a
        support have the same embedding, its first class is told, with a λ of 0.
    """
    told, penalties = [], []
    for support in draws:
        names, codes = np.unique(labels[support], return_inverse=True)
        try:
            fit = fit_ridge(x[support], one_hot(codes, len(names)), single=True)
        except ValueError:  # nothing to tell the classes apart by
            told.append(np.full(len(queries), names[0]))
            penalties.append(0.0)
            continue
        penalty = choose_penalty(fit)
        told.append(names[fit.predict(queries, penalty).argmax(axis=1)])
        penalties.append(penalty)
    return np.stack(told), penalties


def choose_penalty(fit: RidgeFit, penalties: Sequence[float] = RIDGE_PENALTIES) -> float:
    """Return the λ under which most support items are told right by the others.

    Among equals the smaller squared error decides. Where no class has two items, an item that is
    left out takes its class with it and nothing can be learnt: then λ is 1, the mean
    square of the support.

    Args:
        fit: fitted to class columns of the support.
        penalties: candidates.
    """
    if fit.targets.sum(axis=0).max() < 2:
        return UNKNOWN
    truth = fit.targets.argmax(axis=1)
    word = fit.leave_one_out(penalties)
    right = np.sum(word.argmax(axis=2) == truth[:, None], axis=0)
    errors = np.sum((word - fit.targets[:, None]) ** 2, axis=(0, 2))
    return float(penalties[int(np.lexsort((errors, -right))[0])])


def _over_draws(
    rights: Mapping[str, Bool[np.ndarray, "draws items"]],
    groups: Shaped[np.ndarray, " items"] | None,
    *,
    classes: int,
    rng: np.random.Generator,
) -> dict[str, Score]:
    """Return the mean over draws and items; both are resampled, for all shots the same way."""
    samples: dict[str, list[Float[np.ndarray, " some"]]] = {shots: [] for shots in rights}
    if rights:
        draws, items = next(iter(rights.values())).shape
        for counts in resample_counts(items, BOOTSTRAPS, rng=rng, groups=groups):
            of_draws = rng.multinomial(draws, np.full(draws, 1 / draws), size=len(counts))
            weights, total = counts.astype(np.float64), counts.sum(axis=1) * draws
            for shots, right in rights.items():
                hits = np.sum((weights @ right.T.astype(np.float64)) * of_draws, axis=1)
                samples[shots].append(hits / total)
    return {
        shots: _mean_score(right, np.concatenate(samples[shots]), groups, classes)
        for shots, right in rights.items()
    }


def _mean_score(
    right: Bool[np.ndarray, "draws items"],
    samples: Float[np.ndarray, " samples"],
    groups: Shaped[np.ndarray, " items"] | None,
    classes: int,
) -> Score:
    draws, items = right.shape
    units = items if groups is None else len(np.unique(groups))
    value = float(right.mean())
    if value in (0.0, 1.0) or units < 2:  # a bootstrap would have no width
        low, high = wilson(value * units, units)
        kind = "Wilson" if groups is None else "Wilson, groups as trials"
    else:
        tail = (1 - CONFIDENCE) / 2
        low, high = np.quantile(samples, [tail, 1 - tail]).tolist()
        kind = "bootstrap over draws and " + ("test items" if groups is None else "groups of test")
    return Score(
        value=value,
        low=low,
        high=high,
        chance=1 / classes,
        n=items,
        method=f"accuracy, mean of {draws} draws; {kind} interval; chance: 1/classes",
    )


def _of_one(
    told: Shaped[np.ndarray, " test"],
    labels: Shaped[np.ndarray, " items"],
    support: Int[np.ndarray, " support"],
    splits: Splits,
    rng: np.random.Generator,
) -> Score:
    """Return the accuracy of the one fit to all of train."""
    codes, _ = number_labels(labels)
    return accuracy(
        np.searchsorted(np.unique(labels), told),
        codes[splits.test],
        fitted=codes[support],
        groups=splits.test_groups,
        rng=rng,
    )
