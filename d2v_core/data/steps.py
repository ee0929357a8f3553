"""What every training step sees, by its number.

It is a function of the seed, of the step and of the place in the step alone. That is why a resumed
run continues bit for bit without any generator being saved, and why it does not matter over how
many processes and parts a step is spread.
"""

import hashlib
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.utils.data import Dataset

from d2v_core.config import RunConfig
from d2v_core.data.batches import Collator, item_tensor
from d2v_core.data.folder import DataFolder
from d2v_core.data.items import Item
from d2v_core.data.walk import TokenCounts, Walk, seeded
from d2v_core.errors import ConfigError, InputError, MediaError
from d2v_core.inputs import Inputs
from d2v_core.labels import Labels
from d2v_core.modality import Modality
from d2v_core.modality_config import ImageConfig

CACHE_BYTES = 2 << 30
FIRST = 64
"""Items of each modality that are tried before a training starts."""

Found = TypeVar("Found")


class ItemCache:
    """Decodes items once and keeps what fits into `CACHE_BYTES`.

    Args:
        config: of the run.
    """

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.free = CACHE_BYTES
        self.kept: dict[tuple[str, str], Tensor] = {}
        self.refused: dict[tuple[str, str], str] = {}

    def __call__(self, item: Item) -> Tensor:
        """Return the item's tensor.

        Raises:
            MediaError: naming the item, if it cannot be decoded.
        """
        key = (item.modality, item.id)
        if key in self.kept:
            return self.kept[key]
        if key in self.refused:
            raise MediaError(self.refused[key])
        try:
            tensor = item_tensor(item, self.config)
        except MediaError as error:
            self.refused[key] = f"{item.modality} of item {item.id}: {error}"
            raise MediaError(self.refused[key]) from error
        size = tensor.element_size() * tensor.nelement()
        if size <= self.free:
            self.free -= size
            self.kept[key] = tensor
        return tensor


class Step(NamedTuple):
    """What one process sees in one optimiser step.

    Attributes:
        parts: masked batches by modality, whose gradients are added up.
        paired: inputs whose rows belong together, if the run uses pairs.
        skipped: items that could not be decoded and that others stand in for, and why.
    """

    parts: list[dict[Modality, Inputs]]
    paired: dict[Modality, Inputs] | None
    skipped: tuple[str, ...] = ()


class TrainSteps(Dataset[Step]):
    """What every training step sees.

    Each modality draws its own items in its own order, so that the masked objectives learn nothing
    about what belongs together; pairs, where a run uses them, come in a batch apart. These are not
    sorted by length, which would give away what belongs together.

    Args:
        folder: items whose split is "train" are used.
        config: of the run.
        rank: of this process.
        world: how many processes there are; each sees its own part of every step's batch.
        labels: of the recordings, if they are to be predicted.

    Raises:
        ConfigError: if a batch does not divide into the parts that are wanted of it.
        InputError: if a modality has no training items, or pairs are wanted and there are none.
    """

    def __init__(
        self,
        folder: DataFolder,
        config: RunConfig,
        *,
        rank: int = 0,
        world: int = 1,
        labels: Labels | None = None,
    ) -> None:
        self.config, self.rank, self.world = config, rank, world
        self.items: dict[Modality, list[Item]] = {
            m: [item for item in folder.of(m) if item.split == "train"] for m in config.modalities
        }
        for modality, items in self.items.items():
            if not items:
                raise InputError(f"no {modality} items in the train split of {folder.root}")
        self.pairs = paired_items(self.items, config) if config.pairs.fraction > 0 else []
        self.collators: dict[Modality, Collator] = {
            m: Collator(config, m, labels=labels if m == "audio" else None)
            for m in config.modalities
        }
        self.cache = ItemCache(config)
        self.walks = {m: self._walk(m, items) for m, items in self.items.items()}
        self.pair_walk = Walk(len(self.pairs), config.seed, "pairs")
        self.batch = share_of(config.optim.batch, world, "optim.batch")
        if self.batch % config.optim.accumulate:
            raise ConfigError(
                f"the {self.batch} items that a process has of optim.batch do not divide into "
                f"optim.accumulate={config.optim.accumulate} parts"
            )
        self.pair_batch = share_of(config.pairs.batch, world, "pairs.batch") if self.pairs else 0

    def _walk(self, modality: Modality, items: list[Item]) -> Walk:
        config = self.config.of(modality)
        counts = None if isinstance(config, ImageConfig) else TokenCounts(items, config)
        batch = self.config.optim.batch
        return Walk(len(items), self.config.seed, modality, batch=batch, length_of=counts)

    def __len__(self) -> int:
        return self.config.optim.steps

    def __getitem__(self, step: int) -> Step:
        """Return the batches of a step; the first is 0.

        Raises:
            InputError: if no item of a modality can be decoded, or labels do not fit.
        """
        skipped: list[str] = []
        size = self.batch // self.config.optim.accumulate
        places = self._places(self.batch, step)
        parts = [self._masked(places[n : n + size], skipped) for n in range(0, self.batch, size)]
        paired = self._paired(self._places(self.pair_batch, step), skipped)
        return Step(parts, paired, tuple(dict.fromkeys(skipped)))

    def _masked(self, places: range, skipped: list[str]) -> dict[Modality, Inputs]:
        masked: dict[Modality, Inputs] = {}
        for modality, collate in self.collators.items():
            if self.config.of(modality).objective is not None:
                found = [self._found(modality, n, skipped) for n in places]
                masked[modality] = collate.masked(
                    [tensor for _, tensor in found],
                    generators=[seeded(self.config.seed, modality, n) for n in places],
                    ids=[item.id for item, _ in found],
                )
        return masked

    def _found(self, modality: Modality, place: int, skipped: list[str]) -> tuple[Item, Tensor]:
        def load(number: int) -> tuple[Item, Tensor]:
            item = self.items[modality][number]
            return item, self.cache(item)

        return first_readable(self.walks[modality], place, load, skipped)

    def _paired(self, places: range, skipped: list[str]) -> dict[Modality, Inputs] | None:
        if not self.pairs:
            return None

        def row(number: int) -> dict[Modality, Tensor]:
            return {m: self.cache(item) for m, item in self.pairs[number].items()}

        rows = [first_readable(self.pair_walk, n, row, skipped) for n in places]
        paired: dict[Modality, Inputs] = {}
        for modality, collate in self.collators.items():
            generators = [seeded(self.config.seed, "pairs", modality, n) for n in places]
            paired[modality] = collate([row[modality] for row in rows], generators=generators)
        return paired

    def _places(self, batch: int, step: int) -> range:
        """Return this process's part of a step in the endless sequence of items."""
        start = (step * self.world + self.rank) * batch
        return range(start, start + batch)

    def refuse_damage(self) -> None:
        """Try the first items.

        Raises:
            InputError: if more than half of those of a modality cannot be decoded.
        """
        for modality, items in self.items.items():
            walk, problems = self.walks[modality], list[str]()
            count = min(FIRST, len(items))
            for place in range(count):
                try:
                    self.cache(items[walk[place]])
                except MediaError as error:
                    problems.append(str(error))
            if 2 * len(problems) > count:
                raise InputError(
                    f"{len(problems)} of the first {count} {modality} items cannot be decoded, for "
                    f"example {problems[0]}; see what is usable with d2v data check"
                )


def first_readable(
    walk: Walk, place: int, load: Callable[[int], Found], skipped: list[str]
) -> Found:
    """Return what is at a place, or at the next one of the walk that can be decoded.

    Args:
        walk: the order.
        place: where to begin.
        load: decodes an item or a pair, by its number.
        skipped: is told why items were passed over.

    Raises:
        InputError: if there is none.
    """
    for later in range(place, place + walk.count):
        try:
            return load(walk[later])
        except MediaError as error:
            skipped.append(str(error))
    raise InputError(f"none of {walk.count} items can be decoded, for example {skipped[-1]}")


def share_of(batch: int, world: int, name: str) -> int:
    """Return how many items of a step one process has.

    Raises:
        ConfigError: if the batch does not divide into as many parts as there are processes.
    """
    if batch % world:
        raise ConfigError(f"{name}={batch} does not divide among {world} processes")
    return batch // world


def paired_items(
    items: dict[Modality, list[Item]], config: RunConfig
) -> list[dict[Modality, Item]]:
    """Return the pairs that a run may use: a fixed share of the rows that have every modality.

    With `shuffled` every modality but the first is permuted, so that no row is what it says.

    Raises:
        InputError: if no row has all the modalities.
    """
    by_id = {m: {item.id: item for item in found} for m, found in items.items()}
    common = sorted(set.intersection(*(set(found) for found in by_id.values())))
    if not common:
        raise InputError(
            f"pairs are wanted, but no training row has all of {', '.join(items)}; "
            "use data with pairs or a preset without"
        )
    common.sort(key=lambda id_: hashlib.sha256(f"{config.seed}|{id_}".encode()).digest())
    kept = common[: max(1, round(config.pairs.fraction * len(common)))]
    order = {m: list(range(len(kept))) for m in items}
    if config.pairs.shuffled:
        for modality in list(items)[1:]:
            generator = seeded(config.seed, "shuffled", modality)
            order[modality] = torch.randperm(len(kept), generator=generator).tolist()
    return [{m: by_id[m][kept[order[m][row]]] for m in items} for row in range(len(kept))]
