"""The attentive probe: one learnt query looks for the tokens that tell the class.

An item is pooled as h = Σ_t α_t x_t with α = softmax over its valid tokens of q·x_t, and a linear
head reads h. It finds what a mean over many tokens drowns: a short call in a long recording, a bird
in a corner. It has `dim` parameters more than a linear probe on the mean, which is its special case
q = 0, where it starts; λ holds the query down as it does the head. What it gains over the mean is
reported item by item.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from probes.accuracy import accuracy, balanced_accuracy
from probes.checks import check_same_length, number_labels
from probes.descent import choose_and_fit, gain_over_plain
from probes.linear import PENALTIES
from probes.predictions import judge
from probes.result import Plain, Score, to_plain
from probes.splits import Splits


@dataclass(frozen=True, kw_only=True)
class AttentiveResult:
    """What a linear head reads from tokens that a learnt query picks."""

    accuracy: Score
    """On test, after a last fit on train and val with the λ that was best on val."""

    balanced_accuracy: Score
    negative_log_likelihood: float
    """Mean on test, in nats."""

    mean_pooling: Score
    """Accuracy of the linear probe on the mean of the valid tokens."""

    gain: Score
    """Accuracy above that of mean pooling, on the same test items."""

    parameters: int
    """Of query, head and intercepts; mean pooling has `dim` fewer."""

    attended: float
    """Share of its valid tokens that a test item is pooled from, exp(entropy of α) / tokens, mean
    over items: 1 is mean pooling."""

    query: tuple[float, ...]
    """q, for tokens in their own units: adding a number to all scores changes nothing."""

    penalty: float
    """The λ chosen on val, on head and query."""

    penalties: tuple[float, ...]
    val_accuracy: tuple[float, ...]
    final_gradient_norm: float
    """Largest entry of the gradient where the reported fit ended. The loss is not convex: this is
    a stationary point, the one that is reached from mean pooling."""

    converged: bool
    right: tuple[bool, ...]
    """For every test item, for tests that pair two probes."""

    def to_json(self) -> Plain:
        """Return the result as plain JSON."""
        return to_plain(self)


@dataclass(frozen=True)
class _Tokens:
    """Tokens of some items, ready to be looked at."""

    tokens: Float[Tensor, "items tokens dim"]
    valid: Bool[Tensor, "items tokens"]

    def pooled(self, mixing: Float[Tensor, " dim"]) -> Float[Tensor, "items dim"]:
        return (attention(self.tokens, self.valid, mixing)[:, None] @ self.tokens)[:, 0]

    def mixing_penalty(self, mixing: Float[Tensor, " dim"]) -> Tensor:
        return mixing.square().sum()


def attention(
    tokens: Float[Tensor, "items tokens dim"],
    valid: Bool[Tensor, "items tokens"],
    query: Float[Tensor, " dim"],
) -> Float[Tensor, "items tokens"]:
    """Return how much every token counts: 0 for padding, 1 in all for an item.

    Args:
        tokens: padding must be finite.
        valid: True where there is a token; at least one an item.
        query: q; with 0 all valid tokens count the same.
    """
    scores = (tokens @ query).masked_fill(~valid, -torch.inf)
    return torch.softmax(scores, dim=1)


def attentive_probe(
    tokens: Float[np.ndarray, "items tokens dim"],
    valid: Bool[np.ndarray, "items tokens"],
    labels: Shaped[np.ndarray, " labelled"],
    splits: Splits,
    *,
    rng: np.random.Generator,
    penalties: Sequence[float] = PENALTIES,
) -> AttentiveResult:
    """Learn a query and a linear head together; choose λ on val, report on test.

    Deterministic but for the intervals. Holds items × tokens × dim numbers in double precision.

    Args:
        tokens: of one layer; what padding holds does not matter.
        valid: True where there is a token, False for padding.
        labels: one an item.
        splits: rows of each part.
        rng: draws bootstrap samples of the test items.
        penalties: candidates for λ.

    Returns:
        Scores, the query, and what mean pooling would give.

    Raises:
        ValueError: if labels do not fit, an item has no valid token or a token that is not finite,
            or all tokens are the same.
    """
    check_same_length(tokens, labels, "labels")
    clean = _checked(tokens, valid)
    codes, names = number_labels(labels)

    def probe_on(learnt: np.ndarray, rows: np.ndarray) -> _Tokens:
        mean, rms = _centre_and_scale(clean[learnt], valid[learnt])
        x = np.where(valid[rows][:, :, None], (clean[rows] - mean) / rms, 0.0)
        return _Tokens(torch.from_numpy(x), torch.from_numpy(valid[rows]))

    dim = tokens.shape[2]
    outcome = choose_and_fit(probe_on, codes, splits, mixing=dim, penalties=penalties)
    truth, groups, rows = codes[splits.test], splits.test_groups, splits.fit_and_val
    said = judge(outcome.logits, truth)
    mean_pooling, gain = gain_over_plain(
        said.right, mean_pooled(clean, valid), codes, splits, penalties=penalties, rng=rng
    )
    _, rms = _centre_and_scale(clean[rows], valid[rows])
    query = outcome.fit.mixing / rms
    return AttentiveResult(
        accuracy=accuracy(said.predicted, truth, fitted=codes[rows], groups=groups, rng=rng),
        balanced_accuracy=balanced_accuracy(said.predicted, truth),
        negative_log_likelihood=float(said.log_loss.mean()),
        mean_pooling=mean_pooling,
        gain=gain,
        parameters=dim + (dim + 1) * len(names),
        attended=_attended(clean[splits.test], valid[splits.test], query),
        query=tuple(query.tolist()),
        penalty=outcome.penalty,
        penalties=outcome.penalties,
        val_accuracy=outcome.val_accuracy,
        final_gradient_norm=outcome.fit.gradient_norm,
        converged=outcome.converged,
        right=tuple(said.right.tolist()),
    )


def mean_pooled(
    tokens: Float[np.ndarray, "items tokens dim"], valid: Bool[np.ndarray, "items tokens"]
) -> Float[np.ndarray, "items dim"]:
    """Return the mean of the valid tokens of every item; padding must be finite."""
    weights = valid / valid.sum(axis=1, keepdims=True)
    return np.einsum("nt,ntd->nd", weights, tokens.astype(np.float64))


def _checked(
    tokens: Float[np.ndarray, "items tokens dim"], valid: Bool[np.ndarray, "items tokens"]
) -> Float[np.ndarray, "items tokens dim"]:
    """Return the tokens in double precision, padding set to 0."""
    empty = np.flatnonzero(~valid.any(axis=1))
    if empty.size:
        raise ValueError(
            f"{empty.size} of {len(valid)} items have no valid token, the first is item "
            f"{empty[0]}; leave these items out"
        )
    clean = np.where(valid[:, :, None], tokens, 0.0).astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(clean).all(axis=(1, 2)))
    if bad.size:
        raise ValueError(
            f"{bad.size} of {len(valid)} items have valid tokens with NaN or infinite numbers, the "
            f"first is item {bad[0]}; leave these items out"
        )
    return clean


def _centre_and_scale(
    clean: Float[np.ndarray, "items tokens dim"], valid: Bool[np.ndarray, "items tokens"]
) -> tuple[Float[np.ndarray, " dim"], float]:
    """Return mean and root mean square of the valid tokens."""
    x = clean[valid]
    mean = x.mean(axis=0)
    rms = float(np.sqrt(np.square(x - mean).mean()))
    if rms <= 1e-12 * float(np.abs(x).max()):
        raise ValueError(
            f"all tokens of all {len(clean)} items are the same: there is nothing to read from them"
        )
    return mean, rms


def _attended(
    clean: Float[np.ndarray, "items tokens dim"],
    valid: Bool[np.ndarray, "items tokens"],
    query: Float[np.ndarray, " dim"],
) -> float:
    there = torch.from_numpy(valid)
    alpha = attention(torch.from_numpy(clean), there, torch.from_numpy(query))
    entropy = -torch.special.xlogy(alpha, alpha).sum(dim=1)
    return float((entropy.exp() / there.sum(dim=1)).mean())
