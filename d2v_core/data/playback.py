"""What a person hears and sees of a sound: a file any browser plays, and a spectrogram."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from jaxtyping import Float, Float32, UInt8

from d2v_core.data.audio import SAMPLE_RATE_HZ, decode_audio

WINDOW, HOP = 512, 160
"""Samples: 32 ms, every 10 ms. A bin is 31 Hz wide."""

RANGE_DB = 80.0
"""Below the loudest place by more than this is drawn as silence."""

MOST_FRAMES = 600
"""Longer sounds are drawn with a longer hop: a screen shows no more."""

_INK = ((0.0, (0, 0, 4)), (0.3, (81, 18, 124)), (0.55, (183, 55, 121)), (0.8, (252, 137, 97)))
_PAPER = (1.0, (252, 253, 191))


@dataclass(frozen=True)
class Playback:
    """A sound as the models get it: mono at 16 kHz.

    Attributes:
        wav: the bytes of a WAV file of 16 bits.
        decibels: levels (frequencies, frames) from -RANGE_DB to 0, the loudest place being 0.
        seconds: of the whole sound.
    """

    wav: bytes
    decibels: Float[np.ndarray, "frequencies frames"]
    seconds: float

    @property
    def khz(self) -> float:
        """Return the frequency of the last row of `decibels`; the first is 0."""
        return SAMPLE_RATE_HZ / 2000


def open_playback(path: Path) -> Playback:
    """Decode a sound for eyes and ears.

    Raises:
        MediaError: if it cannot be decoded.
    """
    return playback_of(decode_audio(path).numpy())


def playback_of(samples: Float32[np.ndarray, " samples"]) -> Playback:
    """Return samples at SAMPLE_RATE_HZ for eyes and ears; what is beyond ±1 is cut off."""
    file = io.BytesIO()
    soundfile.write(file, np.clip(samples, -1, 1), SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
    return Playback(file.getvalue(), spectrogram(samples), len(samples) / SAMPLE_RATE_HZ)


def spectrogram(samples: Float[np.ndarray, " samples"]) -> Float[np.ndarray, "frequencies frames"]:
    """Return the level in decibels at every frequency from 0 to 8 kHz, frame by frame.

    (samples,) → (WINDOW / 2 + 1, frames). Frame t is centred at sample t · hop. Relative to the
    loudest place, which is 0; silence is -RANGE_DB throughout.

    Args:
        samples: at SAMPLE_RATE_HZ.
    """
    hop = max(HOP, -(-len(samples) // MOST_FRAMES))
    padded = torch.nn.functional.pad(torch.from_numpy(samples), (WINDOW // 2, WINDOW // 2))
    frames = padded.unfold(0, WINDOW, hop) * torch.hann_window(WINDOW)
    power = torch.fft.rfft(frames).abs().square().T.double().numpy()
    loudest = power.max()
    if loudest <= 0:
        return np.full(power.shape, -RANGE_DB)
    return 10 * np.log10(np.maximum(power / loudest, 10 ** (-RANGE_DB / 10)))


def picture_of(
    decibels: Float[np.ndarray, "frequencies frames"],
) -> UInt8[np.ndarray, "frequencies frames 3"]:
    """Return a spectrogram as RGB, low frequencies at the bottom, dark where it is silent."""
    places = (decibels[::-1] + RANGE_DB) / RANGE_DB
    stops = [place for place, _ in (*_INK, _PAPER)]
    colours = np.array([colour for _, colour in (*_INK, _PAPER)], dtype=float)
    channels = [np.interp(places, stops, colours[:, c]) for c in range(3)]
    return np.stack(channels, axis=2).round().astype(np.uint8)
