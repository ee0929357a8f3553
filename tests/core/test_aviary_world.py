"""Factors and splits: what the made world promises before anything is drawn."""

from collections import Counter

import numpy as np
import pytest

from d2v_core.data.aviary.world import (
    BIRDS,
    COUNTS,
    FACINGS,
    HELD_OUT_SPECIES,
    MOODS,
    PHRASINGS,
    ROOMS,
    SCENERIES,
    SIZES,
    SPECIES,
    SPLIT_OF,
    TIMES,
    combinations_of,
    make_factors,
    random_stream,
)

WORLD = [make_factors(0, index) for index in range(1600)]


def test_there_are_twelve_birds_and_four_outsiders():
    assert len(BIRDS) == 12
    assert set(SPECIES) - set(BIRDS) == {"frog", "dog", "cricket", "bell"}


@pytest.mark.parametrize("seed", [0, 1, 2**40])
def test_every_run_of_sixteen_holds_each_species_once(seed):
    species = [make_factors(seed, index).species for index in range(48)]

    for start in (0, 16, 32):
        assert sorted(species[start : start + 16]) == sorted(SPECIES)
    assert species[:16] != species[16:32]  # no period to learn


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("size", SIZES),
        ("count", COUNTS),
        ("time", TIMES),
        ("mood", MOODS),
        ("facing", FACINGS),
        ("scenery", SCENERIES),
        ("room", ROOMS),
        ("phrasing", range(PHRASINGS)),
    ],
)
def test_every_level_of_a_factor_is_as_frequent_as_any(name, levels):
    """A count of n items at probability p stays within 4 standard deviations of n·p."""
    counts = Counter(getattr(factors, name) for factors in WORLD)
    chance = 1 / len(levels)

    assert set(counts) == set(levels)
    deviation = np.sqrt(len(WORLD) * chance * (1 - chance))
    for level in levels:
        assert abs(counts[level] - len(WORLD) * chance) < 4 * deviation


def test_factors_do_not_depend_on_each_other():
    """All pairs of two-level views of the factors have correlations as of independent draws."""
    columns = np.array(
        [
            [
                factors.size == "large",
                factors.count == 3,
                factors.time == "night",
                factors.mood == "calm",
                factors.facing == "left",
                factors.scenery == "hills",
                factors.room == "hall",
                factors.hue_shift > 0,
                factors.loudness_db > -9.5,
                factors.noise_db > -71,
                factors.phrasing < 6,
                factors.is_bird,
            ]
            for factors in WORLD
        ],
        dtype=float,
    )
    correlations = np.corrcoef(columns.T) - np.eye(columns.shape[1])

    assert np.abs(correlations).max() < 4 / np.sqrt(len(WORLD))


def test_streams_of_an_item_and_of_its_neighbours_differ():
    streams = [
        random_stream(seed, index, stream).integers(2**62)
        for seed in (0, 1)
        for index in (0, 1)
        for stream in ("factors", "picture", "song", "sentence")
    ]

    assert len(set(streams)) == len(streams)
    assert streams[0] == random_stream(0, 0, "factors").integers(2**62)


def test_splits_share_the_combinations_of_each_species_70_15_15():
    for species in SPECIES:
        counts = Counter(SPLIT_OF[name] for name in combinations_of(species))
        assert counts == {"train": 76, "val": 16, "test": 16}
    assert len(SPLIT_OF) == len(SPECIES) * len(SIZES) * len(COUNTS) * len(TIMES) * len(MOODS)


def test_a_combination_has_one_split_in_every_world():
    seen = {}
    for seed in range(4):
        for index in range(800):
            factors = make_factors(seed, index)
            assert seen.setdefault(factors.combination, factors.split) == factors.split

    assert len(seen) > 1300  # most combinations met, many of them in several worlds


def test_the_split_of_a_combination_never_changes():
    """Written down: a later version that deals otherwise would leak test into old training sets."""
    assert {
        name: SPLIT_OF[name]
        for name in (
            "robin-small-1-dawn-calm",
            "blue-tit-large-3-night-excited",
            "bell-medium-2-day-alert",
        )
    } == {
        "robin-small-1-dawn-calm": "train",
        "blue-tit-large-3-night-excited": "val",
        "bell-medium-2-day-alert": "train",
    }


def test_items_are_split_in_about_the_same_shares():
    shares = Counter(factors.split for factors in WORLD)

    assert shares["train"] / len(WORLD) == pytest.approx(76 / 108, abs=0.04)
    assert shares["val"] / len(WORLD) == pytest.approx(16 / 108, abs=0.03)
    assert shares["test"] / len(WORLD) == pytest.approx(16 / 108, abs=0.03)


def test_what_is_held_out_are_combinations_and_never_a_level():
    """Of each species every size, number, time and mood is in train; val and test have all too."""
    levels = {*SIZES, *map(str, COUNTS), *TIMES, *MOODS}
    for species in SPECIES:
        train = [name for name in combinations_of(species) if SPLIT_OF[name] == "train"]
        assert {part for name in train for part in name.split("-")} >= levels
    for split in ("val", "test"):
        names = [name for name, own in SPLIT_OF.items() if own == split]
        assert {part for name in names for part in name.split("-")} >= levels


def test_two_species_are_flagged_one_of_them_a_bird():
    flagged = {factors.species for factors in WORLD if factors.held_out_species}

    assert flagged == set(HELD_OUT_SPECIES)
    assert len(flagged & set(BIRDS)) == 1
    assert len(flagged) == 2
