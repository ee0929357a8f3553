"""How like two encoders are that should be the same: all layers of items drawn from a seed."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image

from d2v_core.data.items import Item
from d2v_core.encoders.encoder import Encoder
from d2v_core.errors import CheckpointError
from d2v_core.modality import Modality

MOST_DIFFERENCE = 1e-5
"""Of any number at any layer: what the order of sums explains in fp32, and no mistake does."""

SECONDS, RATE_HZ, SIDES = 2, 16_000, (240, 300)
SENTENCE = "At dawn, two small robins sing in the rain; a large owl answers from far away."


@dataclass(frozen=True)
class Likeness:
    """What was compared, and the largest difference.

    Attributes:
        difference: between any two numbers.
        at: the modality and the tap of it.
        taps: how many layers were compared, of each modality.
        numbers: how many numbers.
    """

    difference: float
    at: str
    taps: dict[str, int]
    numbers: int

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON."""
        return dict(vars(self))


def likeness(one: Encoder, other: Encoder, *, seed: int = 0) -> Likeness:
    """Let both encode the same picture, sound and text, each in its own way from the file on.

    Args:
        one: an encoder.
        other: another, with the same taps; it may count more tokens in front as no part of an item.
        seed: of what they encode.

    Raises:
        CheckpointError: if they have other modalities or taps, or a number is not finite.
    """
    if (one.modalities, one.taps) != (other.modalities, other.taps):
        raise CheckpointError(
            f"{one.name} and {other.name} have other layers: {', '.join(one.taps)}; "
            f"{', '.join(other.taps)}"
        )
    worst, at, numbers = 0.0, "", 0
    for modality in one.modalities:
        for tap, (left, right) in _pairs(one, other, modality, seed):
            difference = float(np.abs(left - right).max())
            if not np.isfinite(difference):
                raise CheckpointError(f"{modality} at {tap} is not finite")
            numbers += left.size
            if not at or difference > worst:
                worst, at = difference, f"{modality} {tap}"
    return Likeness(worst, at, {m: len(one.taps) for m in one.modalities}, numbers)


def _pairs(
    one: Encoder, other: Encoder, modality: Modality, seed: int
) -> list[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    """Return what both make of an item, tap by tap: its tokens and its vector."""
    with tempfile.TemporaryDirectory() as folder:
        item = _drawn(modality, Path(folder), np.random.default_rng(seed))
        mine, theirs = (x.encode(modality, [x.load(item)]) for x in (one, other))
    found = []
    for n, tap in enumerate(one.taps):
        found.append((tap, (mine.pooled[n].cpu().numpy(), theirs.pooled[n].cpu().numpy())))
        left, right = mine.tokens[n], theirs.tokens[n]
        if left is not None and right is not None:
            both = min(left.shape[1], right.shape[1])
            tokens = left[:, -both:].cpu().numpy(), right[:, -both:].cpu().numpy()
            found.append((tap, tokens))
    return found


def _drawn(modality: Modality, folder: Path, rng: np.random.Generator) -> Item:
    """Write a picture, a sound or a text of no meaning, with something at every place."""
    source: str | Path = SENTENCE
    if modality == "image":
        source = folder / "drawn.png"
        Image.fromarray(rng.integers(0, 256, (*SIDES, 3), dtype=np.uint8)).save(source)
    elif modality == "audio":
        source = folder / "drawn.wav"
        time = np.arange(SECONDS * RATE_HZ) / RATE_HZ
        wave = np.sin(2 * np.pi * (200 + 300 * time) * time) + 0.3 * rng.normal(size=len(time))
        soundfile.write(source, 0.3 * wave / np.abs(wave).max(), RATE_HZ)
    return Item("drawn", modality, source, None, "test", None, {})
