"""Classify an item by its nearest neighbours: no fitting, hardly any choices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped

from probes.accuracy import accuracy
from probes.checks import check_same_length, number_labels
from probes.neighbours import Neighbours, nearest
from probes.result import Plain, Score, to_plain
from probes.splits import Splits

KS = (1, 10, 20, 100, 200)
TEMPERATURE = 0.07
PLAIN_K = 20  # for the unweighted vote, which has no choice to make


@dataclass(frozen=True, kw_only=True)
class KnnResult:
    """What the kNN probe found at one layer."""

    accuracy: Score
    """On test, with the k that was best on val and the bank of train and val."""

    nearest: Score
    """The same with k = 1."""

    unweighted: Score
    """The same with k = 20 and equal votes: nothing was chosen."""

    k: int
    """Chosen on val; clipped to the bank."""

    temperature: float
    candidates: tuple[int, ...]
    """The k that were tried."""

    val_accuracy: tuple[float, ...]
    """On val, for every candidate, with the bank of train."""

    def to_json(self) -> Plain:
        """Return the result as plain JSON."""
        return to_plain(self)


def knn_vote(
    found: Neighbours,
    bank_codes: Int[np.ndarray, " bank"],
    ks: Sequence[int],
    *,
    temperature: float = TEMPERATURE,
) -> Mapping[int, Int[np.ndarray, " queries"]]:
    """Let the neighbours vote, for several k out of one search.

    A neighbour with cosine s votes for its class with weight exp(s / T). The largest cosine of
    the query is taken off first, which changes no ratio and cannot overflow.

    Args:
        found: neighbours, at least as many as the largest k that matters.
        bank_codes: class number of every item of the bank.
        ks: numbers of voters; clipped to the neighbours there are.
        temperature: T; a small one leaves the vote to the nearest, infinity makes votes equal.

    Returns:
        For every k the winning class of every query; the lower class among equals.

    Raises:
        ValueError: if a k is below 1 or T is not positive.

    Source: DINO, arXiv:2104.14294; facebookresearch/dino eval_knn.
    """
    if not ks or min(ks) < 1:
        raise ValueError(f"the numbers of neighbours must be 1 or more, got {list(ks)}")
    if not temperature > 0:
        raise ValueError(f"temperature={temperature} must be positive")
    weights = np.exp((found.cosines - found.cosines[:, :1]).astype(np.float64) / temperature)
    voters = bank_codes[found.ids]
    rows = np.arange(len(voters))
    votes = np.zeros((len(voters), int(bank_codes.max()) + 1))
    wanted = {min(k, voters.shape[1]) for k in ks}
    winners = {}
    # one neighbour after the other, so that the sums do not depend on which k were asked for
    for place in range(max(wanted)):
        votes[rows, voters[:, place]] += weights[:, place]
        if place + 1 in wanted:
            winners[place + 1] = votes.argmax(axis=1)
    return {k: winners[min(k, voters.shape[1])] for k in ks}


def knn_probe(
    x: Float[np.ndarray, "items dim"],
    labels: Shaped[np.ndarray, " labelled"],
    splits: Splits,
    *,
    ks: Sequence[int] = KS,
    temperature: float = TEMPERATURE,
    rng: np.random.Generator | None = None,
) -> KnnResult:
    """Choose k on val, then report the accuracy on test.

    Args:
        x: embeddings of one layer.
        labels: one a row.
        splits: the bank is train while k is chosen, train and val for the report.
        ks: candidates; the smallest wins among equals.
        temperature: of the weighted vote.
        rng: needed if the splits have groups.

    Returns:
        Scores and everything that was tried.

    Raises:
        ValueError: as `nearest` and `knn_vote`, or if the labels do not fit.
    """
    check_same_length(x, labels, "labels")
    codes, _ = number_labels(labels)
    ks = sorted(set(ks))
    found = nearest(x[splits.val], x[splits.train], max(ks))
    votes = knn_vote(found, codes[splits.train], ks, temperature=temperature)
    on_val = tuple(float((votes[k] == codes[splits.val]).mean()) for k in ks)
    best = ks[int(np.argmax(on_val))]

    bank = splits.fit_and_val
    found = nearest(x[splits.test], x[bank], max(best, PLAIN_K))
    weighted = knn_vote(found, codes[bank], (1, best), temperature=temperature)
    equal = knn_vote(found, codes[bank], (PLAIN_K,), temperature=np.inf)[PLAIN_K]

    truth, groups = codes[splits.test], splits.test_groups
    by_vote, by_nearest, by_majority = (
        accuracy(predicted, truth, fitted=codes[bank], groups=groups, rng=rng)
        for predicted in (weighted[best], weighted[1], equal)
    )
    return KnnResult(
        accuracy=by_vote,
        nearest=by_nearest,
        unweighted=by_majority,
        k=min(best, len(bank)),
        temperature=temperature,
        candidates=tuple(ks),
        val_accuracy=on_val,
    )
