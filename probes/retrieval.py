"""Does an item find its own partner in the other modality?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped

from probes.checks import check_paired, check_same_length
from probes.intervals import bootstrap_interval, mean_interval, share_interval
from probes.nulls import NullTest, against_null, class_permutations, permutations
from probes.ranks import mid_ranks
from probes.result import Plain, Score, to_plain

CUTS = (1, 5, 10)
MEDIAN, MRR = "median rank", "MRR"
PERMUTATIONS = 999


@dataclass(frozen=True, kw_only=True)
class Direction:
    """Queries of one modality, gallery of the other."""

    scores: Mapping[str, Score]
    """R@1, R@5, R@10 (larger is better), median rank (smaller), MRR (larger)."""

    nulls: Mapping[str, NullTest]
    """The same names; pairs permuted freely: instance or class may be what is shared."""

    within_class: Mapping[str, NullTest] | None
    """Pairs permuted within class: only what is shared beyond the class is left. None without
    classes."""

    class_level: Mapping[str, NullTest] | None
    """Classes renamed: only what is shared by whole classes counts, the own partner is left out.
    No median rank, which is no mean over items. None without two classes of two items."""

    ranks: Float[np.ndarray, " items"]
    """Mid-rank of its partner for every query."""

    gallery: int
    """Size of the gallery; figures for different sizes cannot be compared."""

    def to_json(self) -> Plain:
        """Return the direction as plain JSON."""
        return to_plain(self)


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """Retrieval of partners in both directions."""

    x_to_y: Direction
    y_to_x: Direction

    def to_json(self) -> Plain:
        """Return both directions as plain JSON."""
        return to_plain(self)


def retrieve(
    x: Float[np.ndarray, "n_x dim_x"],
    y: Float[np.ndarray, "n_y dim_y"],
    *,
    rng: np.random.Generator,
    classes: Shaped[np.ndarray, " classed"] | None = None,
    groups: Shaped[np.ndarray, " grouped"] | None = None,
    count: int = PERMUTATIONS,
) -> Retrieval:
    """Rank all partners for every item and say how well the right one does.

    Two separately trained encoders have unrelated axes: their cosines mean nothing and the result
    has to be at chance. Row i of x belongs to row i of y.

    Args:
        x: embeddings of one modality.
        y: embeddings of the other, in the same space.
        rng: source of all randomness.
        classes: label of every pair, for the null that keeps the class.
        groups: source of every pair (recording, author); intervals draw whole groups.
        count: permutations of the pairing.

    Returns:
        Scores with intervals (gallery held fixed), chance and p, both ways.

    Raises:
        ValueError: if rows do not match, there are fewer than two pairs, or dims differ.
    """
    check_paired(x, y)
    if len(x) < 2:
        raise ValueError("retrieval needs at least 2 pairs: a gallery of one item is always right")
    for column, name in ((classes, "classes"), (groups, "groups")):
        if column is not None:
            check_same_length(x, column, name)
    ranks = mid_ranks(x, y)
    there = retrieve_ranked(ranks, rng=rng, classes=classes, groups=groups, count=count)
    ranks = mid_ranks(y, x)
    back = retrieve_ranked(ranks, rng=rng, classes=classes, groups=groups, count=count)
    return Retrieval(x_to_y=there, y_to_x=back)


def measures(
    ranks: Float[np.ndarray, "draws items"],
) -> Mapping[str, Float[np.ndarray, " draws"]]:
    """Return R@k, median rank and MRR from the ranks of the partners, for several pairings."""
    found = {f"R@{cut}": (ranks <= cut).mean(axis=1) for cut in CUTS}
    found[MEDIAN] = np.median(ranks, axis=1)
    found[MRR] = (1 / ranks.astype(np.float64)).mean(axis=1)
    return found


def chance_levels(gallery: int) -> Mapping[str, float]:
    """Return what a random order of the gallery gives: k/N, (N+1)/2, and H_N/N for MRR."""
    found = {f"R@{cut}": min(1.0, cut / gallery) for cut in CUTS}
    found[MEDIAN] = (gallery + 1) / 2
    found[MRR] = float(np.sum(1 / np.arange(1, gallery + 1))) / gallery
    return found


def retrieve_ranked(
    ranks: Float[np.ndarray, "items items"],
    *,
    rng: np.random.Generator,
    classes: Shaped[np.ndarray, " items"] | None = None,
    groups: Shaped[np.ndarray, " items"] | None = None,
    count: int = PERMUTATIONS,
    likeness: str = "cosine",
) -> Direction:
    """Score one direction whose gallery was ranked already, by whatever likeness.

    Args:
        ranks: (mid-)rank of every gallery item for every query; partners on the diagonal.
        rng: source of all randomness.
        classes: as in `retrieve`.
        groups: as in `retrieve`.
        count: permutations of the pairing, and of the names of the classes.
        likeness: what the gallery was ranked by, for the method of every score.

    Returns:
        Scores with intervals (gallery held fixed), chance and nested nulls.
    """
    n = len(ranks)
    own = np.diag(ranks).astype(np.float64)
    observed = {name: float(value[0]) for name, value in measures(own[None]).items()}
    free = permutations(n, count, rng=rng)
    nulls = _tests(ranks, observed, free, "the pairing")
    within = by_class = None
    if classes is not None:
        kept = permutations(n, count, rng=rng, within=classes)
        within = _tests(ranks, observed, kept, "the pairing within each class")
        by_class = _class_tests(ranks, classes, count, rng)
    chance = chance_levels(n)
    scores = {}
    for name, value in observed.items():
        low, high, method = _interval(name, own, groups=groups, rng=rng)
        scores[name] = Score(
            value=value,
            low=low,
            high=high,
            chance=chance[name],
            n=n,
            method=f"{name}, {likeness}, gallery of {n}; {method} interval, gallery fixed",
            p=nulls[name].p,
        )
    return Direction(
        scores=scores,
        nulls=nulls,
        within_class=within,
        class_level=by_class,
        ranks=own,
        gallery=n,
    )


def _tests(
    ranks: Float[np.ndarray, "items items"],
    observed: Mapping[str, float],
    orders: Iterable[Int[np.ndarray, " items"]],
    kind: str,
) -> Mapping[str, NullTest]:
    """Give every query the partner of another pair; the ranks are known, nothing is searched."""
    rows = np.arange(len(ranks))
    drawn = measures(np.stack([ranks[rows, order] for order in orders]))
    return {
        name: against_null(
            value,
            drawn[name].astype(np.float64),
            kind=kind,
            smaller_is_better=name == MEDIAN,
        )
        for name, value in observed.items()
    }


def _class_tests(
    ranks: Float[np.ndarray, "items items"],
    classes: Shaped[np.ndarray, " items"],
    count: int,
    rng: np.random.Generator,
) -> Mapping[str, NullTest] | None:
    """Let every class of queries look for another class; the unit is the class, not the item.

    The table holds what class a scores if any item of class b is what it looks for. Own partners
    are left out of the diagonal: two spaces may share single items and no classes.
    """
    _, codes, sizes = np.unique(classes, return_inverse=True, return_counts=True)
    large = sizes >= 2  # a class of one item has only the own partner
    if large.sum() < 2:
        return None
    is_own = np.eye(len(ranks), dtype=bool)
    members = (codes[:, None] == np.flatnonzero(large)).astype(np.float64)
    pairs = members.T @ (~is_own) @ members
    weights = sizes[large] / sizes[large].sum()
    sigmas = class_permutations(len(weights), count, rng=rng)
    found = {}
    for name in (*(f"R@{cut}" for cut in CUTS), MRR):
        each = 1 / ranks if name == MRR else ranks <= int(name.removeprefix("R@"))
        table = members.T @ np.where(is_own, 0.0, each) @ members / pairs
        null = table[np.arange(len(weights)), sigmas] @ weights
        observed = float(weights @ np.diag(table))
        found[name] = against_null(observed, null, kind="the names of the classes")
    return found


def _interval(
    name: str,
    ranks: Float[np.ndarray, " items"],
    *,
    groups: Shaped[np.ndarray, " items"] | None,
    rng: np.random.Generator,
) -> tuple[float | None, float | None, str]:
    """Return low, high and method for one measure of the per-item ranks."""
    if name not in (MEDIAN, MRR):
        return share_interval(ranks <= int(name.removeprefix("R@")), groups=groups, rng=rng)
    if name == MRR:
        return mean_interval(1 / ranks, groups=groups, rng=rng)
    if groups is not None and len(np.unique(groups)) < 2:
        return None, None, "all items are one group: no"
    method = "bootstrap" if groups is None else "cluster bootstrap"
    return (*bootstrap_interval(ranks, "median", rng=rng, groups=groups), method)
