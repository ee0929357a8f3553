"""Few labelled items: the same for all layers, and nothing else is ever looked at."""

import json

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from probes.few_shot import UNKNOWN, choose_penalty, few_shot_layers, few_shot_probe, predict_from
from probes.ridge_fit import RIDGE_PENALTIES, fit_ridge, one_hot
from probes.splits import Splits
from probes.supports import Supports, draw_supports


def generator(seed=0):
    return np.random.default_rng(seed)


def problem(items=600, classes=4, dim=10, apart=3.0, seed=0):
    """Normal clouds; the names of the classes are words, not in the order of their centres."""
    rng = generator(seed)
    codes = rng.integers(classes, size=items)
    centres = apart * np.eye(classes, dim)
    x = centres[codes] + rng.normal(size=(items, dim)) + 5.0
    labels = np.array([f"kind {9 - code}" for code in range(classes)])[codes]
    return x, labels, Splits(*np.array_split(rng.permutation(items), 3))


def run(x, labels, splits, *, shots=(1, 2, 4, 8), seed=0):
    supports = draw_supports(labels, splits, shots=shots, draws=30, rng=generator(seed))
    return few_shot_probe(x, labels, splits, supports=supports, rng=generator(1))


def test_supports_are_balanced_nested_and_from_train():
    _, labels, splits = problem()
    supports = draw_supports(labels, splits, shots=(1, 4, 2, 1000), rng=generator())

    assert list(supports.rows) == ["1", "2", "4", "all"]
    assert list(supports.skipped) == ["1000"]
    assert supports.skipped["1000"].startswith("class 'kind ")
    for shots in (1, 2, 4):
        rows = supports.rows[str(shots)]
        assert rows.shape == (30, 4 * shots)
        assert np.isin(rows, splits.train).all()
        for draw in rows:
            assert np.unique(labels[draw], return_counts=True)[1].tolist() == [shots] * 4
            assert len(set(draw.tolist())) == 4 * shots
    for small, large in zip(supports.rows["2"], supports.rows["4"], strict=True):
        assert set(small.tolist()) < set(large.tolist())
    assert len({tuple(sorted(draw)) for draw in supports.rows["4"].tolist()}) == 30
    np.testing.assert_array_equal(supports.rows["all"][0], splits.train)


def test_the_same_seed_gives_two_layers_the_same_draws():
    x, labels, splits = problem()
    supports = draw_supports(labels, splits, shots=(2, 4), rng=generator(7))
    again = draw_supports(labels, splits, shots=(2, 4), rng=generator(7))
    other = draw_supports(labels, splits, shots=(2, 4), rng=generator(8))
    layers = {"one": x, "moved": -0.5 * x + 3.0, "other": generator(3).normal(size=x.shape)}
    found = few_shot_layers(layers, labels, splits, supports=supports, rng=generator())

    np.testing.assert_array_equal(supports.rows["4"], again.rows["4"])
    assert (supports.rows["4"] != other.rows["4"]).any()
    assert found["one"] == found["moved"]  # a shift and a scale change nothing, draw by draw
    assert found["one"].rows[1].draw_accuracy != found["other"].rows[1].draw_accuracy


def test_more_shots_tell_more_and_all_tell_most():
    x, labels, splits = problem()
    found = run(x, labels, splits)
    values = [row.accuracy.value for row in found.rows]
    spreads = [row.spread for row in found.rows]

    assert [row.shots for row in found.rows] == ["1", "2", "4", "8", "all"]
    assert [row.support for row in found.rows] == [4, 8, 16, 32, 200]
    assert values == sorted(values)
    assert values[-1] > 0.9
    assert found.rows[0].accuracy.low > found.rows[0].accuracy.chance == 0.25
    assert spreads[0] > spreads[3] > 0
    assert spreads[4] is None
    assert json.loads(json.dumps(found.to_json()))["rows"][0]["draws"] == 30


def test_random_labels_are_at_chance():
    x, labels, splits = problem(1200)
    found = run(x, generator(5).permutation(labels), splits)

    for row in found.rows[:-1]:
        assert row.accuracy.low < 0.25 < row.accuracy.high
    assert found.rows[-1].accuracy.low < found.rows[-1].accuracy.chance


def test_labels_outside_the_support_do_not_alter_what_is_told():
    """Those of val and test, and of train items that were not drawn, are exchanged."""
    x, labels, splits = problem()
    supports = draw_supports(labels, splits, shots=(1, 2, 4), draws=5, rng=generator())
    rng = generator(9)
    for shots in ("1", "2", "4"):
        draws = supports.rows[shots]
        other = labels.copy()
        outside = np.setdiff1d(np.arange(len(labels)), draws)
        other[outside] = rng.permutation(labels[outside])
        one, penalties = predict_from(x, x, labels, draws)
        two, same = predict_from(x, x, other, draws)
        assert (other != labels).sum() > 300
        np.testing.assert_array_equal(one, two)
        assert penalties == same

    rest = np.concatenate([splits.val, splits.test])
    other = labels.copy()
    other[rest] = rng.permutation(labels[rest])
    again = draw_supports(other, splits, shots=(1, 2, 4), draws=5, rng=generator())
    np.testing.assert_array_equal(again.rows["4"], supports.rows["4"])


def test_items_of_val_are_never_used():
    x, labels, splits = problem()
    broken, other = x.copy(), labels.copy()
    broken[splits.val] = 1e5
    other[splits.val] = generator(2).permutation(labels[splits.val])

    assert run(broken, other, splits) == run(x, labels, splits)


def test_what_is_told_equals_sklearn_on_the_support():
    x, labels, splits = problem(apart=1.0)
    supports = draw_supports(labels, splits, shots=(4,), draws=3, rng=generator())
    told, penalties = predict_from(x, x, labels, supports.rows["4"])
    names = np.unique(labels)
    for draw, penalty, answer in zip(supports.rows["4"], penalties, told, strict=True):
        z = x[draw]
        variance = np.mean((z - z.mean(axis=0)) ** 2)
        y = (labels[draw][:, None] == names).astype(float)
        peer = Ridge(alpha=16 * penalty * variance, solver="svd").fit(z, y)
        np.testing.assert_array_equal(names[peer.predict(x).argmax(axis=1)], answer)


def test_the_penalty_is_that_under_which_the_others_tell_most():
    rng = generator(0)
    codes = np.arange(3).repeat(8)
    x = 1.5 * np.eye(3, 30)[codes] + rng.normal(size=(24, 30))
    fit = fit_ridge(x, one_hot(codes, 3))
    variance = np.mean((x - x.mean(axis=0)) ** 2)
    right = []
    for penalty in RIDGE_PENALTIES:
        told = []
        for i in range(24):
            rest = np.arange(24) != i
            peer = Ridge(alpha=24 * penalty * variance, solver="svd").fit(
                x[rest], one_hot(codes, 3)[rest]
            )
            told.append(peer.predict(x[i : i + 1]).argmax() == codes[i])
        right.append(sum(told))
    chosen = RIDGE_PENALTIES.index(choose_penalty(fit))

    assert right[chosen] == max(right)
    assert min(right) < max(right)
    assert choose_penalty(fit_ridge(x[::8], np.eye(3))) == UNKNOWN


@pytest.mark.slow
def test_the_interval_covers_draws_and_items():
    """100 samples from a world whose expected accuracy is known from many: 95 % cover it."""
    truth, found = [], []
    for seed in range(100):
        x, labels, splits = problem(240, classes=2, dim=3, apart=1.0, seed=seed)
        supports = draw_supports(labels, splits, shots=(2,), rng=generator(seed))
        row = few_shot_probe(x, labels, splits, supports=supports, rng=generator()).rows[0]
        found.append(row.accuracy)
        truth.append(row.accuracy.value)
    expected = np.mean(truth)
    hits = sum(score.low <= expected <= score.high for score in found)

    assert 90 <= hits <= 100
    assert np.mean([score.high - score.low for score in found]) < 0.2


def test_groups_of_test_are_drawn_together():
    x, labels, splits = problem(300)
    doubled = np.concatenate([splits.test, splits.test + 300])
    parts = Splits(splits.train, splits.val, doubled, np.tile(np.arange(300), 2))
    both, names = np.vstack([x, x]), np.concatenate([labels, labels])
    grouped = run(both, names, parts, shots=(2,)).rows[0].accuracy
    single = run(x, labels, splits, shots=(2,)).rows[0].accuracy

    assert grouped.value == single.value
    assert grouped.high - grouped.low == pytest.approx(single.high - single.low, rel=0.1)
    assert "groups of test" in grouped.method


def test_draws_that_are_all_the_same_leave_the_items():
    """Then the interval is that of one share: value ± 1.96 √(p(1 − p)/n)."""
    x, labels, splits = problem()
    drawn = draw_supports(labels, splits, shots=(2,), rng=generator())
    same = Supports({"2": drawn.rows["2"][:1].repeat(30, axis=0)}, {})
    row = few_shot_probe(x, labels, splits, supports=same, rng=generator()).rows[0]
    value = row.accuracy.value
    half = 1.96 * np.sqrt(value * (1 - value) / 200)

    assert row.spread == pytest.approx(0, abs=1e-12)
    assert (row.accuracy.low, row.accuracy.high) == pytest.approx(
        (value - half, value + half), abs=half / 10
    )


def test_no_width_is_no_certainty():
    x, labels, splits = problem(apart=100.0)
    row = run(x, labels, splits, shots=(4,)).rows[0]

    assert row.accuracy.value == 1.0
    assert row.accuracy.low < 0.99
    assert "Wilson" in row.accuracy.method


def test_a_support_of_equal_items_tells_its_first_class():
    _, labels, splits = problem()
    found = run(np.full((600, 3), 0.1), labels, splits, shots=(2,))

    assert found.rows[0].penalties == (0.0,) * 30
    assert found.rows[0].accuracy.value == np.mean(labels[splits.test] == "kind 6")


def test_refusals():
    x, labels, splits = problem(30)
    supports = draw_supports(labels, splits, shots=(1,), rng=generator())
    with pytest.raises(ValueError, match=r"^at least 2 draws of at least 1 shot, got 30 of \[0\]$"):
        draw_supports(labels, splits, shots=(0,), rng=generator())
    with pytest.raises(ValueError, match=r"^at least 2 draws of at least 1 shot, got 1 of \[1\]$"):
        draw_supports(labels, splits, shots=(1,), draws=1, rng=generator())
    with pytest.raises(ValueError, match=r"^the train split has items of one class only: there is"):
        draw_supports(np.zeros(30), splits, rng=generator())
    with pytest.raises(ValueError, match=r"^30 items but 29 labels$"):
        few_shot_probe(x, labels[:29], splits, supports=supports, rng=generator())
    with pytest.raises(ValueError, match=r"^x has NaN or infinite numbers in 1 of 30 rows"):
        few_shot_probe(
            np.vstack([x[:29], np.full((1, 10), np.nan)]),
            labels,
            splits,
            supports=supports,
            rng=generator(),
        )
