"""Scores of a classifier on the items it is reported on."""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from jaxtyping import Int, Shaped

from probes.intervals import CONFIDENCE, share_interval
from probes.result import Score


def majority_class(codes: Int[np.ndarray, " items"]) -> int:
    """Return the most frequent class, the lower one among equals."""
    return int(np.bincount(codes).argmax())


def accuracy(
    predicted: Int[np.ndarray, " items"],
    truth: Int[np.ndarray, " items"],
    *,
    fitted: Int[np.ndarray, " fitted"],
    groups: Shaped[np.ndarray, " items"] | None = None,
    rng: np.random.Generator | None = None,
) -> Score:
    """Return the share of right predictions.

    Args:
        predicted: class of every item, as told by the probe.
        truth: its class.
        fitted: classes of the items the probe was fitted on. Chance is what the better of two
            blind answers gets: always the most frequent of them, or any of them at random. (In a
            small test split the most frequent class of the others may not occur at all.)
        groups: items of a group are not independent; the interval is then a cluster bootstrap.
        rng: needed with groups.

    Returns:
        The score, with a Wilson interval unless there are groups.
    """
    right = predicted == truth
    low, high, method = share_interval(right, groups=groups, rng=rng)
    return Score(
        value=float(right.mean()),
        low=low,
        high=high,
        chance=max(float((truth == majority_class(fitted)).mean()), 1 / len(np.unique(fitted))),
        n=len(truth),
        method=f"accuracy; {method} interval; chance: the most frequent class, or any",
    )


def balanced_accuracy(
    predicted: Int[np.ndarray, " items"], truth: Int[np.ndarray, " items"]
) -> Score:
    """Return the mean over classes of the share of right predictions within the class.

    Classes without items among `truth` do not count. The interval is normal, with the
    variance of every class taken at its Agresti-Coull share, which does not vanish at 0 or 100 %.

    Args:
        predicted: class of every item, as told by the probe.
        truth: its class.

    Returns:
        The score; chance is 1 / classes.
    """
    size = np.bincount(truth)
    present = size > 0
    hits = np.bincount(truth, weights=predicted == truth)[present]
    size = size[present]
    value = float((hits / size).mean())
    share = (hits + 2) / (size + 4)
    error = math.sqrt(float(np.sum(share * (1 - share) / size))) / len(size)
    half = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * error
    return Score(
        value=value,
        low=max(0.0, value - half),
        high=min(1.0, value + half),
        chance=1 / len(size),
        n=len(truth),
        method="balanced accuracy; normal interval with Agresti-Coull shares; chance: 1/classes",
    )


def recall_by_class(
    predicted: Int[np.ndarray, " items"],
    truth: Int[np.ndarray, " items"],
    names: Sequence[str],
    *,
    groups: Shaped[np.ndarray, " items"] | None = None,
    rng: np.random.Generator | None = None,
) -> dict[str, Score]:
    """Return, class by class, the share of its items that are told to be of it.

    Args:
        predicted: class of every item, as told by the probe.
        truth: its class.
        names: of the classes, by number.
        groups: items of a group are not independent; the intervals are then cluster bootstraps.
        rng: needed with groups.

    Returns:
        A score for every class that has items; chance is 1 / classes, the recall of a blind guess.
    """
    scores = {}
    for code in np.unique(truth).tolist():
        of_class = truth == code
        right = predicted[of_class] == code
        within = None if groups is None else groups[of_class]
        low, high, method = share_interval(right, groups=within, rng=rng)
        scores[names[code]] = Score(
            value=float(right.mean()),
            low=low,
            high=high,
            chance=1 / len(names),
            n=len(right),
            method=f"recall; {method} interval; chance: 1/classes",
        )
    return scores
