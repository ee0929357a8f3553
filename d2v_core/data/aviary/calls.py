"""What each species sings: one phrase, in the voice of one animal.

Frequencies are those of a medium animal; the voice turns them into those of this one.
"""

from collections.abc import Callable

import numpy as np

from d2v_core.data.aviary.outsider_calls import sing_bell, sing_cricket, sing_dog, sing_frog
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
    vibrato,
)
from d2v_core.data.aviary.voice import Voice
from d2v_core.data.aviary.world import Species


def _robin(voice: Voice, rng: np.random.Generator) -> Wave:
    """A silvery run of quick notes that leap between high and low, ending in a falling trill."""
    parts = []
    for number in range(4 + voice.repeats):
        high = rng.uniform(3900, 4700) if number % 2 == 0 else rng.uniform(2300, 2800)
        end = high * rng.uniform(0.82, 1.2)
        parts.append(voice.note(rng.uniform(0.07, 0.13), *voice.hertz(3200, high, end)))
    for number in range(6):
        start = 4300 - 260 * number
        parts.append(voice.note(0.045, *voice.hertz(3200, start, start * 0.8)))
    return np.concatenate(parts)


def _blackbird(voice: Voice, rng: np.random.Generator) -> Wave:
    """Slow fluted notes, low and gliding, then a short squeaky flourish."""
    parts = []
    for _ in range(3 + voice.repeats):
        hertz = voice.hertz(1800, *rng.uniform(1450, 2250, size=3))
        seconds = rng.uniform(0.19, 0.27) / voice.tempo
        contour = vibrato(glide(seconds, *hertz), rate_hz=9, depth=0.012)
        wave = tone(contour, (1.0, 0.22 * voice.bright, 0.06 * voice.bright))
        wave *= envelope(len(wave), attack=0.03, release=0.05)
        parts += [wave, silence(0.05 / voice.tempo)]
    for number in range(3):
        top = rng.uniform(3600, 4400)
        parts.append(
            0.4 * voice.note(0.05, *voice.hertz(1800, top, top * 0.75, top * (1 + number / 20)))
        )
    return np.concatenate(parts)


def _blue_tit(voice: Voice, rng: np.random.Generator) -> Wave:
    """Two or three thin long notes, very high, then a fast even trill."""
    (high,) = voice.hertz(4400, rng.uniform(5000, 5200))
    (low,) = voice.hertz(4400, rng.uniform(3500, 3700))
    parts = [voice.note(0.17, high * 0.98, high) for _ in range(2 + (voice.repeats > 0))]
    parts += [voice.note(0.048, low * 1.12, low) for _ in range(9 + 3 * voice.repeats)]
    return np.concatenate(parts)


def _goldfinch(voice: Voice, rng: np.random.Generator) -> Wave:
    """Tinkling: quick groups of three notes with a deep dip, and a nasal buzz between them."""
    parts = []
    for number in range(3 + voice.repeats):
        top = rng.uniform(4600, 5000)
        parts.append(voice.note(0.06, *voice.hertz(3800, top, 2700, 4400)))
        parts.append(voice.note(0.05, *voice.hertz(3800, 2900, top)))
        parts.append(voice.note(0.06, *voice.hertz(3800, 3900, 3300)))
        if number % 2:
            contour = glide(0.14 / voice.tempo, *voice.hertz(3800, 3600, 3300))
            buzz = tone(vibrato(contour, rate_hz=75, depth=0.09))
            parts.append(0.8 * buzz * envelope(len(buzz)))
        parts.append(silence(0.03 / voice.tempo))
    return np.concatenate(parts)


def _cuckoo(voice: Voice, rng: np.random.Generator) -> Wave:
    """Two notes, a third apart, the second lower and longer."""
    top = 690 * rng.uniform(0.98, 1.02)
    parts = []
    for _ in range(1 + (voice.repeats > 0)):
        for note, seconds in ((top, 0.17), (top / 1.26, 0.3)):
            hertz = glide(seconds / voice.tempo, *voice.hertz(610, note, note * 0.985))
            wave = tone(hertz, (1.0, 0.14 * voice.bright, 0.05 * voice.bright))
            parts += [
                wave * envelope(len(wave), attack=0.03, release=0.06),
                silence(0.07 / voice.tempo),
            ]
        parts.append(silence(0.16 / voice.tempo))
    return np.concatenate(parts)


def _woodpecker(voice: Voice, rng: np.random.Generator) -> Wave:
    """A drum roll on hard wood, getting faster and softer."""
    beats = 12 + 4 * voice.repeats
    gap = 0.062 / voice.tempo * np.linspace(1.15, 0.8, beats)
    starts = np.cumsum(gap) - gap[0]
    roll = np.zeros(samples_of(float(starts[-1]) + 0.15))
    length = samples_of(0.06)
    knock = np.zeros(length)
    for hertz, strength, ring in (
        (520, 1.0, 0.07),
        (1180, 0.7, 0.045),
        (2150, 0.4 * voice.bright, 0.03),
    ):
        knock += strength * tone(glide(0.06, hertz * voice.pitch)) * decay(length, ring)
    knock += (
        0.7 * band_noise(length, 700 * voice.pitch, 3000 * voice.pitch, rng) * decay(length, 0.012)
    )
    for number, start in enumerate(starts):
        first = round(start * SAMPLE_RATE)
        roll[first : first + length] += knock * (1 - 0.6 * number / beats) * rng.uniform(0.9, 1.0)
    return roll


def _parrot(voice: Voice, rng: np.random.Generator) -> Wave:
    """A raucous squawk that wobbles, then a wolf whistle learnt from people."""
    parts = []
    for _ in range(1 + (voice.repeats > 0)):
        contour = glide(0.26 / voice.tempo, *voice.hertz(1000, 760, 1250, 1050, 640))
        contour = vibrato(contour, rate_hz=38, depth=0.07)
        partials = resonant_partials(1000 * voice.pitch, ((2300, 1300),), tilt=0.7 / voice.bright)
        wave = 1.4 * tone(contour, partials)
        parts += [wave * envelope(len(wave)), silence(0.06 / voice.tempo)]
    low = rng.uniform(900, 1000)
    parts.append(voice.note(0.22, *voice.hertz(1400, low, 2300)))
    parts.append(voice.note(0.34, *voice.hertz(1400, low, 1750, low * 0.8)))
    return np.concatenate(parts)


def _owl(voice: Voice, rng: np.random.Generator) -> Wave:
    """Low hoots: one, a pause, two short ones, and a long one that quavers."""
    parts = []
    lengths = {-1: (0.3, 0.5), 0: (0.22, 0.12, 0.42), 1: (0.24, 0.12, 0.12, 0.5)}[voice.repeats]
    base = 390 * rng.uniform(0.97, 1.03)
    for number, seconds in enumerate(lengths):
        long = number == len(lengths) - 1
        contour = glide(seconds / voice.tempo, *voice.hertz(390, base * 0.93, base, base * 0.9))
        contour = vibrato(contour, rate_hz=12 if long else 5, depth=0.03 if long else 0.0)
        wave = tone(contour, (1.0, 0.16 * voice.bright, 0.07 * voice.bright))
        parts += [
            wave * envelope(len(wave), attack=0.05, release=0.08),
            silence(0.08 / voice.tempo),
        ]
    return np.concatenate(parts)


def _duck(voice: Voice, rng: np.random.Generator) -> Wave:
    """Quacks, nasal and rich in harmonics, each a little softer and lower than the last."""
    parts = []
    for number in range(3 + voice.repeats):
        base = 235 * voice.pitch * (1 - 0.04 * number)
        contour = glide(0.17 * voice.held / voice.tempo, base * 0.95, base * 1.12, base * 0.82)
        nose = ((1250 * voice.pitch, 260), (2500 * voice.pitch, 330))
        wave = 1.6 * tone(contour, resonant_partials(base, nose, tilt=0.25 / voice.bright))
        wave *= envelope(len(wave), attack=0.012, release=0.05) * 0.88**number
        pause = 0.17 * (1 - voice.held) + rng.uniform(0.06, 0.08)
        parts += [wave, silence(pause / voice.tempo)]
    return np.concatenate(parts)


def _heron(voice: Voice, rng: np.random.Generator) -> Wave:
    """One long harsh rasp, half noise, that rattles and falls."""
    parts = []
    for _ in range(1 + (voice.repeats > 0)):
        base = 150 * voice.pitch
        contour = glide(0.46 * voice.held**0.5 / voice.tempo, base * 1.3, base * 1.15, base * 0.7)
        throat = ((620 * voice.pitch, 160), (1500 * voice.pitch, 350))
        wave = tone(contour, resonant_partials(base, throat, tilt=0.5 / voice.bright))
        rasp = band_noise(len(wave), 450 * voice.pitch, 2100 * voice.pitch, rng)
        wave = (wave + 0.45 * rasp) * (0.25 + pulses(len(wave), rate_hz=46, duty=0.8))
        parts += [
            wave * envelope(len(wave), attack=0.03, release=0.12),
            silence(0.15 / voice.tempo),
        ]
    return np.concatenate(parts)


def _penguin(voice: Voice, rng: np.random.Generator) -> Wave:
    """A braying trumpet in steps, sung with two throats at once, so that it beats."""
    parts = []
    steps = 3 + voice.repeats
    for number in range(steps):
        rise = 1 + 0.14 * np.sin(np.pi * (number + 0.5) / steps)
        seconds = (0.2 + 0.1 * (number == steps - 1)) / voice.tempo
        wave = silence(seconds)
        for throat in (430 * rng.uniform(0.99, 1.01), 477):
            base = throat * voice.pitch * rise
            contour = glide(seconds, base * 0.86, base, base, base * 0.8)
            partials = resonant_partials(
                base, ((1300 * voice.pitch, 900),), tilt=0.6 / voice.bright
            )
            wave += 0.8 * tone(contour, partials)[: len(wave)]
        parts += [
            wave * envelope(len(wave), attack=0.02, release=0.04),
            silence(0.035 / voice.tempo),
        ]
    return np.concatenate(parts)


def _swift(voice: Voice, rng: np.random.Generator) -> Wave:
    """A long thin scream that buzzes, rising and then falling."""
    top = 4950 * rng.uniform(0.98, 1.02)
    contour = glide(0.55 / voice.tempo, *voice.hertz(4800, 4300, top, top * 0.98, 4200))
    contour = vibrato(contour, rate_hz=95, depth=0.045)
    wave = tone(contour) * (0.55 + 0.45 * pulses(len(contour), rate_hz=95, duty=0.7))
    parts = [wave * envelope(len(wave), attack=0.06, release=0.1), silence(0.05 / voice.tempo)]
    return np.concatenate(parts * (1 + (voice.repeats > 0)))


CALLS: dict[Species, Callable[[Voice, np.random.Generator], Wave]] = {
    "robin": _robin,
    "blackbird": _blackbird,
    "blue tit": _blue_tit,
    "goldfinch": _goldfinch,
    "cuckoo": _cuckoo,
    "woodpecker": _woodpecker,
    "parrot": _parrot,
    "owl": _owl,
    "duck": _duck,
    "heron": _heron,
    "penguin": _penguin,
    "swift": _swift,
    "frog": sing_frog,
    "dog": sing_dog,
    "cricket": sing_cricket,
    "bell": sing_bell,
}
