"""Targets: what they are made of, what they do not depend on."""

import pytest
import torch

from d2v_core.errors import ConfigError
from d2v_core.modality_config import TargetConfig
from d2v_core.targets import make_targets


def layers(count=4, batch=2, tokens=9, dim=8):
    return [torch.randn(batch, tokens, dim) * 3 + 1 for _ in range(count)]


ALL = torch.ones(2, 9, dtype=torch.bool)


def targets(made_of, k=3, valid=ALL, **norms):
    return make_targets(made_of, TargetConfig(layers=k, **norms), valid=valid)


def test_instance_norm_leaves_no_mean_over_tokens():
    torch.testing.assert_close(targets(layers()).mean(dim=1), torch.zeros(2, 8), atol=1e-6, rtol=0)


def test_layer_norm_gives_each_token_mean_0_and_spread_1():
    y = targets(layers(), average="layer")

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


def test_no_padding_is_the_same_as_all_valid():
    made_of = layers()

    torch.testing.assert_close(targets(made_of, valid=None), targets(made_of))


def test_layer_norm_of_each_layer_leaves_no_mean_over_channels():
    """As in data2vec 1.0 for texts and pictures; over tokens a mean may remain."""
    y = targets(layers(), per_layer="layer")

    torch.testing.assert_close(y.mean(dim=-1), torch.zeros(2, 9), atol=1e-6, rtol=0)
    assert y.mean(dim=1).abs().max() > 0.05


def test_norms_come_in_the_published_order():
    """Large text: layer norm of each, mean, instance norm; by the formulas themselves."""
    made_of = layers()

    def ln(x):
        return (x - x.mean(-1, keepdim=True)) / (
            x.var(-1, correction=0, keepdim=True) + 1e-5
        ).sqrt()

    mean = sum(ln(x) for x in made_of[1:]) / 3
    expected = (mean - mean.mean(1, keepdim=True)) / (
        mean.var(1, correction=0, keepdim=True) + 1e-5
    ).sqrt()

    torch.testing.assert_close(targets(made_of, per_layer="layer", average="instance"), expected)


def test_cls_targets_vanish_without_a_norm_of_the_average():
    """An instance-normalised target has mean 0 over tokens: CLS would have nothing to predict."""
    made_of = layers(tokens=9)

    assert targets(made_of).mean(dim=1).abs().max() < 1e-6
    assert targets(made_of, average="layer").mean(dim=1).abs().max() > 1e-3


def test_k_must_be_there():
    with pytest.raises(ValueError, match="target layers=5, but the teacher returned 4"):
        targets(layers(), k=5)
    with pytest.raises(ConfigError, match="target layers must be at least 1, got 0"):
        TargetConfig(layers=0)
