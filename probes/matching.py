"""Which class of one modality is which of the other, found without a single pair.

If both spaces arrange the classes alike, the table of likenesses between classes within the one
is that within the other, rows and columns reordered. The reordering is a quadratic assignment
problem; nothing of one space is ever compared with anything of the other, so that unrelated axes
and different widths do not matter.
"""

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Float, Int, Shaped

from probes.checks import check_same_length, unit_rows
from probes.intervals import wilson
from probes.result import Plain, Score, to_plain

EXACT = 7  # up to 7! = 5,040 reorderings are all tried
FEWEST = 3  # of two classes, either order fits the one likeness between them
RESTARTS = 10
SHAKE = 0.3  # of the median cost


@dataclass(frozen=True, kw_only=True)
class ClassMatching:
    """The classes of one modality assigned to those of the other."""

    accuracy: Score
    """Share of classes that were assigned to themselves."""

    classes: tuple[str, ...]
    matched: tuple[str, ...]
    """For every class of x, the class of y it was assigned to."""

    objective: float
    """Correlation of the two tables of likenesses under the assignment that was found."""

    true_objective: float
    """The same under the true assignment. Lower than `objective`: the two spaces arrange the
    classes differently. Higher: the search fell short."""

    is_exact: bool
    """Whether all assignments were tried, or only good ones looked for."""

    restarts: int

    def to_json(self) -> Plain:
        """Return the matching as plain JSON."""
        return to_plain(self)


def match_classes(
    x: Float[np.ndarray, "n_x dim_x"],
    y: Float[np.ndarray, "n_y dim_y"],
    labels_x: Shaped[np.ndarray, " labelled_x"],
    labels_y: Shaped[np.ndarray, " labelled_y"],
    *,
    rng: np.random.Generator,
    restarts: int = RESTARTS,
) -> ClassMatching:
    """Assign the classes of x to those of y by how they lie within their own modality.

    Labels say which items form a class, never which class of x is which of y; that is only used
    to count how many were found.

    Args:
        x: embeddings of one modality.
        y: embeddings of the other; items need not correspond, dims may differ.
        labels_x: label of every x.
        labels_y: label of every y; labels of one side only are left out.
        rng: source of all randomness.
        restarts: starting points of the search; more help where classes are many.

    Returns:
        The assignment, and its accuracy with chance 1/C and an exact p.

    Raises:
        ValueError: if fewer than three labels occur in both modalities.
    """
    check_same_length(x, labels_x, "labels of x")
    check_same_length(y, labels_y, "labels of y")
    shared = np.intersect1d(labels_x, labels_y)
    if len(shared) < FEWEST:
        raise ValueError(
            f"{len(shared)} labels occur in both modalities; matching needs at least {FEWEST}, "
            "because two classes have only one likeness between them"
        )
    left = class_likeness(x, labels_x, shared)
    right = class_likeness(y, labels_y, shared)
    # the names are shuffled first: ties and starting points must not favour the true order
    hidden = rng.permutation(len(shared))
    is_exact = len(shared) <= EXACT
    mixed = right[np.ix_(hidden, hidden)]
    if is_exact:
        found = _best_of_all(left, mixed)
    else:
        found = _search(left, mixed, rng=rng, restarts=restarts)
    matched = hidden[found]
    truth = np.arange(len(shared))
    return ClassMatching(
        accuracy=_accuracy(int((matched == truth).sum()), len(shared)),
        classes=tuple(str(name) for name in shared),
        matched=tuple(str(name) for name in shared[matched]),
        objective=_agreement(left, right, matched),
        true_objective=_agreement(left, right, truth),
        is_exact=is_exact,
        restarts=0 if is_exact else restarts,
    )


def class_likeness(
    x: Float[np.ndarray, "items dim"],
    labels: Shaped[np.ndarray, " items"],
    classes: Shaped[np.ndarray, " classes"],
) -> Float[np.ndarray, "classes classes"]:
    """Return the centred products of the class means of unit vectors, of Frobenius norm 1.

    Rotating all items and scaling single ones change nothing. If all classes have one mean, the
    table is 0.
    """
    unit = unit_rows(x.astype(np.float64))
    means = np.stack([unit[labels == name].mean(axis=0) for name in classes])
    centred = means - means.mean(axis=0)
    likeness = centred @ centred.T
    norm = float(np.linalg.norm(likeness))
    # what is left of equal means is rounding, and must not be blown up to a structure
    return likeness / norm if norm > 1e-20 else np.zeros_like(likeness)


def fixed_point_p(hits: int, classes: int) -> float:
    """Return the probability that a random assignment gets at least that many classes right.

    Of C! assignments, C! / j! · Σ_{i ≤ C−j} (−1)ⁱ / i! leave exactly j classes in their place.

    Args:
        hits: classes assigned to themselves.
        classes: C.

    Returns:
        An exact p; the smallest is 1/C!.

    Raises:
        ValueError: if there are more hits than classes, or fewer than none.
    """
    if not 0 <= hits <= classes:
        raise ValueError(f"{hits} of {classes} classes cannot be right")
    total = Fraction(0)
    for right in range(hits, classes + 1):
        others = sum(
            (Fraction((-1) ** i, math.factorial(i)) for i in range(classes - right + 1)),
            Fraction(0),
        )
        total += others / math.factorial(right)
    return float(total)


def _accuracy(hits: int, classes: int) -> Score:
    low, high = wilson(hits, classes)
    return Score(
        value=hits / classes,
        low=low,
        high=high,
        chance=1 / classes,
        n=classes,
        method="share of classes matched without pairs; Wilson interval with classes as trials; "
        "exact p of a random assignment",
        p=fixed_point_p(hits, classes),
    )


def _agreement(
    left: Float[np.ndarray, "classes classes"],
    right: Float[np.ndarray, "classes classes"],
    order: Int[np.ndarray, " classes"],
) -> float:
    return float(np.sum(left * right[np.ix_(order, order)]))


def _best_of_all(
    left: Float[np.ndarray, "classes classes"], right: Float[np.ndarray, "classes classes"]
) -> Int[np.ndarray, " classes"]:
    """Try every assignment."""
    orders = np.array(list(itertools.permutations(range(len(left)))), dtype=np.int64)
    values = np.einsum("ab,oab->o", left, right[orders[:, :, None], orders[:, None, :]])
    return orders[int(np.argmax(values))]


def _search(
    left: Float[np.ndarray, "classes classes"],
    right: Float[np.ndarray, "classes classes"],
    *,
    rng: np.random.Generator,
    restarts: int,
) -> Int[np.ndarray, " classes"]:
    """Climb from several starting points, exchange two at a time, keep the best.

    Random starting points end in poor local optima: with 20 classes and 5 % noise they found none
    of ours. Classes with alike profiles are therefore put together to begin with, exactly at
    first, then with the costs shaken.

    Source: Vogelstein et al., 2015, "Fast approximate quadratic programming for graph matching".
    """
    from scipy.optimize import linear_sum_assignment, quadratic_assignment  # late: slow to import

    profiles, others = _profiles(left), _profiles(right)
    cost = ((profiles[:, None] - others) ** 2).sum(axis=2)
    even = np.full_like(left, 0.5 / len(left))
    best, best_value = np.arange(len(left)), -np.inf
    for start in range(max(1, restarts)):
        shaken = cost + (start > 0) * SHAKE * np.median(cost) * rng.exponential(size=cost.shape)
        guess = linear_sum_assignment(shaken)[1]
        first = even + np.eye(len(left))[guess] / 2
        options = {"maximize": True, "tol": 1e-6, "P0": first, "rng": rng}  # or it asks the global
        climbed = quadratic_assignment(left, right, method="faq", options=options).col_ind
        order = _exchange(left, right, climbed)
        value = _agreement(left, right, order)
        if value > best_value:
            best, best_value = order, value
    return best


def _profiles(
    likeness: Float[np.ndarray, "classes classes"],
) -> Float[np.ndarray, "classes classes"]:
    """Describe every class without naming another: its likenesses in order, its own at the end."""
    n = len(likeness)
    others = likeness[~np.eye(n, dtype=bool)].reshape(n, n - 1)
    return np.column_stack([np.sort(others, axis=1), np.diag(likeness)])


def _exchange(
    left: Float[np.ndarray, "classes classes"],
    right: Float[np.ndarray, "classes classes"],
    order: Int[np.ndarray, " classes"],
) -> Int[np.ndarray, " classes"]:
    """Exchange the two assignments that gain most until none gains.

    All C² exchanges are weighed in one matrix product. With B = `right` in the present order,
    exchanging i and j gains 2 Σ (aᵢₖ − aⱼₖ)(bⱼₖ − bᵢₖ) over k other than i, j, and
    (aᵢᵢ − aⱼⱼ)(bⱼⱼ − bᵢᵢ).
    """
    order, a, own_a = order.copy(), left, np.diag(left)
    while True:
        b = right[np.ix_(order, order)]
        own_b = np.diag(b)
        product = a @ b
        kept = np.diag(product)
        over_all = product + product.T - kept[:, None] - kept
        at_i = (own_a[:, None] - a) * (b - own_b[:, None])
        at_j = (a - own_a) * (own_b - b)
        gain = 2 * (over_all - at_i - at_j)
        gain += (own_a[:, None] - own_a) * (own_b - own_b[:, None])
        i, j = np.unravel_index(int(gain.argmax()), gain.shape)
        if gain[i, j] <= 1e-12:  # the tables have norm 1
            return order
        order[[i, j]] = order[[j, i]]
