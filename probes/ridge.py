"""The ridge screen: how much least squares reads from every layer, before any probe is fitted.

Where the linear probe takes minutes this takes seconds, because one decomposition of a layer serves
all penalties, and leaving items out costs nothing more. It tells which layers are worth a probe.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Shaped

from probes.checks import check_same_length, number_labels
from probes.penalties import largest_first
from probes.result import Plain, to_plain
from probes.ridge_fit import RIDGE_PENALTIES, fit_ridge, one_hot
from probes.splits import Splits

ChosenBy = Literal["leave-one-out on train", "val"]


@dataclass(frozen=True, kw_only=True)
class RidgeRow:
    """What ridge regression reads from one layer at every penalty: a screen, not a probe.

    Least squares on class columns is not the linear probe. Use it to rank layers before fitting
    those that matter, and say "ridge screen" where its numbers are shown.
    """

    tap: str
    penalties: tuple[float, ...]
    leave_one_out: tuple[float, ...]
    """Score on train at every λ, each item by the fit without it."""

    val: tuple[float, ...]
    """Score on val at every λ, fitted on train."""

    penalty: float | None
    """The λ chosen, the largest among equals; None if the layer could not be screened."""

    score: float | None
    """What layers are ranked by: the best of `leave_one_out`, or of `val` if there are groups."""

    reason: str = ""
    """Why the layer could not be screened."""

    def to_json(self) -> Plain:
        """Return the row as plain JSON."""
        return to_plain(self)


@dataclass(frozen=True, kw_only=True)
class RidgeScreen:
    """All layers, ranked without a look at test."""

    measure: str
    """What the scores are: accuracy for classes, R² for numbers."""

    chosen_by: ChosenBy
    """Leaving one item out tells nothing where others of its group stay; then val decides."""

    rows: tuple[RidgeRow, ...]
    """In the order given."""

    ranking: tuple[str, ...]
    """Taps, the best first, the lower layer among equals."""

    def to_json(self) -> Plain:
        """Return the screen as plain JSON."""
        return to_plain(self)


def ridge_screen(
    layers: Mapping[str, np.ndarray],
    labels: Shaped[np.ndarray, " labelled"],
    splits: Splits,
    *,
    penalties: Sequence[float] = RIDGE_PENALTIES,
) -> RidgeScreen:
    """Rank layers by how well ridge regression on class columns tells the classes.

    Args:
        layers: embeddings (items, dim) by tap id, the first layer first.
        labels: one an item.
        splits: rows of each part; test is not used.
        penalties: candidates for λ.

    Returns:
        Accuracies at every layer and penalty, and the ranking.

    Raises:
        ValueError: if there is no layer, a penalty is not positive, labels do not fit or train
            has one class only.
    """
    codes, names = number_labels(labels)
    if len(np.unique(codes[splits.train])) < 2:
        raise ValueError("the train split has items of one class only: there is nothing to learn")
    return screen_targets(layers, one_hot(codes, len(names)), splits, penalties=penalties)


def screen_targets(
    layers: Mapping[str, np.ndarray],
    y: Float[np.ndarray, "labelled targets"],
    splits: Splits,
    *,
    penalties: Sequence[float] = RIDGE_PENALTIES,
) -> RidgeScreen:
    """Rank layers by ridge regression: accuracy for several columns, R² for a single one.

    Args:
        layers: embeddings (items, dim) by tap id.
        y: class columns, or one column of numbers.
        splits: rows of each part; test is not used.
        penalties: candidates for λ.

    Returns:
        The screen.

    Raises:
        ValueError: if there is no layer, or a penalty is not positive, or lengths differ.
    """
    if not layers:
        raise ValueError("no layer to screen")
    tried = largest_first(penalties)
    for x in layers.values():
        check_same_length(x, y, "labels")
    chosen_by: ChosenBy = "leave-one-out on train" if splits.groups is None else "val"
    rows = tuple(_row(tap, x, y, splits, tried) for tap, x in layers.items())
    screened = [row for row in rows if row.score is not None]
    ranked = sorted(screened, key=lambda row: -(row.score or 0.0))  # stable: lower layers first
    return RidgeScreen(
        measure="accuracy" if y.shape[1] > 1 else "R2",
        chosen_by=chosen_by,
        rows=rows,
        ranking=tuple(row.tap for row in ranked),
    )


def _row(
    tap: str,
    x: Float[np.ndarray, "items dim"],
    y: Float[np.ndarray, "items targets"],
    splits: Splits,
    tried: list[float],
) -> RidgeRow:
    try:
        fit = fit_ridge(x[splits.train], y[splits.train], single=True)
    except ValueError as error:
        return RidgeRow(
            tap=tap,
            penalties=(),
            leave_one_out=(),
            val=(),
            penalty=None,
            score=None,
            reason=str(error),
        )
    on_val = np.stack([fit.predict(x[splits.val], penalty) for penalty in tried], axis=1)
    left_out = tuple(scores_of(fit.leave_one_out(tried), y[splits.train]))
    val = tuple(scores_of(on_val, y[splits.val]))
    deciding = left_out if splits.groups is None else val
    best = int(np.argmax(deciding))
    return RidgeRow(
        tap=tap,
        penalties=tuple(tried),
        leave_one_out=left_out,
        val=val,
        penalty=tried[best],
        score=deciding[best],
    )


def scores_of(
    predicted: Float[np.ndarray, "items penalties targets"],
    truth: Float[np.ndarray, "items targets"],
) -> list[float]:
    """Return, for every penalty, the accuracy for class columns or R² for one column of numbers.

    R² is 0 where all numbers are equal: then there is nothing to explain.
    """
    if truth.shape[1] > 1:
        right = predicted.argmax(axis=2) == truth.argmax(axis=1)[:, None]
        return right.mean(axis=0).tolist()
    total = float(np.sum((truth - truth.mean(axis=0)) ** 2))
    errors = np.sum((truth - predicted[:, :, 0]) ** 2, axis=0)
    return (1 - errors / total).tolist() if total > 0 else [0.0] * len(errors)
