"""What every training step sees, by its number.

It is a function of the seed, of the step and of the place in the step alone. That is why a resumed
run continues bit for bit without any generator being saved, and why it does not matter over how
many processes and parts a step is spread.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from torch import Tensor
from torch.utils.data import Dataset

from d2v_core.config import RunConfig
from d2v_core.data.batches import Collator, item_tensor
from d2v_core.data.folder import DataFolder
from d2v_core.data.items import Item
from d2v_core.data.pairs import PairGroup, Turns, pair_groups
from d2v_core.data.walk import TokenCounts, Walk, seeded
from d2v_core.errors import ConfigError, InputError, MediaError
from d2v_core.inputs import Inputs, Paired
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
        paired: items that belong together, if the run uses pairs.
        skipped: items that could not be decoded and that others stand in for, and why.
    """

    parts: list[dict[Modality, Inputs]]
    paired: Paired | None
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
        self.items = training_items(folder, config)
        self.pairs = pair_groups(self.items, config)
        self.collators: dict[Modality, Collator] = {
            m: Collator(config, m, labels=labels if m == "audio" else None)
            for m in config.modalities
        }
        self.cache = ItemCache(config)
        self.walks = {m: self._walk(m, items) for m, items in self.items.items()}
        self.pair_walks = [self._pair_walk(group) for group in self.pairs]
        self.turns = Turns(self.pairs)
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

    def _pair_walk(self, group: PairGroup) -> Walk:
        names = group.modalities if len(self.pairs) > 1 else ()
        return Walk(len(group.rows), self.config.seed, "pairs", *names)

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
        paired = self._paired(step, skipped)
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

    def _paired(self, step: int, skipped: list[str]) -> Paired | None:
        if not self.pairs:
            return None
        number, turn = self.turns[step]
        group, places = self.pairs[number], self._places(self.pair_batch, turn)

        def row(number: int) -> dict[Modality, Tensor]:
            return {m: self.cache(item) for m, item in group.rows[number].items()}

        rows = [first_readable(self.pair_walks[number], n, row, skipped) for n in places]
        inputs: dict[Modality, Inputs] = {}
        for modality in group.modalities:
            generators = [seeded(self.config.seed, "pairs", modality, n) for n in places]
            tensors = [row[modality] for row in rows]
            inputs[modality] = self.collators[modality](tensors, generators=generators)
        return Paired(inputs, group.between)

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


def training_items(folder: DataFolder, config: RunConfig) -> dict[Modality, list[Item]]:
    """Return the items of the train split of every modality of a run.

    Raises:
        InputError: if a modality has none.
    """
    found: dict[Modality, list[Item]] = {
        m: [item for item in folder.of(m) if item.split == "train"] for m in config.modalities
    }
    for modality, items in found.items():
        if not items:
            raise InputError(f"no {modality} items in the train split of {folder.root}")
    return found


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
