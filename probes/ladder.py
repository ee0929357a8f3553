"""How much help do two spaces need before an item finds its partner?

Rung by rung, each with a little more freedom: the cosines as they are; each modality moved to the
origin; a rotation fitted on m pairs; a ridge map fitted on m pairs; and, beside the ladder, classes
matched without any pair. Retrieval at the foot means that the modalities share their axes.
Retrieval after a rotation from a few pairs means that they share the arrangement but not the axes.
What only a map from many pairs achieves was taught by the pairs.

Maps are fitted on train and val, figures are of test, in a gallery of all test items.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped

from probes.checks import check_paired, check_same_length
from probes.linear_map import Means
from probes.matching import RESTARTS, ClassMatching, match_classes
from probes.result import Plain, to_plain
from probes.rungs import MAPS, Reported, Rung, RungName, climb_rung
from probes.splits import Splits

ANCHORS = (8, 32, 128, 512)


@dataclass(frozen=True, kw_only=True)
class LadderSettings:
    """What is tried, and how thoroughly."""

    anchors: tuple[int, ...] = ANCHORS
    """Numbers of pairs; those there are not enough pairs for are left out, and all pairs that
    there are come last."""

    draws: int = 5
    """How often anchors are drawn anew for every number below all; scores are means over them."""

    permutations: int = 199
    restarts: int = RESTARTS

    def __post_init__(self) -> None:
        if any(pairs < 2 for pairs in self.anchors):
            raise ValueError(f"anchors={self.anchors}: a map needs at least 2 pairs")
        if self.draws < 1 or self.permutations < 1:
            raise ValueError(
                f"draws={self.draws} and permutations={self.permutations} must be at least 1"
            )


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """All rungs on the same test items."""

    rungs: tuple[Rung, ...]
    """Direct, centred, then rotations and ridge maps from few pairs to many."""

    unsupervised: ClassMatching | None
    """Classes of the test items matched without pairs; None if that cannot be done."""

    unsupervised_reason: str
    """Why not; empty if it was done."""

    available: int
    """Pairs in train and val, that anchors were drawn from."""

    gallery: int
    """Test items: what is searched, in both directions."""

    unseen_classes: int | None
    """Classes of test without an item in train or val; None without classes."""

    def rung(self, name: RungName, pairs: int = 0) -> Rung:
        """Return one rung.

        Raises:
            ValueError: if it was not climbed.
        """
        for one in self.rungs:
            if (one.name, one.pairs) == (name, pairs):
                return one
        there = ", ".join(f"{one.name} {one.pairs}" for one in self.rungs)
        raise ValueError(f"no rung {name!r} with {pairs} pairs; there are {there}")

    def to_json(self) -> Plain:
        """Return the ladder as plain JSON."""
        return to_plain(self)


@dataclass(frozen=True, kw_only=True)
class PairsNeeded:
    """How many pairs a kind of map needs to get somewhere."""

    name: RungName
    measure: str
    target: float
    pairs: int | None
    """The fewest of the numbers tried whose value reaches the target both ways; None if none."""

    surely: int | None
    """The fewest whose whole interval lies above the target both ways."""

    curve: tuple[tuple[int, float], ...]
    """Pairs, and the lower of the values of the two directions; 0 pairs is the centred rung."""

    def to_json(self) -> Plain:
        """Return the curve as plain JSON."""
        return to_plain(self)


def climb(
    x: Float[np.ndarray, "n_x dim_x"],
    y: Float[np.ndarray, "n_y dim_y"],
    splits: Splits,
    *,
    rng: np.random.Generator,
    classes: Shaped[np.ndarray, " classed"] | None = None,
    settings: LadderSettings | None = None,
) -> Ladder:
    """Climb all rungs.

    Args:
        x: embeddings of one modality.
        y: of the partners in the other, row by row; its width may differ.
        splits: anchors, means and penalties come from train and val, all figures from test;
            intervals draw whole groups if there are any.
        rng: source of all randomness.
        classes: label of every pair; without them nothing is said by class, nor matched.
        settings: numbers of anchors, draws and permutations.

    Returns:
        R@1, MRR and mean average precision by class of every rung, both ways.

    Raises:
        ValueError: if rows do not match, or fewer than two pairs are in test.
    """
    check_paired(x, y)
    if classes is not None:
        check_same_length(x, classes, "classes")
    if len(splits.test) < 2:
        raise ValueError("the ladder needs at least 2 test pairs: a gallery of one is always right")
    settings = settings or LadderSettings()
    x, y = x.astype(np.float64), y.astype(np.float64)
    known, rows = splits.fit_and_val, splits.test
    reported = Reported(
        x=x[rows],
        y=y[rows],
        classes=None if classes is None else classes[rows],
        groups=splits.test_groups,
        permutations=settings.permutations,
    )
    means = Means.of(x[known], y[known])
    orders = [rng.permutation(known) for _ in range(settings.draws)]
    rungs = []
    for name, pairs in _plan(len(known), settings.anchors):
        # all pairs that there are can be drawn in one way only
        drawn = orders[:1] if pairs in (0, len(known)) else orders
        anchors = [(x[order[:pairs]], y[order[:pairs]]) for order in drawn]
        rungs.append(climb_rung(name, anchors, reported, means=means, rng=rng))
    matching, reason = _match(reported, rng=rng, restarts=settings.restarts)
    unseen = None
    if classes is not None:
        unseen = len(np.setdiff1d(classes[rows], classes[known]))
    return Ladder(
        rungs=tuple(rungs),
        unsupervised=matching,
        unsupervised_reason=reason,
        available=len(known),
        gallery=len(rows),
        unseen_classes=unseen,
    )


def pairs_needed(
    ladder: Ladder, target: float, *, name: RungName = "procrustes", measure: str = "R@1"
) -> PairsNeeded:
    """Return how many pairs it takes to reach a target in both directions.

    Args:
        ladder: what was climbed.
        target: value to reach, such as half of what a model trained on all pairs has.
        name: the kind of map.
        measure: the score that has to reach it.

    Raises:
        ValueError: if the ladder has no such measure, or no such map was fitted.
    """
    rungs = [one for one in ladder.rungs if one.name == name and one.pairs]
    if not rungs:
        raise ValueError(f"no {name} map with pairs is in this ladder")
    rungs = [one for one in ladder.rungs if one.name == "centred"] + rungs
    curve, reached, surely = [], [], []
    for rung in rungs:
        both = rung.x_to_y.scores, rung.y_to_x.scores
        if any(measure not in scores for scores in both):
            raise ValueError(f"no {measure!r} in this ladder; there is {', '.join(both[0])}")
        pair = [scores[measure] for scores in both]
        values = [score.value for score in pair if score.value is not None]
        if len(values) < 2:
            continue
        curve.append((rung.pairs, min(values)))
        if min(values) >= target:
            reached.append(rung.pairs)
        if all(score.low is not None and score.low > target for score in pair):
            surely.append(rung.pairs)
    return PairsNeeded(
        name=name,
        measure=measure,
        target=target,
        pairs=min(reached, default=None),
        surely=min(surely, default=None),
        curve=tuple(curve),
    )


def _plan(available: int, anchors: Sequence[int]) -> list[tuple[RungName, int]]:
    """Return every rung to climb, with its number of pairs."""
    sizes = sorted({pairs for pairs in anchors if pairs < available} | {available})
    plan: list[tuple[RungName, int]] = [("direct", 0), ("centred", 0)]
    for name in MAPS:
        plan.extend((name, pairs) for pairs in sizes if pairs >= 2)
    return plan


def _match(
    reported: Reported, *, rng: np.random.Generator, restarts: int
) -> tuple[ClassMatching | None, str]:
    if reported.classes is None:
        return None, "no classes were given"
    names = reported.classes
    try:
        found = match_classes(reported.x, reported.y, names, names, rng=rng, restarts=restarts)
    except ValueError as error:
        return None, str(error)
    return found, ""
