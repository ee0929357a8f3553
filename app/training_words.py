"""What sizes, objectives, arms, standings and signals are, for those who never trained a model."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from app.words import PLURAL

SIZES = {
    "tiny": ("Tiny", "a few minutes on two cores", "Small enough to watch; learns the made world."),
    "small": ("Small", "a night on two cores, an hour on one GPU", "For data of your own."),
    "base-image": ("Base, pictures", "days on several GPUs", "data2vec 2.0 Base as published."),
    "base-audio": ("Base, sounds", "days on several GPUs", "data2vec 2.0 Base as published."),
    "base-text": ("Base, sentences", "days on several GPUs", "data2vec 2.0 Base as published."),
}
"""By size: what it is called, how long it takes, what it is for."""

OBJECTIVES = {
    "data2vec2": (
        "data2vec 2.0",
        "Hide most of an item; guess what the teacher, a slow copy of the model that sees all of "
        "it, thinks of the hidden part. Several masks share one look of the teacher.",
    ),
    "data2vec": (
        "data2vec 1.0",
        "The same idea as first published: hidden parts stay in the input as blanks. Slower.",
    ),
    "reconstruct": (
        "Reconstruct",
        "Hide a part and paint it back: pixels, spectrogram, letters. No teacher. The contrast "
        "to data2vec.",
    ),
    "hubert": (
        "HuBERT",
        "Sounds only: sort the frames into clusters, then guess the cluster of what is hidden. "
        "Two rounds, so it takes twice as long.",
    ),
}
"""By objective: what it is called and what it does."""

ARMS = {
    "separate": ("Separate", "One model a sense. They never meet.", 1),
    "shared": ("Shared trunk", "One model for all senses, but it is never told what belongs "
               "together.", 1),
    "shared-pairs": ("Shared, with pairs", "One model, and some of the pairs pull a picture "
                     "towards its own sound and sentence.", 2),
    "latent": ("Pairs, by prediction", "One model; from one sense of a pair it has to guess what "
               "the teacher thinks of the other.", 2),
    "contrastive": ("Contrastive only", "Nothing but pairs, as in CLIP: who belongs to whom?", 2),
    "shuffled": ("Control: shuffled pairs", "As with pairs, but they are mixed up. What it gains "
                 "is not due to what belongs together.", 2),
    "random": ("Control: untrained", "No training at all: what the architecture alone can do. "
               "Ready at once.", 1),
}  # fmt: skip
"""By arm: what it is called, what is asked with it, how many senses it needs."""

WITH_PERCENT = ("shared-pairs", "latent", "shuffled")

STANDINGS = {
    "unknown": ("Not known", "help", "gray"),
    "queued": ("Queued", "hourglass_top", "blue"),
    "running": ("Training", "play_circle", "blue"),
    "stopping": ("Stopping", "pending", "orange"),
    "stopped": ("Stopped", "pause_circle", "gray"),
    "done": ("Complete", "check_circle", "green"),
    "failed": ("Failed", "error", "red"),
    "lost": ("Lost", "sensors_off", "orange"),
    "elsewhere": ("Training elsewhere", "terminal", "blue"),
}
"""By standing: in words, icon, colour."""

TERMS = {
    "regression": "masked prediction",
    "cls": "whole item",
    "reconstruction": "painting back",
    "clusters": "clusters",
    "features": "features kept small",
}

SIGNALS = {
    "raw_std": ("Teacher's activations differ", "how much what the teacher says varies over items"),
    "target_std": ("There is something to guess", "spread of what is to be guessed"),
    "prediction_std": ("The student commits itself", "spread of its guesses"),
    "effective_rank": ("Directions in use", "how many directions the vectors of items fill"),
    "mean_cosine": ("Items do not look alike", "mean cosine between two different items"),
}
"""By signal of the monitor: the healthy state in words, and what is measured."""

MEANINGS = {
    "raw_std": "The teacher says the same of every item, so guessing it teaches nothing.",
    "target_std": "There is nothing left to guess: what the student is asked for hardly varies.",
    "prediction_std": "The student answers the same to everything: the mean of what is asked.",
    "effective_rank": "All items lie on one line: one number is left of each.",
    "mean_cosine": "All items look alike: their vectors point the same way.",
}
"""By signal: what it means to be past its limit."""

TRIES = (
    "more data of that sense, if it has but a few hundred items",
    "a lower learning rate (`optim.lr=3e-4`)",
    "a teacher that changes more slowly (`teacher.ema_decay_start=0.999`)",
    "an arm with pairs, where another sense holds it open",
)
"""What to try against a collapse, the likeliest first."""

ALARM_FROM = 0.15
"""Share of the steps from which signals past their limit are called a collapse. Before, a fresh
network may look collapsed and recover; the trainer itself stops at the first check after 20 %."""

DEAF_FROM = 0.25
"""Share of the steps from which labels have to be told better than by chance."""

LATE_FROM, LATE_RANK = 0.5, 2.5
"""From this share of the steps, so few directions are a collapse: healthy runs may dip to one
direction early, but have left it by a sixth of their steps, and keep five and more from the half.
"""

NEAR = 3.0
"""Within this factor of a limit is near it."""


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One signal of one modality, and what it means."""

    modality: str
    name: str
    value: float
    limit: float
    is_floor: bool
    """Whether the limit is the least that is healthy, not the most."""

    verdict: str
    """"healthy", "near the limit" or "collapsed"."""


def signals(
    newest: Mapping[str, float],
    limits: Mapping[str, tuple[str, float, bool, str]],
    share: float = 0.0,
) -> list[Signal]:
    """Return the signals of collapse in the newest numbers of a run.

    Args:
        newest: value by name, "MODALITY/SIGNAL".
        limits: by signal its words, limit, whether that is a floor, and what passing it means.
        share: of the steps that are done.
    """
    found = []
    for modality in PLURAL:
        for name, (_, early, is_floor, _) in limits.items():
            is_late = name == "effective_rank" and share >= LATE_FROM
            limit = max(early, LATE_RANK) if is_late else early
            value = newest.get(f"{modality}/{name}")
            if value is not None and math.isfinite(value):
                verdict = _verdict(value, early, is_floor=is_floor)
                verdict = "collapsed" if is_late and value < limit else verdict
                found.append(
                    Signal(
                        modality=modality,
                        name=name,
                        value=value,
                        limit=limit,
                        is_floor=is_floor,
                        verdict=verdict,
                    )
                )
    return found


def _verdict(value: float, limit: float, *, is_floor: bool) -> str:
    if not is_floor:  # what counts of a cosine is how far it stays from 1
        value, limit = 1 - value, 1 - limit
    return "collapsed" if value < limit else "near the limit" if value < NEAR * limit else "healthy"


def health(found: list[Signal], share: float) -> tuple[str, str]:
    """Return what the signals say together, in a sentence, and a colour.

    Args:
        found: all signals.
        share: of the steps that are done.
    """
    bad = [s for s in found if s.verdict == "collapsed"]
    near = [s for s in found if s.verdict == "near the limit"]
    if not found:
        return "Nothing has been measured yet.", "gray"
    if bad and share < ALARM_FROM:
        return (
            f"Too early to judge ({_where(bad)}): many networks look collapsed when they begin. "
            f"From {ALARM_FROM:.0%} of the steps on it counts.",
            "gray",
        )
    if bad:
        return f"**Collapse**: {_where(bad)}.", "red"
    if near:
        return f"Watch this: {_where(near)}, near the limit.", "orange"
    return "No sign of collapse: every signal is clear of its limit.", "green"


def advice(found: list[Signal]) -> list[str]:
    """Return, for the signals that are past their limit, what they mean, and what to try."""
    bad = dict.fromkeys(s.name for s in found if s.verdict == "collapsed")
    meant = [MEANINGS[name] for name in bad if name in MEANINGS]
    return [*meant, f"What to try, one at a time: {'; '.join(TRIES)}."] if meant else []


def _where(found: list[Signal]) -> str:
    return ", ".join(
        f"{SIGNALS[s.name][1] if s.name in SIGNALS else s.name} of {PLURAL[s.modality]} "
        f"({s.value:.3g}, limit {s.limit:g})"
        for s in found[:3]
    )


def losses(lines: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[int, float]]]:
    """Return every term of the loss over steps, by its name in words."""
    found: dict[str, list[tuple[int, float]]] = {}
    for line in lines:
        for name, value in line.items():
            if words := term_words(name):
                found.setdefault(words, []).append((int(line["step"]), float(value)))
    return found


def term_words(name: str) -> str | None:
    """Return a term of the loss in words; None if the name is that of something else."""
    head, _, tail = name.partition("/")
    if head in PLURAL and tail in TERMS:
        return f"{PLURAL[head]}: {TERMS[tail]}"
    pair = tail.split("-")
    if head in ("contrastive", "latent") and len(pair) == 2 and all(m in PLURAL for m in pair):
        return f"{PLURAL[pair[0]]} and {PLURAL[pair[1]]}: pairs"
    return None


def seconds_words(seconds: float) -> str:
    """Return a time as people say it."""
    if not math.isfinite(seconds):
        return "nobody knows how long"
    if seconds < 60:
        return f"{max(0, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{round(seconds / 86_400)} days"


def learns_nothing(newest: Mapping[str, float], chance: Mapping[str, float], share: float) -> str:
    """Return a sentence if labels are told no better than by chance; empty if all is well.

    That is no collapse by the trainer's limits, and yet nothing is learnt of the labels.

    Args:
        newest: value by name, "MODALITY/knn" among them.
        chance: by modality.
        share: of the steps that are done; before `DEAF_FROM` it is too early.
    """
    if share < DEAF_FROM:
        return ""
    deaf = [
        f"{PLURAL[modality]} ({newest[f'{modality}/knn']:.2f}, chance {level:.2f})"
        for modality, level in chance.items()
        if f"{modality}/knn" in newest and newest[f"{modality}/knn"] <= level < 1
    ]
    if not deaf:
        return ""
    return (
        f"Nothing of the labels has been learnt of {', '.join(deaf)}: nearest neighbours tell them "
        "no better than chance. If that stays so, try a lower learning rate, more data or more "
        "steps; or the labels cannot be seen or heard."
    )


def signal_table(found: list[Signal]) -> pd.DataFrame:
    """Return the signals as rows for the eye."""
    return pd.DataFrame(
        {
            "items": PLURAL[s.modality],
            "healthy when": SIGNALS[s.name][0] if s.name in SIGNALS else s.name,
            "measured": SIGNALS[s.name][1] if s.name in SIGNALS else s.name,
            "value": f"{s.value:.4g}",
            "limit": f"{'at least' if s.is_floor else 'at most'} {s.limit:g}",
            "so": s.verdict,
        }
        for s in found
    )
