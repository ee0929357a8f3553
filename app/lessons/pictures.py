"""Pictures with their patches, large enough to be seen from the last row."""

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from d2v_core.teaching.pictures import Grid

HIDDEN, LINE = (200, 205, 210), (140, 148, 155)
SIDE = 224
"""Pixels of the shorter side on the screen."""


def hide(picture: np.ndarray, mask: np.ndarray, grid: "Grid") -> np.ndarray:
    """Return a picture enlarged, with the hidden patches under a grey sheet.

    Args:
        picture: RGB, a whole number of patches.
        mask: True where hidden, by row and column of patches.
        grid: the patches.
    """
    large, factor = enlarge(picture)
    covered = large.copy()
    for row, column in np.argwhere(mask):
        top, left = row * grid.height * factor, column * grid.width * factor
        bottom, right = top + grid.height * factor, left + grid.width * factor
        covered[top:bottom, left:right] = LINE
        covered[top : bottom - 1, left : right - 1] = HIDDEN
    return covered


def enlarge(picture: np.ndarray) -> tuple[np.ndarray, int]:
    """Return a picture enlarged by a whole number, and that number; pixels stay sharp squares."""
    flat = np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture
    factor = max(1, round(SIDE / flat.shape[0]))
    return flat.repeat(factor, axis=0).repeat(factor, axis=1), factor


def tiles(colours: np.ndarray, grid: "Grid") -> np.ndarray:
    """Return one colour a patch as a picture as large as that of the item itself."""
    whole = colours.repeat(grid.height, axis=0).repeat(grid.width, axis=1)
    return enlarge(whole)[0]


def smooth(picture: np.ndarray) -> np.ndarray:
    """Return a picture enlarged without squares, as a person would want to see it."""
    large, _ = enlarge(picture)
    size = (large.shape[1], large.shape[0])
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))


def apart(picture: np.ndarray) -> np.ndarray:
    """Return a picture with a clear margin on the right, which keeps it off the next one."""
    opaque = np.dstack([picture, np.full(picture.shape[:2], 255, dtype=np.uint8)])
    margin = round(0.04 * picture.shape[0])
    return np.pad(opaque, ((0, 0), (0, margin), (0, 0)))


def as_url(picture: np.ndarray) -> str:
    """Return a picture as an address that holds it.

    Streamlit forgets the pictures of a run when the next one begins: a browser that is slow, or a
    visitor who is fast, would find some of them gone.
    """
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
