"""What there is to do for a map, about how long each part takes, and how much of it is done."""

from collections.abc import Sequence
from typing import NamedTuple

from app.noting import Notes
from app.wishes import MapWish

MOST_JUDGED = 150_000
"""Of so many items every one is judged: each is compared with all, which takes minutes."""

PARTS = 1000
"""Of a bar."""

STAGES = {"neighbours": "searching neighbours", "layout": "laying out", "trust": "judging the map"}

# Seconds on two cores, measured on 100,000 items of 192 numbers.
_PAIR, _PAIR_AND_NUMBER = 1.6e-9, 8e-12
_PAIR_JUDGED, _PAIR_JUDGED_AND_NUMBER = 4e-9, 1.6e-11
_SWEEP_OF_ITEM = 9e-7
_TSNE_OF_ITEM = 8e-3


class Part(NamedTuple):
    """Something to be done."""

    stage: str
    """As the computation tells it, see `probes.progress`."""

    seconds: float
    """About how long it takes."""


def parts_of(wish: MapWish, items: int, width: int, stops: int = 1) -> tuple[Part, ...]:
    """Return what a map takes.

    Args:
        wish: the map.
        items: how many.
        width: numbers of each.
        stops: maps of a way through layers or checkpoints; 1 for a single map.
    """
    from probes.umap_layout import default_epochs  # imported late, as it imports torch

    near, trust = _search(items, width), _judging(_quick_pairs(items), width)
    sweeps = _SWEEP_OF_ITEM * items * default_epochs(items)
    layout = Part("layout", _TSNE_OF_ITEM * items if wish.method == "tsne" else sweeps)
    single = (trust,) if wish.method == "pca" else (near, layout, trust)
    if not wish.over:
        return single
    further = single[single[0] == near :]  # neighbours are searched for all before going on
    return (*single, *[near] * stops, *further * (stops - 1))


def parts_of_judging(items: int, width: int) -> tuple[Part, ...]:
    """Return what it takes to judge every item of a map, and to count hubs."""
    if items > MOST_JUDGED:
        return (_judging(2 * _quick_pairs(items), width),)
    return (_judging(2 * items**2, width), _search(items, width))


def _quick_pairs(items: int) -> int:
    from probes.trust import FEWEST_JUDGED, QUICK_PAIRS

    return items * min(items, max(FEWEST_JUDGED, QUICK_PAIRS // max(1, items)))


def _search(items: int, width: int) -> Part:
    return Part("neighbours", items**2 * (_PAIR + width * _PAIR_AND_NUMBER))


def _judging(pairs: int, width: int) -> Part:
    return Part("trust", pairs * (_PAIR_JUDGED + width * _PAIR_JUDGED_AND_NUMBER))


def seconds_of(parts: Sequence[Part]) -> float:
    """Return how long parts take together."""
    return sum(part.seconds for part in parts)


class Plan:
    """Notes how far a computation is, from what it tells of its stages: a `Listener`.

    Args:
        parts: what there is to do, in order.
        notes: where it is noted.
    """

    def __init__(self, parts: Sequence[Part], notes: Notes) -> None:
        self.parts, self.notes, self.at = tuple(parts), notes, 0

    def __call__(self, stage: str, done: int, of: int) -> None:
        """Take what is told; what is not in the plan is passed over."""
        rest = [at for at in range(self.at, len(self.parts)) if self.parts[at].stage == stage]
        if not rest:
            return
        self.at = rest[0]
        part, whole = self.parts[self.at], seconds_of(self.parts)
        share = done / of if of else 1.0
        before = seconds_of(self.parts[: self.at]) + share * part.seconds
        if done >= of:
            self.at += 1
        self.notes.note(round(PARTS * before / whole), PARTS, stage=STAGES[stage])
