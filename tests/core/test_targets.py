"""Targets: what they are made of, what they do not depend on."""

import pytest
import torch

from d2v_core.targets import make_targets


def layers(count=4, batch=2, tokens=9, dim=8):
    return [torch.randn(batch, tokens, dim) * 3 + 1 for _ in range(count)]


ALL = torch.ones(2, 9, dtype=torch.bool)


def targets(made_of, k=3, valid=ALL, normalise_average=False):
    return make_targets(made_of, k, valid=valid, normalise_average=normalise_average)


def test_instance_norm_leaves_no_mean_over_tokens():
    torch.testing.assert_close(targets(layers()).mean(dim=1), torch.zeros(2, 8), atol=1e-6, rtol=0)


def test_layer_norm_gives_each_token_mean_0_and_spread_1():
    y = targets(layers(), normalise_average=True)

    torch.testing.assert_close(y.mean(dim=-1), torch.zeros(2, 9), atol=1e-6, rtol=0)
    torch.testing.assert_close(y.std(dim=-1, correction=0), torch.ones(2, 9), atol=1e-3, rtol=0)


def test_the_scale_of_a_layer_does_not_count():
    made_of = layers()
    scaled = [made_of[0], made_of[1], 50 * made_of[2], made_of[3]]

    torch.testing.assert_close(targets(scaled), targets(made_of), atol=1e-4, rtol=0)


def test_only_the_last_k_layers_count():
    made_of = layers()
    changed = [torch.randn_like(made_of[0]), *made_of[1:]]

    torch.testing.assert_close(targets(changed), targets(made_of))
    assert not torch.allclose(targets(changed, k=4), targets(made_of, k=4))


@pytest.mark.parametrize("k", [1, 2, 4])
def test_spread_of_an_average_lies_between_one_over_root_k_and_one(k):
    y = targets(layers(tokens=400), k=k, valid=torch.ones(2, 400, dtype=torch.bool))

    assert 0.95 / k**0.5 < y.std() < 1.0 + 1e-3


def test_padding_does_not_count():
    made_of = layers()
    valid = ALL.clone()
    valid[1, 6:] = False
    alone = targets([x[1:, :6] for x in made_of], valid=ALL[1:, :6])

    torch.testing.assert_close(targets(made_of, valid=valid)[1:, :6], alone)


@pytest.mark.parametrize("k", [0, 5])
def test_k_must_be_there(k):
    with pytest.raises(ValueError, match=rf"target_layers={k}, but the teacher returned 4"):
        targets(layers(), k=k)
