"""Trainings of seconds: one collapses without its guard, pairs teach what shuffled pairs do not."""

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

from d2v_core.data.folder import read_folder
from d2v_core.errors import InputError
from d2v_core.teaching.collapse import (
    BATCH,
    FEWEST,
    Moment,
    Unguarded,
    small_config,
    state_of,
    watch_training,
)
from d2v_core.teaching.two_towers import two_towers
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def pictures():
    return read_folder(ROOT / "sample_data" / "aviary").of("image")


def moments(losses, cosines):
    return [
        Moment(step=n, loss=float(a), target_std=1.0, effective_rank=5.0, mean_cosine=b)
        for n, (a, b) in enumerate(zip(losses, cosines, strict=True))
    ]


def test_how_a_training_went_is_told_by_cosine_and_loss():
    assert state_of(moments([4, 3, 2, 1], [0.5, 0.5, 0.5, 0.5])) == "healthy"
    assert state_of(moments([4, 1, 0.1, 0.1], [0.5, 0.5, 0.98, 0.9])) == "collapsed"
    assert state_of(moments([4, 1, 2, 3], [0.5, 0.5, 0.5, 0.5])) == "unstable"
    early = moments([4, 3, 2, 1], [0.99, 0.5, 0.5, 0.5])  # all alike at the start is no collapse
    assert state_of(early) == "healthy"


def test_the_same_settings_give_the_same_curves(pictures):
    first = list(watch_training(pictures[:FEWEST], normalise=True, decay=0.998, steps=6))
    second = list(watch_training(pictures[:FEWEST], normalise=True, decay=0.998, steps=6))

    assert first == second
    assert [moment.step for moment in first] == [1, 5]


def test_without_the_norm_the_spread_of_the_target_is_what_it_is(pictures):
    (guarded, *_), (bare, *_) = (
        list(watch_training(pictures[:FEWEST], normalise=norm, decay=0.998, steps=1))
        for norm in (True, False)
    )

    assert guarded.target_std == pytest.approx(1, abs=0.1)
    assert bare.target_std < 0.1
    assert guarded.effective_rank == pytest.approx(bare.effective_rank, rel=0.1)


def test_too_few_pictures_are_refused(pictures):
    with pytest.raises(InputError, match="3 pictures; this training needs at least 16"):
        next(watch_training(pictures[:3], normalise=True, decay=0.9))
    assert BATCH <= FEWEST


def test_the_unguarded_objective_differs_in_its_target_alone():
    guarded = Unguarded.__mro__[1](small_config(), "image")
    bare = Unguarded(small_config(), "image")

    assert {n: x.shape for n, x in guarded.named_parameters()} == {
        n: x.shape for n, x in bare.named_parameters()
    }


@pytest.mark.slow
def test_the_guard_is_what_keeps_a_training_from_collapse(pictures):
    healthy, bare = (
        list(watch_training(pictures, normalise=norm, decay=0.998)) for norm in (True, False)
    )

    assert state_of(healthy) == "healthy"
    assert state_of(bare) == "collapsed"
    assert bare[-1].loss < healthy[-1].loss / 5  # the lower loss, and nothing learnt
    assert bare[-1].effective_rank < 3 < healthy[-1].effective_rank


def senses(items, seed=0):
    """Return two modalities that show the same four numbers, each by axes of its own."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(items, 4))
    mixes = np.random.default_rng(1).normal(size=(2, 4, 12))
    return tuple(factors @ mix + 0.1 * rng.normal(size=(items, 12)) for mix in mixes)


def first_hits(towers):
    return float((np.argmax(towers.y @ towers.x.T, axis=1) == np.arange(len(towers.x))).mean())


def test_true_pairs_carry_over_to_new_items_and_mixed_up_ones_do_not():
    x, y = senses(160)
    known, asked = (x[:120], y[:120]), (x[120:], y[120:])
    order = np.random.default_rng(2).permutation(120)

    true = two_towers(known, asked)
    mixed = two_towers((known[0], known[1][order]), asked)
    assert first_hits(true) > 0.7
    assert first_hits(mixed) < 0.2
    np.testing.assert_allclose(np.linalg.norm(true.x, axis=1), 1, atol=1e-6)


def test_without_pairs_the_towers_stay_as_they_were_drawn():
    x, y = senses(40)
    none = two_towers((x[:0], y[:0]), (x, y))

    assert np.isnan(none.loss)
    assert first_hits(none) < 0.2


def test_the_towers_are_the_same_again_and_leave_no_trace():
    x, y = senses(30)
    before = torch.random.get_rng_state()
    first, second = (two_towers((x, y), (x, y), seed=3) for _ in range(2))

    np.testing.assert_array_equal(first.x, second.x)
    torch.testing.assert_close(torch.random.get_rng_state(), before)


def test_one_pair_and_rows_that_do_not_match_are_refused():
    x, y = senses(5)
    with pytest.raises(InputError, match="1 pair has nothing to be told from: take none, or at"):
        two_towers((x[:1], y[:1]), (x, y))
    with pytest.raises(TypeCheckError, match="'pairs dim_y'"):
        two_towers((x[:3], y[:2]), (x, y))
