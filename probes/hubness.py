"""Hubs: items that are a near neighbour of far too many others, and items that are of none.

In many dimensions, and between modalities above all, a few gallery items are found by every query
and many by none. Retrieval then fails in one direction for a reason that is not the content.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped

from probes.checks import check_same_length
from probes.intervals import jackknife_or_reason
from probes.neighbours import nearest
from probes.result import Plain, Score, to_plain

K = 10


@dataclass(frozen=True, kw_only=True)
class Hubness:
    """How unevenly the items of a gallery are found, in one direction.

    The chance of each figure is its value when every query names k gallery items at random.
    """

    skewness: Score
    """Third standardised moment of the number of times an item is found; 0 if symmetric."""

    robin_hood: Score
    """Share of all findings that would have to change hands for every item to have as many."""

    anti_hubs: Score
    """Share of gallery items that no query finds."""

    occurrences: Int[np.ndarray, " gallery"]
    """How often every gallery item is among the k nearest; they sum to queries · k."""

    k: int
    queries: int
    gallery: int

    def to_json(self) -> Plain:
        """Return the figures as plain JSON."""
        return to_plain(self)


def hubness(
    queries: Float[np.ndarray, "queries dim_q"],
    gallery: Float[np.ndarray, "gallery dim_g"],
    *,
    rng: np.random.Generator,
    k: int = K,
    itself: Int[np.ndarray, " known"] | None = None,
    groups: Shaped[np.ndarray, " grouped"] | None = None,
) -> Hubness:
    """Count how often every gallery item is found, and say how unevenly.

    The two directions between modalities differ: call it once for each.

    Args:
        queries: embeddings that search.
        gallery: embeddings that are found, in the same space.
        rng: source of the parts that are left out for the intervals.
        k: neighbours a query names; clipped to the gallery.
        itself: for queries that are in the gallery, the row of each, which is left out.
        groups: source of every query; queries of one source are left out together.

    Returns:
        Skewness, robin-hood index and share of anti-hubs, each with interval and chance.

    Raises:
        ValueError: as `nearest`, or if groups do not fit.
    """
    if groups is not None:
        check_same_length(queries, groups, "groups")
    found = nearest(queries, gallery, k, itself=itself).ids
    size, k = len(gallery), found.shape[1]
    reachable = size - (itself is not None)
    what = f"k = {k}, cosine, {len(queries)} queries, gallery of {size}"

    def score(name: str, chance: float | None) -> Score:
        value, reason = figure(found, name, size)
        method = f"{name.replace('_', ' ')}, {what}; delete-a-group jackknife over queries"
        if value is None:
            return Score(value=None, n=len(found), method=method, chance=chance, reason=reason)

        def without(rows: Int[np.ndarray, " kept"]) -> float:
            left, why = figure(found[rows], name, size)
            if left is None:
                raise ValueError(why)
            return left

        low, high, reason = jackknife_or_reason(without, len(found), rng=rng, groups=groups)
        if low is not None and low == high:
            low = high = None
            reason = "no interval: leaving out a tenth of the queries changes nothing"
        return Score(
            value=value,
            low=low,
            high=high,
            chance=chance,
            n=len(found),
            method=method,
            reason=reason,
        )

    chances = random_figures(len(queries), reachable, k)
    return Hubness(
        skewness=score("skewness", chances[0]),
        robin_hood=score("robin_hood", chances[1]),
        anti_hubs=score("anti_hubs", chances[2]),
        occurrences=np.bincount(found.ravel(), minlength=size),
        k=k,
        queries=len(queries),
        gallery=size,
    )


def figure(ids: Int[np.ndarray, "queries k"], name: str, gallery: int) -> tuple[float | None, str]:
    """Return one figure of the found ids, or None and the reason.

    Args:
        ids: gallery rows that every query found.
        name: skewness, robin_hood or anti_hubs.
        gallery: size of the gallery.

    Source: skewness after Radovanović et al., 2010, "Hubs in space"; the robin-hood index is
        Hoover's index of inequality.
    """
    counts = np.bincount(ids.ravel(), minlength=gallery).astype(np.float64)
    away = counts - counts.mean()
    if name == "anti_hubs":
        return float((counts == 0).mean()), ""
    if name == "robin_hood":
        return float(np.abs(away).sum() / (2 * counts.sum())), ""
    spread = float(np.mean(away**2))
    if spread == 0:
        return None, "every item is found equally often: a constant has no skewness"
    return float(np.mean(away**3)) / spread**1.5, ""


def random_figures(
    queries: int, gallery: int, k: int
) -> tuple[float | None, float | None, float | None]:
    """Return skewness, robin-hood index and anti-hubs if queries name items at random.

    An item is then found Binomial(queries, k / gallery) times.
    """
    from scipy.stats import binom  # imported late: the app starts without it

    share = k / gallery
    if share >= 1:
        return None, 0.0, 0.0
    times = np.arange(queries + 1)
    chances = binom.pmf(times, queries, share)
    mean = queries * share
    skewness = (1 - 2 * share) / float(np.sqrt(mean * (1 - share)))
    return skewness, float(np.abs(times - mean) @ chances) / (2 * mean), float(chances[0])
