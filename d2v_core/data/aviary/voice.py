"""The voice of one animal: what size and mood make of a song."""

from dataclasses import dataclass

import numpy as np

from d2v_core.data.aviary.synthesis import Number, Wave, envelope, glide, silence, tone


@dataclass(frozen=True, kw_only=True)
class Voice:
    """How one animal sounds at the moment."""

    pitch: Number
    """Factor on every frequency; 1 for a medium animal."""

    tempo: Number
    """Factor on the speed; 1 when alert."""

    reach: Number
    """Factor on the logarithm of each leap from the middle of the song."""

    bright: Number
    """Factor on the strength of the upper partials."""

    held: Number
    """Share of each note that sounds; the rest is a gap."""

    repeats: int
    """More or fewer notes than usual: -1, 0 or 1."""

    def hertz(self, middle: Number, *notes: Number) -> tuple[float, ...]:
        """Return the frequencies of notes around the middle of a song, as this voice sings them."""
        return tuple(self.pitch * middle * (note / middle) ** self.reach for note in notes)

    def note(self, seconds: Number, *hertz: Number, attack: Number = 0.012) -> Wave:
        """Whistle through the frequencies; the note and its gap take `seconds` at tempo 1."""
        whole = seconds / self.tempo
        contour = glide(whole * self.held, *hertz)
        wave = tone(contour, (1.0, 0.1 * self.bright, 0.03 * self.bright))
        wave *= envelope(len(wave), attack=attack, release=min(0.04, whole * 0.4))
        return np.concatenate([wave, silence(whole * (1 - self.held))])
