"""Say an item in one English sentence: who, how many, how large, when, and in what mood."""

from typing import NamedTuple, TypeVar

import numpy as np

from d2v_core.data.aviary.world import PHRASINGS, Factors, Mood, Size, Species, Time

Word = TypeVar("Word")

LONGEST = 110
"""No sentence has more bytes."""


class Verb(NamedTuple):
    """One verb in the forms that the templates need."""

    plain: str
    singular: str
    going: str


def _regular(plain: str) -> Verb:
    return Verb(plain, f"{plain}s", f"{plain}ing")


SING, CALL, CHIRP, CROAK = (_regular(word) for word in ("sing", "call", "chirp", "croak"))
VERBS: dict[Species, tuple[Verb, ...]] = {
    "robin": (SING, Verb("warble", "warbles", "warbling")),
    "blackbird": (SING, Verb("whistle", "whistles", "whistling")),
    "blue tit": (CHIRP, _regular("trill")),
    "goldfinch": (_regular("twitter"), _regular("chatter")),
    "cuckoo": (CALL, SING),
    "woodpecker": (Verb("drum", "drums", "drumming"), _regular("hammer")),
    "parrot": (_regular("squawk"), _regular("shriek")),
    "owl": (_regular("hoot"), CALL),
    "duck": (_regular("quack"), CALL),
    "heron": (CROAK, _regular("rasp")),
    "penguin": (_regular("bray"), _regular("trumpet")),
    "swift": (_regular("scream"), Verb("screech", "screeches", "screeching")),
    "frog": (CROAK, CALL),
    "dog": (_regular("bark"), Verb("yap", "yaps", "yapping")),
    "cricket": (CHIRP, SING),
    "bell": (_regular("ring"), Verb("chime", "chimes", "chiming")),
}
PLURALS: dict[Species, str] = {"goldfinch": "goldfinches"}
"""All others take an s."""

NUMBERS: dict[int, tuple[str, ...]] = {
    1: ("one", "a", "a single"),
    2: ("two", "a pair of"),
    3: ("three", "a trio of"),
}
ADJECTIVES: dict[Size, tuple[str, ...]] = {
    "small": ("small", "little", "tiny"),
    "medium": ("medium-sized", "mid-sized", "middle-sized"),
    "large": ("large", "big", "huge"),
}
MOMENTS: dict[Time, tuple[str, ...]] = {
    "dawn": ("at dawn", "at sunrise", "early in the morning"),
    "day": ("by day", "at noon", "in broad daylight"),
    "dusk": ("at dusk", "at sunset", "late in the evening"),
    "night": ("at night", "by moonlight", "under the stars"),
}
MANNERS: dict[Mood, tuple[str, ...]] = {
    "calm": ("softly", "gently", "calmly"),
    "alert": ("sharply", "in alarm", "in warning"),
    "excited": ("wildly", "joyfully", "excitedly"),
}

TEMPLATES = (
    "{group} {verb} {manner} {moment}.",
    "{moment}, {group} {verb} {manner}.",
    "{moment}, {manner}, {group} {verb}.",
    "{manner}, {group} {verb} {moment}.",
    "You can hear {group} {going} {manner} {moment}.",
    "{there} {group} {going} {manner} {moment}.",
    "Listen: {group} {verb} {manner} {moment}.",
    "{moment} I heard {group} {plain} {manner}.",
    "{number} {noun}, {size} and {going} {manner}, can be heard {moment}.",
    "Somebody recorded {group} {going} {manner} {moment}.",
    "{moment} comes the sound of {group} {going} {manner}.",
    "What you hear {moment} {are} {group}, {going} {manner}.",
)
if len(TEMPLATES) != PHRASINGS:
    raise AssertionError("one phrasing a template")


def write_sentence(factors: Factors, rng: np.random.Generator) -> str:
    """Return the sentence of an item: its template is a factor, its synonyms are drawn."""
    many = factors.count > 1
    noun = PLURALS.get(factors.species, f"{factors.species}s") if many else factors.species
    number = _one_of(NUMBERS[factors.count], rng)
    size = _one_of(ADJECTIVES[factors.size], rng)
    verb = _one_of(VERBS[factors.species], rng)
    sentence = TEMPLATES[factors.phrasing].format(
        group=f"{number} {size} {noun}",
        number="an" if number == "a" and noun[0] in "aeiou" else number,
        size=size,
        noun=noun,
        verb=verb.plain if many else verb.singular,
        plain=verb.plain,
        going=verb.going,
        manner=_one_of(MANNERS[factors.mood], rng),
        moment=_one_of(MOMENTS[factors.time], rng),
        there="there are" if many else "there is",
        are="are" if many else "is",
    )
    return sentence[0].upper() + sentence[1:]


def _one_of(words: tuple[Word, ...], rng: np.random.Generator) -> Word:
    return words[int(rng.integers(len(words)))]
