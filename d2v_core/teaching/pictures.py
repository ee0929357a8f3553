"""What a model is given, as a picture with its patches: a person sees what the student sees.

A picture stays as it is. A spectrogram is turned so that time runs to the right and high
frequencies are at the top; its grid of patches is turned with it.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from d2v_core.config import RunConfig
from d2v_core.data.audio import LOG_MEL_FLOOR, LOG_MEL_MEAN, LOG_MEL_STD
from d2v_core.data.batches import Collator, item_tensor
from d2v_core.data.items import Item
from d2v_core.data.playback import picture_of
from d2v_core.errors import ConfigError
from d2v_core.inputs import Inputs
from d2v_core.modality import Modality
from d2v_core.modality_config import ImageConfig, MelConfig

DECIBELS = 10 / np.log(10)  # of one unit of the natural logarithm of power


@dataclass(frozen=True)
class Grid:
    """How the tokens of an item lie in the picture that a person sees of it.

    Attributes:
        rows: of patches, from the top.
        columns: of patches, from the left.
        height: of a patch in pixels.
        width: of a patch in pixels.
    """

    rows: int
    columns: int
    height: int
    width: int


def one_item(config: RunConfig, item: Item) -> Inputs:
    """Return an item as a batch of one, neither cropped nor masked.

    Raises:
        ConfigError: if the run has no such modality, or not as patches.
        MediaError: if the item cannot be decoded.
    """
    if not isinstance(config.of(item.modality), ImageConfig | MelConfig):
        raise ConfigError(f"{item.modality} of this run is not cut into patches of a picture")
    return Collator(config, item.modality)([item_tensor(item, config)])


def grid_of(config: RunConfig, modality: Modality, inputs: Inputs) -> Grid:
    """Return how the tokens lie in the picture; patches of padding alone are left out."""
    settings = config.of(modality)
    if isinstance(settings, ImageConfig):
        rows, columns = inputs.grid
        return Grid(rows, columns, settings.patch, settings.patch)
    assert isinstance(settings, MelConfig)
    bands = inputs.grid[1]
    times = int(inputs.lengths[0]) // bands
    return Grid(bands, times, settings.patch_bins, settings.patch_frames)


def on_picture(
    x: Float[Tensor, "tokens values"], modality: Modality, grid: Grid
) -> Float[np.ndarray, "rows columns values"]:
    """Return values of tokens at their places in the picture."""
    tokens = grid.rows * grid.columns
    if modality == "image":
        return x[:tokens].reshape(grid.rows, grid.columns, -1).numpy()
    by_time = x[:tokens].reshape(grid.columns, grid.rows, -1)
    return by_time.transpose(0, 1).flip(0).numpy()


def picture_of_inputs(
    inputs: Inputs, modality: Modality, grid: Grid
) -> UInt8[np.ndarray, "height width 3"]:
    """Return what the model is given as RGB."""
    values = inputs.values[0]
    if modality == "image":
        levels = (values.permute(1, 2, 0) + 1) * 127.5
        return levels.clamp(0, 255).round().to(torch.uint8).numpy()
    frames = values[: grid.columns * grid.width]
    logs = frames.T.numpy() * LOG_MEL_STD + LOG_MEL_MEAN
    logs[:, (frames == 0).all(dim=1).numpy()] = -np.inf  # the last patch is filled up with zeros
    decibels = DECIBELS * (np.maximum(logs, np.log(LOG_MEL_FLOOR)) - logs.max())
    return picture_of(np.maximum(decibels, -80.0))
