"""The linear probe: what a linear classifier can read from frozen embeddings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, Shaped

from probes.accuracy import accuracy, balanced_accuracy, recall_by_class
from probes.checks import check_finite, check_same_length, number_labels
from probes.logistic import LogisticFit, LogisticProblem
from probes.penalties import largest_first, quarter_decades
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
    recall: Mapping[str, Score]
    """Share of right answers within each class that test has items of."""

    negative_log_likelihood: float
    """Mean on test, in nats; ln C is what a blind guess among C equal classes gives."""

    penalty: float
    """The λ chosen on val."""

    penalties: tuple[float, ...]
    """Everything tried: the decades, then quarters of a decade around the best of them."""

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
    device: str = "cpu",
) -> LinearResult:
    """Fit all penalties on train, choose on val, fit again on both, report on test.

    Args:
        x: embeddings of one layer.
        labels: one a row.
        splits: rows of each part.
        penalties: candidates for λ; quarters of a decade are tried around the best of them. The
            largest wins among equals.
        rng: needed if the splits have groups.
        device: where torch computes, as in "cuda".

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
    tried = largest_first(penalties)
    sweep = _Sweep.of(x, codes, splits, classes=len(names), device=device)
    sweep = sweep.extended(tried)
    sweep = sweep.extended(quarter_decades(tried, sweep.penalties[sweep.best]))

    rows, best = splits.fit_and_val, sweep.best
    scaler = Standardiser.of(x[rows])
    final = LogisticProblem.of(scaler(x[rows]), codes[rows], classes=len(names), device=device).fit(
        np.array([sweep.penalties[best]]),
        tolerance=REPORT_TOLERANCE,
        start=sweep.start_for(scaler),
    )
    logits, truth = final.logits(scaler(x[splits.test]), 0), codes[splits.test]
    predicted = logits.argmax(axis=1)
    return LinearResult(
        accuracy=accuracy(predicted, truth, fitted=codes[rows], groups=splits.test_groups, rng=rng),
        balanced_accuracy=balanced_accuracy(predicted, truth),
        recall=recall_by_class(predicted, truth, names, groups=splits.test_groups, rng=rng),
        negative_log_likelihood=_log_loss(logits, truth),
        penalty=sweep.penalties[best],
        penalties=sweep.penalties,
        val_accuracy=sweep.val_accuracy,
        gradient_norm=tuple(float(norm) for fit in sweep.fits for norm in fit.gradient_norm),
        final_gradient_norm=float(final.gradient_norm[0]),
        converged=bool(all(fit.converged.all() for fit in sweep.fits) and final.converged.all()),
    )


@dataclass(frozen=True)
class _Sweep:
    """What has been tried so far, fitted on train and scored on val."""

    scaler: Standardiser
    problem: LogisticProblem
    on_val: Float[np.ndarray, "val dim"]
    truth: Int[np.ndarray, " val"]
    penalties: tuple[float, ...] = ()
    val_accuracy: tuple[float, ...] = ()
    fits: tuple[LogisticFit, ...] = ()

    @classmethod
    def of(
        cls,
        x: Float[np.ndarray, "items dim"],
        codes: Int[np.ndarray, " items"],
        splits: Splits,
        *,
        classes: int,
        device: str,
    ) -> "_Sweep":
        scaler = Standardiser.of(x[splits.train])
        problem = LogisticProblem.of(
            scaler(x[splits.train]), codes[splits.train], classes=classes, device=device
        )
        return cls(scaler, problem, scaler(x[splits.val]), codes[splits.val])

    def extended(self, penalties: Sequence[float]) -> "_Sweep":
        """Return the sweep with more penalties, each started at its nearest neighbour."""
        if not penalties:
            return self
        start = None
        if self.fits:
            distance = np.abs(np.subtract.outer(np.log(penalties), np.log(self.penalties)))
            start = LogisticFit.joined(self.fits).pick(distance.argmin(axis=1).tolist())
        fit = self.problem.fit(np.array(penalties), tolerance=SWEEP_TOLERANCE, start=start)
        scores = (
            _share_right(fit.logits(self.on_val, i), self.truth) for i in range(len(penalties))
        )
        return replace(
            self,
            penalties=(*self.penalties, *penalties),
            val_accuracy=(*self.val_accuracy, *scores),
            fits=(*self.fits, fit),
        )

    @property
    def best(self) -> int:
        """Place of the penalty that is best on val, the largest among equals."""
        places = range(len(self.penalties))
        return max(places, key=lambda place: (self.val_accuracy[place], self.penalties[place]))

    def start_for(self, scaler: Standardiser) -> LogisticFit:
        """Return the best fit in the channels of another scaler."""
        shift = (scaler.mean - self.scaler.mean) / self.scaler.rms
        chosen = LogisticFit.joined(self.fits).pick([self.best])
        return chosen.moved(shift, scaler.rms / self.scaler.rms)


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
