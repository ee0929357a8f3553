"""What a linear probe says of every test item, for tests that pair two probes item by item."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from probes.checks import check_same_length, number_labels
from probes.linear import REPORT_TOLERANCE
from probes.logistic import fit_logistic
from probes.splits import Splits
from probes.standardise import Standardiser


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Answers of one probe on the test items, in the order of the split."""

    predicted: Int[np.ndarray, " test"]
    """Class number of the answer."""

    right: Bool[np.ndarray, " test"]
    log_loss: Float[np.ndarray, " test"]
    """−ln of the chance given to the true class, in nats."""


def linear_predictions(
    x: Float[np.ndarray, "items dim"],
    labels: Shaped[np.ndarray, " labelled"],
    splits: Splits,
    *,
    penalty: float,
) -> Predictions:
    """Repeat the last fit of `linear_probe` and return its answer on every test item.

    Args:
        x: embeddings of one layer.
        labels: one a row.
        splits: rows of each part; the fit is on train and val.
        penalty: λ, as chosen by `linear_probe` on val.

    Returns:
        The answers; their mean of `right` is the probe's accuracy.

    Raises:
        ValueError: if labels do not fit or all items are the same.
    """
    check_same_length(x, labels, "labels")
    codes, names = number_labels(labels)
    logits = fitted_logits(x, codes, (splits.fit_and_val, splits.test), penalty, len(names))
    return judge(logits, codes[splits.test])


def fitted_logits(
    x: Float[np.ndarray, "items dim"],
    codes: Int[np.ndarray, " items"],
    rows: tuple[Int[np.ndarray, " fit"], Int[np.ndarray, " asked"]],
    penalty: float,
    classes: int,
) -> Float[np.ndarray, "asked classes"]:
    """Return the class scores of the second rows, after a fit on the first.

    Args:
        x: embeddings.
        codes: class number of every item.
        rows: fitted on the first, asked about the second; a row that comes twice counts twice.
        penalty: λ.
        classes: C.
    """
    fit_rows, asked = rows
    scaler = Standardiser.of(x[fit_rows])
    fit = fit_logistic(
        scaler(x[fit_rows]),
        codes[fit_rows],
        np.array([penalty]),
        classes=classes,
        tolerance=REPORT_TOLERANCE,
    )
    return fit.logits(scaler(x[asked]), 0)


def judge(
    logits: Float[np.ndarray, "items classes"], truth: Int[np.ndarray, " items"]
) -> Predictions:
    """Compare class scores with the truth; among equal scores the lower class is the answer."""
    from scipy.special import log_softmax  # imported late: the app starts without it

    predicted = logits.argmax(axis=1)
    chances = log_softmax(logits, axis=1)
    return Predictions(
        predicted=predicted,
        right=predicted == truth,
        log_loss=-chances[np.arange(len(truth)), truth],
    )
