"""What the four that are no birds sound like; frequencies are those of a medium one."""

import numpy as np

from d2v_core.data.aviary.synthesis import (
    SAMPLE_RATE,
    Wave,
    band_noise,
    decay,
    envelope,
    glide,
    pulses,
    resonant_partials,
    samples_of,
    silence,
    tone,
)
from d2v_core.data.aviary.voice import Voice

BELL_PARTIALS = (
    (0.5, 0.4, 2.4),
    (1.0, 1.0, 1.7),
    (1.2, 0.75, 1.3),
    (1.5, 0.35, 1.0),
    (2.0, 0.8, 0.9),
    (2.66, 0.5, 0.55),
    (3.01, 0.35, 0.45),
    (4.17, 0.25, 0.3),
)
"""Ratio to the prime, amplitude, and seconds until 60 dB are lost."""


def sing_frog(voice: Voice, rng: np.random.Generator) -> Wave:
    """Croaks of two syllables, each a slow train of pulses."""
    parts = []
    for _ in range(2 + voice.repeats):
        for seconds, rise in ((0.13, 1.0), (0.2, 1.28)):
            base = 105 * voice.pitch * rise * rng.uniform(0.97, 1.03)
            mouth = ((520 * voice.pitch * rise, 120), (1750 * voice.pitch, 260))
            contour = glide(seconds * voice.held**0.5 / voice.tempo, base, base * 1.1)
            wave = 1.6 * tone(contour, resonant_partials(base, mouth, tilt=0.2))
            wave *= pulses(len(wave), rate_hz=34 * voice.tempo**0.5, duty=0.55)
            parts += [
                wave * envelope(len(wave), attack=0.015, release=0.03),
                silence(0.03 / voice.tempo),
            ]
        parts.append(silence(0.13 / voice.tempo))
    return np.concatenate(parts)


def sing_dog(voice: Voice, rng: np.random.Generator) -> Wave:
    """Barks: a burst that jumps up and drops, hoarse at the start, in pairs."""
    parts = []
    for number in range(2 + voice.repeats):
        base = 330 * voice.pitch * rng.uniform(0.95, 1.05)
        contour = glide(0.18 * voice.held**0.5 / voice.tempo, base * 0.8, base * 1.45, base * 0.6)
        throat = ((760 * voice.pitch, 220), (1300 * voice.pitch, 320))
        wave = 1.5 * tone(contour, resonant_partials(base, throat, tilt=0.45 / voice.bright))
        hoarse = band_noise(len(wave), 500 * voice.pitch, 2600 * voice.pitch, rng)
        wave += 0.3 * hoarse * decay(len(wave), 0.12)
        wave *= envelope(len(wave), attack=0.008, release=0.07)
        parts += [wave, silence((0.08 if number % 2 == 0 else 0.2) / voice.tempo)]
    return np.concatenate(parts)


def sing_cricket(voice: Voice, rng: np.random.Generator) -> Wave:
    """Even chirps of four pulses each on one high, pure tone."""
    chirps = 4 + voice.repeats
    (hertz,) = (4500 * voice.pitch * rng.uniform(0.99, 1.01),)
    chirp = tone(glide(0.13 / voice.tempo, hertz))
    chirp *= pulses(len(chirp), rate_hz=4 / (len(chirp) / SAMPLE_RATE), duty=0.7)
    return np.concatenate([chirp, silence(0.1 / voice.tempo)] * chirps)


def sing_bell(voice: Voice, rng: np.random.Generator) -> Wave:
    """Strokes whose partials are no harmonics: hum, prime, a minor third, fifth, octave, more."""
    strokes = 2 + voice.repeats
    gap = 0.42 / voice.tempo
    ring = np.zeros(samples_of(gap * (strokes - 1) + 1.1))
    length = samples_of(1.1)
    stroke = np.zeros(length)
    for ratio, strength, seconds in BELL_PARTIALS:
        loud = strength * voice.bright ** np.log2(max(ratio, 1.0))
        stroke += loud * tone(glide(1.1, 560 * voice.pitch * ratio)) * decay(length, seconds)
    stroke *= envelope(length, attack=0.003, release=0.15) / 3
    for number in range(strokes):
        first = round(number * gap * SAMPLE_RATE)
        ring[first : first + length] += stroke * rng.uniform(0.85, 1.0)
    return ring
