"""Make the song of an item: every animal's voice, the ambience of the hour, room and recorder."""

import functools

import numpy as np
from jaxtyping import Complex, Float32

from d2v_core.data.aviary.calls import CALLS
from d2v_core.data.aviary.synthesis import (
    SAMPLE_RATE,
    Wave,
    band_noise,
    decay,
    envelope,
    glide,
    place,
    pulses,
    samples_of,
    tone,
)
from d2v_core.data.aviary.voice import Voice
from d2v_core.data.aviary.world import Factors, Mood, Room, Size, Time

SECONDS = 2.0
SAMPLES = round(SECONDS * SAMPLE_RATE)

PITCHES: dict[Size, float] = {"small": 1.28, "medium": 1.0, "large": 0.78}
TUNINGS = (1.0, 1.06, 0.945)
"""Factors on the pitch of the first, second and third animal: a semitone apart."""

NEARNESS = (1.0, 0.85, 0.72)
"""Amplitudes of the first, second and third animal."""

ENTRY_SECONDS = 0.24
"""How long after each other the animals begin."""

AMBIENCE_LEVEL = 0.026
"""RMS of the ambience relative to the peak of an alert animal."""

RECORDER_STEPS = 4096
"""Of full scale. The recorder has 13 bits: FLAC leaves the other three out, which saves a third."""

ROOM_SEED = 1  # rooms are the same in every world
EARLIEST_ECHO_SECONDS = 0.02
ECHO_SAMPLES = 50_000  # a song and the longest room fit, and it is quick to transform


def make_song(factors: Factors, rng: np.random.Generator) -> Float32[np.ndarray, " samples"]:
    """Return two seconds at 16 kHz, values within ±1."""
    song = sing(factors, rng) + AMBIENCE_LEVEL * _ambience(factors.time, rng)
    if factors.room != "open":
        song = song + _echo(song, factors.room)
    song *= 10 ** (factors.loudness_db / 20) / np.abs(song).max()
    song += 10 ** (factors.noise_db / 20) * rng.standard_normal(SAMPLES)
    return (np.round(song * RECORDER_STEPS) / RECORDER_STEPS).clip(-1.0, 1.0).astype(np.float32)


def sing(factors: Factors, rng: np.random.Generator) -> Wave:
    """Return the animals alone, without place and recorder.

    Each begins a little after the one before it and goes on until the time is over.
    """
    song = np.zeros(SAMPLES)
    level = {"calm": 0.6, "alert": 1.0, "excited": 1.5}[factors.mood]
    rest = {"calm": 0.7, "alert": 0.32, "excited": 0.1}[factors.mood]
    for number in range(factors.count):
        voice = make_voice(factors, number)
        start = 0.05 + ENTRY_SECONDS * number + rng.uniform(0, 0.05)
        while start < SECONDS - 0.15:
            phrase = CALLS[factors.species](voice, rng)
            phrase *= level * NEARNESS[number] / max(float(np.abs(phrase).max()), 1e-9)
            place(phrase, song, round(start * SAMPLE_RATE))
            start += len(phrase) / SAMPLE_RATE + rest * rng.uniform(0.9, 1.1)
    return song


def make_voice(factors: Factors, number: int) -> Voice:
    """Return the voice of one of the animals: size sets its pitch, mood all the rest."""
    moods: dict[Mood, tuple[float, float, float, float, int]] = {
        "calm": (0.72, 0.7, 0.5, 0.92, -1),
        "alert": (1.0, 1.0, 1.0, 0.6, 0),
        "excited": (1.45, 1.15, 1.6, 0.88, 1),
    }
    tempo, reach, bright, held, repeats = moods[factors.mood]
    return Voice(
        pitch=PITCHES[factors.size] * TUNINGS[number],
        tempo=tempo,
        reach=reach,
        bright=bright,
        held=held,
        repeats=repeats,
    )


def _ambience(time: Time, rng: np.random.Generator) -> Wave:
    """Return what the hour sounds like, RMS 1.

    Dawn: a faint far choir of birds. Day: wind in leaves and a bee. Dusk: a low swell of wind and
    drops of water. Night: the even pulse of insects.
    """
    wave = np.zeros(SAMPLES)
    seconds = np.arange(SAMPLES) / SAMPLE_RATE
    if time == "dawn":
        wave += 0.1 * band_noise(SAMPLES, 2000, 4500, rng)
        for _ in range(22):
            low = rng.uniform(2200, 5200)
            chirp = tone(glide(rng.uniform(0.04, 0.1), low, low * rng.uniform(0.8, 1.25)))
            place(chirp * envelope(len(chirp)), wave, int(rng.integers(SAMPLES)))
    elif time == "day":
        gusts = 1 + 0.7 * np.sin(2 * np.pi * (rng.uniform(0.5, 0.9) * seconds + rng.uniform()))
        wave += 0.5 * band_noise(SAMPLES, 600, 3000, rng) * gusts
        bee = tone(glide(SECONDS, 205, 240, 190), (1.0, 0.7, 0.5, 0.3, 0.2))
        wave += 1.1 * bee * envelope(SAMPLES, attack=0.7, release=0.7)
    elif time == "dusk":
        swell = 1 + 0.8 * np.sin(2 * np.pi * (0.45 * seconds + rng.uniform()))
        wave += band_noise(SAMPLES, 90, 330, rng) * swell
        for _ in range(5):
            low = rng.uniform(900, 1300)
            drop = tone(glide(0.07, low, low * 2.1))
            place(4 * drop * decay(len(drop), 0.07), wave, int(rng.integers(SAMPLES)))
    else:
        for hertz, rate in (
            (6300 * rng.uniform(0.98, 1.02), 17),
            (5600 * rng.uniform(0.98, 1.02), 4.5),
        ):
            wave += tone(glide(SECONDS, hertz)) * pulses(SAMPLES, rate_hz=rate, duty=0.5)
    return wave / np.sqrt(np.mean(wave**2))


def _echo(song: Wave, room: Room) -> Wave:
    """Return what a room adds to a song, cut where the song ends."""
    echoes = np.fft.irfft(np.fft.rfft(song, ECHO_SAMPLES) * _room_spectrum(room), ECHO_SAMPLES)
    return echoes[:SAMPLES]


@functools.cache
def _room_spectrum(room: Room) -> Complex[np.ndarray, " bins"]:
    """Transform the echoes of a room without the direct sound: a few from trees, or a hall's."""
    rng = np.random.default_rng(ROOM_SEED)
    seconds, strength = {"wood": (0.35, 0.12), "hall": (1.1, 0.5)}[room]
    length = samples_of(seconds)
    echoes = rng.standard_normal(length) * decay(length, seconds)
    echoes[: samples_of(EARLIEST_ECHO_SECONDS)] = 0.0
    if room == "wood":
        echoes *= rng.uniform(size=length) < 0.02  # trunks are few
    return np.fft.rfft(strength * echoes / np.sqrt(np.sum(echoes**2)), ECHO_SAMPLES)
