"""What a student may see of an item: the very masks of training, drawn for one item."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8

from d2v_core.checkpoint import read_run
from d2v_core.data.items import Item
from d2v_core.data.walk import seeded
from d2v_core.masking import block_masks
from d2v_core.modality_config import MaskConfig
from d2v_core.teaching.pictures import Grid, grid_of, on_picture, one_item, picture_of_inputs

ADJUST = 0.07  # as in the presets


@dataclass(frozen=True)
class MaskedViews:
    """An item and M masked views of it.

    Attributes:
        picture: all of it, which the teacher sees.
        grid: its patches.
        masks: True where the student may not see; one view after the other.
        blocks: drawn in each view, before single patches are hidden or shown to the exact count.
        furthest: of a hidden patch, how many patches it is on average to the nearest visible one.
    """

    picture: UInt8[np.ndarray, "height width 3"]
    grid: Grid
    masks: Bool[np.ndarray, "views rows columns"]
    blocks: int
    furthest: float

    @property
    def visible(self) -> int:
        """Return how many patches one view shows."""
        return int((~self.masks[0]).sum())


def masked_views(
    run: Path, item: Item, *, ratio: float, length: int, views: int, draw: int
) -> MaskedViews:
    """Mask an item as data2vec 2.0 does: blocks stay visible, trimmed to the exact count.

    Args:
        run: its settings say how the item is cut into patches.
        item: a picture or a sound.
        ratio: share of the patches that is hidden.
        length: side of a visible block in patches.
        views: M, masks of the same item.
        draw: number of the draw; another one, other masks.

    Raises:
        ConfigError: if the run does not cut such items into patches.
        MediaError: if the item cannot be decoded.
    """
    config, _ = read_run(run)
    inputs = one_item(config, item)
    grid = grid_of(config, item.modality, inputs)
    settings = MaskConfig(ratio=ratio, length=length, adjust=ADJUST, inverse=True, masks=views)
    generators = [seeded("lesson", item.id, draw)]
    mask = block_masks(inputs.lengths, inputs.grid, settings, generators=generators)
    shown = np.stack(
        [on_picture(row[:, None].float(), item.modality, grid)[..., 0] > 0 for row in mask]
    )
    picture = picture_of_inputs(inputs, item.modality, grid)
    blocks = int(int(inputs.lengths[0]) * (1 - ratio + ADJUST) / length**2)
    return MaskedViews(picture, grid, shown, blocks, way_to_visible(shown))


def way_to_visible(masks: Bool[np.ndarray, "views rows columns"]) -> float:
    """Return the mean distance of a hidden patch to the nearest visible one, in patches.

    NaN if nothing is hidden, or nothing visible.
    """
    found: list[Float[torch.Tensor, " hidden"]] = []
    for mask in masks:
        hidden, visible = (torch.from_numpy(np.argwhere(m)).double() for m in (mask, ~mask))
        if len(hidden) and len(visible):
            found.append(torch.cdist(hidden, visible).amin(dim=1))
    return float(torch.cat(found).mean()) if found else float("nan")
