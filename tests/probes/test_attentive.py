"""One query finds the token that tells; with the query at 0 it is the mean."""

import numpy as np
import pytest
import torch

from probes.attentive import attention, attentive_probe, mean_pooled
from probes.linear import linear_probe
from probes.splits import Splits

ONE = (1e-2,)


def calls(rng, items=300, *, length=16, dim=10, loud=4.0):
    """Tokens of noise and one call an item: channel 0 says "here", channels 1 and 2 the class."""
    labels = rng.permutation(np.arange(items) % 2)
    tokens = rng.normal(size=(items, length, dim))
    valid = np.arange(length) < rng.integers(6, length + 1, size=items)[:, None]
    place = rng.integers(6, size=items)
    tokens[np.arange(items), place, 0] += loud
    tokens[np.arange(items), place, 1 + labels] += loud
    splits = Splits(*np.array_split(rng.permutation(items), 3))
    return tokens, valid, labels, splits


def run(tokens, valid, labels, splits, **options):
    options = {"penalties": ONE, "rng": np.random.default_rng(0)} | options
    return attentive_probe(tokens, valid, labels, splits, **options)


def test_the_query_finds_the_call_that_the_mean_drowns():
    found = run(*calls(np.random.default_rng(0)))
    query = np.array(found.query)

    assert found.accuracy.value > 0.9
    assert found.gain.low > 0
    assert found.gain.value == pytest.approx(found.accuracy.value - found.mean_pooling.value)
    assert np.abs(query).argmax() == 0
    assert query[0] > 0
    assert found.attended < 0.5
    assert found.parameters == 10 + 11 * 2
    assert found.final_gradient_norm <= 1e-6
    assert found.converged
    assert found.to_json()["parameters"] == 32


@pytest.mark.slow
def test_what_padding_holds_does_not_matter():
    tokens, valid, labels, splits = calls(np.random.default_rng(1), items=150)
    once = run(tokens, valid, labels, splits)
    rubbish = np.where(valid[:, :, None], tokens, np.nan)
    rubbish[:, :, 3] = np.where(valid, tokens[:, :, 3], np.inf)
    assert run(rubbish, valid, labels, splits) == once

    longer = np.concatenate([tokens, np.full((150, 5, 10), 1e9)], axis=1)
    also_valid = np.concatenate([valid, np.zeros((150, 5), dtype=bool)], axis=1)
    padded = run(longer, also_valid, labels, splits)
    assert padded.right == once.right
    assert padded.query == pytest.approx(once.query, rel=1e-4, abs=1e-6)
    assert padded.mean_pooling == once.mean_pooling


def test_a_query_of_zero_is_the_mean_of_the_valid_tokens():
    tokens, valid, _, _ = calls(np.random.default_rng(2), items=20)
    alpha = attention(torch.from_numpy(tokens), torch.from_numpy(valid), torch.zeros(10).double())
    by_hand = np.stack(
        [item[there].mean(axis=0) for item, there in zip(tokens, valid, strict=True)]
    )

    np.testing.assert_allclose(alpha.numpy(), valid / valid.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(mean_pooled(tokens, valid), by_hand)
    np.testing.assert_allclose((alpha.numpy()[:, :, None] * tokens).sum(axis=1), by_hand)


def test_one_token_an_item_is_the_linear_probe():
    """There is nothing to attend to, and λ brings the query to 0."""
    rng = np.random.default_rng(3)
    labels = rng.permutation(np.arange(240) % 3)
    x = rng.normal(size=(240, 8)) + 1.2 * np.eye(3, 8)[labels]
    splits = Splits(*np.array_split(rng.permutation(240), 3))
    few = (1e-3, 1e-1)
    found = run(x[:, None], np.ones((240, 1), dtype=bool), labels, splits, penalties=few)
    linear = linear_probe(x, labels, splits, penalties=few)

    assert found.penalty == linear.penalty
    assert found.accuracy.value == linear.accuracy.value
    assert found.negative_log_likelihood == pytest.approx(linear.negative_log_likelihood, abs=1e-5)
    assert np.abs(found.query).max() < 1e-4
    assert found.attended == 1.0


def test_a_heavy_penalty_leaves_the_mean():
    tokens, valid, labels, splits = calls(np.random.default_rng(4), items=150)
    found = run(tokens, valid, labels, splits, penalties=(100.0,))

    assert np.abs(found.query).max() < 1e-3
    assert found.attended == pytest.approx(1.0, abs=1e-3)


def test_attention_to_the_order_of_tokens_there_is_none():
    tokens, valid, labels, splits = calls(np.random.default_rng(5), items=120)
    order = np.random.default_rng(6).permuted(np.tile(np.arange(16), (120, 1)), axis=1)
    mixed = np.take_along_axis(tokens, order[:, :, None], axis=1)
    once = run(tokens, valid, labels, splits)
    other = run(mixed, np.take_along_axis(valid, order, axis=1), labels, splits)

    assert other.right == once.right
    assert other.query == pytest.approx(once.query, rel=1e-4, abs=1e-6)


def test_the_scale_of_tokens_does_not_matter():
    tokens, valid, labels, splits = calls(np.random.default_rng(7), items=150)
    once = run(tokens, valid, labels, splits)
    scaled = run(1e-4 * tokens + 3.0, valid, labels, splits)

    assert scaled.right == once.right
    assert np.array(scaled.query) * 1e-4 == pytest.approx(once.query, rel=1e-3, abs=1e-5)


def test_the_attention_in_the_result_is_that_of_the_fit():
    """The query is told in the units of the tokens: the mean taken out of them cancels."""
    tokens, valid, labels, splits = calls(np.random.default_rng(8), items=150)
    found = run(tokens + 2.0, valid, labels, splits)
    scores = np.where(valid, (tokens + 2.0) @ np.array(found.query), -np.inf)[splits.test]
    alpha = np.exp(scores - scores.max(axis=1, keepdims=True))
    alpha /= alpha.sum(axis=1, keepdims=True)
    logs = np.log(np.where(alpha > 0, alpha, 1.0))
    shares = np.exp(-(alpha * logs).sum(axis=1)) / valid[splits.test].sum(axis=1)

    assert found.attended == pytest.approx(shares.mean())


@pytest.mark.slow
def test_the_same_input_gives_the_same_result_and_test_items_choose_nothing():
    tokens, valid, labels, splits = calls(np.random.default_rng(9), items=120)
    once = run(tokens, valid, labels, splits)
    assert run(tokens, valid, labels, splits) == once

    broken = tokens.copy()
    broken[splits.test] = np.random.default_rng(0).normal(size=(40, 16, 10))
    other = run(broken, valid, labels, splits)
    assert other.query == once.query
    assert other.val_accuracy == once.val_accuracy


def test_refusals():
    tokens, valid, labels, splits = calls(np.random.default_rng(0), items=30)
    none = valid.copy()
    none[[4, 7]] = False
    with pytest.raises(
        ValueError, match=r"^2 of 30 items have no valid token, the first is item 4"
    ):
        run(tokens, none, labels, splits)
    broken = tokens.copy()
    broken[3, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"^1 of 30 items have valid tokens with NaN or infinite"):
        run(broken, valid, labels, splits)
    with pytest.raises(ValueError, match=r"^30 items but 29 labels$"):
        run(tokens, valid, labels[:29], splits)
    with pytest.raises(ValueError, match=r"^all tokens of all 10 items are the same: there is"):
        run(np.ones((30, 16, 10)), valid, labels, splits)
