"""What a visitor brings to ask with: checked, decoded once, kept under its own hash."""

import hashlib
from pathlib import Path

from app.workbench import ROOT
from d2v_core.data.items import SUFFIXES
from d2v_core.errors import MediaError
from d2v_core.modality import Modality

KEPT = ROOT / ".cache" / "asked"
MOST_BYTES = 50_000_000
PICTURES = ["png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff", "ppm"]
USUAL = ("wav", "mp3", "flac", "ogg", "opus", "aiff")
"""Said first: there is room for a few."""

_TAKEN = [suffix.removeprefix(".") for suffix in SUFFIXES["audio"]]
SOUNDS = [*USUAL, *(suffix for suffix in _TAKEN if suffix not in USUAL)]
"""Suffixes that a page offers to take."""


def keep(modality: Modality, content: bytes) -> Path:
    """Write uploaded bytes to a file named by their hash, once they have been decoded.

    Args:
        modality: what they are said to be.
        content: of the file.

    Returns:
        The file. Nothing of the name that it had elsewhere is in its name.

    Raises:
        MediaError: if it is too large, or is no picture or sound that can be read.
    """
    from d2v_core.data.audio import decode_audio
    from d2v_core.data.image import decode_image

    if len(content) > MOST_BYTES:
        raise MediaError(f"{len(content) / 1e6:.0f} MB; up to {MOST_BYTES / 1e6:.0f} MB are taken")
    if modality == "image":
        decode_image(content)
    else:
        decode_audio(content)
    KEPT.mkdir(parents=True, exist_ok=True)
    path = KEPT / hashlib.sha256(content).hexdigest()
    if not path.exists():
        aside = path.with_suffix(".part")
        aside.write_bytes(content)
        aside.replace(path)
    return path
