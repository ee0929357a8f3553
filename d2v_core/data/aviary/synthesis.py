"""Make sound from frequencies and envelopes: tones, pulses, noise, rooms."""

import math

import numpy as np
from jaxtyping import Float

SAMPLE_RATE = 16_000

Number = int | float
"""A frequency, time or strength; many are written without a point."""

TOP_HZ = 7_400.0
"""No partial is made above: it would fold back at half the sample rate."""

Wave = Float[np.ndarray, " _"]
"""Samples, in full scale; two waves of one call may differ in length."""


def samples_of(seconds: Number) -> int:
    """Return how many samples a time takes, at least eight."""
    return max(8, round(seconds * SAMPLE_RATE))


def glide(seconds: Number, *hertz: Number) -> Wave:
    """Return a frequency for each sample that passes smoothly through the given ones."""
    if len(hertz) == 1:
        return np.full(samples_of(seconds), float(hertz[0]))
    place = np.linspace(0, len(hertz) - 1, samples_of(seconds))
    left = np.minimum(place.astype(int), len(hertz) - 2)
    share = (1 - np.cos(math.pi * (place - left))) / 2
    pitches = np.log(np.asarray(hertz))  # equal steps of pitch sound equally far
    return np.exp(pitches[left] * (1 - share) + pitches[left + 1] * share)


def vibrato(hertz: Wave, *, rate_hz: Number, depth: Number) -> Wave:
    """Return the frequencies swung up and down by a share `depth`, `rate_hz` times a second."""
    time = np.arange(len(hertz)) / SAMPLE_RATE
    return hertz * (1 + depth * np.sin(2 * math.pi * rate_hz * time))


def tone(hertz: Wave, partials: tuple[float, ...] = (1.0,)) -> Wave:
    """Sound a frequency contour, with the amplitude of each harmonic, the fundamental first.

    Harmonics that would pass `TOP_HZ` are left out, and the fundamental is kept below it.
    """
    below = np.minimum(hertz, TOP_HZ)
    phase = 2 * math.pi / SAMPLE_RATE * np.cumsum(below)
    count = max(1, min(len(partials), int(TOP_HZ / float(below.max()))))
    if count == 1:
        return partials[0] * np.sin(phase)
    # Clenshaw's rule for Σ aₙ sin nφ: one product a harmonic instead of one sine.
    twice_cosine = 2 * np.cos(phase)
    above, two_above = np.zeros(len(phase)), np.zeros(len(phase))
    for amplitude in reversed(partials[:count]):
        above, two_above = amplitude + twice_cosine * above - two_above, above
    return above * np.sin(phase)


def resonant_partials(
    base_hz: Number, formants: tuple[tuple[Number, Number], ...], *, tilt: Number = 1.0
) -> tuple[float, ...]:
    """Return harmonic amplitudes of a voice whose tract has resonances.

    Args:
        base_hz: fundamental.
        formants: centre and width of each resonance in hertz.
        tilt: harmonic n is weakened by n to this power; brighter voices have less.
    """
    numbers = np.arange(1, max(2, int(TOP_HZ / base_hz)) + 1)
    gain = sum(np.exp(-(((numbers * base_hz - f) / width) ** 2) / 2) for f, width in formants)
    amplitudes = (0.08 + gain) / numbers**tilt
    return tuple((amplitudes / np.abs(amplitudes).sum() * 2).tolist())


def envelope(samples: int, *, attack: Number = 0.01, release: Number = 0.03) -> Wave:
    """Return a gain that rises from 0 within `attack` seconds and falls in the last `release`."""
    place = np.arange(samples)
    rise = np.minimum(1.0, (place + 0.5) / samples_of(attack))
    fall = np.minimum(1.0, (samples - place - 0.5) / samples_of(release))
    return np.sin(math.pi / 2 * np.minimum(rise, fall)) ** 2


def decay(samples: int, seconds: Number) -> Wave:
    """Return a gain that starts at 1 and falls by 60 dB in the given time."""
    return np.exp(-np.arange(samples) / SAMPLE_RATE * (math.log(1000.0) / seconds))


def pulses(samples: int, *, rate_hz: Number, duty: Number) -> Wave:
    """Return a gain that opens and closes smoothly `rate_hz` times a second.

    Args:
        samples: how many.
        rate_hz: openings in a second.
        duty: share of the time that it is open.
    """
    place = (np.arange(samples) / SAMPLE_RATE * rate_hz) % 1.0
    return np.where(place < duty, np.sin(math.pi * place / duty) ** 2, 0.0)


def band_noise(samples: int, low_hz: Number, high_hz: Number, rng: np.random.Generator) -> Wave:
    """Return noise of RMS 1 between two frequencies, with soft edges a fifth of them wide."""
    hertz = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE)
    rise = np.clip((hertz / low_hz - 0.8) / 0.4, 0, 1)
    fall = np.clip((1.2 - hertz / high_hz) / 0.4, 0, 1)
    spectrum = np.fft.rfft(rng.standard_normal(samples)) * np.minimum(rise, fall)
    noise = np.fft.irfft(spectrum, samples)
    return noise / max(float(np.sqrt(np.mean(noise**2))), 1e-9)


def silence(seconds: Number) -> Wave:
    """Return zeros."""
    return np.zeros(samples_of(seconds))


def place(sound: Wave, onto: Wave, start: int) -> None:
    """Add a sound to a longer one from a sample on, in place; what hangs over is faded out."""
    room = len(onto) - start
    if room <= 0:
        return
    if len(sound) > room:
        sound = sound[:room] * envelope(room, attack=1e-4, release=0.05)
    onto[start : start + len(sound)] += sound
