"""One rung of the ladder: fit a map on anchors, retrieve other items through it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Shaped

from probes.intervals import mean_interval, share_interval
from probes.label_retrieval import class_precision, score_classes
from probes.linear_map import Means, centred_space, procrustes_space, ridge_space
from probes.nulls import against_null, class_permutations, permutations
from probes.ranks import mid_ranks
from probes.result import Plain, Score, to_plain
from probes.retrieval import MRR, chance_levels

RungName = Literal["direct", "centred", "procrustes", "ridge"]
MAPS: tuple[RungName, ...] = ("procrustes", "ridge")
"""The rungs that need pairs."""
R1, BY_CLASS = "R@1", "mAP by class"
CLASS_PERMUTATIONS = 9999
Sides = tuple[Float[np.ndarray, "_ _"], Float[np.ndarray, "_ _"]]


@dataclass(frozen=True, kw_only=True)
class Reported:
    """The items that figures are given of; no map has seen them."""

    x: Float[np.ndarray, "items dim_x"]
    y: Float[np.ndarray, "items dim_y"]
    classes: Shaped[np.ndarray, " items"] | None
    groups: Shaped[np.ndarray, " items"] | None
    permutations: int


@dataclass(frozen=True, kw_only=True)
class RungDirection:
    """Queries of one modality, gallery of the other, through the map of the rung."""

    scores: Mapping[str, Score]
    """R@1, MRR and, with classes, mean average precision by class."""

    deviations: Mapping[str, float | None]
    """Standard deviation of each over draws of the anchors; None if they were drawn once. The
    intervals are about other test items, this is about other anchors."""

    gallery: int

    def to_json(self) -> Plain:
        """Return the direction as plain JSON."""
        return to_plain(self)


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One kind of map, fitted on one number of pairs."""

    name: RungName
    pairs: int
    """Pairs the map was fitted on."""

    draws: int
    """How often they were drawn; scores are means over draws."""

    x_to_y: RungDirection
    y_to_x: RungDirection
    penalties: tuple[float, ...]
    """λ of every ridge map x to y, chosen on the anchors; empty for others."""

    def to_json(self) -> Plain:
        """Return the rung as plain JSON."""
        return to_plain(self)


def climb_rung(
    name: RungName,
    anchors: Sequence[Sides],
    reported: Reported,
    *,
    means: Means,
    rng: np.random.Generator,
) -> Rung:
    """Fit the map once for every draw of anchors, and retrieve the reported items through it.

    Args:
        name: the kind of map.
        anchors: x and y of every draw; empty arrays for rungs without pairs.
        reported: the items to retrieve.
        means: of each modality, learnt from items that are not reported.
        rng: source of all randomness.

    Returns:
        Scores both ways. Where a rung is undefined (other widths, a collapsed modality), they
        have no value and say why.
    """
    there, back, penalties = [], [], []
    reason = ""
    for pair in anchors:
        try:
            forth, return_, penalty = _views(name, pair, reported, means)
            there.append(mid_ranks(*forth))
            back.append(mid_ranks(*return_))
        except ValueError as error:  # undefined for these spaces, which is a finding
            reason = str(error)
            break
        penalties += penalty
    pairs = len(anchors[0][0])
    what = name if not pairs else f"{name} from {pairs} pairs"
    if len(anchors) > 1:
        what += f", mean of {len(anchors)} draws"

    def score(ranks: list[Float[np.ndarray, "_ _"]]) -> RungDirection:
        if reason:
            return _undefined(what, reason, reported)
        return _direction(np.stack(ranks), what, reported, rng)

    return Rung(
        name=name,
        pairs=pairs,
        draws=len(anchors),
        x_to_y=score(there),
        y_to_x=score(back),
        penalties=() if reason else tuple(penalties),
    )


def _views(
    name: RungName, anchors: Sides, reported: Reported, means: Means
) -> tuple[Sides, Sides, list[float]]:
    """Return queries and gallery of both directions in the space of the rung, and the λ."""
    x, y = reported.x, reported.y
    if name == "direct":
        return (x, y), (y, x), []
    if name == "ridge":  # queries are always carried into the space of the gallery
        space = ridge_space(*anchors, means=means)
        other = ridge_space(*reversed(anchors), means=Means(means.y, means.x))
        forth = space.of_x(x), space.of_y(y)
        return forth, (other.of_x(y), other.of_y(x)), [space.penalty or 0.0]
    if name == "centred":
        space = centred_space(means)
    else:
        space = procrustes_space(*anchors, means=means)
    left, right = space.of_x(x), space.of_y(y)
    return (left, right), (right, left), []


def _direction(
    ranks: Float[np.ndarray, "draws items items"],
    what: str,
    reported: Reported,
    rng: np.random.Generator,
) -> RungDirection:
    draws, n = ranks.shape[:2]
    scores: dict[str, Score] = {}
    deviations: dict[str, float | None] = {}
    for name, each in ((R1, (ranks <= 1).astype(np.float64)), (MRR, 1 / ranks.astype(np.float64))):
        per_draw = each.diagonal(axis1=1, axis2=2).mean(axis=1)
        deviations[name] = float(per_draw.std(ddof=1)) if draws > 1 else None
        scores[name] = _score(name, each.mean(axis=0), f"{what}, cosine", reported, rng)
    if reported.classes is not None and len(np.unique(reported.classes)) >= 2:
        names, codes = np.unique(reported.classes, return_inverse=True)
        each = np.stack([class_precision(one, reported.classes, names) for one in ranks])
        per_draw = each[:, np.arange(n), codes].mean(axis=1)
        deviations[BY_CLASS] = float(per_draw.std(ddof=1)) if draws > 1 else None
        sigmas = class_permutations(len(names), CLASS_PERMUTATIONS, rng=rng)
        method = f"{BY_CLASS}, {what}, cosine, gallery of {n}"
        mean = each.mean(axis=0)
        scores[BY_CLASS] = score_classes(method, mean, codes, sigmas=sigmas, rng=rng)[0]
    return RungDirection(scores=scores, deviations=deviations, gallery=n)


def _score(
    name: str,
    table: Float[np.ndarray, "items items"],
    what: str,
    reported: Reported,
    rng: np.random.Generator,
) -> Score:
    """Return the mean over queries; the table holds what each would score with any partner."""
    n = len(table)
    own = np.diag(table)
    if name == R1 and np.isin(own, (0.0, 1.0)).all():
        low, high, method = share_interval(own, groups=reported.groups, rng=rng)
    else:
        low, high, method = mean_interval(own, rng=rng, groups=reported.groups)
    rows = np.arange(n)
    orders = permutations(n, reported.permutations, rng=rng)
    null = np.array([table[rows, order].mean() for order in orders])
    value = float(own.mean())
    return Score(
        value=value,
        low=low,
        high=high,
        chance=chance_levels(n)[name],
        n=n,
        method=f"{name}, {what}, gallery of {n}; {method} interval, gallery fixed",
        p=against_null(value, null, kind="the pairing").p,
    )


def _undefined(what: str, reason: str, reported: Reported) -> RungDirection:
    n = len(reported.x)
    names = [R1, MRR] + ([] if reported.classes is None else [BY_CLASS])
    scores = {
        name: Score(value=None, n=n, method=f"{name}, {what}, cosine", reason=reason)
        for name in names
    }
    return RungDirection(scores=scores, deviations=dict.fromkeys(names), gallery=n)
