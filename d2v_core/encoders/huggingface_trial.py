"""A model is tried on one made item before it is given to anybody.

Settings that do not fit each other (three means for four channels, no block, a rate of 0) are no
fault of the data: they are found here, and not at the first item.
"""

import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch
from PIL import Image

from d2v_core.data.audio import SAMPLE_RATE_HZ
from d2v_core.data.items import Item
from d2v_core.encoders.huggingface_parts import Part
from d2v_core.errors import CheckpointError, MediaError
from d2v_core.modality import Modality


@torch.inference_mode()
def try_out(part: Part) -> None:
    """Run a tower once.

    Raises:
        CheckpointError: if it can make nothing of the item.
        Exception: whatever the library raises if its settings do not fit.
    """
    with tempfile.TemporaryDirectory() as place:
        try:
            tensor = part.prepare.load(_made(part.tower.modality, Path(place)))
        except MediaError as error:
            raise CheckpointError(f"it can make nothing of a plain item: {error}") from error
    part.states([tensor], torch.device("cpu"), taps=tuple(part.widths(ffn=True)))


def _made(modality: Modality, folder: Path) -> Item:
    """Return a grey picture, a second of soft noise, or a letter and one that few know."""
    source: Path | str = "a \u1234"
    if modality == "image":
        source = folder / "made.png"
        Image.new("RGB", (64, 48), "grey").save(source)
    elif modality == "audio":
        source = folder / "made.wav"
        noise = np.random.default_rng(0).normal(scale=0.01, size=SAMPLE_RATE_HZ)
        soundfile.write(source, noise, SAMPLE_RATE_HZ)
    return Item("made", modality, source, label=None, split="test", group=None, columns={})
