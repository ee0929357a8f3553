"""The voice of one animal: what size and mood make of a song."""

from dataclasses import dataclass

import numpy as np

from d2v_core.data.aviary.synthesis import Wave, envelope, glide, silence, tone


@dataclass(frozen=True, kw_only=True)
class Voice:
    """How one animal sounds at the moment."""

    pitch: float
    """Factor on every frequency; 1 for a medium animal."""

    tempo: float
    """Factor on the speed; 1 when alert."""

    reach: float
    """Factor on the logarithm of each leap from the middle of the song."""

    bright: float
    """Factor on the strength of the upper partials."""

    held: float
    """Share of each note that sounds; the rest is a gap."""

    repeats: int
    """More or fewer notes than usual: -1, 0 or 1."""

    def hertz(self, middle: float, *notes: float) -> tuple[float, ...]:
        """Return the frequencies of notes around the middle of a song, as this voice sings them."""
        return tuple(self.pitch * middle * (note / middle) ** self.reach for note in notes)

    def note(self, seconds: float, *hertz: float, attack: float = 0.012) -> Wave:
        """Whistle through the frequencies; the note and its gap take `seconds` at tempo 1."""
        whole = seconds / self.tempo
        contour = glide(whole * self.held, *hertz)
        wave = tone(contour, (1.0, 0.1 * self.bright, 0.03 * self.bright))
        wave *= envelope(len(wave), attack=attack, release=min(0.04, whole * 0.4))
        return np.concatenate([wave, silence(whole * (1 - self.held))])
