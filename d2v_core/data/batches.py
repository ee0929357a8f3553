"""From items to padded, augmented, masked batches.

Every batch is a function of (seed, step, rank) alone. That is what makes a resumed run continue bit
for bit, whatever the number of workers, without any generator being saved.
"""

import hashlib
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.utils.data import Dataset

from d2v_core.config import ByteConfig, ImageConfig, MelConfig, RunConfig
from d2v_core.data.audio import decode_audio, mel_spectrogram
from d2v_core.data.folder import DataFolder
from d2v_core.data.image import decode_image, image_tensor
from d2v_core.data.items import Item
from d2v_core.data.text import decode_text
from d2v_core.errors import InputError, MediaError
from d2v_core.masking import block_masks
from d2v_core.modality import Modality
from d2v_core.model import Inputs, tokens_of

CACHE_BYTES = 2 << 30
HOP_SECONDS = 0.01


def seeded(*key: object) -> torch.Generator:
    """Return a generator whose stream depends on all parts of the key and on nothing else."""
    digest = hashlib.sha256("|".join(map(str, key)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def item_tensor(item: Item, config: RunConfig) -> Shaped[Tensor, "..."]:
    """Decode one item into what a batch is made of, before augmentation and padding.

    Returns:
        A picture (3, side, side), a log-mel spectrogram (frames, bins) or bytes (count,).

    Raises:
        MediaError: with the reason, if the item cannot be decoded.
    """
    match config.of(item.modality):
        case ImageConfig(size=size):
            return image_tensor(decode_image(item.file), size=size)
        case MelConfig() as mel:
            samples = decode_audio(item.file, first_seconds=mel.max_frames * HOP_SECONDS)
            return mel_spectrogram(samples, mel_bins=mel.bins)[: mel.max_frames]
        case ByteConfig() as text:
            data = decode_text(item.source).encode()[: text.max_bytes]
            return torch.tensor(list(data), dtype=torch.long)


class Collator:
    """Pads the tensors of one modality into a batch, and augments it in training.

    Args:
        config: of the run.
        modality: of the items.
    """

    def __init__(self, config: RunConfig, modality: Modality) -> None:
        self.config = config.of(modality)
        self.tokens = tokens_of(config, modality)

    def __call__(
        self, tensors: Sequence[Tensor], *, generator: torch.Generator | None = None
    ) -> Inputs:
        """Return a batch, padded to its longest item; with a generator also augmented."""
        if isinstance(self.config, ImageConfig):
            values = torch.stack(list(tensors))
            lengths = torch.full((len(tensors),), values.shape[-1])
            if generator is not None:
                values = random_crops(values, self.config.smallest_crop, generator=generator)
        else:
            if isinstance(self.config, MelConfig) and generator is not None:
                crop = self.config.train_frames
                tensors = [random_window(x, crop, generator=generator) for x in tensors]
            lengths = torch.tensor([len(x) for x in tensors])
            multiple = self.config.patch_frames if isinstance(self.config, MelConfig) else 1
            width = -(-int(lengths.max()) // multiple) * multiple
            values = torch.stack([_pad(x, width) for x in tensors])
        width = values.shape[1]
        return Inputs(values, self.tokens.token_lengths(lengths), self.tokens.grid_of(width))

    def masked(self, tensors: Sequence[Tensor], *, generator: torch.Generator) -> Inputs:
        """Return an augmented batch with M masks an item."""
        inputs = self(tensors, generator=generator)
        lengths = inputs.lengths.repeat_interleave(self.config.mask.masks)
        mask = block_masks(lengths, inputs.grid, self.config.mask, generator=generator)
        return Inputs(inputs.values, inputs.lengths, inputs.grid, mask)


def _pad(x: Tensor, width: int) -> Tensor:
    return F.pad(x, (0, 0) * (x.dim() - 1) + (0, width - len(x)))


def random_window(
    x: Float[Tensor, "frames bins"], frames: int, *, generator: torch.Generator
) -> Float[Tensor, "cropped bins"]:
    """Cut a window of at most `frames` frames at a random place."""
    spare = max(len(x) - frames, 0)
    start = int(torch.randint(spare + 1, (), generator=generator))
    return x[start : start + frames]


def random_crops(
    images: Float[Tensor, "items 3 side side"], smallest: float, *, generator: torch.Generator
) -> Float[Tensor, "items 3 side side"]:
    """Crop each picture to a random part, resize it back, mirror half of them.

    Args:
        images: square pictures.
        smallest: least share of the area that is kept; the aspect ratio varies from 3/4 to 4/3.
        generator: source of randomness.
    """
    items = len(images)
    area = smallest + (1 - smallest) * torch.rand(items, generator=generator)
    ratio = ((torch.rand(items, generator=generator) * 2 - 1) * 0.2877).exp()  # log(4/3)
    width = (area * ratio).sqrt().clamp(max=1)
    height = (area / ratio).sqrt().clamp(max=1)
    across = (torch.rand(items, generator=generator) * 2 - 1) * (1 - width)
    down = (torch.rand(items, generator=generator) * 2 - 1) * (1 - height)
    mirror = (torch.rand(items, generator=generator) < 0.5).float() * -2 + 1
    theta = torch.zeros(items, 2, 3)
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


class TrainSteps(Dataset[tuple[dict[Modality, Inputs], dict[Modality, Inputs] | None]]):
    """What every training step sees, by its number.

    Each modality draws its own items in its own order, so that the masked objectives learn nothing
    about what belongs together; pairs, where a run uses them, come in a batch apart.

    Args:
        folder: items whose split is "train" are used.
        config: of the run.
        rank: of this process.
        world: how many processes there are; each sees its own part of every step's batch.

    Raises:
        InputError: if a modality has no training items, or pairs are wanted and there are none.
    """

    def __init__(
        self, folder: DataFolder, config: RunConfig, *, rank: int = 0, world: int = 1
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
            m: Collator(config, m) for m in config.modalities
        }
        self.cache = ItemCache(config)

    def __len__(self) -> int:
        return self.config.optim.steps

    def __getitem__(
        self, step: int
    ) -> tuple[dict[Modality, Inputs], dict[Modality, Inputs] | None]:
        """Return the masked batch of every modality, and the batch of pairs if the run has any."""
        masked: dict[Modality, Inputs] = {}
        if self.config.objective != "none":
            for modality, items in self.items.items():
                chosen = self._chosen(len(items), self.config.optim.batch, step, modality)
                masked[modality] = self.collators[modality].masked(
                    [self.cache(items[i]) for i in chosen],
                    generator=seeded(self.config.seed, "batch", modality, step, self.rank),
                )
        if not self.pairs:
            return masked, None
        rows = self._chosen(len(self.pairs), self.config.pairs.batch, step, "pairs")
        generator = seeded(self.config.seed, "pairs", step, self.rank)
        paired: dict[Modality, Inputs] = {}
        for modality, collate in self.collators.items():
            tensors = [self.cache(self.pairs[row][modality]) for row in rows]
            paired[modality] = collate(tensors, generator=generator)
        return masked, paired

    def _chosen(self, count: int, batch: int, step: int, stream: str) -> list[int]:
        """Return this process's indices of a step: a walk through one permutation an epoch."""
        start = (step * self.world + self.rank) * batch
        return [shuffled_index(start + n, count, self.config.seed, stream) for n in range(batch)]


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
