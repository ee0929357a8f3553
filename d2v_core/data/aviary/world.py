"""What there is in the made world, and which of it item i of seed s shows.

An item has shared factors (species, size, count, time, mood): seen, heard and said alike. It has
private factors too, each in one modality only. Everything about an item follows from (seed, index)
alone, so item 7 is the same in a world of ten items and in one of a million.
"""

import hashlib
import itertools
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

Species = Literal[
    "robin",
    "blackbird",
    "blue tit",
    "goldfinch",
    "cuckoo",
    "woodpecker",
    "parrot",
    "owl",
    "duck",
    "heron",
    "penguin",
    "swift",
    "frog",
    "dog",
    "cricket",
    "bell",
]
Size = Literal["small", "medium", "large"]
Time = Literal["dawn", "day", "dusk", "night"]
Mood = Literal["calm", "alert", "excited"]
Facing = Literal["left", "right"]
Scenery = Literal["hills", "forest", "village", "mountains"]
Room = Literal["open", "wood", "hall"]
Split = Literal["train", "val", "test"]
Stream = Literal["factors", "picture", "song", "sentence"]

SPECIES: tuple[Species, ...] = get_args(Species)
BIRDS = SPECIES[:12]
HELD_OUT_SPECIES: tuple[Species, ...] = ("cuckoo", "frog")
"""The flag of these two is set, for whoever wants to leave whole species out of training."""

SIZES: tuple[Size, ...] = get_args(Size)
COUNTS = (1, 2, 3)
TIMES: tuple[Time, ...] = get_args(Time)
MOODS: tuple[Mood, ...] = get_args(Mood)
FACINGS: tuple[Facing, ...] = get_args(Facing)
SCENERIES: tuple[Scenery, ...] = get_args(Scenery)
ROOMS: tuple[Room, ...] = get_args(Room)
PHRASINGS = 12
"""Sentence templates; `phrasing` counts them from 0."""

TRAIN_SHARE, VAL_SHARE = 0.70, 0.15
SPECIES_STREAM = 4  # one number after the four streams of an item


@dataclass(frozen=True, kw_only=True)
class Factors:
    """Everything that is true of one item."""

    species: Species
    """Shared, and the label."""

    size: Size
    """Shared: body, pitch, adjective."""

    count: int
    """Shared, 1 to 3: animals, voices, number word."""

    time: Time
    """Shared: sky, ambience, phrase of time."""

    mood: Mood
    """Shared: posture, tempo and intensity, manner."""

    facing: Facing
    """Private to the picture: which way they look."""

    scenery: Scenery
    """Private to the picture: what stands at the horizon."""

    hue_shift: float
    """Private to the picture: degrees by which the colours of the animals are turned."""

    loudness_db: float
    """Private to the song: its peak in dB relative to full scale."""

    room: Room
    """Private to the song: how it echoes."""

    noise_db: float
    """Private to the song: RMS of the recorder's hiss in dB relative to full scale."""

    phrasing: int
    """Private to the sentence: its template."""

    @property
    def combination(self) -> str:
        """Name of the shared factors together, as in `blue-tit-small-2-dawn-calm`."""
        parts = (self.species, self.size, str(self.count), self.time, self.mood)
        return "-".join(parts).replace(" ", "-")

    @property
    def split(self) -> Split:
        """Which split the combination belongs to, for every seed."""
        return SPLIT_OF[self.combination]

    @property
    def is_bird(self) -> bool:
        """Whether the species is one of the twelve birds."""
        return self.species in BIRDS

    @property
    def held_out_species(self) -> bool:
        """Whether the species is one of the two that are flagged."""
        return self.species in HELD_OUT_SPECIES


def random_stream(seed: int, index: int, stream: Stream) -> np.random.Generator:
    """Return the randomness of one modality of one item; streams do not depend on each other."""
    key = (index, get_args(Stream).index(stream))
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def make_factors(seed: int, index: int) -> Factors:
    """Draw the factors of one item.

    Each run of sixteen items, counted from 0, holds every species once, in an order of its own.
    The other factors are uniform and independent, so that each can be probed without the others.

    Args:
        seed: which world, 0 or more.
        index: which item, 0 or more.
    """
    rng = random_stream(seed, index, "factors")
    return Factors(
        species=_species(seed, index),
        size=SIZES[rng.integers(len(SIZES))],
        count=int(rng.integers(COUNTS[0], COUNTS[-1] + 1)),
        time=TIMES[rng.integers(len(TIMES))],
        mood=MOODS[rng.integers(len(MOODS))],
        facing=FACINGS[rng.integers(len(FACINGS))],
        scenery=SCENERIES[rng.integers(len(SCENERIES))],
        hue_shift=round(float(rng.uniform(-12.0, 12.0)), 1),
        loudness_db=round(float(rng.uniform(-15.0, -4.0)), 1),
        room=ROOMS[rng.integers(len(ROOMS))],
        noise_db=round(float(rng.uniform(-78.0, -64.0)), 1),
        phrasing=int(rng.integers(PHRASINGS)),
    )


def _species(seed: int, index: int) -> Species:
    block, place = divmod(index, len(SPECIES))
    order = np.random.SeedSequence(seed, spawn_key=(block, SPECIES_STREAM))
    return SPECIES[np.random.default_rng(order).permutation(len(SPECIES))[place]]


def combinations_of(species: Species) -> list[str]:
    """Return the names of all combinations of shared factors of one species."""
    factors = itertools.product(SIZES, map(str, COUNTS), TIMES, MOODS)
    return ["-".join((species, *each)).replace(" ", "-") for each in factors]


def _make_splits() -> dict[str, Split]:
    """Deal the combinations of each species, ordered by hash, to the three splits.

    Ranks of a hash instead of its value: every species gets the same share of every split.
    """
    splits: dict[str, Split] = {}
    for species in SPECIES:
        names = sorted(combinations_of(species), key=lambda x: hashlib.sha256(x.encode()).digest())
        train_end = round(TRAIN_SHARE * len(names))
        val_end = round((TRAIN_SHARE + VAL_SHARE) * len(names))
        splits |= dict.fromkeys(names[:train_end], "train")
        splits |= dict.fromkeys(names[train_end:val_end], "val")
        splits |= dict.fromkeys(names[val_end:], "test")
    return splits


SPLIT_OF = _make_splits()
"""Split of each combination: a function of its name alone, not of a seed or a number of items."""
