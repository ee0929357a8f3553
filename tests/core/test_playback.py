"""A sound for eyes and ears: the right pitch at the right time, and the samples themselves."""

import io

import numpy as np
import pytest
import soundfile

from d2v_core.data.playback import RANGE_DB, WINDOW, open_playback, picture_of, spectrogram
from d2v_core.errors import MediaError

RATE = 16000


def tone(hertz, seconds=1.0):
    return np.sin(2 * np.pi * hertz * np.arange(int(RATE * seconds)) / RATE).astype(np.float32)


@pytest.mark.parametrize("hertz", [500, 1000, 4000, 7500])
def test_a_tone_is_a_line_at_its_frequency(hertz):
    levels = spectrogram(tone(hertz))
    inside = levels[:, 3:-3]

    assert (inside.argmax(axis=0) == hertz * WINDOW // RATE).all()
    assert inside.max(axis=0) == pytest.approx(0.0, abs=0.1)
    far = np.abs(np.arange(len(levels)) * RATE / WINDOW - hertz) > 200
    assert (inside[far] < -60).all()


def test_a_click_is_a_line_at_its_time():
    samples = np.zeros(RATE, dtype=np.float32)
    samples[8000] = 1.0
    levels = spectrogram(samples)

    assert levels.shape == (WINDOW // 2 + 1, 101)
    assert (levels.argmax(axis=1) == 50).all()  # 10 ms a frame
    assert (levels[:, 60:] == -RANGE_DB).all()


def test_half_the_amplitude_is_six_decibels_less():
    levels = spectrogram(np.concatenate([tone(1000), 0.5 * tone(1000)]))

    assert levels[32, 20] - levels[32, 180] == pytest.approx(20 * np.log10(2), abs=0.01)


def test_silence_is_silent_and_long_sounds_are_not_wide():
    assert (spectrogram(np.zeros(4000, dtype=np.float32)) == -RANGE_DB).all()
    assert spectrogram(np.ones(16 * RATE, dtype=np.float32)).shape[1] <= 601
    assert spectrogram(np.ones(3, dtype=np.float32)).shape == (WINDOW // 2 + 1, 1)


def test_what_is_played_is_what_was_recorded(tmp_path):
    samples = 0.25 * tone(440, 0.5)
    soundfile.write(tmp_path / "a.flac", samples, RATE)
    played = open_playback(tmp_path / "a.flac")
    heard, rate = soundfile.read(io.BytesIO(played.wav))

    assert (rate, played.seconds, played.khz) == (RATE, 0.5, 8.0)
    np.testing.assert_allclose(heard, samples, atol=1e-4)


def test_the_picture_is_bright_where_it_is_loud_and_low_at_the_bottom():
    levels = np.full((10, 4), -RANGE_DB)
    levels[1, 2] = 0.0
    picture = picture_of(levels)

    assert picture.shape == (10, 4, 3)
    assert picture[8, 2].tolist() == [252, 253, 191]
    assert picture.sum(axis=2).argmax() == 8 * 4 + 2
    assert picture[0, 0].tolist() == [0, 0, 4]


def test_a_damaged_sound_is_refused_with_the_reason(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(MediaError, match="not a recording|damaged|truncated"):
        open_playback(tmp_path / "a.wav")
