"""Small models of every front end, and batches for them, that several tests share."""

import dataclasses

import torch

from d2v_core.config import RunConfig, TrunkConfig
from d2v_core.data.batches import Collator
from d2v_core.inputs import with_mask
from d2v_core.masking import draw_masks
from d2v_core.modality_config import (
    ConvDecoderConfig,
    ImageConfig,
    MaskConfig,
    MelConfig,
    TargetConfig,
    TextConfig,
    WaveConfig,
)

MASKS = 3
MASK = MaskConfig(ratio=0.6, length=2, adjust=0.1, inverse=True, masks=MASKS)
EVERY = {
    "mask": MASK,
    "decoder": ConvDecoderConfig(width=32, noise_std=0.0),
    "target": TargetConfig(layers=2),
}
MEL = EVERY | {
    "bins": 32,
    "patch_frames": 8,
    "patch_bins": 8,
    "train_frames": 80,
    "max_frames": 80,
}
WAVE = EVERY | {"channels": 16, "position_kernel": 5, "position_groups": 4}
IMAGE = EVERY | {"size": 40, "patch": 8}
SETTINGS = {
    "image": ImageConfig(**IMAGE),
    "image, relative": ImageConfig(positions="relative", **IMAGE),
    "mel": MelConfig(**MEL),
    "mel, alibi": MelConfig(alibi=True, **MEL),
    "wave": WaveConfig(**WAVE),
    "wave, single": WaveConfig(positions="single", conv_bias=True, **WAVE),
    "text": TextConfig(max_tokens=40, **EVERY),
}
DIM, DEPTH = 32, 3


def modality_of(name):
    kind = name.split(",")[0]
    return "audio" if kind in ("mel", "wave") else kind


def run_of(name, *, trunk=None, **changes):
    """Return a run of one front end; pictures with relative positions have pre-norm blocks."""
    pre_norm = {"norm_first": True, "layer_scale": 0.5} if "relative" in name else {}
    sizes = {"dim": DIM, "depth": DEPTH, "prenet_depth": 1, "heads": 4}
    modality = dataclasses.replace(SETTINGS[name], **changes)
    return RunConfig(
        trunk=TrunkConfig(**(sizes | pre_norm | (trunk or {}))), **{modality_of(name): modality}
    )


def redrawn(module, std=0.2):
    """Make all weights large, so that attention is far from even and nothing can hide."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * std)
    return module


def item(config, size):
    """Return an item's tensor, random; `size` counts three words or tokens, or a patch of time."""
    match config:
        case ImageConfig():
            return torch.randn(3, config.size, config.size)
        case MelConfig():
            return torch.randn(size * config.patch_frames - 3, config.bins)  # a patch is cut off
        case WaveConfig():
            return torch.randn(400 + 320 * (3 * size - 1) + 100)
        case TextConfig():
            return torch.randint(config.size, (3 * size,))


def batch_of(config, items):
    """Return a batch of the run's only modality."""
    (modality,) = config.modalities
    return Collator(config, modality)(items)


def masks_of(inputs, mask, seed=0):
    """Draw masks; an item's do not depend on the others."""
    generators = [torch.Generator().manual_seed(seed + n) for n in range(len(inputs.lengths))]
    return draw_masks(inputs.lengths, inputs.grid, mask, generators=generators)


def masked_batch(config, sizes=(7, 7), seed=0):
    """Return a masked batch of random items of the run's only modality."""
    (modality,) = config.modalities
    settings = config.of(modality)
    inputs = batch_of(config, [item(settings, size) for size in sizes])
    return with_mask(inputs, masks_of(inputs, settings.mask, seed))


def with_other(inputs, places, config, other=None):
    """Return the batch with other values where a token is in `places`; one row an item.

    They are random unless given. The tokens of raw sound share samples: for it this cannot be done.
    """
    values = inputs.values
    if other is None:
        is_text = isinstance(config, TextConfig)
        other = torch.randint(config.size, values.shape) if is_text else torch.randn_like(values)
    match config:
        case ImageConfig():
            side = config.size // config.patch
            places = places.view(-1, 1, side, side)
            places = places.repeat_interleave(config.patch, 2).repeat_interleave(config.patch, 3)
        case MelConfig():
            places = places.view(len(values), -1, config.bins // config.patch_bins)
            places = places.repeat_interleave(config.patch_frames, 1)
            places = places.repeat_interleave(config.patch_bins, 2)
    return inputs._replace(values=torch.where(places, other, values))
