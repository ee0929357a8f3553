"""The modality gap: how far apart two modalities lie on the unit sphere, whatever is in them."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from probes.checks import check_paired, unit_rows
from probes.intervals import bootstrap_interval, jackknife_or_reason, wilson
from probes.logistic import fit_logistic
from probes.nulls import against_null
from probes.result import Plain, Score, to_plain

FOLDS = 5
PERMUTATIONS = 199


@dataclass(frozen=True, kw_only=True)
class ModalityGap:
    """Where two modalities lie. A gap of 0 is no alignment: a collapsed encoder has it too."""

    modality_gap: Score
    """Distance of the two centroids of unit vectors, 0 to 2."""

    normalised_gap: Score
    """The gap in units of the root mean squared distance within a modality."""

    separability: Score | None
    """Accuracy of telling the modalities apart linearly, cross-validated. It reaches 1 long
    before retrieval fails. None if it was not asked for."""

    within_cosine_x: Score
    """Mean cosine of different items of x: the narrower the cone, the nearer to 1."""

    within_cosine_y: Score
    matched_cosine: Score | None
    """Mean cosine of partners; None if items are not paired."""

    def to_json(self) -> Plain:
        """Return the figures as plain JSON."""
        return to_plain(self)


def modality_gap(
    x: Float[np.ndarray, "n_x dim"],
    y: Float[np.ndarray, "n_y dim"],
    *,
    rng: np.random.Generator,
    paired: bool,
    count: int = PERMUTATIONS,
    separability: bool = True,
) -> ModalityGap:
    """Measure the gap between two modalities.

    Rotating both together and scaling single items change nothing; shifting one side does.

    Args:
        x: embeddings of one modality.
        y: embeddings of the other, in the same space.
        rng: source of all randomness.
        paired: whether row i of x belongs to row i of y; partners then change sides, stay in one
            fold and are left out together.
        count: permutations of the modality.
        separability: whether to measure that too, which takes most of the time.

    Returns:
        Gap, separability and cosines, each with interval and chance where they have one.

    Raises:
        ValueError: if a modality has fewer than two items, or rows do not match though paired.

    Source: Liang et al., arXiv:2203.02053.
    """
    if paired:
        check_paired(x, y)
    if min(len(x), len(y)) < 2:
        raise ValueError(f"the gap needs 2 items a modality, got {len(x)} and {len(y)}")
    x, y = unit_rows(x.astype(np.float64), "x"), unit_rows(y.astype(np.float64), "y")
    both = np.vstack([x, y])
    is_y = np.arange(len(both)) >= len(x)
    pair = np.concatenate([np.arange(len(x)), np.arange(len(y))]) if paired else None
    return ModalityGap(
        modality_gap=_gap_score(both, is_y, pair, rng=rng, count=count),
        normalised_gap=_normalised(both, is_y, pair, rng=rng),
        separability=_separability(both, is_y, pair, rng=rng) if separability else None,
        within_cosine_x=_within(x, rng=rng),
        within_cosine_y=_within(y, rng=rng),
        matched_cosine=_matched(x, y, rng=rng) if paired else None,
    )


def _gap(both: Float[np.ndarray, "items dim"], is_y: Bool[np.ndarray, " items"]) -> float:
    if is_y.all() or not is_y.any():
        raise ValueError("too few items to leave some out of each modality")
    return float(np.linalg.norm(both[~is_y].mean(axis=0) - both[is_y].mean(axis=0)))


def _within_cosine(x: Float[np.ndarray, "items dim"]) -> float:
    """Return the mean cosine of two different items of unit length."""
    n = len(x)
    if n < 2:
        raise ValueError("too few items to leave some out of each modality")
    return (float(np.sum(x.sum(axis=0) ** 2)) - n) / (n * (n - 1))


def _gap_in_spreads(
    both: Float[np.ndarray, "items dim"], is_y: Bool[np.ndarray, " items"]
) -> float:
    cosines = [_within_cosine(both[is_y == side]) for side in (False, True)]
    spread = 2 - 2 * float(np.mean(cosines))  # ‖a − b‖² = 2 − 2 cos on the sphere
    if spread <= 1e-12:
        raise ValueError("both modalities have collapsed to a point: no distance within them")
    return _gap(both, is_y) / math.sqrt(spread)


def _gap_score(
    both: Float[np.ndarray, "items dim"],
    is_y: Bool[np.ndarray, " items"],
    pair: Int[np.ndarray, " items"] | None,
    *,
    rng: np.random.Generator,
    count: int,
) -> Score:
    sizes = (int((~is_y).sum()), int(is_y.sum()))
    signs = np.where(is_y, -1 / sizes[1], 1 / sizes[0])
    drawn = np.stack([_shuffled(signs, pair, rng) for _ in range(count)])
    null = np.linalg.norm(drawn @ both, axis=1)
    kind = "modality, the items of a pair" if pair is not None else "modality"
    value = _gap(both, is_y)
    test = against_null(value, null, kind=kind, maximum=2.0)

    low, high, reason = jackknife_or_reason(
        lambda rows: _gap(both[rows], is_y[rows]), len(both), rng=rng, groups=pair
    )
    return Score(
        value=value,
        low=low,
        high=high,
        chance=test.null_mean,
        n=len(both),
        method="distance of centroids on the unit sphere; delete-a-group jackknife interval; "
        f"p by permuting the {kind}",
        p=test.p,
        reason=reason,
    )


def _shuffled(
    signs: Float[np.ndarray, " items"],
    pair: Int[np.ndarray, " items"] | None,
    rng: np.random.Generator,
) -> Float[np.ndarray, " items"]:
    """Let items change modality: all of them, or the two of a pair with each other."""
    if pair is None:
        return rng.permutation(signs)
    flip = rng.choice([-1.0, 1.0], size=int(pair.max()) + 1)
    return signs * flip[pair]


def _normalised(
    both: Float[np.ndarray, "items dim"],
    is_y: Bool[np.ndarray, " items"],
    pair: Int[np.ndarray, " items"] | None,
    *,
    rng: np.random.Generator,
) -> Score:
    method = "gap / root mean squared distance within a modality; delete-a-group jackknife interval"

    try:
        value = _gap_in_spreads(both, is_y)
    except ValueError as error:
        return Score(value=None, n=len(both), method=method, reason=str(error))
    low, high, reason = jackknife_or_reason(
        lambda rows: _gap_in_spreads(both[rows], is_y[rows]), len(both), rng=rng, groups=pair
    )
    return Score(value=value, low=low, high=high, n=len(both), method=method, reason=reason)


def _separability(
    both: Float[np.ndarray, "items dim"],
    is_y: Bool[np.ndarray, " items"],
    pair: Int[np.ndarray, " items"] | None,
    *,
    rng: np.random.Generator,
) -> Score:
    """Return the cross-validated accuracy of logistic regression with scikit-learn's C = 1."""
    codes = is_y.astype(np.int64)
    unit = _stratified_units(codes) if pair is None else pair
    folds = min(FOLDS, int(unit.max()) + 1)
    fold_of = (rng.permutation(int(unit.max()) + 1) % folds)[unit]
    right = 0
    for fold in range(folds):
        train, test = fold_of != fold, fold_of == fold
        # two classes as softmax halve the penalty of the single weight vector: λ = 2 / (C n)
        penalty = np.array([2 / train.sum()])
        fit = fit_logistic(both[train], codes[train], penalty, classes=2, tolerance=1e-4)
        right += int((fit.logits(both[test], 0).argmax(axis=1) == codes[test]).sum())
    n = len(codes)
    low, high = wilson(right, n)
    return Score(
        value=right / n,
        low=low,
        high=high,
        chance=float(max(codes.mean(), 1 - codes.mean())),
        n=n,
        method=f"accuracy of logistic regression (C = 1), {folds} folds; Wilson interval",
    )


def _stratified_units(codes: Int[np.ndarray, " items"]) -> Int[np.ndarray, " items"]:
    """Number the items within their modality, so that every fold has some of both."""
    numbers = np.empty_like(codes)
    for side in (0, 1):
        where = np.flatnonzero(codes == side)
        numbers[where] = np.arange(len(where))
    return numbers


def _within(x: Float[np.ndarray, "items dim"], *, rng: np.random.Generator) -> Score:
    low, high, reason = jackknife_or_reason(lambda rows: _within_cosine(x[rows]), len(x), rng=rng)
    return Score(
        value=_within_cosine(x),
        low=low,
        high=high,
        n=len(x),
        method="mean cosine of different items; delete-a-group jackknife interval",
        reason=reason,
    )


def _matched(
    x: Float[np.ndarray, "pairs dim"],
    y: Float[np.ndarray, "pairs dim"],
    *,
    rng: np.random.Generator,
) -> Score:
    """Return the mean cosine of partners; chance is the mean cosine of all x with all y."""
    cosines = np.einsum("ij,ij->i", x, y)
    low, high = bootstrap_interval(cosines, rng=rng)
    return Score(
        value=float(cosines.mean()),
        low=low,
        high=high,
        chance=float(x.mean(axis=0) @ y.mean(axis=0)),
        n=len(x),
        method="mean cosine of partners; bootstrap interval; chance: any x with any y",
    )
