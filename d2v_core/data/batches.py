"""From items to padded, augmented, masked batches.

What is drawn for an item is a function of the seed and of the item's place in the endless sequence
of items alone. That is why a resumed run continues bit for bit without any generator being saved,
and why it does not matter over how many processes and parts a step is spread.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.utils.data import Dataset

from d2v_core.config import RunConfig
from d2v_core.data.audio import decode_audio, mel_spectrogram
from d2v_core.data.folder import DataFolder
from d2v_core.data.image import decode_image, image_tensor
from d2v_core.data.items import Item
from d2v_core.data.text import decode_text
from d2v_core.data.vocabulary import vocabulary
from d2v_core.errors import ConfigError, InputError, MediaError
from d2v_core.inputs import Inputs, with_mask
from d2v_core.labels import NO_LABEL, Labels, clock_of
from d2v_core.masking import Generators, draw_masks, uniform
from d2v_core.modality import Modality
from d2v_core.modality_config import ImageConfig, MelConfig, TextConfig, WaveConfig
from d2v_core.model import tokens_of

CACHE_BYTES = 2 << 30
MOST_WORDS = 100_000  # of one text; a training crop is much shorter
HEARD_BY_A_TOKEN = 400  # samples


def seeded(*key: object) -> torch.Generator:
    """Return a generator whose stream depends on all parts of the key and on nothing else."""
    digest = hashlib.sha256("|".join(map(str, key)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def item_tensor(item: Item, config: RunConfig) -> Shaped[Tensor, "..."]:
    """Decode one item into what a batch is made of, before augmentation and padding.

    Returns:
        A picture (3, side, side), a log-mel spectrogram (frames, bins), samples (count,) or entries
        of the vocabulary (count,).

    Raises:
        MediaError: with the reason, if the item cannot be decoded.
    """
    match config.of(item.modality):
        case ImageConfig(size=size):
            return image_tensor(decode_image(item.file), size=size)
        case MelConfig() as mel:
            samples = decode_audio(item.file, first_seconds=clock_of(mel).longest_seconds)
            return mel_spectrogram(samples, mel_bins=mel.bins)[: mel.max_frames]
        case WaveConfig() as wave:
            return wave_tensor(item, wave)
        case TextConfig() as text:
            words = vocabulary(text.vocabulary).encode(decode_text(item.source))
            return torch.tensor(words[:MOST_WORDS], dtype=torch.long)


def wave_tensor(item: Item, config: WaveConfig) -> Float[Tensor, " samples"]:
    """Return the samples of a recording, normalised as a whole if the settings say so.

    Raises:
        MediaError: if it cannot be decoded or is too short for a single token.
    """
    longest = clock_of(config).longest_seconds
    samples = torch.as_tensor(decode_audio(item.file, first_seconds=longest))[: config.max_samples]
    if len(samples) < HEARD_BY_A_TOKEN:
        raise MediaError(f"lasts {len(samples)} samples; a token hears {HEARD_BY_A_TOKEN}")
    return F.layer_norm(samples, samples.shape) if config.normalise else samples


class Collator:
    """Pads the tensors of one modality into a batch; in training it augments and masks.

    Args:
        config: of the run.
        modality: of the items.
        labels: of the items, for an objective that predicts such.
    """

    def __init__(
        self, config: RunConfig, modality: Modality, *, labels: Labels | None = None
    ) -> None:
        self.config = config.of(modality)
        self.tokens = tokens_of(self.config, config.trunk.dim)
        self.labels = labels

    def __call__(
        self, tensors: Sequence[Tensor], *, generators: Generators | None = None
    ) -> Inputs:
        """Return a batch, padded to its longest item.

        Args:
            tensors: from `item_tensor`.
            generators: one an item, to augment it; None leaves it as it is.
        """
        return self._batch(tensors, generators)[0]

    def _batch(
        self, tensors: Sequence[Tensor], generators: Generators | None
    ) -> tuple[Inputs, list[int]]:
        """Return a batch, and at which entry of its tensor each item begins."""
        starts = [0] * len(tensors)
        if isinstance(self.config, ImageConfig):
            values = torch.stack(list(tensors))
            if generators is not None:
                values = random_crops(values, self.config.smallest_crop, generators=generators)
            lengths = torch.full((len(tensors),), values.shape[-1])
        else:
            longest, multiple = self._sizes(is_training=generators is not None)
            if generators is not None:
                starts = [
                    window_start(len(x), longest, generator=g)
                    for x, g in zip(tensors, generators, strict=True)
                ]
            cut = [x[a : a + longest] for x, a in zip(tensors, starts, strict=True)]
            lengths = torch.tensor([len(x) for x in cut])
            width = -(-int(lengths.max()) // multiple) * multiple
            values = torch.stack([_pad(x, width) for x in cut])
        grid = self.tokens.grid_of(values.shape[1])
        return Inputs(values, self.tokens.token_lengths(lengths), grid), starts

    def masked(
        self, tensors: Sequence[Tensor], *, generators: Generators, ids: Sequence[str] = ()
    ) -> Inputs:
        """Return an augmented batch with M masks an item.

        Args:
            tensors: from `item_tensor`.
            generators: one an item.
            ids: of the items, needed where they have labels. A token without one is not masked.

        Raises:
            InputError: if an item has no labels, or they do not last as long as it does.
        """
        inputs, starts = self._batch(tensors, generators)
        mask = draw_masks(inputs.lengths, inputs.grid, self.config.mask, generators=generators)
        if self.labels is not None and isinstance(self.config, MelConfig | WaveConfig):
            clock = clock_of(self.config)
            for name, x in zip(ids, tensors, strict=True):
                self.labels.check_length(name, len(x) * clock.unit_seconds)
            labels = self.labels.of_batch(ids, starts, inputs, clock)
            mask &= (labels != NO_LABEL).repeat_interleave(self.config.mask.masks, dim=0)
            inputs = inputs._replace(labels=labels)
        return with_mask(inputs, mask)

    def _sizes(self, *, is_training: bool) -> tuple[int, int]:
        """Return the longest input, and the number that every batch's width is a multiple of."""
        match self.config:
            case MelConfig() as mel:
                return mel.train_frames if is_training else mel.max_frames, mel.patch_frames
            case WaveConfig() as wave:
                return wave.train_samples if is_training else wave.max_samples, 1
            case TextConfig() as text:
                return text.max_tokens, 1
            case ImageConfig():
                raise AssertionError("pictures have no length")


def _pad(x: Tensor, width: int) -> Tensor:
    return F.pad(x, (0, 0) * (x.dim() - 1) + (0, width - len(x)))


def window_start(length: int, longest: int, *, generator: torch.Generator) -> int:
    """Return where a window of at most `longest` begins, anywhere in the item."""
    return int(torch.randint(max(length - longest, 0) + 1, (), generator=generator))


def random_crops(
    images: Float[Tensor, "items 3 side side"], smallest: float, *, generators: Generators
) -> Float[Tensor, "items 3 side side"]:
    """Crop each picture to a random part, resize it back, mirror half of them.

    Args:
        images: square pictures.
        smallest: least share of the area that is kept; the aspect ratio varies from 3/4 to 4/3.
        generators: one a picture.
    """
    random = uniform(generators, 5)
    area = smallest + (1 - smallest) * random[:, 0]
    ratio = ((random[:, 1] * 2 - 1) * 0.2877).exp()  # log(4/3)
    width = (area * ratio).sqrt().clamp(max=1)
    height = (area / ratio).sqrt().clamp(max=1)
    across = (random[:, 2] * 2 - 1) * (1 - width)
    down = (random[:, 3] * 2 - 1) * (1 - height)
    mirror = (random[:, 4] < 0.5).float() * -2 + 1
    theta = torch.zeros(len(images), 2, 3)
    theta[:, 0, 0], theta[:, 0, 2] = width * mirror, across
    theta[:, 1, 1], theta[:, 1, 2] = height, down
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


class ItemCache:
    """Decodes items once and keeps what fits into `CACHE_BYTES`.

    Args:
        config: of the run.
    """

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.free = CACHE_BYTES
        self.kept: dict[tuple[str, str], Tensor] = {}

    def __call__(self, item: Item) -> Tensor:
        """Return the item's tensor.

        Raises:
            InputError: naming the item, if it cannot be decoded.
        """
        key = (item.modality, item.id)
        if key in self.kept:
            return self.kept[key]
        try:
            tensor = item_tensor(item, self.config)
        except MediaError as error:
            raise InputError(f"{item.modality} of item {item.id}: {error}") from error
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
    """

    parts: list[dict[Modality, Inputs]]
    paired: dict[Modality, Inputs] | None


class TrainSteps(Dataset[Step]):
    """What every training step sees, by its number.

    Each modality draws its own items in its own order, so that the masked objectives learn nothing
    about what belongs together; pairs, where a run uses them, come in a batch apart.

    Args:
        folder: items whose split is "train" are used.
        config: of the run.
        rank: of this process.
        world: how many processes there are; each sees its own part of every step's batch.
        labels: of the recordings, if they are to be predicted.

    Raises:
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
        self.batch = share_of(config.optim.batch, world, "optim.batch")
        if self.batch % config.optim.accumulate:
            raise ConfigError(
                f"the {self.batch} items that a process has of optim.batch do not divide into "
                f"optim.accumulate={config.optim.accumulate} parts"
            )
        self.pair_batch = share_of(config.pairs.batch, world, "pairs.batch") if self.pairs else 0

    def __len__(self) -> int:
        return self.config.optim.steps

    def __getitem__(self, step: int) -> Step:
        """Return the batches of a step; the first is 0."""
        size = self.batch // self.config.optim.accumulate
        places = self._places(self.batch, step)
        parts = [self._masked(places[n : n + size]) for n in range(0, self.batch, size)]
        return Step(parts, self._paired(self._places(self.pair_batch, step)))

    def _masked(self, places: range) -> dict[Modality, Inputs]:
        masked: dict[Modality, Inputs] = {}
        for modality, items in self.items.items():
            if self.config.of(modality).objective is not None:
                chosen = [shuffled_index(n, len(items), self.config.seed, modality) for n in places]
                masked[modality] = self.collators[modality].masked(
                    [self.cache(items[i]) for i in chosen],
                    generators=[seeded(self.config.seed, modality, n) for n in places],
                    ids=[items[i].id for i in chosen],
                )
        return masked

    def _paired(self, places: range) -> dict[Modality, Inputs] | None:
        if not self.pairs:
            return None
        rows = [shuffled_index(n, len(self.pairs), self.config.seed, "pairs") for n in places]
        paired: dict[Modality, Inputs] = {}
        for modality, collate in self.collators.items():
            tensors = [self.cache(self.pairs[row][modality]) for row in rows]
            generators = [seeded(self.config.seed, "pairs", modality, n) for n in places]
            paired[modality] = collate(tensors, generators=generators)
        return paired

    def _places(self, batch: int, step: int) -> range:
        """Return this process's part of a step in the endless sequence of items."""
        start = (step * self.world + self.rank) * batch
        return range(start, start + batch)


def share_of(batch: int, world: int, name: str) -> int:
    """Return how many items of a step one process has.

    Raises:
        ConfigError: if the batch does not divide into as many parts as there are processes.
    """
    if batch % world:
        raise ConfigError(f"{name}={batch} does not divide among {world} processes")
    return batch // world


_permutations: dict[tuple[object, ...], Int[Tensor, " items"]] = {}


def shuffled_index(place: int, count: int, *key: object) -> int:
    """Return entry `place` of an endless sequence of permutations of 0 … count − 1."""
    epoch, offset = divmod(place, count)
    name = (count, epoch, *key)
    if name not in _permutations:
        if len(_permutations) > 64:
            _permutations.clear()
        _permutations[name] = torch.randperm(count, generator=seeded("order", epoch, *key))
    return int(_permutations[name][offset])


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
