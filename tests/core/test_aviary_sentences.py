"""Sentences: every shared factor is said, in good English, in many ways."""

import itertools
import re

import numpy as np
import pytest

from d2v_core.data.aviary.sentences import (
    ADJECTIVES,
    LONGEST,
    MANNERS,
    MOMENTS,
    NUMBERS,
    PLURALS,
    VERBS,
    write_sentence,
)
from d2v_core.data.aviary.world import (
    COUNTS,
    MOODS,
    PHRASINGS,
    SIZES,
    SPECIES,
    TIMES,
    Factors,
)


def said(species="robin", size="small", count=1, time="dawn", mood="calm", phrasing=0, seed=0):
    factors = Factors(
        species=species,
        size=size,
        count=count,
        time=time,
        mood=mood,
        facing="left",
        scenery="hills",
        hue_shift=0.0,
        loudness_db=-6.0,
        room="open",
        noise_db=-70.0,
        phrasing=phrasing,
    )
    return write_sentence(factors, np.random.default_rng(seed))


def every_sentence():
    """Yield the shared factors and the sentence, over all of them and all templates."""
    shared = itertools.product(SPECIES, SIZES, COUNTS, TIMES, MOODS)
    for seed, each in enumerate(shared):
        yield each, said(*each, phrasing=seed % PHRASINGS, seed=seed)


EVERY = list(every_sentence())


def levels_in(sentence, vocabulary):
    """Return the levels of a factor any of whose words are in the sentence."""
    text = sentence.lower()
    return {
        level
        for level, words in vocabulary.items()
        if any(re.search(rf"\b{re.escape(word)}\b", text) for word in words)
    }


@pytest.mark.parametrize(
    ("position", "vocabulary"),
    [(1, ADJECTIVES), (3, MOMENTS), (4, MANNERS)],
    ids=["size", "time", "mood"],
)
def test_each_sentence_says_its_level_of_a_factor_and_no_other(position, vocabulary):
    for shared, sentence in EVERY:
        assert levels_in(sentence, vocabulary) == {shared[position]}, sentence


def test_each_sentence_names_its_species_once_and_no_other():
    for (species, _, count, _, _), sentence in EVERY:
        nouns = {name: [name, PLURALS.get(name, f"{name}s")] for name in SPECIES}
        assert levels_in(sentence, nouns) == {species}, sentence
        assert re.search(rf"\b{nouns[species][count > 1]}\b", sentence), sentence


def test_each_sentence_says_how_many():
    numbers = {2: NUMBERS[2], 3: NUMBERS[3]}
    for shared, sentence in EVERY:
        assert levels_in(sentence, numbers) == ({shared[2]} - {1}), sentence


def test_each_sentence_says_what_the_species_does():
    for (species, *_), sentence in EVERY:
        forms = {form for verb in VERBS[species] for form in verb}
        assert any(re.search(rf"\b{form}\b", sentence) for form in forms), sentence


def test_sentences_are_short_plain_and_end_with_a_full_stop():
    for _, sentence in EVERY:
        assert len(sentence.encode()) <= LONGEST
        assert re.fullmatch(r"[A-Z][A-Za-z ,:-]*\.", sentence), sentence
        assert "  " not in sentence


def test_subject_and_verb_agree():
    assert said(count=1).split(" ")[-4:-2] != said(count=2).split(" ")[-4:-2]
    for (species, _, count, _, _), sentence in EVERY:
        for verb in VERBS[species]:
            wrong = verb.plain if count == 1 else verb.singular
            if "I heard" not in sentence:  # "I heard it sing"
                assert not re.search(rf"\b{wrong}\b", sentence), sentence


def test_is_and_are_agree():
    for (_, _, count, _, _), sentence in EVERY:
        if re.search(r"\b(is|are)\b", sentence):
            assert bool(re.search(r"\bare\b", sentence)) == (count > 1), sentence


def test_the_article_fits_the_word_after_it():
    for _, sentence in EVERY:
        for article, first in re.findall(r"\b([Aa]n?) (\w)", sentence):
            assert (article.lower() == "an") == (first in "aeiou"), sentence
    starts = {said(species="owl", phrasing=8, seed=seed).split(",")[0] for seed in range(40)}
    assert starts == {"One owl", "An owl", "A single owl"}


READ_BY_A_PERSON = (
    "A trio of mid-sized goldfinches chatter wildly by day.",
    "At night, a big owl calls excitedly.",
    "At sunset, softly, a pair of small blue tits chirp.",
    "Softly, a trio of medium-sized goldfinches twitter at dawn.",
    "You can hear a single huge owl calling in alarm in broad daylight.",
    "There are a pair of tiny blue tits chirping in warning by moonlight.",
    "Listen: three mid-sized goldfinches chatter joyfully late in the evening.",
    "At sunrise I heard a single big owl call excitedly.",
    "A pair of blue tits, small and chirping calmly, can be heard by day.",
    "Somebody recorded three middle-sized goldfinches chattering softly at night.",
    "Late in the evening comes the sound of a single huge owl hooting sharply.",
    "What you hear at sunrise are two small blue tits, trilling in alarm.",
)
"""One a template."""


def test_sentences_read_as_they_were_proofread():
    species, sizes = ("goldfinch", "owl", "blue tit"), ("medium", "large", "small")
    written = tuple(
        said(
            species=species[phrasing % 3],
            size=sizes[phrasing % 3],
            count=(3, 1, 2)[phrasing % 3],
            time=("day", "night", "dusk", "dawn")[phrasing % 4],
            mood=("excited", "calm", "alert")[phrasing // 2 % 3],
            phrasing=phrasing,
            seed=phrasing,
        )
        for phrasing in range(PHRASINGS)
    )

    assert written == READ_BY_A_PERSON


def test_one_combination_is_said_in_many_ways():
    ways = {
        said(phrasing=phrasing, seed=seed) for phrasing in range(PHRASINGS) for seed in range(50)
    }

    assert len(ways) > 400


def test_a_sentence_is_the_same_when_written_again():
    assert said(seed=9) == said(seed=9)
