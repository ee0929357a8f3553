"""Which rows are pairs, and which of them a step is about.

A row need not have every modality. Modalities that meet in the same rows are contrasted in one
batch; where rows differ (many pictures have a name, few have a sound), steps take turns.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from d2v_core.config import RunConfig
from d2v_core.data.items import Item
from d2v_core.data.walk import seeded
from d2v_core.errors import InputError
from d2v_core.modality import Modality
from d2v_core.objectives.contrastive import meetings

Meeting = tuple[Modality, Modality]


@dataclass(frozen=True)
class PairGroup:
    """Rows in which the same modalities meet.

    Attributes:
        between: the modalities that meet, two by two.
        rows: by modality the items that belong together.
    """

    between: tuple[Meeting, ...]
    rows: tuple[Mapping[Modality, Item], ...]

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Every modality that meets another here."""
        return tuple(dict.fromkeys(m for pair in self.between for m in pair))


def pair_groups(items: Mapping[Modality, list[Item]], config: RunConfig) -> list[PairGroup]:
    """Return the pairs that a run may use: a fixed share of the rows, the same in every group.

    With `shuffled` every modality of a group but the first is permuted, so that no row is what it
    says.

    Raises:
        InputError: if two modalities are to meet and have no row in common.
    """
    if config.pairs.fraction == 0:
        return []
    found: dict[tuple[str, ...], list[Meeting]] = {}
    for first, second in meetings(config):
        common = {item.id for item in items[first]} & {item.id for item in items[second]}
        if not common:
            raise InputError(
                f"pairs of {first} and {second} are wanted, but no training row has both; use data "
                "with such pairs, leave a modality out (--set text=none), say which ones meet, or "
                "take a preset without pairs"
            )
        found.setdefault(_share_of(common, config), []).append((first, second))
    return [_group(kept, between, items, config) for kept, between in found.items()]


def _share_of(common: set[str], config: RunConfig) -> tuple[str, ...]:
    """Return the rows that may be used: those first in an order that nothing else knows."""
    order = {name: hashlib.sha256(f"{config.seed}|{name}".encode()).digest() for name in common}
    ordered = sorted(common, key=order.__getitem__)
    return tuple(ordered[: max(1, round(config.pairs.fraction * len(ordered)))])


def _group(
    kept: tuple[str, ...],
    between: list[Meeting],
    items: Mapping[Modality, list[Item]],
    config: RunConfig,
) -> PairGroup:
    group = PairGroup(tuple(between), ())
    by_id = {m: {item.id: item for item in items[m]} for m in group.modalities}
    order = {m: list(range(len(kept))) for m in group.modalities}
    if config.pairs.shuffled:
        for modality in group.modalities[1:]:
            generator = seeded(config.seed, "shuffled", modality)
            order[modality] = torch.randperm(len(kept), generator=generator).tolist()
    rows: list[Mapping[Modality, Item]] = [
        {m: by_id[m][kept[order[m][row]]] for m in group.modalities} for row in range(len(kept))
    ]
    return PairGroup(group.between, tuple(rows))


class Turns:
    """Whose turn a step is, among groups that get steps in proportion to what meets in them.

    Args:
        groups: from `pair_groups`.
    """

    def __init__(self, groups: list[PairGroup]) -> None:
        self.order = [n for n, group in enumerate(groups) for _ in group.between]

    def __getitem__(self, step: int) -> tuple[int, int]:
        """Return the group of a step, and how many steps it has had before; the first step is 0."""
        rounds, place = divmod(step, len(self.order))
        group = self.order[place]
        before = self.order[:place].count(group)
        return group, rounds * self.order.count(group) + before
