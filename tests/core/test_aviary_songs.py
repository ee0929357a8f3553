"""Songs: every shared factor and every private factor of the song can be heard."""

from dataclasses import replace

import numpy as np
import pytest

from d2v_core.data.aviary.calls import CALLS
from d2v_core.data.aviary.songs import PITCHES, TUNINGS, make_song, make_voice, sing
from d2v_core.data.aviary.synthesis import (
    SAMPLE_RATE,
    band_noise,
    decay,
    envelope,
    glide,
    place,
    pulses,
    resonant_partials,
    tone,
    vibrato,
)
from d2v_core.data.aviary.world import SPECIES, Factors, make_factors, random_stream

PLAIN = Factors(
    species="robin",
    size="medium",
    count=1,
    time="dusk",
    mood="alert",
    facing="right",
    scenery="hills",
    hue_shift=0.0,
    loudness_db=-6.0,
    room="open",
    noise_db=-78.0,
    phrasing=0,
)
HERTZ = np.fft.rfftfreq(32000, 1 / SAMPLE_RATE)


def song(seed=0, **changes):
    return make_song(replace(PLAIN, **changes), np.random.default_rng(seed)).astype(float)


def power(wave):
    return np.abs(np.fft.rfft(wave)) ** 2


def centroid(wave):
    """Return the centre of the spectrum on the scale of pitch, in hertz."""
    heard = (HERTZ > 150) & (HERTZ < 7800)
    weights = power(wave)[heard]
    return np.exp((weights * np.log(HERTZ[heard])).sum() / weights.sum())


def dominant(wave):
    return HERTZ[power(wave).argmax()]


def level_db(wave, low_hz, high_hz):
    inside = (HERTZ >= low_hz) & (HERTZ < high_hz)
    return 10 * np.log10(power(wave)[inside].sum() + 1e-12)


def active_share(wave):
    """Return the share of 10 ms frames that are within 20 dB of the loudest."""
    frames = (wave.reshape(-1, 160) ** 2).mean(axis=1)
    return (frames > frames.max() / 100).mean()


def onsets(wave):
    """Return how often the level of 10 ms frames rises through a fifth of its highest."""
    levels = np.sqrt((wave.reshape(-1, 160) ** 2).mean(axis=1))
    above = np.append(False, levels > levels.max() / 5)
    return np.count_nonzero(above[1:] & ~above[:-1])


@pytest.mark.parametrize("species", SPECIES)
def test_songs_are_finite_audible_and_do_not_clip(species):
    for seed, (size, mood) in enumerate(
        [("small", "excited"), ("large", "calm"), ("medium", "alert")]
    ):
        wave = song(
            seed,
            species=species,
            size=size,
            mood=mood,
            count=3,
            loudness_db=-4.0,
            room="hall",
            noise_db=-64.0,
        )
        assert wave.shape == (32000,)
        assert np.isfinite(wave).all()
        assert 0.5 < np.abs(wave).max() < 0.75  # -4 dB is 0.63
        assert np.sqrt((wave**2).mean()) > 0.01


@pytest.mark.parametrize("species", SPECIES)
def test_larger_animals_call_lower(species):
    """The centre of the spectrum follows the pitch of the size, 1.28 : 1 : 0.78."""
    small, medium, large = (
        np.mean([np.log(centroid(song(seed, species=species, size=size))) for seed in range(3)])
        for size in ("small", "medium", "large")
    )

    assert np.exp(small - medium) > 1.1
    assert np.exp(medium - large) > 1.1


@pytest.mark.parametrize("species", ["blue tit", "cuckoo", "owl", "cricket", "bell"])
def test_the_strongest_pitch_of_a_pure_singer_is_exactly_that_of_its_size(species):
    pitches = [dominant(song(species=species, size=size)) for size in ("small", "medium", "large")]

    assert pitches[0] / pitches[1] == pytest.approx(PITCHES["small"], rel=0.05)
    assert pitches[2] / pitches[1] == pytest.approx(PITCHES["large"], rel=0.05)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_as_many_voices_as_animals(count):
    """A cricket is one pure tone; each further one has its own, a semitone away."""
    wave = song(species="cricket", count=count)
    levels = [level_db(wave, 4500 * tuning * 0.98, 4500 * tuning * 1.02) for tuning in TUNINGS]

    assert min(levels[:count]) > levels[0] - 6
    for absent in levels[count:]:
        assert absent < levels[0] - 18


@pytest.mark.parametrize("species", SPECIES)
def test_more_animals_fill_more_of_the_time(species):
    shares = [
        np.mean(
            [
                active_share(
                    sing(
                        replace(PLAIN, species=species, mood="calm", count=count),
                        np.random.default_rng(seed),
                    )
                )
                for seed in range(3)
            ]
        )
        for count in (1, 3)
    ]

    assert shares[1] > 1.1 * shares[0]


@pytest.mark.parametrize("species", SPECIES)
def test_excited_animals_sing_more_notes(species):
    notes = {
        mood: np.mean(
            [
                onsets(
                    sing(replace(PLAIN, species=species, mood=mood), np.random.default_rng(seed))
                )
                for seed in range(4)
            ]
        )
        for mood in ("calm", "excited")
    }

    assert notes["excited"] > 1.3 * notes["calm"]


@pytest.mark.parametrize("species", SPECIES)
def test_no_voice_is_ever_silent_or_above_what_can_be_recorded(species):
    """High, small, third, excited: no note may fall silent because it left the band."""
    for size in PITCHES:
        for mood in ("calm", "alert", "excited"):
            for number in range(3):
                voice = make_voice(replace(PLAIN, species=species, size=size, mood=mood), number)
                phrase = CALLS[species](voice, np.random.default_rng(number))
                spectrum = np.abs(np.fft.rfft(phrase, 32000 * 4)) ** 2
                above = np.fft.rfftfreq(32000 * 4, 1 / SAMPLE_RATE) > 7900
                assert np.isfinite(phrase).all()
                assert np.sqrt((phrase**2).mean()) > 0.05
                assert spectrum[above].sum() < 0.01 * spectrum.sum()
                assert 0.1 < len(phrase) / SAMPLE_RATE < 3.5


def test_the_cuckoo_falls_by_a_third():
    voice = make_voice(PLAIN, 0)
    phrase = CALLS["cuckoo"](voice, np.random.default_rng(0))
    first, second = (
        phrase[: int(0.1 * SAMPLE_RATE)],
        phrase[int(0.25 * SAMPLE_RATE) : int(0.35 * SAMPLE_RATE)],
    )
    notes = [np.abs(np.fft.rfft(part, 1 << 16)).argmax() for part in (first, second)]

    assert notes[0] / notes[1] == pytest.approx(2 ** (4 / 12), rel=0.03)


def test_the_hours_sound_different():
    """Behind a calm owl: insects at night, far birds at dawn, wind at dusk."""
    levels = {
        time: {
            "insects": level_db(song(species="owl", mood="calm", time=time), 5400, 6500),
            "birds": level_db(song(species="owl", mood="calm", time=time), 2300, 4500),
            "wind": level_db(song(species="owl", mood="calm", time=time), 80, 180),
        }
        for time in ("dawn", "day", "dusk", "night")
    }

    assert max(levels, key=lambda time: levels[time]["insects"]) == "night"
    assert max(levels, key=lambda time: levels[time]["birds"]) == "dawn"
    assert max(levels, key=lambda time: levels[time]["wind"]) == "dusk"
    assert levels["night"]["insects"] > levels["day"]["insects"] + 15


@pytest.mark.parametrize("loudness_db", [-15.0, -8.0, -4.0])
def test_loudness_is_the_peak(loudness_db):
    peak = np.abs(song(loudness_db=loudness_db)).max()

    assert 20 * np.log10(peak) == pytest.approx(loudness_db, abs=0.1)


def test_noise_is_the_floor_of_the_recording():
    """Above 7.5 kHz an owl is silent: what is there is the recorder, 6 % of its power."""
    for noise_db in (-64.0, -70.0):
        wave = song(species="owl", noise_db=noise_db)
        rms = np.sqrt(2 * power(wave)[HERTZ > 7500].sum()) / 32000
        assert 20 * np.log10(rms / np.sqrt(500 / 8000)) == pytest.approx(noise_db, abs=0.8)


def test_a_hall_rings_on_where_the_open_air_is_still():
    """In the pause after a single calm knock the hall is louder by far."""
    factors = replace(PLAIN, species="dog", mood="calm")
    alone = sing(factors, np.random.default_rng(1))
    frames = np.abs(alone).reshape(-1, 320).max(axis=1)
    quiet = np.flatnonzero((frames[1:] < 1e-3) & (np.maximum.accumulate(frames)[:-1] > 0.3))
    after = slice(320 * (quiet[0] + 1), 320 * (quiet[0] + 7))
    tails = {
        room: np.abs(song(1, species="dog", mood="calm", room=room)[after]).mean()
        for room in ("open", "wood", "hall")
    }

    assert tails["hall"] > 2 * tails["open"]
    assert tails["wood"] > 1.05 * tails["open"]


def spectrum_of(wave):
    """Return 40 log band powers, averaged over frames of 32 ms."""
    frames = np.lib.stride_tricks.sliding_window_view(wave, 512)[::256] * np.hanning(512)
    edges = np.unique(np.round(np.geomspace(4, 257, 41)).astype(int))
    bands = np.add.reduceat(np.abs(np.fft.rfft(frames, axis=1)) ** 2, edges[:-1], axis=1)
    return np.log(bands + 1e-6).mean(axis=0)


def accuracy(x, y, train):
    """Return the accuracy of nearest centroids on all but the first `train` items."""
    x = (x - x[:train].mean(axis=0)) / x[:train].std(axis=0)
    labels = np.unique(y)
    centres = np.array([x[:train][y[:train] == label].mean(axis=0) for label in labels])
    nearest = labels[((x[train:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)]
    return (nearest == y[train:]).mean()


@pytest.mark.slow
def test_species_and_hour_differ_in_the_mean_spectrum():
    """Nearest centroid, all else varying: 16 species, chance 6 %; 4 hours, chance 25 %."""
    factors = [make_factors(3, index) for index in range(480)]
    x = np.array(
        [spectrum_of(make_song(f, random_stream(3, i, "song"))) for i, f in enumerate(factors)]
    )

    assert accuracy(x, np.array([f.species for f in factors]), 320) > 0.3
    assert accuracy(x, np.array([f.time for f in factors]), 320) > 0.5


def test_species_differ_when_the_size_is_the_same():
    """The same over animals of medium size, alone: 16 species, chance 6 %."""
    labels = np.tile(np.arange(16), 6)
    x = np.array(
        [spectrum_of(song(seed, species=SPECIES[label])) for seed, label in enumerate(labels)]
    )

    assert accuracy(x, labels, 48) > 0.9


def test_tone_has_the_frequencies_and_strengths_asked_for():
    wave = tone(glide(2.0, 500.0), (1.0, 0.5, 0.0, 0.25))
    amplitudes = np.abs(np.fft.rfft(wave)) / 16000

    np.testing.assert_allclose(amplitudes[[1000, 2000, 3000, 4000]], [1, 0.5, 0, 0.25], atol=1e-9)
    assert np.delete(amplitudes, [1000, 2000, 4000]).max() < 1e-9


def test_tone_leaves_out_harmonics_that_would_fold_back():
    wave = tone(glide(2.0, 3000.0), (1.0, 1.0, 1.0))
    amplitudes = np.abs(np.fft.rfft(wave)) / 16000

    np.testing.assert_allclose(amplitudes[[6000, 12000]], [1, 1], atol=1e-9)
    assert np.delete(amplitudes, [6000, 12000]).max() < 1e-9  # 9 kHz would be heard at 7 kHz


def test_a_fundamental_beyond_the_band_is_sung_at_its_edge():
    amplitudes = np.abs(np.fft.rfft(tone(glide(2.0, 9000.0)))) / 16000

    assert amplitudes.argmax() == 2 * 7400
    assert amplitudes[2 * 7400] == pytest.approx(1)


def test_glide_passes_through_its_pitches_in_equal_times():
    hertz = glide(1.0, 400.0, 1600.0, 800.0)

    assert hertz[0] == pytest.approx(400)
    assert hertz.max() == pytest.approx(1600, rel=1e-4)
    assert hertz[-1] == pytest.approx(800, rel=1e-6)
    assert hertz[4000] == pytest.approx(800, rel=1e-3)  # half way in pitch, not in hertz


def test_vibrato_swings_by_its_depth():
    hertz = vibrato(glide(1.0, 1000.0), rate_hz=5, depth=0.1)

    assert hertz.max() == pytest.approx(1100, rel=1e-4)
    assert hertz.min() == pytest.approx(900, rel=1e-4)


def test_decay_loses_60_db_in_its_time():
    gain = decay(16001, 1.0)

    assert 20 * np.log10(gain[16000] / gain[0]) == pytest.approx(-60)


def test_envelope_starts_and_ends_near_zero_and_holds_one():
    gain = envelope(1600, attack=0.01, release=0.02)

    assert gain[0] < 0.01
    assert gain[-1] < 0.01
    np.testing.assert_array_equal(gain[161:1279], 1.0)


def test_pulses_open_as_often_and_as_long_as_asked():
    gain = pulses(16000, rate_hz=10, duty=0.25)

    assert np.count_nonzero((gain[1:] > 0) & (gain[:-1] == 0)) == 10
    assert (gain > 0).mean() == pytest.approx(0.25, abs=0.01)
    assert gain.max() == pytest.approx(1.0, abs=1e-3)


def test_band_noise_stays_in_its_band_with_rms_1():
    noise = band_noise(32000, 1000, 2000, np.random.default_rng(0))

    assert np.sqrt((noise**2).mean()) == pytest.approx(1.0)
    assert power(noise)[(HERTZ < 790) | (HERTZ > 2410)].sum() < 1e-9 * power(noise).sum()


def test_resonant_partials_are_strongest_at_the_resonance():
    partials = resonant_partials(100.0, ((1200.0, 100.0),), tilt=0.0)

    assert np.argmax(partials) + 1 == 12
    assert len(partials) * 100 <= 7400


def test_place_adds_and_fades_what_hangs_over():
    onto = np.ones(1000)
    place(np.ones(100), onto, 200)
    place(np.ones(5000), onto, 500)
    place(np.ones(10), onto, 1000)

    np.testing.assert_array_equal(onto[200:300], 2.0)
    np.testing.assert_array_equal(onto[300:500], 1.0)
    assert onto[-1] == pytest.approx(1.0, abs=0.01)
