"""Which rows are pairs: unlike rows, a fixed share, the control, and whose turn a step is."""

import dataclasses

import pytest

from d2v_core.data.folder import read_folder
from d2v_core.data.pairs import Turns, pair_groups
from d2v_core.data.steps import TrainSteps, training_items
from d2v_core.errors import InputError
from d2v_core.metrics import read_metrics
from d2v_core.train import train
from tests.conftest import smallest

IMAGE_TEXT, WITH_AUDIO = (("image", "text"),), (("image", "audio"), ("audio", "text"))


def with_pairs(**pairs):
    config = smallest()
    return dataclasses.replace(config, pairs=dataclasses.replace(config.pairs, **pairs))


def groups_of(folder, config):
    return pair_groups(training_items(folder, config), config)


def ids(group, modality):
    return [row[modality].id for row in group.rows]


def test_rows_that_have_everything_are_one_group(toys):
    (group,) = groups_of(read_folder(toys), with_pairs(fraction=1.0))

    assert group.between == (("image", "audio"), ("image", "text"), ("audio", "text"))
    assert ids(group, "image") == ids(group, "audio") == ids(group, "text")
    assert len(group.rows) == 18


def test_modalities_that_meet_in_the_same_rows_are_together(with_few_sounds):
    folder = read_folder(with_few_sounds)
    apart, together = sorted(
        groups_of(folder, with_pairs(fraction=1.0)), key=lambda group: len(group.between)
    )
    sounds = {item.id for item in folder.of("audio") if item.split == "train"}

    assert (apart.between, together.between) == (IMAGE_TEXT, WITH_AUDIO)
    assert len(apart.rows) == 18
    assert set(ids(together, "image")) == set(ids(together, "text")) == sounds
    assert set(apart.rows[0]) == {"image", "text"}


def test_a_share_is_of_every_group_and_a_smaller_one_is_part_of_a_larger(with_few_sounds):
    folder = read_folder(with_few_sounds)
    half, all_ = (groups_of(folder, with_pairs(fraction=f)) for f in (0.5, 1.0))

    for some, every in zip(half, all_, strict=True):
        assert len(some.rows) == round(len(every.rows) / 2)
        first = some.modalities[0]
        assert set(ids(some, first)) < set(ids(every, first))
    assert groups_of(folder, with_pairs(fraction=0.0)) == []


def test_shuffled_pairs_are_the_same_items_in_another_order(with_few_sounds):
    folder = read_folder(with_few_sounds)
    for group in groups_of(folder, with_pairs(fraction=1.0, shuffled=True)):
        first, *others = group.modalities
        for other in others:
            assert set(ids(group, other)) == set(ids(group, first))
            assert ids(group, other) != ids(group, first)


def test_turns_are_shared_by_what_meets_and_no_row_is_passed_over(with_few_sounds):
    groups = groups_of(read_folder(with_few_sounds), with_pairs(fraction=1.0))
    turns = Turns(groups)
    found = [turns[step] for step in range(30)]

    for number, group in enumerate(groups):
        own = [turn for which, turn in found if which == number]
        assert len(own) == 10 * len(group.between)
        assert own == list(range(len(own)))


def test_every_step_holds_rows_that_belong_together(with_few_sounds):
    config = with_pairs(fraction=1.0)
    steps = TrainSteps(read_folder(with_few_sounds), config)
    for number in range(3):
        paired = steps[number].paired
        assert set(paired.inputs) == {m for pair in paired.between for m in pair}
        lengths = {len(x.lengths) for x in paired.inputs.values()}
        assert lengths == {config.pairs.batch}


def test_a_training_takes_turns(with_few_sounds, tmp_path):
    config = with_pairs(fraction=1.0)
    config = dataclasses.replace(config, optim=dataclasses.replace(config.optim, steps=3))
    train(read_folder(with_few_sounds), config, tmp_path / "run")
    terms = [
        {name.removeprefix("contrastive/") for name in line if name.startswith("contrastive/")}
        for line in read_metrics(tmp_path / "run")
    ]

    assert {"image-audio", "audio-text"} <= terms[0]
    assert "image-text" not in terms[0]
    assert "image-text" in terms[2]
    assert "audio-text" not in terms[2]


def test_modalities_without_a_row_in_common_are_refused(toys):
    folder = read_folder(toys)
    apart = dataclasses.replace(
        folder,
        items=tuple(i for n, i in enumerate(folder.items) if n // 3 % 3 == n % 3),
    )
    with pytest.raises(
        InputError, match="pairs of image and audio are wanted, but no training row has both; use"
    ):
        groups_of(apart, with_pairs(fraction=1.0))
