"""Does an item land near items of the other modality that have the same label?

The two modalities need not be paired. The unit of the test is the class, not the item: items of
one class lie together within their own modality anyway, so that even two unrelated spaces put
whole classes near whole classes. Which class meets which is then the only thing left to chance,
and the null permutes the names of the classes in one modality.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped

from probes.checks import check_same_length
from probes.intervals import mean_interval
from probes.nulls import NullTest, against_null, class_permutations
from probes.ranks import mid_ranks
from probes.result import Plain, Score, to_plain

PERMUTATIONS = 9999  # sums of a few numbers each
FEWEST_CLASSES = 5  # below, a bootstrap over classes has too few different samples


@dataclass(frozen=True, kw_only=True)
class LabelDirection:
    """Queries of one modality, gallery of the other, right if the label is the same."""

    mean_average_precision: Score
    nearest: Score
    """Share of queries whose nearest item of the other modality has their label."""

    null: NullTest
    """Of the mean average precision."""

    nearest_null: NullTest
    item_chance: float
    """Mean average precision of a random order of the gallery. Lower than the chance level of the
    score when classes lie together within a modality; not to be compared with."""

    per_class: Mapping[str, float]
    """Mean average precision of the queries of every class."""

    queries: int
    gallery: int
    skipped: int
    """Queries without a match because the other modality lacks their label."""

    def to_json(self) -> Plain:
        """Return the direction as plain JSON."""
        return to_plain(self)


@dataclass(frozen=True, kw_only=True)
class LabelRetrieval:
    """Retrieval of labels in both directions."""

    x_to_y: LabelDirection
    y_to_x: LabelDirection

    def to_json(self) -> Plain:
        """Return both directions as plain JSON."""
        return to_plain(self)


def retrieve_labels(
    x: Float[np.ndarray, "n_x dim_x"],
    y: Float[np.ndarray, "n_y dim_y"],
    labels_x: Shaped[np.ndarray, " labelled_x"],
    labels_y: Shaped[np.ndarray, " labelled_y"],
    *,
    rng: np.random.Generator,
    count: int = PERMUTATIONS,
) -> LabelRetrieval:
    """Rank the other modality for every item and say how high its own label comes.

    Args:
        x: embeddings of one modality.
        y: embeddings of the other, in the same space; items need not correspond.
        labels_x: label of every x.
        labels_y: label of every y. Labels of one side only stay in the gallery as distractors.
        rng: source of all randomness.
        count: permutations of the class names; all C! − 1 are taken if they are fewer.

    Returns:
        Mean average precision and nearest neighbours, both ways, with chance and p.

    Raises:
        ValueError: if fewer than two labels occur in both modalities, or dims differ.
    """
    check_same_length(x, labels_x, "labels of x")
    check_same_length(y, labels_y, "labels of y")
    shared = np.intersect1d(labels_x, labels_y)
    if len(shared) < 2:
        raise ValueError(
            f"{len(shared)} labels occur in both modalities; at least 2 are needed to confuse them"
        )
    there = _direction(mid_ranks(x, y), labels_x, labels_y, shared, rng=rng, count=count)
    back = _direction(mid_ranks(y, x), labels_y, labels_x, shared, rng=rng, count=count)
    return LabelRetrieval(x_to_y=there, y_to_x=back)


def average_precision(
    ranks: Float[np.ndarray, "queries positives"],
) -> Float[np.ndarray, " queries"]:
    """Return the average precision of every query from the (mid-)ranks of its matches.

    With the ranks sorted it is the mean of l / rank of the l-th match.
    """
    ordered = np.sort(ranks, axis=1)
    return (np.arange(1, ranks.shape[1] + 1) / ordered).mean(axis=1)


def random_average_precision(positives: int, gallery: int) -> float:
    """Return the expected average precision of a random order with that many matches."""
    if gallery == 1:
        return 1.0
    harmonic = float(np.sum(1 / np.arange(1, gallery + 1)))
    return ((positives - 1) * (gallery - harmonic) / (gallery - 1) + harmonic) / gallery


def _direction(
    ranks: Float[np.ndarray, "queries gallery"],
    labels: Shaped[np.ndarray, " queries"],
    gallery_labels: Shaped[np.ndarray, " gallery"],
    shared: Shaped[np.ndarray, " classes"],
    *,
    rng: np.random.Generator,
    count: int,
) -> LabelDirection:
    known = np.isin(labels, shared)
    ranks, codes = ranks[known], np.searchsorted(shared, labels[known])
    columns = [np.flatnonzero(gallery_labels == label) for label in shared]
    precision = class_precision(ranks, gallery_labels, shared)
    first = ranks == ranks.min(axis=1, keepdims=True)
    hits = np.stack([first[:, where].sum(axis=1) for where in columns], axis=1)
    hits = hits / first.sum(axis=1, keepdims=True)  # several nearest: the share with the label
    sigmas = class_permutations(len(shared), count, rng=rng)
    name = "mean average precision, cosine"
    map_score, map_null = score_classes(name, precision, codes, sigmas=sigmas, rng=rng)
    name = "nearest neighbour has the label, cosine"
    near_score, near_null = score_classes(name, hits, codes, sigmas=sigmas, rng=rng)
    by_class = _class_table(precision, codes)
    chances = [random_average_precision(len(where), ranks.shape[1]) for where in columns]
    return LabelDirection(
        mean_average_precision=map_score,
        nearest=near_score,
        null=map_null,
        nearest_null=near_null,
        item_chance=float(np.mean(np.array(chances)[codes])),
        per_class={str(name): float(by_class[c, c]) for c, name in enumerate(shared)},
        queries=len(codes),
        gallery=ranks.shape[1],
        skipped=int((~known).sum()),
    )


def _class_table(
    per_query: Float[np.ndarray, "queries classes"], codes: Int[np.ndarray, " queries"]
) -> Float[np.ndarray, "classes classes"]:
    """Return the mean score of the queries of class a if class b counted as the right one."""
    classes = per_query.shape[1]
    sums = np.zeros((classes, classes))
    np.add.at(sums, codes, per_query)
    return sums / np.bincount(codes, minlength=classes)[:, None]


def class_precision(
    ranks: Float[np.ndarray, "queries gallery"],
    gallery_labels: Shaped[np.ndarray, " gallery"],
    classes: Shaped[np.ndarray, " classes"],
) -> Float[np.ndarray, "queries classes"]:
    """Return the average precision of every query if each class in turn were the right one."""
    return np.stack(
        [average_precision(ranks[:, gallery_labels == label]) for label in classes], axis=1
    )


def score_classes(
    name: str,
    per_query: Float[np.ndarray, "queries classes"],
    codes: Int[np.ndarray, " queries"],
    *,
    sigmas: Int[np.ndarray, "permutations classes"],
    rng: np.random.Generator,
) -> tuple[Score, NullTest]:
    """Return the mean over queries, and its test against renamed classes.

    Args:
        name: of the measure, and of the likeness the gallery was ranked by.
        per_query: score of every query if each class in turn were the right one.
        codes: the right class of every query; every class has a query.
        sigmas: permutations of the classes, without the identity.
        rng: source of the bootstrap over classes.

    Returns:
        The score with interval, chance and p, and its null.
    """
    classes = per_query.shape[1]
    table = _class_table(per_query, codes)
    weight = np.bincount(codes, minlength=classes) / len(codes)
    own = per_query[np.arange(len(codes)), codes].astype(np.float64)
    null = table[np.arange(classes), sigmas] @ weight
    test = against_null(float(weight @ np.diag(table)), null, kind="the names of the classes")
    low = high = None
    reason = f"{classes} classes are too few for an interval over classes"
    if classes >= FEWEST_CLASSES:
        low, high, _ = mean_interval(own, rng=rng, groups=codes)
        reason = ""
    if test.floor > 0.01:
        reason += (
            f"{'; ' if reason else ''}with {classes} classes p cannot be below {test.floor:.2g}"
        )
    score = Score(
        value=float(own.mean()),
        low=low,
        high=high,
        chance=float(weight @ table.mean(axis=1)),
        n=len(own),
        method=f"{name}; bootstrap over classes, gallery fixed; p by renaming classes",
        p=test.p,
        reason=reason,
    )
    return score, test


def fewest_classes(p: float) -> int:
    """Return how many shared classes a permutation of their names needs to reach `p`."""
    classes = 2
    while 1 / math.factorial(classes) > p:
        classes += 1
    return classes
