"""From numbers to a sentence: are two modalities aligned, are they not, or can nobody tell?

"Aligned" is said only if every control is there and cleared. "Not aligned" is said only if every
control is there and a test of equivalence to chance is passed. Everything else is "cannot tell",
with the reasons.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from probes.equivalence import MARGIN_SHARE, Equivalence, Margin, interval_within
from probes.label_retrieval import LabelDirection
from probes.result import Plain, Score, to_plain
from probes.retrieval import MRR, Direction

Verdict = Literal["aligned", "not aligned", "cannot tell"]
Level = Literal["class", "instance"]

CONTROLS = {
    "random twin": "the same network before training",
    "shuffled pairs": "the same training with the pairs mixed up",
    "low-level features": "brightness, loudness, length and the like",
}
"""Controls by name, and what each is. Those of `REQUIRED` have to be there, and the shuffled pairs
too unless the run is known to have seen no pairs."""

REQUIRED = ("random twin", "low-level features")
SHUFFLED = "shuffled pairs"
CEILING = "same-model ceiling"
"""The same measure where alignment is certain, such as two crops of one item under one model. Not
a control to be cleared: it says how far up the measure goes here."""

SIGNIFICANT = 0.01


@dataclass(frozen=True, kw_only=True)
class _Question:
    """What is to be judged, apart from the figures."""

    level: Level
    query: str
    near: str
    margin_share: float
    trained_with_pairs: bool | None
    obstacles: tuple[str, ...] = ()
    """Why the run itself falls short of "aligned"."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What may be said, and on what it rests."""

    verdict: Verdict
    level: Level
    sentence: str
    """For people who do not read tables."""

    reasons: tuple[str, ...]
    """Why the verdict is not stronger, or what was cleared."""

    rests_on: Mapping[str, Score]
    """The run and every control that was given."""

    margin: float
    """Differences from chance up to this count as none."""

    equivalence: Equivalence
    """The test of "no better and no worse than chance"; "not aligned" needs it passed."""

    ceiling: Score | None
    """What the same model reaches against itself; None if it was not measured."""

    def to_json(self) -> Plain:
        """Return the claim as plain JSON."""
        return to_plain(self)


def claim_class(
    run: LabelDirection,
    controls: Mapping[str, LabelDirection],
    *,
    query: str,
    gallery: str,
    margin_share: float = MARGIN_SHARE,
    trained_with_pairs: bool | None = None,
) -> Claim:
    """Judge whether items land near items of the other modality that have the same label.

    Args:
        run: class-level retrieval of the run, one direction.
        controls: the same of every control, by its name in `CONTROLS`, and of the ceiling if
            there is one.
        query: what is searched for, in words: "A sound".
        gallery: what is searched in, in words: "pictures".
        margin_share: differences from chance that count as none, as a share of the way from
            chance to 1.
        trained_with_pairs: whether a loss of the run saw pairs; then the same training with the
            pairs mixed up is required too. None, unknown, counts as yes.

    Returns:
        The claim, resting on the mean average precision.

    Raises:
        ValueError: if a control is not known by that name, or the margin does not fit.
    """
    return _claim(
        _Question(
            level="class",
            query=query,
            near=f"{gallery} with the same label",
            margin_share=margin_share,
            trained_with_pairs=trained_with_pairs,
        ),
        run.mean_average_precision,
        {name: one.mean_average_precision for name, one in controls.items()},
    )


def claim_instance(
    run: Direction,
    controls: Mapping[str, Direction],
    *,
    query: str,
    gallery: str,
    margin_share: float = MARGIN_SHARE,
    trained_with_pairs: bool | None = None,
) -> Claim:
    """Judge whether items land near their own partner, and not only near its class.

    Args:
        run: retrieval of partners of the run, one direction, with classes.
        controls: the same of every control, by its name in `CONTROLS`, and of the ceiling if
            there is one.
        query: what is searched for, in words: "A sound".
        gallery: what is searched in, in words: "pictures".
        margin_share: as in `claim_class`.
        trained_with_pairs: as in `claim_class`.

    Returns:
        The claim, resting on the mean reciprocal rank and its test within classes.

    Raises:
        ValueError: if a control is not known by that name, or the margin does not fit.
    """
    obstacles = []
    if run.within_class is None:
        obstacles.append(
            "the pairing was not permuted within classes, so a shared class may be all there is"
        )
    elif run.within_class[MRR].p >= SIGNIFICANT:
        obstacles.append(
            f"within its class the partner is not found better than by chance "
            f"(p = {run.within_class[MRR].p:.2g})"
        )
    return _claim(
        _Question(
            level="instance",
            query=query,
            near=f"its own partner among the {gallery}",
            margin_share=margin_share,
            trained_with_pairs=trained_with_pairs,
            obstacles=tuple(obstacles),
        ),
        run.scores[MRR],
        {name: one.scores[MRR] for name, one in controls.items()},
    )


def _claim(question: _Question, run: Score, given: Mapping[str, Score]) -> Claim:
    _check(question, given)
    controls = {name: score for name, score in given.items() if name != CEILING}
    ceiling = given.get(CEILING)
    chance = run.chance or 0.0
    margin = Margin.share_of_range(
        chance, 1.0, share=question.margin_share, of="chance to the best there can be"
    )
    equivalence = interval_within(run, margin)
    missing = _missing(run, controls, question.trained_with_pairs)
    hurdles = [*question.obstacles, *missing, *_not_cleared(run, controls)]
    doubts = [*missing, *_blind(ceiling, chance + margin.value)]
    verdict: Verdict = "cannot tell"
    if not hurdles:
        verdict, sentence = "aligned", f"{question.query} lands near {question.near}"
        reasons = [
            f"better than {CONTROLS[name]} ({_figures(controls[name])})" for name in controls
        ]
        reasons.append(f"better than permuted labels or pairs (p = {run.p:.2g})")
    elif equivalence.is_equivalent and not doubts:
        verdict, sentence = "not aligned", f"{question.query} does not land near {question.near}"
        reasons = [
            f"the whole 95 % interval lies within {margin.value:.3f} of chance "
            "(two one-sided tests)"
        ]
    else:
        asked = question.query[:1].lower() + question.query[1:]
        sentence = f"Whether {asked} lands near {question.near} cannot be told"
        reasons = list(dict.fromkeys([*hurdles, *doubts]))
        if not equivalence.is_equivalent:
            reasons.append(f"nor is the interval within {margin.value:.3f} of chance")
    if ceiling is not None:
        reasons.append(f"the same model against itself reaches {_figures(ceiling)}")
    return Claim(
        verdict=verdict,
        level=question.level,
        sentence=f"{sentence}: {_figures(run)}.",
        reasons=tuple(reasons),
        rests_on={"run": run, **controls},
        margin=margin.value,
        equivalence=equivalence,
        ceiling=ceiling,
    )


def _check(question: _Question, given: Mapping[str, Score]) -> None:
    known = (*CONTROLS, CEILING)
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(f"unknown control {unknown[0]!r}; known are {', '.join(known)}")
    if not 0 < question.margin_share < 1:
        raise ValueError(f"margin_share={question.margin_share} must lie between 0 and 1")


def _missing(
    run: Score, controls: Mapping[str, Score], trained_with_pairs: bool | None
) -> list[str]:
    """Return a reason for everything that would have to be there and is not."""
    required = REQUIRED if trained_with_pairs is False else (*REQUIRED, SHUFFLED)
    found = [
        f"the control {name!r} is missing ({CONTROLS[name]})"
        for name in required
        if name not in controls
    ]
    if trained_with_pairs is None and SHUFFLED not in controls:
        found[-1] += "; it is not known that the run was trained without pairs"
    if run.p is None:
        found.append("labels or pairs were not permuted, so there is no p")
    for name, score in {"run": run, **controls}.items():
        if score.value is None or score.low is None or score.high is None:
            found.append(f"{name}: no interval ({score.reason})")
    return found


def _blind(ceiling: Score | None, bound: float) -> list[str]:
    """Return a reason if the measure would not show an alignment that is there."""
    if ceiling is None or (ceiling.low is not None and ceiling.low > bound):
        return []
    return ["even the same model against itself is not clearly above chance: the measure is blind"]


def _not_cleared(run: Score, controls: Mapping[str, Score]) -> list[str]:
    """Return a reason for every hurdle that is there and was not taken."""
    found = []
    if run.p is not None and run.p >= SIGNIFICANT:
        found.append(f"p = {run.p:.2g} under permutation, below {SIGNIFICANT} is needed")
    if run.low is None:
        return found
    if run.chance is None or run.low <= run.chance:
        found.append("the interval of the run reaches down to chance")
    for name, score in controls.items():
        if score.high is not None and run.low <= score.high:
            found.append(
                f"{CONTROLS[name]} may do as well: {name} reaches up to {score.high:.3f}, "
                f"the run down to {run.low:.3f}"
            )
    return found


def _figures(score: Score) -> str:
    value = "undefined" if score.value is None else f"{score.value:.3f}"
    interval = "" if score.low is None else f" ({score.low:.3f} to {score.high:.3f})"
    chance = "" if score.chance is None else f", chance {score.chance:.3f}"
    return f"{score.method.split(',')[0]} {value}{interval}{chance}, n = {score.n}"
