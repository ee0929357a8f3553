"""The ladder: what each rung finds when the truth is known."""

import json
import math

import numpy as np
import pytest
from scipy.stats import ortho_group

from probes.ladder import LadderSettings, climb, pairs_needed
from probes.result import Score
from probes.retrieval import MRR, retrieve
from probes.rungs import BY_CLASS, R1
from probes.splits import Splits

FEW = LadderSettings(anchors=(2, 32), draws=3, permutations=99)


def parts(items, *, test):
    rows = np.arange(items)
    return Splits(rows[: items - test - 4], rows[items - test - 4 : items - test], rows[-test:])


def world(rng, *, items=320, dim=24, classes=12, wider=0, noise=0.05):
    """Y = X Q + noise, in other axes and around another point; classes in random order."""
    labels = rng.permutation(np.arange(items) % classes)
    x = rng.normal(size=(classes, dim))[labels] + 0.7 * rng.normal(size=(items, dim))
    y = np.pad(x, ((0, 0), (0, wider))) @ ortho_group.rvs(dim + wider, random_state=rng)
    y = y + noise * x.std() * rng.normal(size=y.shape) + rng.normal(size=dim + wider)
    return x, y, labels


@pytest.fixture(scope="module")
def turned():
    rng = np.random.default_rng(0)
    x, y, labels = world(rng)
    return climb(x, y, parts(320, test=160), rng=rng, classes=labels, settings=FEW)


def test_a_rotated_space_is_found_by_rotation_and_not_before(turned):
    """The acceptance of the ladder: chance as it is, all of it with as many pairs as channels."""
    for way in ("x_to_y", "y_to_x"):
        direct = getattr(turned.rung("direct"), way).scores
        turned_by = {m: getattr(turned.rung("procrustes", m), way).scores for m in (2, 32, 160)}
        assert direct[R1].low <= 1 / 160 <= direct[R1].high
        assert direct[R1].chance == 1 / 160
        assert direct[R1].p > 0.05
        assert turned_by[32][R1].value >= 0.99
        assert turned_by[160][R1].value >= 0.99
        assert direct[R1].high < turned_by[2][R1].low < turned_by[2][R1].high < 0.9
        assert turned_by[2][R1].p == 0.01
        assert turned_by[160][BY_CLASS].value > direct[BY_CLASS].value + 0.3
        assert getattr(turned.rung("ridge", 160), way).scores[R1].value >= 0.99
    assert turned.unsupervised.accuracy.value >= 0.95
    assert turned.unsupervised.accuracy.p < 1e-6


def test_every_score_says_what_it_rests_on(turned):
    assert [(rung.name, rung.pairs) for rung in turned.rungs] == [
        ("direct", 0),
        ("centred", 0),
        *[(name, pairs) for name in ("procrustes", "ridge") for pairs in (2, 32, 160)],
    ]
    assert (turned.gallery, turned.available, turned.unseen_classes) == (160, 160, 0)
    for rung in turned.rungs:
        assert rung.draws == (3 if rung.pairs in (2, 32) else 1)
        for way in (rung.x_to_y, rung.y_to_x):
            assert set(way.scores) == {R1, MRR, BY_CLASS}
            for name, score in way.scores.items():
                assert score.low <= score.value <= score.high
                assert score.n == 160
                assert "gallery of 160; " in score.method
                assert score.method.startswith(f"{name}, {rung.name}")
                assert 0 < score.chance < 1
                assert (way.deviations[name] is None) == (rung.draws == 1)
    assert len(turned.rung("ridge", 32).penalties) == 3
    assert "procrustes from 2 pairs, mean of 3 draws" in (
        turned.rung("procrustes", 2).x_to_y.scores[R1].method
    )
    assert json.loads(json.dumps(turned.to_json()))["rungs"][2]["pairs"] == 2


def test_how_many_pairs_are_needed(turned):
    found = pairs_needed(turned, 0.9)

    assert (found.pairs, found.surely) == (32, 32)
    assert [pairs for pairs, _ in found.curve] == [0, 2, 32, 160]
    values = [value for _, value in found.curve]
    assert values == sorted(values)
    low = turned.rung("procrustes", 2).y_to_x.scores[R1]
    middle = pairs_needed(turned, (low.low + low.value) / 2)
    assert middle.surely == 32
    assert pairs_needed(turned, 1.1, measure=MRR, name="ridge").pairs is None
    assert found.to_json()["target"] == 0.9


def test_another_width_leaves_the_first_rungs_undefined():
    rng = np.random.default_rng(1)
    x, y, labels = world(rng, wider=7)
    found = climb(x, y, parts(320, test=100), rng=rng, classes=labels, settings=FEW)

    for name in ("direct", "centred"):
        for way in (found.rung(name).x_to_y, found.rung(name).y_to_x):
            assert way.scores[R1].value is None
            assert "only embeddings of one space have cosines" in way.scores[R1].reason
    for way in (found.rung("procrustes", 220).x_to_y, found.rung("ridge", 220).y_to_x):
        assert way.scores[R1].value >= 0.99
    assert found.unsupervised.accuracy.value >= 0.95
    assert pairs_needed(found, 0.9).curve[0][0] == 2


def test_a_shift_is_undone_by_the_means_of_other_items():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(200, 10))
    y = x + 0.3 * rng.normal(size=x.shape) + 15 * np.eye(10)[0]
    found = climb(x, y, parts(200, test=100), rng=rng, settings=FEW)
    direct, centred = (found.rung(name).x_to_y.scores for name in ("direct", "centred"))

    assert direct[MRR].high < centred[MRR].low
    assert direct[R1].value == retrieve(x[100:], y[100:], rng=rng).x_to_y.scores[R1].value
    assert centred[R1].value > 0.8
    assert BY_CLASS not in direct
    assert found.unsupervised is None
    assert found.unsupervised_reason == "no classes were given"
    assert found.unseen_classes is None


def test_stretching_is_undone_by_ridge_only():
    rng = np.random.default_rng(3)
    x, y, _ = world(rng, items=400, dim=12, noise=0.0)
    y = y @ np.diag(np.logspace(-1, 1, 12)) @ ortho_group.rvs(12, random_state=0)
    found = climb(x, y, parts(400, test=150), rng=rng, settings=FEW)

    rotation, ridge = (found.rung(name, 250).x_to_y.scores[R1] for name in ("procrustes", "ridge"))
    assert rotation.high < 0.9
    assert ridge.value >= 0.99


def test_unrelated_spaces_stay_at_chance_on_every_rung():
    """Maps are fitted on other items, so that more freedom finds nothing more."""
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(2, 300, 16))
    labels = rng.integers(6, size=300)
    found = climb(x, y, parts(300, test=150), rng=rng, classes=labels, settings=FEW)

    scores = [way.scores[MRR] for rung in found.rungs for way in (rung.x_to_y, rung.y_to_x)]
    assert all(abs(score.value - score.chance) < 0.03 for score in scores)
    assert np.mean([score.p for score in scores]) > 0.1
    assert found.unsupervised.accuracy.p > 0.05


def test_what_is_reported_has_no_part_in_the_maps():
    """Other test items: the same maps, so the figures of the first test items stay."""
    rng = np.random.default_rng(5)
    x, y, _ = world(rng, noise=1.0)
    splits = parts(320, test=60)
    settings = LadderSettings(anchors=(8,), draws=1, permutations=9)

    def scores(tail):
        both = [np.vstack([side[:260], tail(side[260:])]) for side in (x, y)]
        found = climb(*both, splits, rng=np.random.default_rng(0), settings=settings)
        return [rung.x_to_y.scores[MRR].value for rung in found.rungs], found.rungs

    plain, rungs = scores(lambda rows: rows)
    doubled, others = scores(lambda rows: 9 * rows[::-1])
    assert [one.penalties for one in rungs] == [one.penalties for one in others]
    assert plain != doubled  # the lengths of items meet the means
    reordered, _ = scores(lambda rows: rows[::-1])
    assert reordered == pytest.approx(plain)


def test_means_are_those_of_the_other_items():
    rng = np.random.default_rng(9)
    x, y, _ = world(rng, items=120, dim=6)
    y = x + 0.5 * rng.normal(size=x.shape)
    y[60:] += 3 * np.eye(6)[0]  # test items have moved, and no mean may know
    found = climb(x, y, parts(120, test=60), rng=rng, settings=FEW).rung("centred")
    by_hand = retrieve(x[60:] - x[:60].mean(axis=0), y[60:] - y[:60].mean(axis=0), rng=rng)

    for way in ("x_to_y", "y_to_x"):
        scores = getattr(by_hand, way).scores
        assert getattr(found, way).scores[MRR].value == pytest.approx(scores[MRR].value)


def test_groups_widen_the_intervals():
    rng = np.random.default_rng(6)
    groups = np.repeat(np.arange(64), 5)
    x, _, _ = world(rng, dim=10)
    loud = np.repeat(rng.uniform(0, 3, size=64), 5)[:, None]
    y = x + loud * rng.normal(size=x.shape)
    splits = parts(320, test=160)
    apart = Splits(np.arange(150), np.arange(150, 160), splits.test, groups)
    settings = LadderSettings(anchors=(32,), draws=1, permutations=9)
    widths = []
    for one in (splits, apart):
        score = climb(x, y, one, rng=rng, settings=settings).rung("direct").x_to_y.scores[MRR]
        widths.append(score.high - score.low)

    assert widths[1] > 1.3 * widths[0]


def test_a_collapsed_modality_is_a_finding_not_a_crash():
    rng = np.random.default_rng(7)
    x, y, labels = world(rng, items=80)
    found = climb(np.ones_like(x), y, parts(80, test=40), rng=rng, classes=labels, settings=FEW)

    direct = found.rung("direct")
    assert direct.x_to_y.scores[R1].value == 1 / 40  # all find the same item
    assert direct.y_to_x.scores[R1].value == 0.0  # all tied, in the middle
    assert direct.x_to_y.scores[R1].p == direct.y_to_x.scores[R1].p == 1.0
    for name in ("procrustes", "ridge"):
        score = found.rung(name, 2).x_to_y.scores[R1]
        assert isinstance(score, Score)
        assert score.value is None
        assert "vary" in score.reason or "length 0" in score.reason
    assert found.unsupervised.accuracy.p > 0.01


def test_classes_that_were_held_out_are_counted():
    rng = np.random.default_rng(8)
    x, y, _ = world(rng, items=120)
    labels = np.repeat(["a", "b", "c", "d"], 30)
    found = climb(x, y, parts(120, test=60), rng=rng, classes=labels, settings=FEW)

    assert found.unseen_classes == 2
    assert found.unsupervised is None
    assert found.unsupervised_reason.startswith("2 labels occur in both modalities; matching nee")
    assert math.isclose(found.rung("direct").x_to_y.scores[BY_CLASS].p, 0.5, abs_tol=0.5)


def test_refusals(turned):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 4))
    splits = parts(20, test=8)
    with pytest.raises(ValueError, match=r"^anchors=\(1, 8\): a map needs at least 2 pairs$"):
        LadderSettings(anchors=(1, 8))
    with pytest.raises(ValueError, match=r"^draws=0 and permutations=199 must be at least 1$"):
        LadderSettings(draws=0)
    with pytest.raises(ValueError, match=r"^20 items but 3 classes$"):
        climb(x, x, splits, rng=rng, classes=np.arange(3))
    with pytest.raises(ValueError, match=r"^x has 20 rows and y has 19: row i of one must be the"):
        climb(x, x[1:], splits, rng=rng)
    with pytest.raises(ValueError, match=r"^the ladder needs at least 2 test pairs: a gallery of"):
        climb(x, x, parts(20, test=1), rng=rng)
    with pytest.raises(ValueError, match=r"^no rung 'ridge' with 9 pairs; there are direct 0, ce"):
        turned.rung("ridge", 9)
    with pytest.raises(ValueError, match=r"^no 'R@7' in this ladder; there is R@1, MRR, mAP by c"):
        pairs_needed(turned, 0.5, measure="R@7")
    with pytest.raises(ValueError, match=r"^no direct map with pairs is in this ladder$"):
        pairs_needed(turned, 0.5, name="direct")
