"""What a run wrote down while it learnt, as curves over steps; and how its features fare."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from app.words import PLURAL

Curve = list[tuple[int, float]]
QUERIES = 256
"""Held-out items of a modality that a training looks at, at most; see `d2v_core.monitor`."""


def curves_of(lines: Sequence[Mapping[str, Any]], name: str) -> dict[str, Curve]:
    """Return one number by modality over steps; modalities that never have it are left out.

    Args:
        lines: of metrics.
        name: of the number, as in "knn" for "image/knn".
    """
    found: dict[str, Curve] = {}
    for modality in PLURAL:
        key = f"{modality}/{name}"
        curve = [(int(line["step"]), float(line[key])) for line in lines if key in line]
        if curve:
            found[modality] = curve
    return found


def newest(lines: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the newest value of everything that was measured, by name."""
    found: dict[str, float] = {}
    for line in lines:
        found |= {name: value for name, value in line.items() if isinstance(value, (int, float))}
    return found


@dataclass(frozen=True, kw_only=True)
class Fare:
    """How the features of one modality fare at the last look: do neighbours share a label?"""

    modality: str
    value: float
    low: float
    high: float
    first: float
    """At the first look, when hardly anything was learnt."""

    chance: float | None
    n: int

    @property
    def verdict(self) -> str:
        """Return "above chance", "at chance" or, where chance is not known, "not compared"."""
        if self.chance is None:
            return "not compared"
        return "above chance" if self.low > self.chance else "at chance"


def fares(
    lines: Sequence[Mapping[str, Any]], chance: Mapping[str, float], held_out: Mapping[str, int]
) -> list[Fare]:
    """Return how features fare by modality.

    Args:
        lines: of metrics.
        chance: by modality, see `app.looking.chance_of`.
        held_out: labelled items of the val split by modality; a modality without any is left out.
    """
    from probes.intervals import wilson

    found = []
    for modality, curve in curves_of(lines, "knn").items():
        n = min(QUERIES, held_out.get(modality, 0))
        if n:
            value = curve[-1][1]
            low, high = wilson(round(value * n), n)
            found.append(
                Fare(
                    modality=modality,
                    value=value,
                    low=low,
                    high=high,
                    first=curve[0][1],
                    chance=chance.get(modality),
                    n=n,
                )
            )
    return found


def fare_sentence(fare: Fare) -> str:
    """Return a fare in words."""
    what = PLURAL[fare.modality].capitalize()
    said = f"**{what}**: the nearest neighbours tell the label of **{fare.value:.0%}**"
    if fare.verdict == "not compared":
        return f"{said} ({fare.low:.0%} to {fare.high:.0%})."
    worth = "more than" if fare.verdict == "above chance" else "no more than"
    return (
        f"{said} ({fare.low:.0%} to {fare.high:.0%}, n = {fare.n}), {worth} chance "
        f"({fare.chance:.0%}){gain_words(fare)}."
    )


def gain_words(fare: Fare) -> str:
    """Return what training has added since the first look."""
    if fare.low <= fare.first <= fare.high:
        return f", but no clear change from the first look ({fare.first:.0%})"
    return (
        f", {'up' if fare.value > fare.first else 'down'} from {fare.first:.0%} at the first look"
    )


def fare_table(found: Sequence[Fare]) -> pd.DataFrame:
    """Return fares as rows for the eye."""
    return pd.DataFrame(
        {
            "items": PLURAL[fare.modality],
            "kNN accuracy": f"{fare.value:.3f}",
            "95 % interval": f"{fare.low:.3f} to {fare.high:.3f}",
            "chance": "–" if fare.chance is None else f"{fare.chance:.3f}",
            "first look": f"{fare.first:.3f}",
            "n": fare.n,
        }
        for fare in found
    )


def moves_table(about: Mapping[str, Any]) -> pd.DataFrame:
    """Return, for every checkpoint, how far its map can be trusted, and how far points moved.

    Args:
        about: how the maps were made, see `app.learning.draw`.
    """
    moves = {move["after"]: move for move in about["moves"]}
    rows = []
    for step, score in about["trust"].items():
        move = moves.get(step)
        rows.append(
            {
                "step": int(step),
                "neighbours that changed": "–" if move is None else f"{move['changed']:.0%}",
                "median move (in spreads of the map)": (
                    "–" if move is None else f"{move['median']:.2f}"
                ),
                "trustworthiness": f"{score['value']:.3f}",
                "95 % interval": f"{score['low']:.3f} to {score['high']:.3f}",
                "chance": f"{score['chance']:.3f}",
                "n": score["n"],
            }
        )
    return pd.DataFrame(rows)
