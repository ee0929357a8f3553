"""Rotations from pairs: a planted one is found, mixed-up pairs find nothing."""

import numpy as np
import pytest
from scipy.stats import ortho_group

from probes.anchoring import anchor_curve

DIM, KNOWN, TEST = 8, 60, 40


@pytest.fixture(scope="module")
def curve():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(KNOWN + TEST, DIM))
    y = x @ ortho_group.rvs(DIM, random_state=1) + 0.05 * rng.normal(size=x.shape)
    held_out = np.arange(KNOWN + TEST) >= KNOWN
    classes = np.array([f"kind {n % 5}" for n in range(KNOWN + TEST)])
    return anchor_curve(x, y, held_out=held_out, classes=classes, rng=rng, anchors=(2, 16, 999))


def first_hits(rung):
    return rung.y_to_x.scores["R@1"]


def test_as_the_spaces_are_there_is_nothing_but_chance(curve):
    score = first_hits(curve.direct)

    assert score.chance == pytest.approx(1 / TEST)
    assert score.low <= score.chance <= score.high


def test_enough_pairs_find_the_planted_rotation(curve):
    assert [rung.pairs for rung in curve.turned] == [2, 16, KNOWN]
    assert first_hits(curve.turned[-1]).value > 0.95
    assert first_hits(curve.turned[0]).value < first_hits(curve.turned[1]).value
    assert (curve.available, curve.gallery) == (KNOWN, TEST)


def test_mixed_up_pairs_find_nothing(curve):
    """The control of the test before: the same anchors, the wrong partners."""
    assert [rung.pairs for rung in curve.mixed] == [2, 16, KNOWN]
    assert first_hits(curve.mixed[-1]).value < 0.2


def test_all_pairs_are_drawn_once_and_mixed_several_times(curve):
    assert [rung.draws for rung in curve.turned] == [3, 3, 1]
    assert [rung.draws for rung in curve.mixed] == [3, 3, 3]
    assert curve.to_json()["gallery"] == TEST


def test_too_few_items_are_refused():
    x = np.random.default_rng(0).normal(size=(5, 2))
    with pytest.raises(ValueError, match="1 items to retrieve and 4 pairs to fit a rotation"):
        anchor_curve(x, x, held_out=np.arange(5) == 0, rng=np.random.default_rng(0))
