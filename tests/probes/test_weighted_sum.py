"""The weighted sum finds the layers that matter, whatever their scale, and repeats itself."""

import numpy as np
import pytest

from probes.linear import linear_probe
from probes.logistic import fit_logistic
from probes.splits import Splits
from probes.standardise import Standardiser
from probes.weighted_sum import _centre_and_scale, layer_norm, weighted_sum_probe

ONE = (1e-2,)


def planted(rng, items=360, *, layers=4, dim=12, told_by=2, noise=1.0):
    """Layers of noise, one of which tells the class."""
    labels = rng.permutation(np.arange(items) % 3)
    stack = {f"block_{i:02d}": rng.normal(size=(items, dim)) for i in range(layers)}
    told = f"block_{told_by:02d}"
    stack[told] = noise * stack[told] + 2.0 * np.eye(3, dim)[labels]
    return stack, labels, Splits(*np.array_split(rng.permutation(items), 3))


def run(stack, labels, splits, **options):
    options = {"penalties": ONE, "rng": np.random.default_rng(0)} | options
    return weighted_sum_probe(stack, labels, splits, **options)


@pytest.mark.slow
def test_the_layer_that_tells_gets_the_weight():
    stack, labels, splits = planted(np.random.default_rng(0))
    found = run(stack, labels, splits)

    assert max(found.weights, key=found.weights.get) == "block_02"
    assert found.weights["block_02"] > 0.8
    assert sum(found.weights.values()) == pytest.approx(1.0)
    assert found.gain.low > 0  # the plain average drowns it
    assert found.accuracy.value == pytest.approx(np.mean(found.right))
    assert found.gain.value == pytest.approx(found.accuracy.value - found.uniform.value)
    assert found.converged
    assert found.final_gradient_norm <= 1e-6
    assert found.parameters == 4 + 13 * 3
    assert found.to_json()["normalise"] == "layer norm"


def test_without_anything_to_find_it_is_at_chance():
    rng = np.random.default_rng(1)
    stack, labels, splits = planted(rng)
    found = run(stack, rng.permutation(labels), splits)

    assert found.accuracy.low < found.accuracy.chance
    assert found.gain.p > 0.01


@pytest.mark.slow
def test_normalised_weights_ignore_the_scale_of_layers_and_raw_ones_do_not():
    """Ten times as large needs a tenth of the weight for the same part in the sum."""
    stack, labels, splits = planted(np.random.default_rng(2), noise=0.7)
    scaled = dict(stack, block_02=10.0 * stack["block_02"], block_00=1e-6 * stack["block_00"])
    plain, same = run(stack, labels, splits), run(scaled, labels, splits)

    assert same.weights == pytest.approx(plain.weights, rel=1e-6)
    assert same.accuracy == plain.accuracy
    loud = dict(stack, block_02=10.0 * stack["block_02"])
    few = (1e-1,)
    raw = run(stack, labels, splits, normalise="none", penalties=few)
    heard = run(loud, labels, splits, normalise="none", penalties=few)
    assert heard.weights["block_02"] < raw.weights["block_02"]
    by_hand = {tap: heard.weights[tap] * loud[tap][splits.fit_and_val].std(axis=0) for tap in loud}
    sizes = {tap: np.sqrt(np.mean(part**2)) for tap, part in by_hand.items()}
    expected = {tap: size / sum(sizes.values()) for tap, size in sizes.items()}
    assert heard.contributions == pytest.approx(expected)


def test_one_layer_is_the_linear_probe_on_it():
    stack, labels, splits = planted(np.random.default_rng(3), layers=3)
    alone = {"block_02": stack["block_02"]}
    few = (1e-3, 1e-1)
    found = run(alone, labels, splits, normalise="none", penalties=few)
    linear = linear_probe(alone["block_02"], labels, splits, penalties=few)

    assert found.weights == {"block_02": 1.0}
    assert found.penalty == linear.penalty
    assert found.negative_log_likelihood == pytest.approx(linear.negative_log_likelihood, abs=1e-4)
    assert found.accuracy.value == pytest.approx(linear.accuracy.value)
    assert found.gain.value == pytest.approx(0.0)


def test_copies_of_a_layer_keep_equal_weights():
    stack, labels, splits = planted(np.random.default_rng(4), layers=3)
    stack["copy"] = stack["block_02"].copy()
    found = run(stack, labels, splits)

    assert found.weights["copy"] == pytest.approx(found.weights["block_02"], rel=1e-4)


def test_the_fit_is_better_than_equal_weights_and_flat():
    """The loss by its definition, in NumPy, at the end and at equal weights."""
    from probes import descent

    stack, labels, splits = planted(np.random.default_rng(5))
    seen = []
    original = descent.fit_jointly

    def spy(probe, codes, **options):
        fit = original(probe, codes, **options)
        seen.append((probe, codes, options["penalty"], fit))
        return fit

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(descent, "fit_jointly", spy)
        run(stack, labels, splits, penalties=(1e-2,))
    probe, codes, penalty, fit = seen[-1]
    layers = probe.flat.numpy().reshape(4, -1, 12)

    def loss(mixing, head, intercepts):
        shares = np.exp(mixing) / np.exp(mixing).sum()
        logits = np.tensordot(shares, layers, axes=1) @ head + intercepts
        logits = logits - logits.max(axis=1, keepdims=True)
        logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return -logs[np.arange(len(codes)), codes].mean() + penalty / 2 * np.sum(head**2)

    at_end = loss(fit.mixing, fit.head, fit.intercepts)
    assert fit.objective == pytest.approx(at_end, rel=1e-12)
    equal = fit_logistic(layers.mean(axis=0), codes, np.array([penalty]), classes=3)
    assert at_end < equal.objective[0] - 0.1
    step = 1e-4
    for place in range(4):
        nudge = step * np.eye(4)[place]
        up = loss(fit.mixing + nudge, fit.head, fit.intercepts)
        down = loss(fit.mixing - nudge, fit.head, fit.intercepts)
        assert abs(up - down) / (2 * step) <= 2e-6
        assert min(up, down) >= at_end - 1e-10
    for place in ((0, 0), (5, 2)):
        nudge = np.zeros_like(fit.head)
        nudge[place] = step
        slope = loss(fit.mixing, fit.head + nudge, fit.intercepts)
        slope -= loss(fit.mixing, fit.head - nudge, fit.intercepts)
        assert abs(slope) / (2 * step) <= 2e-6


@pytest.mark.slow
def test_the_same_input_gives_the_same_bits_and_test_items_choose_nothing():
    stack, labels, splits = planted(np.random.default_rng(6), items=150)
    once = run(stack, labels, splits)
    assert run(stack, labels, splits) == once

    broken = {tap: x.copy() for tap, x in stack.items()}
    for x in broken.values():
        x[splits.test] = np.random.default_rng(9).normal(size=(50, 12))
    other = run(broken, labels, splits)
    assert other.weights == once.weights
    assert other.val_accuracy == once.val_accuracy
    assert other.accuracy != once.accuracy


def test_the_norm_of_a_layer_has_no_floor():
    x = np.random.default_rng(0).normal(size=(2, 5, 8))
    found = layer_norm(1e-9 * x + 0.0)

    np.testing.assert_allclose(found.mean(axis=-1), 0.0, atol=1e-12)
    np.testing.assert_allclose(found.var(axis=-1), 1.0)
    np.testing.assert_allclose(layer_norm(x), found)
    assert (layer_norm(np.full((1, 1, 4), 0.1)) == 0).all()


def test_scaling_is_learnt_on_the_fitted_items():
    stack, _, splits = planted(np.random.default_rng(7))
    x = stack["block_00"]
    mean, rms = _centre_and_scale(x[None], splits.train)
    scaler = Standardiser.of(x[splits.train])
    np.testing.assert_allclose(mean[0], scaler.mean)
    assert rms == pytest.approx(scaler.rms)


def test_refusals():
    stack, labels, splits = planted(np.random.default_rng(0), items=30, layers=2, told_by=1)
    narrow = dict(stack, block_01=stack["block_01"][:, :7])
    with pytest.raises(
        ValueError,
        match=r"^layers can only be summed if all have as many channels, but block_00 has 12, bl",
    ):
        run(narrow, labels, splits)
    short = dict(stack, block_01=stack["block_01"][:9])
    with pytest.raises(ValueError, match=r"^all layers must hold the same items, but block_00 has"):
        run(short, labels, splits)
    with pytest.raises(ValueError, match=r"^no layer to sum$"):
        run({}, labels, splits)
    with pytest.raises(ValueError, match=r"^30 items but 29 labels$"):
        run(stack, labels[:29], splits)
    with pytest.raises(ValueError, match=r"^all 10 items have the same embedding at every layer:"):
        run({"a": np.ones((30, 4))}, labels, splits)
    broken = dict(stack, block_01=np.full((30, 12), np.nan))
    with pytest.raises(ValueError, match=r"^block_01 has NaN or infinite numbers in 30 of 30 rows"):
        run(broken, labels, splits)
    with pytest.raises(ValueError, match=r"^the train split has items of one class only: there is"):
        run(stack, np.where(np.isin(np.arange(30), splits.train), 0, labels), splits)
