"""What a visitor brings to ask with: checked, decoded once, kept under its own hash."""

import contextlib
import hashlib
import secrets
from pathlib import Path

from app import places
from d2v_core.data.items import SUFFIXES
from d2v_core.errors import MediaError
from d2v_core.modality import Modality

MOST_BYTES, MOST_KEPT = 50_000_000, 1_000_000_000
"""Of one upload, and of all that are kept: the oldest go first."""

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
    kept_root().mkdir(parents=True, exist_ok=True)
    path = kept_root() / hashlib.sha256(content).hexdigest()
    if path.exists():
        path.touch()  # asked with again: it stays longer
        return path
    aside = path.with_suffix(f".{secrets.token_hex(4)}")  # others may bring the same at once
    aside.write_bytes(content)
    aside.replace(path)
    _make_room(path)
    return path


def kept_root() -> Path:
    """Return where uploads are kept."""
    return places.home() / ".cache" / "asked"


def _make_room(newest: Path) -> None:
    """Remove uploads, the oldest first, until they are few enough; the newest stays."""
    known = []
    for path in newest.parent.iterdir():
        if path != newest and not path.suffix:
            with contextlib.suppress(FileNotFoundError):  # somebody else made room
                known.append((path.stat(), path))
    room = MOST_KEPT - newest.stat().st_size
    for about, path in sorted(known, key=lambda pair: -pair[0].st_mtime_ns):
        room -= about.st_size
        if room < 0:
            path.unlink(missing_ok=True)
