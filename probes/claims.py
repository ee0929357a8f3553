"""From numbers to a sentence: are two modalities aligned, are they not, or can nobody tell?

"Aligned" is said only if every control is there and cleared. "Not aligned" is said only if a test
of equivalence to chance is passed. Everything else is "cannot tell", with the reasons.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

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
"""Controls by name, and what each is. Those of `REQUIRED` have to be there."""

REQUIRED = ("random twin", "low-level features")
SIGNIFICANT = 0.01
MARGIN_SHARE = 0.05


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
) -> Claim:
    """Judge whether items land near items of the other modality that have the same label.

    Args:
        run: class-level retrieval of the run, one direction.
        controls: the same of every control, by its name in `CONTROLS`.
        query: what is searched for, in words: "A sound".
        gallery: what is searched in, in words: "pictures".
        margin_share: differences from chance that count as none, as a share of the way from
            chance to 1.

    Returns:
        The claim, resting on the mean average precision.

    Raises:
        ValueError: if a control is not known by that name, or the margin does not fit.
    """
    return _claim(
        "class",
        run.mean_average_precision,
        {name: one.mean_average_precision for name, one in controls.items()},
        words=(query, f"{gallery} with the same label"),
        margin_share=margin_share,
        obstacles=[],
    )


def claim_instance(
    run: Direction,
    controls: Mapping[str, Direction],
    *,
    query: str,
    gallery: str,
    margin_share: float = MARGIN_SHARE,
) -> Claim:
    """Judge whether items land near their own partner, and not only near its class.

    Args:
        run: retrieval of partners of the run, one direction, with classes.
        controls: the same of every control, by its name in `CONTROLS`.
        query: what is searched for, in words: "A sound".
        gallery: what is searched in, in words: "pictures".
        margin_share: as in `claim_class`.

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
        "instance",
        run.scores[MRR],
        {name: one.scores[MRR] for name, one in controls.items()},
        words=(query, f"its own partner among the {gallery}"),
        margin_share=margin_share,
        obstacles=obstacles,
    )


def _claim(
    level: Level,
    run: Score,
    controls: Mapping[str, Score],
    *,
    words: tuple[str, str],
    margin_share: float,
    obstacles: list[str],
) -> Claim:
    unknown = sorted(set(controls) - set(CONTROLS))
    if unknown:
        raise ValueError(f"unknown control {unknown[0]!r}; known are {', '.join(CONTROLS)}")
    if not 0 < margin_share < 1:
        raise ValueError(f"margin_share={margin_share} must lie between 0 and 1")
    margin = margin_share * (1 - (run.chance or 0.0))
    obstacles = obstacles + _missing(run, controls) + _not_cleared(run, controls)
    query, near = words
    verdict: Verdict = "cannot tell"
    if not obstacles:
        verdict, sentence = "aligned", f"{query} lands near {near}"
        reasons = [
            f"better than {CONTROLS[name]} ({_figures(controls[name])})" for name in controls
        ]
        reasons.append(f"better than permuted labels or pairs (p = {run.p:.2g})")
    elif _is_equivalent(run, margin):
        verdict, sentence = "not aligned", f"{query} does not land near {near}"
        reasons = [
            f"the whole 95 % interval lies within {margin:.3f} of chance (two one-sided tests)"
        ]
    else:
        sentence = f"Whether {query[:1].lower()}{query[1:]} lands near {near} cannot be told"
        reasons = [*obstacles, f"nor is the interval within {margin:.3f} of chance"]
    return Claim(
        verdict=verdict,
        level=level,
        sentence=f"{sentence}: {_figures(run)}.",
        reasons=tuple(reasons),
        rests_on={"run": run, **controls},
        margin=margin,
    )


def _missing(run: Score, controls: Mapping[str, Score]) -> list[str]:
    """Return a reason for everything that would have to be there and is not."""
    found = [
        f"the control {name!r} is missing ({CONTROLS[name]})"
        for name in REQUIRED
        if name not in controls
    ]
    if run.p is None:
        found.append("labels or pairs were not permuted, so there is no p")
    for name, score in {"run": run, **controls}.items():
        if score.value is None or score.low is None or score.high is None:
            found.append(f"{name}: no interval ({score.reason})")
    return found


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


def _is_equivalent(run: Score, margin: float) -> bool:
    """Return whether both one-sided tests against chance ± margin are passed at 2.5 %."""
    if run.low is None or run.high is None or run.chance is None:
        return False
    return run.chance - margin < run.low and run.high < run.chance + margin


def _figures(score: Score) -> str:
    value = "undefined" if score.value is None else f"{score.value:.3f}"
    interval = "" if score.low is None else f" ({score.low:.3f} to {score.high:.3f})"
    chance = "" if score.chance is None else f", chance {score.chance:.3f}"
    return f"{score.method.split(',')[0]} {value}{interval}{chance}, n = {score.n}"
