"""Control tasks: solved by memorising types only, undefined where no type recurs."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from probes.control import control_labels, linear_control, raw_types, selectivity
from probes.linear import linear_probe
from probes.splits import Splits

FEW = (1e-3, 1e-1, 100.0)


def world(rng, items, *, types=20, dim=40, voice=0.0, meaning=2.0):
    """Two classes, each with its direction, and types that each have a voice."""
    type_of = rng.integers(types, size=items)
    labels = rng.integers(2, size=items)
    x = rng.normal(size=(items, dim))
    x[:, 0] += meaning * (2 * labels - 1)
    return x + voice * rng.normal(size=(types, dim))[type_of], labels, type_of


def thirds(rng, items):
    return Splits(*np.array_split(rng.permutation(items), 3))


def test_a_type_has_one_label_drawn_from_the_fitted_ones():
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], [600, 300, 100])
    types = np.array([f"t{i % 500}" for i in range(1000)])
    fitted = np.arange(900)  # class 2 is never fitted
    labels = control_labels(codes, types, fitted, rng=rng)

    for name in np.unique(types)[:50]:
        assert len(np.unique(labels[types == name])) == 1
    assert (labels == 1).mean() == pytest.approx(1 / 3, abs=0.08)
    assert 2 not in labels


@pytest.mark.slow
def test_a_voice_is_memorised_and_a_meaning_is_selective():
    """Types heard in x: the control is solved. Types not heard: the control stays at chance."""
    rng = np.random.default_rng(0)
    heard, labels, types = world(rng, 900, voice=3.0)
    splits = thirds(rng, 900)
    loud = linear_control(heard, labels, splits, types=types, rng=rng, penalties=FEW)
    x, labels, types = world(rng, 900, voice=0.0)
    quiet = linear_control(x, labels, splits, types=types, rng=rng, penalties=FEW)

    assert loud.control.value > 0.95
    assert loud.selectivity.high < 0.1
    assert quiet.control.low < quiet.control.chance + 0.03
    assert quiet.selectivity.low > 0.3
    assert quiet.selectivity.value == pytest.approx(quiet.task.value - quiet.control.value)
    assert quiet.control.value == pytest.approx(np.mean(quiet.control_accuracies))
    assert quiet.recurring == 1.0
    assert quiet.selectivity_recurring is quiet.memorisation is None
    assert quiet.types == 20
    assert quiet.to_json()["selectivity"]["chance"] is None


def test_the_task_is_the_linear_probe():
    rng = np.random.default_rng(1)
    x, labels, types = world(rng, 240, meaning=0.7)
    splits = thirds(rng, 240)
    found = linear_control(x, labels, splits, types=types, rng=rng, penalties=FEW)

    assert found.task == linear_probe(x, labels, splits, penalties=FEW).accuracy


@pytest.mark.slow
def test_without_a_recurring_type_the_control_is_at_majority_chance():
    """Each item is its own type: nothing can be known of an item that was not fitted."""
    rng = np.random.default_rng(0)
    differences = []
    for _ in range(6):
        x, labels, _ = world(rng, 450, meaning=1.0)
        labels[rng.random(450) < 0.4] = 0  # 0.7 against 0.3
        types = np.arange(450)
        found = linear_control(x, labels, thirds(rng, 450), types=types, rng=rng, penalties=FEW)
        differences += [found.control.value - found.control.chance]
        assert found.control.chance == pytest.approx(0.7, abs=0.12)

    assert np.mean(differences) == pytest.approx(0.0, abs=0.02)
    assert found.control.low < found.control.chance < found.control.high
    assert found.selectivity.value is None
    assert found.selectivity.reason.startswith("no type of a test item occurs among the fitted")
    assert found.recurring == 0.0


@pytest.mark.slow
def test_memorisation_grows_with_channels_and_shrinks_with_the_penalty():
    """With more channels than items any labels can be learnt by heart."""
    rng = np.random.default_rng(0)
    found = {}
    for dim, penalty in ((200, 1e-3), (5, 1e-3), (200, 100.0)):
        x, labels, _ = world(rng, 150, dim=dim)
        splits = thirds(rng, 150)
        result = linear_control(
            x, labels, splits, types=np.arange(150), rng=rng, penalties=(penalty,)
        )
        found[dim, penalty] = result.memorisation

    assert found[200, 1e-3].value == 1.0
    assert found[5, 1e-3].value < 0.75
    assert found[200, 100.0].value < 0.95
    assert found[5, 1e-3].chance == pytest.approx(0.5, abs=0.1)
    assert found[5, 1e-3].n == 100
    assert found[5, 1e-3].reason == "no interval: nothing is drawn but the permutations"


def test_types_that_recur_in_part_are_reported_apart():
    rng = np.random.default_rng(0)
    x, labels, types = world(rng, 600, voice=3.0)
    splits = thirds(rng, 600)
    types = types.copy()
    new = splits.test[:100]
    types[new] = 1000 + np.arange(100)  # these are of no fitted type
    found = linear_control(x, labels, splits, types=types, rng=rng, penalties=FEW)

    assert found.recurring == 0.5
    assert found.selectivity_recurring.n == 100
    assert found.selectivity_recurring.value < found.selectivity.value - 0.1
    assert found.selectivity_recurring.high < 0.15


def test_groups_widen_the_interval():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 10)
    hits = np.repeat(rng.random(30) < 0.7, 10)
    control = np.repeat(rng.random(30) < 0.5, 10).astype(float)
    seen = np.ones(300, dtype=bool)
    clustered = selectivity(hits, control, seen=seen, rng=rng, groups=groups)
    single = selectivity(hits, control, seen=seen, rng=rng)

    assert clustered.value == single.value
    assert clustered.high - clustered.low > 2 * (single.high - single.low)


def test_raw_inputs_give_types_that_recur():
    rng = np.random.default_rng(0)
    places = rng.integers(6, size=300)
    features = 10 * rng.normal(size=(6, 12))[places] + rng.normal(size=(300, 12))
    fitted = np.arange(200)
    once = raw_types(features, fitted, clusters=6, rng=np.random.default_rng(1))

    assert adjusted_rand_score(places, once) > 0.7
    assert np.isin(once[200:], once[:200]).all()
    again = raw_types(features, fitted, clusters=6, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(once, again)
    changed = features.copy()
    changed[200:] *= -50  # the centres are learnt from the fitted items only
    other = raw_types(changed, fitted, clusters=6, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(once[:200], other[:200])


def test_refusals():
    rng = np.random.default_rng(0)
    x, labels, types = world(rng, 30)
    splits = thirds(rng, 30)
    with pytest.raises(ValueError, match=r"^30 items but 29 types$"):
        linear_control(x, labels, splits, types=types[:29], rng=rng)
    with pytest.raises(ValueError, match=r"^the train split has items of 1 types only, and all of"):
        linear_control(x, labels, splits, types=np.zeros(30), rng=rng, penalties=FEW)
    with pytest.raises(ValueError, match=r"^11 clusters of 10 fitted items; ask for 2 to 10$"):
        raw_types(x, splits.train, clusters=11, rng=rng)
