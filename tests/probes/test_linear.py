"""The convex probe against scikit-learn, closed forms and its certificates."""

import numpy as np
import pytest
import torch
from scipy.stats import ortho_group
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, recall_score

from probes import logistic
from probes.accuracy import accuracy, balanced_accuracy, recall_by_class
from probes.linear import PENALTIES, linear_probe
from probes.logistic import LogisticFit, LogisticProblem, fit_logistic
from probes.splits import Splits
from probes.standardise import Standardiser


def problem(items, dim, classes, *, seed=0, flip=0.15, power=-0.75):
    """Power-law spectrum, rotated, linear labels with noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(items, dim)) * np.arange(1, dim + 1) ** power
    labels = (x @ rng.normal(size=(dim, classes))).argmax(axis=1)
    flipped = rng.random(items) < flip
    labels[flipped] = rng.integers(classes, size=flipped.sum())
    x = x @ ortho_group.rvs(dim, random_state=seed) if dim > 1 else x
    return (x - x.mean(axis=0)) / np.sqrt(np.mean((x - x.mean(axis=0)) ** 2)), labels


def objective(x, codes, weights, intercept, penalty):
    """The definition, term by term, with its gradient."""
    logits = x @ weights + intercept
    logits = logits - logits.max(axis=1, keepdims=True)
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    loss = -np.log(chances[np.arange(len(x)), codes]).mean() + penalty / 2 * np.sum(weights**2)
    chances[np.arange(len(x)), codes] -= 1
    return loss, x.T @ chances / len(x) + penalty * weights, chances.mean(axis=0)


@pytest.mark.parametrize(("items", "dim", "classes"), [(300, 20, 3), (60, 90, 4), (200, 1, 3)])
def test_equals_sklearn_at_the_same_objective(items, dim, classes):
    x, codes = problem(items, dim, classes)
    penalties = np.array([1e-4, 1e-2, 1.0])
    fit = fit_logistic(x, codes, penalties, classes=classes, tolerance=1e-8)

    assert fit.converged.all()
    for i, penalty in enumerate(penalties):
        peer = LogisticRegression(C=1 / (penalty * items), tol=1e-10, max_iter=10_000).fit(x, codes)
        theirs, _, _ = objective(x, codes, peer.coef_.T, peer.intercept_, penalty)
        ours, slope, slope_b = objective(x, codes, fit.weights[i], fit.intercepts[i], penalty)
        assert ours == pytest.approx(theirs, rel=1e-6)
        assert fit.objective[i] == pytest.approx(ours, rel=1e-12)
        largest = max(np.abs(slope).max(), np.abs(slope_b).max())
        assert fit.gradient_norm[i] == pytest.approx(largest, abs=1e-12)
        assert largest <= 1e-8
        np.testing.assert_allclose(
            fit.logits(x, i) - fit.logits(x, i).mean(axis=1, keepdims=True),
            peer.decision_function(x) - peer.decision_function(x).mean(axis=1, keepdims=True),
            atol=1e-2,
        )


def test_two_classes_equal_sklearn_with_twice_its_c():
    """A softmax of two classes shares the weight vector w as ± w/2, so ‖W‖² = ‖w‖²/2."""
    x, codes = problem(200, 5, 2)
    fit = fit_logistic(x, codes, np.array([1e-2]), classes=2, tolerance=1e-9)
    peer = LogisticRegression(C=2 / (1e-2 * 200), tol=1e-10, max_iter=10_000).fit(x, codes)

    weights = fit.weights[0, :, 1] - fit.weights[0, :, 0]
    np.testing.assert_allclose(weights, peer.coef_[0], atol=1e-5)


def test_a_batch_of_penalties_equals_each_alone():
    x, codes = problem(250, 12, 4)
    penalties = np.array([1e-3, 1e-1, 10.0])
    together = fit_logistic(x, codes, penalties, classes=4, tolerance=1e-8)

    for i in range(3):
        alone = fit_logistic(x, codes, penalties[i : i + 1], classes=4, tolerance=1e-8)
        np.testing.assert_allclose(together.weights[i], alone.weights[0], atol=1e-5)


def test_tiles_do_not_matter(monkeypatch):
    x, codes = problem(100, 6, 3)
    whole = fit_logistic(x, codes, np.array([1e-2]), classes=3, tolerance=1e-11)
    monkeypatch.setattr(logistic, "TILE", 21)
    tiled = fit_logistic(x, codes, np.array([1e-2]), classes=3, tolerance=1e-11)

    np.testing.assert_allclose(tiled.weights, whole.weights, atol=1e-9)


def test_an_infinite_penalty_leaves_the_class_shares():
    x, codes = problem(400, 5, 3)
    fit = fit_logistic(x, codes, np.array([1e9]), classes=3, tolerance=1e-10)
    chances = np.exp(fit.intercepts[0]) / np.exp(fit.intercepts[0]).sum()

    np.testing.assert_allclose(chances, np.bincount(codes) / 400, atol=1e-8)
    assert np.abs(fit.weights).max() < 1e-8


def test_one_channel_of_two_values_has_a_closed_form():
    """Unpenalised but for rounding, the chances are the shares seen at each value."""
    x = np.repeat([[-1.0], [1.0]], 50, axis=0)
    codes = np.concatenate([np.repeat([0, 1], [40, 10]), np.repeat([0, 1], [20, 30])])
    fit = fit_logistic(x, codes, np.array([1e-12]), classes=2, tolerance=1e-10)
    logits = fit.logits(np.array([[-1.0], [1.0]]), 0)

    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], np.log([10 / 40, 30 / 20]), atol=1e-6)


def test_single_precision_ends_where_double_does():
    """A loose tolerance is kept in double precision too, and a tight one is reached at all."""
    x, codes = problem(400, 20, 4)
    penalties = np.array([1e-5, 1e-2])
    loose = fit_logistic(x, codes, penalties, classes=4, tolerance=1e-4)
    tight = fit_logistic(x, codes, penalties, classes=4, tolerance=1e-10)

    for fit, tolerance in ((loose, 1e-4), (tight, 1e-10)):
        for i, penalty in enumerate(penalties):
            _, slope, slope_b = objective(x, codes, fit.weights[i], fit.intercepts[i], penalty)
            assert max(np.abs(slope).max(), np.abs(slope_b).max()) <= tolerance
    assert (loose.objective >= tight.objective).all()
    np.testing.assert_allclose(loose.objective, tight.objective, rtol=1e-4)


def test_a_start_at_the_end_needs_no_step_and_one_nearby_needs_few():
    x, codes = problem(300, 20, 3)
    problem_ = LogisticProblem.of(x, codes, classes=3)
    cold = problem_.fit(np.array([1e-2, 1e-3]), tolerance=1e-5)
    again = problem_.fit(np.array([1e-2]), tolerance=1e-5, start=cold.pick([0]))
    near = problem_.fit(np.array([2e-3]), tolerance=1e-5, start=cold.pick([1]))
    alone = problem_.fit(np.array([2e-3]), tolerance=1e-5)

    assert again.iterations.tolist() == [0]
    assert near.iterations[0] < alone.iterations[0]
    np.testing.assert_allclose(near.weights, alone.weights, atol=1e-2)


def test_fits_can_be_picked_joined_and_moved():
    x, codes = problem(100, 4, 3)
    fit = fit_logistic(x, codes, np.array([1.0, 0.1]), classes=3)
    both = LogisticFit.joined([fit.pick([1]), fit.pick([0, 0])])
    shift, scale = np.array([1.0, -2.0, 0.5, 3.0]), 0.25

    np.testing.assert_array_equal(both.weights, fit.weights[[1, 0, 0]])
    np.testing.assert_array_equal(both.objective, fit.objective[[1, 0, 0]])
    np.testing.assert_allclose(
        fit.moved(shift, scale).logits((x - shift) / scale, 1), fit.logits(x, 1), atol=1e-12
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_gives_the_same():
    x, codes = problem(500, 30, 5)
    penalties = np.array([1e-4, 1e-1])
    one = fit_logistic(x, codes, penalties, classes=5)
    two = fit_logistic(x, codes, penalties, classes=5, device="cuda")

    assert two.converged.all()
    np.testing.assert_allclose(two.objective, one.objective, rtol=1e-6)


def test_what_has_not_converged_says_so():
    x, codes = problem(300, 30, 5)
    problem_ = LogisticProblem.of(x, codes, classes=5)
    fit = problem_.fit(np.array([1e-8, 1e3]), max_iterations=8)

    assert fit.converged.tolist() == [False, True]
    assert fit.gradient_norm[0] > 1e-6
    assert fit.iterations[0] == 8


def test_the_probe_ignores_rotation_scale_and_shift_but_not_stretching():
    x, labels = problem(300, 8, 3, flip=0.3)
    splits = Splits(*np.array_split(np.random.default_rng(0).permutation(300), 3))
    moved = -1e-4 * x @ ortho_group.rvs(8, random_state=1) + 5.0
    stretched = x * np.array([1000.0, 1, 1, 1, 1, 1, 1, 1])
    plain, same = linear_probe(x, labels, splits), linear_probe(moved, labels, splits)

    assert same.val_accuracy == plain.val_accuracy
    assert same.accuracy == plain.accuracy
    assert same.negative_log_likelihood == pytest.approx(plain.negative_log_likelihood, abs=1e-4)
    assert linear_probe(stretched, labels, splits).val_accuracy != plain.val_accuracy


def test_planted_labels_are_found_and_random_ones_are_not():
    x, labels = problem(900, 10, 3, flip=0.0)
    rng = np.random.default_rng(0)
    splits = Splits(*np.array_split(rng.permutation(900), 3))
    found = linear_probe(x, labels, splits)
    nothing = linear_probe(x, rng.permutation(labels), splits)

    assert found.accuracy.low > 0.85
    assert found.converged
    assert max(found.gradient_norm) <= 1e-4
    assert found.final_gradient_norm <= 1e-6
    assert nothing.accuracy.low < nothing.accuracy.chance
    assert nothing.balanced_accuracy.low < 1 / 3 < nothing.balanced_accuracy.high


def test_the_penalty_is_chosen_on_val_and_the_scale_learnt_without_test():
    x, labels = problem(300, 8, 3)
    splits = Splits(*np.array_split(np.random.default_rng(0).permutation(300), 3))
    broken, other = x.copy(), labels.copy()
    broken[splits.test] = 1e6
    other[splits.test] = (labels[splits.test] + 1) % 3
    one, two = linear_probe(x, labels, splits), linear_probe(broken, other, splits)

    assert one.penalty == two.penalty
    assert one.val_accuracy == two.val_accuracy
    assert one.gradient_norm == two.gradient_norm
    assert one.final_gradient_norm == two.final_gradient_norm


def test_around_the_best_penalty_quarters_of_a_decade_are_tried():
    x, labels = problem(600, 20, 4, flip=0.3)
    splits = Splits(*np.array_split(np.random.default_rng(0).permutation(600), 3))
    found = linear_probe(x, labels, splits, penalties=(1.0, 0.1, 0.01, 0.001))
    coarse = found.penalties[int(np.argmax(found.val_accuracy[:4]))]
    steps = np.log10(np.array(found.penalties[4:]) / coarse) * 4

    assert found.penalties[:4] == (1.0, 0.1, 0.01, 0.001)
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-9)
    assert set(np.round(steps)) <= {-3, -2, -1, 1, 2, 3}
    assert len(steps) >= 3
    best = found.penalties.index(found.penalty)
    assert found.val_accuracy[best] == max(found.val_accuracy)
    assert len(found.gradient_norm) == len(found.penalties) == len(found.val_accuracy)
    assert max(found.gradient_norm) <= 1e-4


def test_scores_on_val_are_those_of_fits_one_by_one():
    x, labels = problem(300, 8, 3)
    splits = Splits(*np.array_split(np.random.default_rng(0).permutation(300), 3))
    found = linear_probe(x, labels, splits)
    scaler = Standardiser.of(x[splits.train])
    train, val = scaler(x[splits.train]), scaler(x[splits.val])
    for place in (2, -1):
        penalty = np.array([found.penalties[place]])
        fit = fit_logistic(train, labels[splits.train], penalty, classes=3, tolerance=1e-8)
        right = fit.logits(val, 0).argmax(axis=1) == labels[splits.val]
        assert found.val_accuracy[place] == pytest.approx(right.mean(), abs=0.011)


def test_recall_by_class():
    truth, predicted = np.array([0, 0, 0, 2, 2, 0]), np.array([0, 2, 0, 2, 1, 0])
    recall = recall_by_class(predicted, truth, ["a", "b", "c"])

    assert list(recall) == ["a", "c"]
    assert [recall["a"].value, recall["c"].value] == pytest.approx(
        recall_score(truth, predicted, average=None, labels=[0, 2])
    )
    assert (recall["a"].n, recall["c"].n) == (4, 2)
    assert recall["a"].chance == 1 / 3
    assert recall["a"].low < 0.75 < recall["a"].high


def test_among_equal_penalties_the_largest_is_chosen():
    """Two points far apart: every penalty is right on val but those that only see the shares."""
    x = np.repeat([[-1.0], [1.0]], 30, axis=0) + np.linspace(0, 0.01, 60)[:, None]
    labels = np.repeat([0, 1], 30)
    rows = np.arange(60)
    found = linear_probe(x, labels, Splits(rows[::3], rows[1::3], rows[2::3]))

    right = [p for p, v in zip(found.penalties, found.val_accuracy, strict=True) if v == 1.0]
    assert found.penalty == max(right)
    assert found.accuracy.value == 1.0


def test_scores_by_hand():
    truth, predicted = np.array([0, 0, 0, 1, 2]), np.array([0, 0, 1, 1, 0])
    score = accuracy(predicted, truth, fitted=np.array([0, 0, 1, 2]))
    balanced = balanced_accuracy(predicted, truth)

    assert (score.value, score.chance, score.n) == (0.6, 0.6, 5)
    assert balanced.value == pytest.approx(balanced_accuracy_score(truth, predicted))
    assert balanced.chance == pytest.approx(1 / 3)
    assert balanced_accuracy(truth, truth).low < 1.0


def test_chance_is_not_zero_where_the_most_frequent_class_is_not_tested():
    """Four classes: guessing any of them gets a quarter, however rare the first one is here."""
    truth = np.array([1, 2, 3, 1])
    score = accuracy(truth, truth, fitted=np.array([0, 0, 0, 1, 2, 3]))

    assert score.chance == 0.25


def test_the_interval_of_balanced_accuracy_covers():
    rng = np.random.default_rng(0)
    truth, hits = np.repeat([0, 1, 2], [100, 30, 30]), 0
    expected = (0.9 + 0.5 + 0.7) / 3
    for _ in range(300):
        right = rng.random(160) < np.array([0.9, 0.5, 0.7])[truth]
        score = balanced_accuracy(np.where(right, truth, (truth + 1) % 3), truth)
        hits += score.low <= expected <= score.high

    assert 0.91 <= hits / 300 <= 0.99


def test_refusals():
    x = np.random.default_rng(0).normal(size=(9, 2))
    splits = Splits(*np.split(np.arange(9), 3))
    labels = np.array([0, 0, 0, 1, 1, 1, 0, 1, 0])

    with pytest.raises(ValueError, match=r"^the train split has items of one class only: there is"):
        linear_probe(x, labels, splits)
    with pytest.raises(ValueError, match=r"^9 items but 8 labels$"):
        linear_probe(x, labels[:8], splits)
    with pytest.raises(ValueError, match=r"^all 3 items have the same embedding: there is nothing"):
        Standardiser.of(np.full((3, 2), 0.1))
    with pytest.raises(ValueError, match=r"^the penalties must be positive, got \[0.0\]$"):
        fit_logistic(x, labels, np.array([0.0]), classes=2)
    with pytest.raises(ValueError, match=r"^class numbers must lie in 0 to 1$"):
        fit_logistic(x, labels + 1, np.array([1.0]), classes=2)


@pytest.mark.slow
def test_conditioning_saves_evaluations(monkeypatch):
    """Eleven decades of penalties: at most 150 steps each, and half of those without scaling."""
    x, labels = problem(500, 64, 6, power=-1.0)
    penalties = np.array(PENALTIES)
    scaled = fit_logistic(x, labels, penalties, classes=6, tolerance=1e-4)

    def ones(self, penalty):
        return torch.ones(self.z.shape[1], len(penalty), 1, dtype=penalty.dtype)

    monkeypatch.setattr(logistic._Objective, "inverse_diagonal", ones)
    plain = fit_logistic(x, labels, penalties, classes=6, tolerance=1e-4)

    assert scaled.converged.all()
    assert scaled.iterations.max() <= 150
    assert scaled.iterations.sum() < plain.iterations.sum() / 2
