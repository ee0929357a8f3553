"""Filter banks as Kaldi makes them, for models that were trained on such."""

import torch
from jaxtyping import Float
from torch import Tensor

from d2v_core.data.audio import SAMPLE_RATE_HZ
from d2v_core.torchaudio_cpu import torchaudio

EAT_MEAN, EAT_STD = -4.268, 4.569
WINDOW = SAMPLE_RATE_HZ // 40


def eat_spectrogram(
    samples: Float[Tensor, " samples"], *, bins: int
) -> Float[Tensor, "frames {bins}"]:
    """Return the log-mel energies that EAT hears: (samples,) → (frames, bins), 100 frames a second.

    The recording loses its mean; windows of 25 ms (Hann) lie whole in the sound, one that is
    shorter than a window is filled up with zeros. Energies x become (x + 4.268) / (2 · 4.569), the
    constants of AudioSet.

    Args:
        samples: at 16 kHz, full scale ±1.
        bins: mel bins.

    Source: EAT, arXiv:2401.03497; Kaldi's `compute-fbank-feats`.
    """
    samples = torch.nn.functional.pad(samples, (0, max(0, WINDOW - len(samples))))
    found = torchaudio.compliance.kaldi.fbank(
        (samples - samples.mean())[None],
        htk_compat=True,
        sample_frequency=SAMPLE_RATE_HZ,
        use_energy=False,
        window_type="hanning",
        num_mel_bins=bins,
        dither=0.0,
    )
    return (found - EAT_MEAN) / (2 * EAT_STD)
