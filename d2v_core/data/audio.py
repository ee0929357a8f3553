"""Audio: from a file to 16 kHz mono samples, from samples to a mel spectrogram."""

import contextlib
import functools
import io
import math
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile
import torch
from jaxtyping import Float
from scipy import signal
from torch import Tensor

from d2v_core.errors import MediaError
from d2v_core.torchaudio_cpu import torchaudio

SAMPLE_RATE_HZ = 16_000
MIN_RATE_HZ, MAX_RATE_HZ = 1_000, 768_000
MAX_LEVEL = 2.0**31
"""Louder samples are refused. Full scale is 1, or 2³¹ in files that hold bare integers."""

MOST_WIDE = 8 * 192_000
"""Values a second, over all channels, that the longest recording may have; shorter ones more."""

LOG_MEL_FLOOR = 1e-6
"""Power below which everything is silence: 100 dB under a full-scale tone."""

LOG_MEL_MEAN, LOG_MEL_STD = -4.0, 5.0
"""Fixed, so that loud stays louder than soft; about the mean and standard deviation of log-mel
values over recordings of animals, of spoken digits and of things (means -6 to -2, deviations 4.6
to 5.7)."""

_BLOCK_FRAMES = 1 << 16
_UNKNOWN_FRAMES = 2**62
"""libsndfile gives its largest number where a FLAC header leaves the length open."""

_STREAMED = 0x7FFFF000
"""Data sizes from here on stand for "unknown" in a WAV file that was written to a pipe."""

_PROMISE = re.compile(
    r"^ *(?:data|SSND|Data Size|BODY|riff|Riff size) +: (\d+) \(should be (\d+)\)", re.MULTILINE
)
"""How libsndfile logs that a WAV, AIFF, AU, CAF, SVX, W64 or RF64 file is shorter than it says."""

_FFT_SIZE = 1024
"""The window is padded to this, so that even the narrowest of 128 mel filters holds a bin."""


def decode_audio(
    source: Path | bytes,
    *,
    max_seconds: float = 60.0,
    first_seconds: float | None = None,
    sample_rate_hz: int = SAMPLE_RATE_HZ,
) -> Float[Tensor, " samples"]:
    """Return a recording as mono samples at one rate, full scale ±1.

    Channels are averaged, other rates resampled. The length is checked in the header, before a
    sample is read, and memory follows what is there: a header that lies gains nothing.

    Args:
        source: a file, or its bytes, in a format of libsndfile (WAV, FLAC, Ogg, MP3, AIFF, ...).
        max_seconds: longer recordings are refused; cut them into pieces first.
        first_seconds: read only this much of the start, for a model that sees no more.
        sample_rate_hz: of the samples that are returned.

    Raises:
        MediaError: if it is no recording, damaged, truncated, too long, without samples, or holds
            values that are not numbers.
    """
    _check_file(source)
    try:
        with _opened(source) as file, soundfile.SoundFile(file, closefd=False) as sound:
            rate = sound.samplerate
            _check_header(sound, max_seconds)
            most = math.inf if first_seconds is None else math.ceil(first_seconds * rate)
            mono = _read_mono(sound, most=float(max(1, most)))
    except soundfile.LibsndfileError as error:
        raise MediaError(_reason(error)) from error
    if not np.isfinite(mono).all():
        raise MediaError("holds values that are not numbers (NaN or infinite)")
    if np.abs(mono).max() > MAX_LEVEL:
        raise MediaError("holds values far beyond full scale (more than 2³¹): damaged")
    return torch.from_numpy(_resample(mono, rate, sample_rate_hz).astype(np.float32))


def mel_spectrogram(
    samples: Float[Tensor, " samples"],
    *,
    mel_bins: int,
    frame_ms: float = 25.0,
    hop_ms: float = 10.0,
) -> Float[Tensor, "frames {mel_bins}"]:
    """Return the normalised log-mel spectrogram of a sound.

    (samples,) → (frames, mel_bins) with frames = 1 + (samples - window) // hop. Frame t starts at
    sample t · hop; nothing is padded, except that a sound shorter than one window is filled up
    with zeros to exactly one. Power of a Hann window, summed by triangular filters that are
    equally spaced on the mel scale from 0 to 8 kHz, natural logarithm with a floor, then
    (x - LOG_MEL_MEAN) / LOG_MEL_STD with constants that do not depend on the sound.

    Args:
        samples: at SAMPLE_RATE_HZ.
        mel_bins: number of filters; beyond 128 the lowest would hold no frequency.
        frame_ms: length of the window.
        hop_ms: from one window to the next.

    Raises:
        ValueError: if there are no samples, or the window or the filters do not fit.
    """
    window, hop = (round(ms * SAMPLE_RATE_HZ / 1000) for ms in (frame_ms, hop_ms))
    if not (1 <= window <= _FFT_SIZE and hop >= 1 and 1 <= mel_bins <= 128):
        raise ValueError(
            f"frame_ms={frame_ms}, hop_ms={hop_ms}, mel_bins={mel_bins}: a window has 1 to "
            f"{_FFT_SIZE} samples at 16 kHz, a hop at least one, and there are 1 to 128 mel bins"
        )
    if len(samples) == 0:
        raise ValueError("no samples")
    missing = max(0, window - len(samples))
    frames = torch.nn.functional.pad(samples, (0, missing)).unfold(0, window, hop)
    spectrum = torch.fft.rfft(frames * torch.hann_window(window), n=_FFT_SIZE)
    power = spectrum.abs().square() @ _mel_filters(mel_bins)
    return (power.clamp(min=LOG_MEL_FLOOR).log() - LOG_MEL_MEAN) / LOG_MEL_STD


class _Bytes(io.BytesIO):
    """Bytes in which a seek to an impossible place stays where it is.

    libsndfile asks for such places in damaged files. An exception there would be printed, not
    raised: it cannot pass through C.
    """

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a place, if there is such a place; return where we are."""
        try:
            return super().seek(offset, whence)
        except ValueError:
            return self.tell()


@functools.lru_cache(maxsize=8)
def _mel_filters(mel_bins: int) -> Float[Tensor, "frequencies {mel_bins}"]:
    return torchaudio.functional.melscale_fbanks(
        n_freqs=_FFT_SIZE // 2 + 1,
        f_min=0.0,
        f_max=SAMPLE_RATE_HZ / 2,
        n_mels=mel_bins,
        sample_rate=SAMPLE_RATE_HZ,
    )


@contextlib.contextmanager
def _opened(source: Path | bytes) -> Iterator[_Bytes | int]:
    """Give what libsndfile is to read: never a name, by which it takes any `.au` for sound."""
    if isinstance(source, bytes):
        yield _Bytes(source)
        return
    try:
        file = source.open("rb")
    except OSError as error:
        raise MediaError(f"cannot be read: {error.strerror}") from error
    with file:
        yield file.fileno()


def _check_file(source: Path | bytes) -> None:
    if isinstance(source, bytes):
        is_empty = not source
    else:
        if not source.is_file():  # a pipe would block, a device never end
            raise MediaError("no such file" if not source.exists() else "not a regular file")
        is_empty = source.stat().st_size == 0
    if is_empty:
        raise MediaError("empty: 0 bytes")


def _check_header(sound: soundfile.SoundFile, max_seconds: float) -> None:
    rate, frames = sound.samplerate, sound.frames
    if not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
        raise MediaError(
            f"{rate} Hz by its header; rates from {MIN_RATE_HZ:,} to {MAX_RATE_HZ:,} can be read"
        )
    if "without an End-Of-Stream" in sound.extra_info:
        raise MediaError("truncated: the Ogg stream breaks off; save it anew if that is all of it")
    if frames == 0:
        raise MediaError("holds no samples")
    if frames >= _UNKNOWN_FRAMES:
        raise MediaError("its header does not say how long it is; save it anew")
    if frames > max_seconds * rate:
        raise MediaError(
            f"lasts {frames / rate:.1f} s, longer than {max_seconds:g} s; cut it into pieces"
        )
    if frames * sound.channels > MOST_WIDE * max_seconds:
        raise MediaError(
            f"{frames:,} samples in each of {sound.channels} channels, more than "
            f"{MOST_WIDE * max_seconds:,.0f} values in all; mix its channels, or cut it into pieces"
        )
    promised = _PROMISE.search(sound.extra_info)
    if promised and int(promised[2]) < int(promised[1]) < _STREAMED:
        raise MediaError(f"truncated: {promised[2]} of {promised[1]} bytes of sound are there")


def _read_mono(sound: soundfile.SoundFile, *, most: float) -> Float[np.ndarray, " frames"]:
    """Read block by block, so that memory follows what is there and not what the header says.

    Args:
        sound: an open file.
        most: frames after which to stop.
    """
    end = int(min(sound.frames, most))
    blocks, count = [], 0
    while count < end:
        most_now = min(_BLOCK_FRAMES // sound.channels + 1, end - count)
        block = sound.read(most_now, dtype="float32", always_2d=True)
        if not len(block):
            raise MediaError(f"truncated: {count} of {sound.frames} samples are there")
        with np.errstate(invalid="ignore"):  # inf - inf; found by the caller
            blocks.append(block.mean(axis=1, dtype=np.float64))
        count += len(block)
    return np.concatenate(blocks)


def _resample(
    mono: Float[np.ndarray, " frames"], rate: int, wanted: int = SAMPLE_RATE_HZ
) -> Float[np.ndarray, " samples"]:
    """Resample to the wanted rate with a polyphase filter.

    The ratio of the rates is taken as a fraction of numbers up to 4096, exact for all usual rates.
    For the others (11,127 Hz) the pitch is off by less than one part in a million, and the filter
    stays small: an exact fraction can need millions of taps.
    """
    if rate == wanted:
        return mono
    if rate > wanted:
        ratio = Fraction(wanted, rate).limit_denominator(4096)
    else:
        ratio = 1 / Fraction(rate, wanted).limit_denominator(4096)
    up, down = ratio.numerator, ratio.denominator
    return np.asarray(signal.resample_poly(mono, up, down, window=_low_pass(max(up, down))))


@functools.lru_cache(maxsize=16)
def _low_pass(factor: int) -> Float[np.ndarray, " taps"]:
    """Return a filter that passes 94 % of the band below 1 / factor; about 90 dB down above it."""
    places = np.arange(-32 * factor, 32 * factor + 1)
    taps = np.sinc(0.94 * places / factor) * np.kaiser(len(places), 9.0)
    return taps / taps.sum()


def _reason(error: soundfile.LibsndfileError) -> str:
    text = error.error_string.strip().rstrip(".")
    # Of what looks like MP3 by its first bytes and holds none, it says that there is no file.
    if any(part in text for part in ("not recognised", "unknown format", "does not exist")):
        return "not a recording in a format that can be read"
    if "lost sync" in text or "psf_fseek" in text:
        return "truncated or damaged: the sound breaks off before its end"
    return f"damaged: {text}"
