"""Do intervals cover, do tests keep their level, does the planner's power come true?"""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kstest, ttest_1samp

from probes.claims import CONTROLS, claim_class, claim_instance
from probes.equivalence import Margin, equivalence_test
from probes.intervals import mean_interval, share_interval
from probes.label_retrieval import retrieve_labels
from probes.ladder import LadderSettings, climb
from probes.matching import fixed_point_p, match_classes
from probes.power import Design, Spread, plan, power_of_equivalence, power_of_test
from probes.ranks import cosines
from probes.retrieval import MRR, retrieve
from probes.rungs import R1
from probes.splits import Splits

pytestmark = pytest.mark.slow


def share_of(hits):
    """Return a share and two standard errors of it."""
    return np.mean(hits), 2 * math.sqrt(np.mean(hits) * (1 - np.mean(hits)) / len(hits))


def queries_of(rng, gallery, groups, each):
    """Queries for random gallery items, in groups that share how noisy they are."""
    loud = np.repeat(rng.uniform(0.2, 2.0, size=groups), each)[:, None]
    wanted = rng.integers(len(gallery), size=groups * each)
    noise = loud * rng.normal(size=(len(wanted), gallery.shape[1]))
    found = cosines(gallery[wanted] + noise, gallery)
    ranks = 1 + (found > found[np.arange(len(wanted)), wanted][:, None]).sum(axis=1)
    return ranks.astype(float), np.repeat(np.arange(groups), each)


@pytest.mark.parametrize("each", [1, 5])
def test_retrieval_intervals_cover_what_other_queries_would_give(each):
    """Gallery fixed, queries drawn anew: 95 % of the intervals hold the value of many queries."""
    rng = np.random.default_rng(0)
    gallery = rng.normal(size=(100, 8))
    many, _ = queries_of(rng, gallery, 20_000, 1)
    truths = np.mean(many <= 1), np.mean(1 / many)
    hits, plain_hits = [[], []], []
    for _ in range(400):
        ranks, groups = queries_of(rng, gallery, 240 // each, each)
        names = None if each == 1 else groups
        low, high, _ = share_interval(ranks <= 1, groups=names, rng=rng)
        hits[0].append(low <= truths[0] <= high)
        low, high, _ = mean_interval(1 / ranks, rng=rng, groups=names)
        hits[1].append(low <= truths[1] <= high)
        low, high, _ = mean_interval(1 / ranks, rng=rng)
        plain_hits.append(low <= truths[1] <= high)

    for covered in hits:
        assert 0.915 <= np.mean(covered) <= 0.98
    if each > 1:  # the control: without groups the intervals are too narrow
        assert np.mean(plain_hits) < np.mean(hits[1]) - 0.03


def test_no_rung_finds_what_is_not_there():
    """Both widths of spaces, 120 trials: each rung's p is at most 0.05 in about 5 %."""
    rng = np.random.default_rng(0)
    splits = Splits(np.arange(40), np.arange(40, 48), np.arange(48, 96))
    settings = LadderSettings(anchors=(8,), draws=2, permutations=39, restarts=2)
    ps, covered = {}, []
    for trial in range(120):
        x = rng.normal(size=(96, 6)) + 1.0
        y = rng.normal(size=(96, 6 + trial % 2)) - 1.0
        for rung in climb(x, y, splits, rng=rng, settings=settings).rungs:
            score = rung.x_to_y.scores[MRR]
            if score.value is None:
                continue
            ps.setdefault((rung.name, rung.pairs), []).append(score.p)
            r1 = rung.x_to_y.scores[R1]
            covered.append(r1.low <= 1 / 48 <= r1.high)

    assert set(ps) == {
        ("direct", 0), ("centred", 0),
        *[(name, pairs) for name in ("procrustes", "ridge") for pairs in (8, 48)],
    }  # fmt: skip
    for found in ps.values():
        share, error = share_of(np.array(found) <= 0.05)
        assert share - error <= 0.05
        assert kstest(found, "uniform", alternative="greater").pvalue > 0.01
    assert np.mean(covered) > 0.93


@pytest.mark.parametrize("classes", [5, 12])
def test_matching_without_pairs_is_right_by_chance_as_often_as_said(classes):
    """Unrelated spaces: one class a trial is right, and p is that of a random assignment."""
    rng = np.random.default_rng(0)
    hits = []
    labels = np.repeat(np.arange(classes), 4)
    for _ in range(300):
        x, y = (
            rng.normal(size=(classes, 6))[labels] + 0.5 * rng.normal(size=(len(labels), 6))
            for _ in "xy"
        )
        found = match_classes(x, y, labels, labels, rng=rng, restarts=2)
        hits.append(round(found.accuracy.value * classes))

    hits = np.array(hits)
    assert hits.mean() == pytest.approx(1.0, abs=2.5 / math.sqrt(300))
    for k in (1, 2, 3):
        expected = fixed_point_p(k, classes)
        error = math.sqrt(expected * (1 - expected) / 300)
        assert np.mean(hits >= k) == pytest.approx(expected, abs=3 * error)


def unrelated(rng, classes=7, each=5):
    labels = np.repeat(np.arange(classes), each)
    x, y = (
        rng.normal(size=(classes, 6))[labels] + 0.5 * rng.normal(size=(len(labels), 6))
        for _ in "xy"
    )
    return x, y, labels


def test_unrelated_modalities_are_hardly_ever_called_aligned():
    """And what is aligned usually is, with the same controls: the positive control."""
    rng = np.random.default_rng(0)
    said = {"unrelated": [], "aligned": []}
    for _ in range(60):
        controls, pair_controls = {}, {}
        for name in CONTROLS:
            x, y, labels = unrelated(rng)
            controls[name] = retrieve_labels(x, y, labels, labels, rng=rng, count=999).x_to_y
            pair_controls[name] = retrieve(x, y, rng=rng, classes=labels, count=199).x_to_y
        for truth, verdicts in said.items():
            x, y, labels = unrelated(rng)
            if truth == "aligned":
                y = x + 0.2 * rng.normal(size=x.shape)
            by_class = retrieve_labels(x, y, labels, labels, rng=rng, count=999).x_to_y
            by_pair = retrieve(x, y, rng=rng, classes=labels, count=199).x_to_y
            words = {"query": "A sound", "gallery": "pictures", "trained_with_pairs": True}
            verdicts.append(claim_class(by_class, controls, **words).verdict)
            verdicts.append(claim_instance(by_pair, pair_controls, **words).verdict)

    assert said["unrelated"].count("aligned") <= 2
    assert said["aligned"].count("aligned") >= 100
    assert said["aligned"].count("not aligned") == 0


def test_an_effect_of_the_margin_is_seldom_called_none():
    """True value at the edge of the margin: "not aligned" in no more than 2.5 % and its error."""
    rng = np.random.default_rng(0)
    x, y, labels = unrelated(rng)
    control = retrieve_labels(x, y, labels, labels, rng=rng, count=99).x_to_y
    base = control.mean_average_precision
    margin = 0.05 * (1 - base.chance)
    false, true = [], []
    for _ in range(1500):
        for shift, verdicts in ((margin, false), (0.0, true)):
            scores = base.chance + shift + 0.06 * rng.normal(size=80)
            low, high, _ = mean_interval(scores, rng=rng)
            moved = replace(base, value=float(scores.mean()), low=low, high=high, p=0.5)
            claim = claim_class(
                replace(control, mean_average_precision=moved),
                dict.fromkeys(CONTROLS, control),
                query="A sound",
                gallery="pictures",
            )
            verdicts.append(claim.verdict == "not aligned")

    share, error = share_of(false)
    assert share - error <= 0.025
    assert np.mean(true) > 0.9


def measured(rng, design, spread, difference):
    """Draw seeds x classes x items and average down to one number a unit.

    Classes are a constant of the experiment if the unit is the seed, and seeds if it is the class.
    """
    shape = (design.seeds, design.classes)
    seed = spread.seed * rng.normal(size=(design.seeds, 1))
    class_ = spread.class_ * rng.normal(size=(1, design.classes))
    cell = spread.seed_by_class * rng.normal(size=shape)
    items = spread.item * rng.normal(size=(*shape, design.items)).mean(axis=2)
    if design.unit == "seed":
        return difference + (seed + cell + items).mean(axis=1)
    return difference + (class_ + cell + items).mean(axis=0)


@pytest.mark.parametrize(
    "design",
    [
        Design(classes=12, items=20, seeds=5),
        Design(classes=30, items=5, seeds=3),
        Design(classes=8, items=40, seeds=4, unit="class"),
    ],
)
def test_simulated_power_is_what_was_planned(design):
    """Within 5 points at the planned difference, at half of it, and for equivalence."""
    rng = np.random.default_rng(0)
    spread = Spread(seed=0.03, class_=0.05, seed_by_class=0.04, item=0.3)
    planned = plan(design, spread)
    margin = Margin(value=planned.smallest_margin, basis="planned")
    trials = 2000
    for difference in (planned.minimum_detectable, planned.minimum_detectable / 2, 0.0):
        units = np.stack([measured(rng, design, spread, difference) for _ in range(trials)])
        found = np.mean(ttest_1samp(units, 0, axis=1).pvalue < 0.05)
        assert found == pytest.approx(power_of_test(difference, design, spread), abs=0.03)
        equal = np.mean([equivalence_test(one, margin).is_equivalent for one in units])
        nominal = power_of_equivalence(margin, design, spread, difference=difference)
        assert equal == pytest.approx(nominal, abs=0.03)
    at_margin = [measured(rng, design, spread, margin.value) for _ in range(trials)]
    called_none = [equivalence_test(one, margin).is_equivalent for one in at_margin]
    assert np.mean(called_none) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / trials)
