"""The linear probe: what a linear classifier can read from frozen embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped

from probes.accuracy import accuracy, balanced_accuracy
from probes.checks import check_finite, check_same_length, number_labels
from probes.logistic import LogisticFit, fit_logistic
from probes.result import Plain, Score, to_plain
from probes.splits import Splits
from probes.standardise import Standardiser

PENALTIES = tuple(10.0**power for power in range(-8, 3))
SWEEP_TOLERANCE = 1e-4
REPORT_TOLERANCE = 1e-6


@dataclass(frozen=True, kw_only=True)
class LinearResult:
    """What the linear probe found at one layer."""

    accuracy: Score
    """On test, after a last fit on train and val with the λ that was best on val."""

    balanced_accuracy: Score
    negative_log_likelihood: float
    """Mean on test, in nats; ln C is what a blind guess among C equal classes gives."""

    penalty: float
    """The λ chosen on val."""

    penalties: tuple[float, ...]
    val_accuracy: tuple[float, ...]
    """On val, for every λ, fitted on train."""

    gradient_norm: tuple[float, ...]
    """Certificate of every fit of the sweep: the largest entry of its gradient."""

    final_gradient_norm: float
    """Certificate of the reported fit."""

    converged: bool
    """Whether every certificate is within its tolerance (1e-4 in the sweep, 1e-6 at the end)."""

    def to_json(self) -> Plain:
        """Return the result as plain JSON."""
        return to_plain(self)


def linear_probe(
    x: Float[np.ndarray, "items dim"],
    labels: Shaped[np.ndarray, " labelled"],
    splits: Splits,
    *,
    penalties: Sequence[float] = PENALTIES,
    rng: np.random.Generator | None = None,
) -> LinearResult:
    """Fit all penalties on train, choose on val, fit again on both, report on test.

    Args:
        x: embeddings of one layer.
        labels: one a row.
        splits: rows of each part.
        penalties: candidates for λ; the largest wins among equals.
        rng: needed if the splits have groups.

    Returns:
        Scores, everything that was tried, and certificates of convergence.

    Raises:
        ValueError: if labels do not fit, train has one class only, or all items are the same.
    """
    check_same_length(x, labels, "labels")
    check_finite(x)
    codes, names = number_labels(labels)
    if len(np.unique(codes[splits.train])) < 2:
        raise ValueError("the train split has items of one class only: there is nothing to learn")
    tried = np.array(sorted(set(penalties), reverse=True))
    scaler, sweep = _fit(x, codes, splits.train, tried, classes=len(names))
    on_val = [
        _share_right(sweep.logits(scaler(x[splits.val]), place), codes[splits.val])
        for place in range(len(tried))
    ]
    best = int(np.argmax(on_val))

    rows = splits.fit_and_val
    chosen = tried[best : best + 1]
    scaler, final = _fit(x, codes, rows, chosen, classes=len(names), tolerance=REPORT_TOLERANCE)
    logits, truth = final.logits(scaler(x[splits.test]), 0), codes[splits.test]
    predicted = logits.argmax(axis=1)
    return LinearResult(
        accuracy=accuracy(predicted, truth, fitted=codes[rows], groups=splits.test_groups, rng=rng),
        balanced_accuracy=balanced_accuracy(predicted, truth),
        negative_log_likelihood=_log_loss(logits, truth),
        penalty=float(chosen[0]),
        penalties=tuple(tried.tolist()),
        val_accuracy=tuple(on_val),
        gradient_norm=tuple(sweep.gradient_norm.tolist()),
        final_gradient_norm=float(final.gradient_norm[0]),
        converged=bool(sweep.converged.all() and final.converged.all()),
    )


def _fit(
    x: Float[np.ndarray, "items dim"],
    codes: Int[np.ndarray, " items"],
    rows: Int[np.ndarray, " rows"],
    penalties: Float[np.ndarray, " penalties"],
    *,
    classes: int,
    tolerance: float = SWEEP_TOLERANCE,
) -> tuple[Standardiser, LogisticFit]:
    scaler = Standardiser.of(x[rows])
    fit = fit_logistic(
        scaler(x[rows]), codes[rows], penalties, classes=classes, tolerance=tolerance
    )
    return scaler, fit


def _share_right(
    logits: Float[np.ndarray, "items classes"], truth: Int[np.ndarray, " items"]
) -> float:
    return float((logits.argmax(axis=1) == truth).mean())


def _log_loss(
    logits: Float[np.ndarray, "items classes"], truth: Int[np.ndarray, " items"]
) -> float:
    shifted = logits - logits.max(axis=1, keepdims=True)
    at_truth = shifted[np.arange(len(truth)), truth]
    return float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - at_truth))
