"""Decoding sounds: closed forms of each conversion, and a reason for each refusal."""

import io
import math
import struct

import numpy as np
import pytest
import soundfile
import torch

from d2v_core.data.audio import (
    LOG_MEL_FLOOR,
    LOG_MEL_MEAN,
    LOG_MEL_STD,
    decode_audio,
    mel_spectrogram,
)
from d2v_core.errors import MediaError
from d2v_core.torchaudio_cpu import torchaudio


def recorded(samples, rate=16_000, **options):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, **({"format": "WAV", "subtype": "FLOAT"} | options))
    return file.getvalue()


def tone(hz, rate, seconds=1.0):
    return np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate)


@pytest.mark.parametrize(
    ("format", "subtype"), [("WAV", "FLOAT"), ("FLAC", "PCM_24"), ("AIFF", "FLOAT")]
)
def test_sixteen_kilohertz_come_back_as_they_were(format, subtype):
    samples = tone(440, 16_000).astype(np.float32) / 2

    decoded = decode_audio(recorded(samples, format=format, subtype=subtype))

    np.testing.assert_allclose(decoded.numpy(), samples, atol=2**-23)


@pytest.mark.parametrize("format", ["OGG", "MP3"])
def test_compressed_sound_keeps_its_length_and_its_tone(format):
    samples = tone(440, 16_000, 2.0) / 2

    decoded = decode_audio(recorded(samples, format=format, subtype=None)).numpy()

    assert abs(len(decoded) - len(samples)) <= 1152  # an MP3 frame
    spectrum = np.abs(np.fft.rfft(decoded[:16_000]))
    assert spectrum.argmax() == 440


def test_channels_are_averaged():
    left, right = tone(300, 16_000), np.full(16_000, 0.5)

    decoded = decode_audio(recorded(np.stack([left, right], axis=1)))

    np.testing.assert_allclose(decoded.numpy(), (left + right) / 2, atol=1e-6)


@pytest.mark.parametrize("rate", [8_000, 8_012, 11_025, 11_127, 22_257, 44_100, 44_101, 96_000])
def test_a_tone_keeps_its_pitch_phase_and_level_at_any_rate(rate):
    """The samples of a sine at another rate are the same sine at 16 kHz."""
    decoded = decode_audio(recorded(tone(1_000, rate, 3.0), rate)).numpy()

    expected = tone(1_000, 16_000, 3.1)[: len(decoded)]
    assert abs(len(decoded) - 48_000) <= 1
    inner = slice(500, -500)  # the filter sees silence beyond the ends
    assert np.abs(decoded - expected)[inner].max() < 0.02


def test_what_sixteen_kilohertz_cannot_hold_is_filtered_out():
    """A tone of 11 kHz must not come back as one of 5 kHz; its control, 5 kHz, must stay."""
    too_high, fine = (decode_audio(recorded(tone(hz, 44_100), 44_100)) for hz in (11_000, 5_000))

    assert too_high[500:-500].abs().max() < 1e-3
    assert fine[500:-500].abs().max() > 0.99


def wav_header(*, rate=16_000, channels=1, data_bytes=0):
    fmt = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * 2, channels * 2, 16)
    body = b"WAVEfmt " + struct.pack("<I", 16) + fmt + b"data" + struct.pack("<I", data_bytes)
    return b"RIFF" + struct.pack("<I", min(len(body) + data_bytes, 2**32 - 1)) + body


def lying_flac(samples, *, length):
    """A FLAC whose header promises another length: 36 bits, four of them in byte 21."""
    data = bytearray(recorded(samples, format="FLAC", subtype="PCM_16"))
    data[21] = data[21] & 0xF0 | length >> 32
    data[22:26] = struct.pack(">I", length & 0xFFFFFFFF)
    return bytes(data)


NAN = np.array([0.1, np.nan, 0.1])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty: 0 bytes"),
        (b"not a recording", "not a recording in a format that can be read"),
        (wav_header(), "holds no samples"),
        (
            wav_header(rate=3, data_bytes=2) + b"\0\0",
            "3 Hz by its header; rates from 1,000 to 768,000 can be read",
        ),
        (wav_header(data_bytes=900) + bytes(600), "truncated: 600 of 900 bytes of sound are there"),
        (recorded(NAN), "holds values that are not numbers (NaN or infinite)"),
        (
            recorded(np.array([np.inf, -np.inf])),
            "holds values that are not numbers (NaN or infinite)",
        ),
        (
            recorded(np.array([[np.inf, -np.inf]])),
            "holds values that are not numbers (NaN or infinite)",
        ),
        (recorded(np.array([1e30])), "holds values far beyond full scale (more than 2³¹): damaged"),
        (recorded(np.zeros(16_000 * 61)), "lasts 61.0 s, longer than 60 s; cut it into pieces"),
        (
            lying_flac(np.zeros(99), length=0),
            "its header does not say how long it is; save it anew",
        ),
        (
            lying_flac(np.zeros(99), length=2**36 - 1),
            "lasts 4294967.3 s, longer than 60 s; cut it into pieces",
        ),
        (
            recorded(tone(440, 16_000), format="FLAC", subtype="PCM_16")[:9000],
            "truncated or damaged: the sound breaks off before its end",
        ),
    ],
)
def test_a_sound_that_cannot_be_decoded_says_why(data, reason):
    with pytest.raises(MediaError) as caught:
        decode_audio(data)

    assert str(caught.value) == reason


def test_a_header_without_a_length_is_no_way_around_the_limit():
    """A WAV written to a pipe says 4 GiB; what counts is what comes."""
    streamed = wav_header(data_bytes=0xFFFFFFFF)

    assert len(decode_audio(streamed + bytes(3200))) == 1600
    with pytest.raises(MediaError, match="longer than 1 s"):
        decode_audio(streamed + bytes(2 * 16_001), max_seconds=1.0)


def test_only_the_start_can_be_read_and_the_limit_still_holds():
    samples = tone(440, 8_000, 3.0).astype(np.float32)

    start = decode_audio(recorded(samples, 8_000), first_seconds=0.5)

    assert len(start) == 8_000
    torch.testing.assert_close(start[:7_900], decode_audio(recorded(samples, 8_000))[:7_900])
    assert len(decode_audio(recorded(samples, 8_000), first_seconds=9.0)) == 48_000
    with pytest.raises(MediaError, match="longer than 2 s; cut it"):
        decode_audio(recorded(samples, 8_000), first_seconds=0.5, max_seconds=2.0)


def test_any_damage_to_a_sound_is_a_media_error_or_finite_samples():
    rng = np.random.default_rng(0)
    refused = 0
    for format in ("WAV", "FLAC", "OGG", "AIFF", "AU"):
        whole = np.frombuffer(
            recorded(tone(440, 16_000, 0.1), format=format, subtype=None), np.uint8
        )
        for _ in range(150):
            data = whole.copy()
            data[rng.integers(0, min(len(data), 400), 3)] = rng.integers(0, 256, 3)
            try:
                samples = decode_audio(data.tobytes(), max_seconds=5.0)
                assert torch.isfinite(samples).all()
                assert 0 < len(samples) <= 5 * 16_000 + 1
            except MediaError:
                refused += 1
    assert refused > 100


def raw_power(samples, bins=64):
    """Undo the normalisation and the logarithm."""
    return (mel_spectrogram(samples, mel_bins=bins) * LOG_MEL_STD + LOG_MEL_MEAN).exp()


@pytest.mark.parametrize("bins", [64, 128])
def test_mel_agrees_with_torchaudio(bins):
    """The reference pads each window to 1024, so it starts (1024 - 400) / 2 samples early."""
    samples = torch.randn(8_000, generator=torch.Generator().manual_seed(0))
    reference = torchaudio.transforms.MelSpectrogram(
        sample_rate=16_000, n_fft=1024, win_length=400, hop_length=160, n_mels=bins, center=False
    )
    expected = reference(torch.nn.functional.pad(samples, (312, 312))).T

    power = raw_power(samples, bins)

    assert power.shape == (1 + (8_000 - 400) // 160, bins)
    torch.testing.assert_close(power, expected.clamp(min=LOG_MEL_FLOOR), rtol=1e-4, atol=1e-5)


def test_every_mel_filter_holds_a_frequency():
    """White noise leaves no bin at the floor, not even the narrowest of 128."""
    samples = torch.randn(16_000, generator=torch.Generator().manual_seed(0))

    assert raw_power(samples, 128).min() > 10 * LOG_MEL_FLOOR


def test_twice_as_loud_is_four_times_the_power_in_every_frame():
    samples = 0.1 * torch.randn(4_000, generator=torch.Generator().manual_seed(0))

    louder, soft = (mel_spectrogram(k * samples, mel_bins=64) for k in (2.0, 1.0))

    expected = torch.full_like(soft, math.log(4) / LOG_MEL_STD)
    torch.testing.assert_close(louder - soft, expected, rtol=1e-3, atol=1e-4)


def test_a_higher_tone_lies_in_a_higher_bin_and_later_sound_in_later_frames():
    low, high = (raw_power(torch.from_numpy(tone(hz, 16_000)).float()) for hz in (500, 2_000))
    silent_first = torch.cat([torch.zeros(8_000), torch.ones(8_000)])

    assert low[5].argmax() < high[5].argmax()
    assert raw_power(silent_first)[:47].max() <= LOG_MEL_FLOOR * 1.001
    assert raw_power(silent_first)[50].max() > 1.0


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (399, 1), (400, 1), (559, 1), (560, 2)])
def test_a_short_sound_is_filled_up_to_one_window(samples, frames):
    assert mel_spectrogram(torch.ones(samples), mel_bins=64).shape == (frames, 64)


def test_silence_is_the_floor_and_never_infinite():
    expected = (math.log(LOG_MEL_FLOOR) - LOG_MEL_MEAN) / LOG_MEL_STD

    torch.testing.assert_close(
        mel_spectrogram(torch.zeros(400), mel_bins=64), torch.full((1, 64), expected)
    )


def test_a_spectrogram_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="no samples"):
        mel_spectrogram(torch.zeros(0), mel_bins=64)
    with pytest.raises(ValueError, match="a window has 1 to 1024 samples"):
        mel_spectrogram(torch.zeros(400), mel_bins=64, frame_ms=100.0)


def test_more_values_than_any_recording_of_that_length_has_are_refused():
    """In 0.01 s: 8 channels of 192 kHz would be permitted in 0.02 s, and 255 are not."""
    narrow, wide = np.zeros((1_920, 8)), np.zeros((1_920, 255))

    assert len(decode_audio(recorded(narrow, rate=192_000), max_seconds=0.02)) == 160
    with pytest.raises(MediaError, match="1,920 samples in each of 255 channels, more than 30,720"):
        decode_audio(recorded(wide, rate=192_000), max_seconds=0.02)


def test_a_file_is_known_by_what_it_holds_and_not_by_its_name(tmp_path):
    """A page under the name of a sound was noise."""
    (tmp_path / "a.au").write_bytes(b"<!doctype html><title>404</title>" * 99)

    with pytest.raises(MediaError, match="not a recording in a format that can be read"):
        decode_audio(tmp_path / "a.au")
