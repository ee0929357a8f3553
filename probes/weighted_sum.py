"""The weighted-sum probe: one linear head on a learnt average of all layers.

h = Σ softmax(w)_l · h_l with w from 0, trained together with the head. The weights say which layers
the task needs, if the layers are of one scale: a layer ten times as large needs a tenth of the
weight for the same part in the sum. So layers are normalised first, and the contributions
c_l = softmax(w)_l · RMS(h_l) / Σ are reported as well. RMS is taken about the mean over items: what
all items share is taken up by the intercepts and contributes nothing.

Layers that resemble each other can stand for one another; read the weights as one way to solve the
task, not as a measure of what each layer knows.

Source: S. Yang et al., "SUPERB", arXiv:2105.01051.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from probes.accuracy import accuracy, balanced_accuracy
from probes.checks import check_finite, check_same_length, number_labels
from probes.descent import choose_and_fit, gain_over_plain
from probes.linear import PENALTIES
from probes.predictions import judge
from probes.result import Plain, Score, to_plain
from probes.splits import Splits

Normalise = Literal["layer norm", "none"]


@dataclass(frozen=True, kw_only=True)
class WeightedSumResult:
    """What a linear head reads from a learnt average of the layers."""

    accuracy: Score
    """On test, after a last fit on train and val with the λ that was best on val."""

    balanced_accuracy: Score
    negative_log_likelihood: float
    """Mean on test, in nats."""

    uniform: Score
    """Accuracy of the linear probe on the plain average of the same layers."""

    gain: Score
    """Accuracy above that of the plain average, on the same test items."""

    weights: Mapping[str, float]
    """softmax(w) by tap id; they sum to 1."""

    contributions: Mapping[str, float]
    """Share of every layer in the size of the sum; they sum to 1."""

    normalise: Normalise
    parameters: int
    penalty: float
    """The λ chosen on val; it is put on the head, not on w."""

    penalties: tuple[float, ...]
    val_accuracy: tuple[float, ...]
    final_gradient_norm: float
    """Largest entry of the gradient where the reported fit ended. The loss is not convex: this is
    a stationary point, the one that is reached from equal weights."""

    converged: bool
    right: tuple[bool, ...]
    """For every test item, for tests that pair two probes."""

    def to_json(self) -> Plain:
        """Return the result as plain JSON."""
        return to_plain(self)


@dataclass(frozen=True)
class _Layers:
    """Layers of some items, ready to be averaged."""

    flat: Float[Tensor, "layers items_dim"]
    dim: int

    def pooled(self, mixing: Float[Tensor, " layers"]) -> Float[Tensor, "items dim"]:
        return (torch.softmax(mixing, dim=0) @ self.flat).reshape(-1, self.dim)

    def mixing_penalty(self, mixing: Float[Tensor, " layers"]) -> Tensor:
        return mixing.new_zeros(())


def weighted_sum_probe(
    layers: Mapping[str, np.ndarray],
    labels: Shaped[np.ndarray, " labelled"],
    splits: Splits,
    *,
    rng: np.random.Generator,
    normalise: Normalise = "layer norm",
    penalties: Sequence[float] = PENALTIES,
) -> WeightedSumResult:
    """Learn weights of the layers and a linear head together; choose λ on val, report on test.

    Deterministic but for the intervals. Holds layers × items × dim numbers in double precision.

    Args:
        layers: embeddings (items, dim) by tap id, all of one width.
        labels: one an item.
        splits: rows of each part.
        rng: draws bootstrap samples of the test items.
        normalise: "layer norm" brings every item of every layer to mean 0 and variance 1 over its
            channels, without learnt scale; "none" keeps the layers as they are, and the weights
            then depend on their scales.
        penalties: candidates for λ.

    Returns:
        Scores, weights and contributions.

    Raises:
        ValueError: if there is no layer, the layers differ in width or items, labels do not fit, or
            all items are the same.
    """
    stack = _stacked(layers, normalise)
    check_same_length(stack[0], labels, "labels")
    codes, names = number_labels(labels)

    def probe_on(learnt: np.ndarray, rows: np.ndarray) -> _Layers:
        mean, rms = _centre_and_scale(stack, learnt)
        x = (stack[:, rows] - mean[:, None]) / rms
        return _Layers(torch.from_numpy(x).flatten(1), stack.shape[2])

    outcome = choose_and_fit(probe_on, codes, splits, mixing=len(stack), penalties=penalties)
    truth, groups, rows = codes[splits.test], splits.test_groups, splits.fit_and_val
    said = judge(outcome.logits, truth)
    uniform, gain = gain_over_plain(
        said.right, stack.mean(axis=0), codes, splits, penalties=penalties, rng=rng
    )
    weights = torch.softmax(torch.from_numpy(outcome.fit.mixing), dim=0).numpy()
    parts = weights * np.sqrt(stack[:, rows].var(axis=1).mean(axis=1))
    return WeightedSumResult(
        accuracy=accuracy(said.predicted, truth, fitted=codes[rows], groups=groups, rng=rng),
        balanced_accuracy=balanced_accuracy(said.predicted, truth),
        negative_log_likelihood=float(said.log_loss.mean()),
        uniform=uniform,
        gain=gain,
        weights=dict(zip(layers, weights.tolist(), strict=True)),
        contributions=dict(zip(layers, (parts / parts.sum()).tolist(), strict=True)),
        normalise=normalise,
        parameters=len(stack) + (stack.shape[2] + 1) * len(names),
        penalty=outcome.penalty,
        penalties=outcome.penalties,
        val_accuracy=outcome.val_accuracy,
        final_gradient_norm=outcome.fit.gradient_norm,
        converged=outcome.converged,
        right=tuple(said.right.tolist()),
    )


def _stacked(
    layers: Mapping[str, np.ndarray], normalise: Normalise
) -> Float[np.ndarray, "layers items dim"]:
    if not layers:
        raise ValueError("no layer to sum")
    shapes = {tap: x.shape for tap, x in layers.items()}
    if len({shape[1] for shape in shapes.values()}) > 1:
        found = ", ".join(f"{tap} has {shape[1]}" for tap, shape in shapes.items())
        raise ValueError(f"layers can only be summed if all have as many channels, but {found}")
    if len({shape[0] for shape in shapes.values()}) > 1:
        found = ", ".join(f"{tap} has {shape[0]}" for tap, shape in shapes.items())
        raise ValueError(f"all layers must hold the same items, but {found}")
    for tap, x in layers.items():
        check_finite(x, tap)
    stack = np.stack([x.astype(np.float64) for x in layers.values()])
    return stack if normalise == "none" else layer_norm(stack)


def layer_norm(
    x: Float[np.ndarray, "layers items dim"],
) -> Float[np.ndarray, "layers items dim"]:
    """Bring every item to mean 0 and variance 1 over its channels, without learnt scale.

    Nothing is added to the variance, so that the scale of a layer cannot matter however small it
    is. An item whose channels are all equal becomes 0.
    """
    centred = x - x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt(np.square(centred).mean(axis=-1, keepdims=True))
    rounding = 1e-12 * np.abs(x).max(axis=-1, keepdims=True)
    flat = deviation <= rounding
    return np.where(flat, 0.0, centred / np.where(flat, 1.0, deviation))


def _centre_and_scale(
    stack: Float[np.ndarray, "layers items dim"], rows: np.ndarray
) -> tuple[Float[np.ndarray, "layers dim"], float]:
    """Return the mean of each layer, and one scale for all, so that their proportions stay."""
    x = stack[:, rows]
    mean = x.mean(axis=1)
    rms = float(np.sqrt(np.square(x - mean[:, None]).mean()))
    if rms <= 1e-12 * float(np.abs(x).max()):
        raise ValueError(
            f"all {len(rows)} items have the same embedding at every layer: there is nothing to "
            "read from it"
        )
    return mean, rms
