"""From items to padded, augmented, masked batches.

What is drawn for an item comes from a generator of its own: it does not depend on the others.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor

from d2v_core.config import RunConfig
from d2v_core.data.audio import decode_audio, mel_spectrogram
from d2v_core.data.image import decode_image, image_tensor
from d2v_core.data.items import Item
from d2v_core.data.text import decode_text
from d2v_core.data.vocabulary import vocabulary
from d2v_core.errors import MediaError
from d2v_core.inputs import Inputs, with_mask
from d2v_core.labels import NO_LABEL, Labels, clock_of
from d2v_core.masking import Generators, draw_masks, uniform
from d2v_core.modality import Modality
from d2v_core.modality_config import ImageConfig, MelConfig, TextConfig, WaveConfig
from d2v_core.model import tokens_of

MOST_WORDS = 100_000  # of one text; a training crop is much shorter
HEARD_BY_A_TOKEN = 400  # samples


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
