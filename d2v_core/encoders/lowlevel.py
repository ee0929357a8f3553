"""What one gets without any model: thumbnails, average spectra, letter counts.

A trained model has to do better than this, and a claim of alignment has to say that it did.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from d2v_core.data.audio import decode_audio, mel_spectrogram
from d2v_core.data.image import decode_image, image_tensor
from d2v_core.data.items import Item
from d2v_core.data.text import decode_text
from d2v_core.encoders.encoder import LayerStates, Role
from d2v_core.modality import MODALITIES, Modality

THUMBNAIL, MEL_BINS, WIDTH = 8, 64, 256
SECONDS, CHARACTERS = 10.0, 10_000


class LowLevelEncoder:
    """Pictures as 8 x 8 pixels, sounds as mean and spread of 64 mel bins, texts as byte shares.

    All are padded with zeros to one width, so that they fit one table.
    """

    name = "lowlevel"
    hash = "lowlevel-1"
    role: Role = "low-level features"
    pairs_seen = False
    modalities = MODALITIES
    taps: tuple[str, ...] = ("lowlevel",)
    widths: tuple[int, ...] = (WIDTH,)
    pooling = "statistics"
    batch = 32

    def load(self, item: Item) -> Tensor:
        """Decode an item and take its statistics; raise MediaError if it cannot be decoded."""
        match item.modality:
            case "image":
                pixels = image_tensor(decode_image(item.file), size=64)
                x = F.adaptive_avg_pool2d(pixels, THUMBNAIL).flatten()
            case "audio":
                samples = decode_audio(item.file, first_seconds=SECONDS)
                mel = mel_spectrogram(samples, mel_bins=MEL_BINS)
                x = torch.cat([mel.mean(dim=0), mel.std(dim=0, correction=0)])
            case "text":
                text = torch.tensor(list(decode_text(item.source)[:CHARACTERS].encode()))
                x = torch.bincount(text, minlength=256).float() / len(text)
        return F.pad(x, (0, WIDTH - len(x)))

    def encode(self, modality: Modality, tensors: Sequence[Tensor]) -> LayerStates:
        """Return the statistics themselves; there are no tokens."""
        return LayerStates((torch.stack(list(tensors)),), (None,), None)
