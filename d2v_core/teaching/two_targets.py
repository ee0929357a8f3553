"""One picture, two targets: its pixels, or what a network makes of it; and what moves each."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from d2v_core.data.items import Item
from d2v_core.data.walk import seeded
from d2v_core.encoders.run import trained
from d2v_core.errors import ConfigError
from d2v_core.inputs import Inputs
from d2v_core.modalities.image import ImageTokens
from d2v_core.modalities.mel import MelTokens
from d2v_core.modality import Modality
from d2v_core.model import Student
from d2v_core.objectives.data2vec2 import teacher_targets
from d2v_core.objectives.reconstruct import normalised_patches
from d2v_core.teaching.pictures import Grid, grid_of, on_picture, one_item, picture_of_inputs


@dataclass(frozen=True)
class TwoTargets:
    """What would be predicted of an item, as it is and changed.

    Attributes:
        picture: the item as it is.
        changed: the item with noise, darker or lighter.
        pixels: the patches as MAE predicts them, each with mean 0 and variance 1, as a picture.
        changed_pixels: of the changed item.
        latent: the teacher's target, its three widest directions as red, green and blue.
        changed_latent: of the changed item, in the same colours.
        pixels_kept: correlation of the pixel target before and after; 1 if nothing moved.
        latent_kept: of the teacher's target.
        grid: the patches.
    """

    picture: UInt8[np.ndarray, "height width 3"]
    changed: UInt8[np.ndarray, "height width 3"]
    pixels: UInt8[np.ndarray, "height width _"]
    changed_pixels: UInt8[np.ndarray, "height width _"]
    latent: UInt8[np.ndarray, "rows columns 3"]
    changed_latent: UInt8[np.ndarray, "rows columns 3"]
    pixels_kept: float
    latent_kept: float
    grid: Grid


def two_targets(run: Path, item: Item, *, noise: float, gain: float, draw: int = 0) -> TwoTargets:
    """Compare what MAE and what data2vec 2.0 would predict of an item, before and after a change.

    A shipped run holds the student only; at the end of a training the teacher hardly differs from
    it, and the student stands in for it here.

    Args:
        run: a run folder.
        item: a picture or a sound.
        noise: standard deviation of Gaussian noise on the input, whose levels go from -1 to 1
            (pictures) or have about variance 1 (spectrograms).
        gain: what the input is multiplied by; 1 leaves it.
        draw: number of the noise.

    Raises:
        CheckpointError: if there is no such run.
        ConfigError: if the run does not cut such items into patches.
        MediaError: if the item cannot be decoded.
    """
    student = trained(run).student.cpu()
    modality = item.modality
    before = one_item(student.config, item)
    drawn = torch.randn(before.values.shape, generator=seeded("noise", item.id, draw))
    after = before._replace(values=gain * before.values + noise * drawn)
    grid = grid_of(student.config, modality, before)
    used = grid.rows * grid.columns
    pixels = [_pixels(student, modality, x)[:used] for x in (before, after)]
    latent = [_latent(student, modality, x)[:used] for x in (before, after)]
    colours = three_colours(latent[0], latent[1])
    return TwoTargets(
        picture=picture_of_inputs(before, modality, grid),
        changed=picture_of_inputs(after, modality, grid),
        pixels=_patchwork(pixels[0], modality, grid),
        changed_pixels=_patchwork(pixels[1], modality, grid),
        latent=on_picture(colours[0], modality, grid).astype(np.uint8),
        changed_latent=on_picture(colours[1], modality, grid).astype(np.uint8),
        pixels_kept=correlation(*pixels),
        latent_kept=correlation(*latent),
        grid=grid,
    )


@torch.no_grad()
def _pixels(student: Student, modality: Modality, inputs: Inputs) -> Float[Tensor, "tokens values"]:
    tokens = student.prenet(modality).tokens
    if not isinstance(tokens, ImageTokens | MelTokens):
        raise ConfigError(f"{modality} of this run is not cut into patches of a picture")
    return normalised_patches(tokens.patches(inputs.values))[0]


@torch.no_grad()
def _latent(student: Student, modality: Modality, inputs: Inputs) -> Float[Tensor, "tokens dim"]:
    return teacher_targets(modality, student, student.embed(modality, inputs), inputs)[0][0]


def correlation(x: Float[Tensor, "tokens dim"], y: Float[Tensor, "tokens dim"]) -> float:
    """Return the correlation of all numbers of both; 1 if nothing but scale and shift changed."""
    a, b = (z.double().flatten() - z.double().mean() for z in (x, y))
    size = a.norm() * b.norm()
    return float(a @ b / size) if size > 0 else float("nan")


def three_colours(
    x: Float[Tensor, "tokens dim"], y: Float[Tensor, "tokens dim"]
) -> tuple[Float[Tensor, "tokens 3"], Float[Tensor, "tokens 3"]]:
    """Return tokens as colours from 0 to 255: the three widest directions of `x`, `y` in the same.

    Directions and limits are those of x; what of y lies beyond the limits is cut off.
    """
    mean = x.double().mean(dim=0)
    axes = torch.linalg.svd(x.double() - mean, full_matrices=False)[2][:3]
    heaviest = axes.gather(1, axes.abs().argmax(dim=1, keepdim=True))
    turned = [(z.double() - mean) @ (axes * heaviest.sign()).T for z in (x, y)]
    low, high = turned[0].amin(dim=0), turned[0].amax(dim=0)
    span = (high - low).clamp(min=1e-12)
    scaled = [((z - low) / span).clamp(0, 1) * 255 for z in turned]
    pad = (0, 3 - axes.shape[0])
    first, second = (torch.nn.functional.pad(z, pad, value=127.0) for z in scaled)
    return first.float(), second.float()


def _patchwork(
    patches: Float[Tensor, "tokens values"], modality: Modality, grid: Grid
) -> UInt8[np.ndarray, "height width _"]:
    """Return normalised patches side by side; three standard deviations each way fit."""
    levels = ((patches / 6 + 0.5).clamp(0, 1) * 255).round()
    cells = on_picture(levels, modality, grid)
    height, width = grid.height, grid.width
    if modality == "image":  # a patch holds its channels one after the other
        shaped = cells.reshape(grid.rows, grid.columns, 3, height, width).transpose(0, 3, 1, 4, 2)
    else:  # and of a sound its frames, each with the low frequencies first
        shaped = cells.reshape(grid.rows, grid.columns, 1, width, height)
        shaped = shaped[..., ::-1].transpose(0, 4, 1, 3, 2)
    whole = shaped.reshape(grid.rows * height, grid.columns * width, -1)
    return np.ascontiguousarray(whole.astype(np.uint8))
