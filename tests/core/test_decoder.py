"""The decoders: their size, their fill, what they leave alone."""

import math

import pytest
import torch

from d2v_core.decoder import ConvDecoder, TransformerDecoder, convolve, make_decoder
from d2v_core.errors import ConfigError
from d2v_core.inputs import Inputs, with_mask
from d2v_core.modality_config import ConvDecoderConfig, TransformerDecoderConfig


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def masked(mask, grid):
    lengths = torch.full((len(mask),), mask.shape[1])
    return with_mask(Inputs(torch.zeros(len(mask), 1), lengths, grid), mask)


@pytest.mark.parametrize(
    ("config", "dimensions", "count"),
    [
        (ConvDecoderConfig(layers=6, kernel=3, width=768, groups=16), 2, 2_585_856),
        (ConvDecoderConfig(layers=4, kernel=7, width=384, groups=16), 1, 619_776),
        (
            ConvDecoderConfig(
                layers=5, kernel=9, width=768, groups=1, residual=False, projections=2
            ),
            1,
            28_907_520,
        ),
    ],
)
def test_the_published_decoders_have_their_number_of_parameters(config, dimensions, count):
    assert parameters(make_decoder(config, dim=768, out=768, dimensions=dimensions)) == count


@pytest.mark.parametrize("kernel", [3, 4])
def test_every_masked_token_gets_a_prediction_of_the_width_of_the_target(kernel):
    decoder = ConvDecoder(ConvDecoderConfig(kernel=kernel, width=32), dim=32, out=7, dimensions=2)
    inputs = masked(torch.rand(2, 12) < 0.5, (3, 4))
    seen = torch.randn(2, inputs.visible.ids.shape[1], 32)

    assert decoder(seen, inputs).shape == (int(inputs.mask.sum()), 7)


@pytest.mark.parametrize(("inside", "outside"), [(12, 12), (8, 12), (12, 8)])
@pytest.mark.parametrize("has_bias", [True, False])
def test_a_convolution_is_the_same_however_wide_its_groups_are_computed(inside, outside, has_bias):
    conv = torch.nn.Conv2d(3 * inside, 3 * outside, 3, padding=1, groups=3, bias=has_bias)
    x = torch.randn(2, 5, 4, 3 * inside, requires_grad=True)
    tensors = [x, *conv.parameters()]
    plain = conv(x.movedim(-1, 1)).movedim(1, -1)
    found = convolve(conv, x)
    upstream = torch.randn_like(plain)

    torch.testing.assert_close(found, plain, rtol=1e-4, atol=1e-5)
    for a, b in zip(
        torch.autograd.grad(found, tensors, upstream),
        torch.autograd.grad(plain, tensors, upstream),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def showing(config, mask, seen):
    """Return what the first convolution would be fed: a decoder of no layers that shows all."""
    decoder = ConvDecoder(config, dim=64, out=64, dimensions=1)
    torch.nn.init.eye_(decoder.proj.weight)
    torch.nn.init.zeros_(decoder.proj.bias)
    inputs = masked(mask, (mask.shape[1],))
    return decoder(seen, inputs._replace(hidden=torch.arange(mask.numel()))).view(*mask.shape, 64)


def test_noise_of_the_given_spread_stands_at_masked_places_and_nowhere_else():
    config = ConvDecoderConfig(layers=0, width=64, noise_std=0.01)
    mask = torch.zeros(8, 50, dtype=torch.bool)
    mask[:, 10:] = True
    seen = torch.randn(8, 10, 64)
    fed = showing(config, mask, seen)

    torch.testing.assert_close(fed[:, :10], seen)
    assert fed[:, 10:].std().item() == pytest.approx(0.01, rel=0.05)


@pytest.mark.parametrize(("residual", "skipped"), [(True, 1.0), (False, 0.0)])
def test_the_input_is_added_where_widths_agree_and_only_if_asked_for(residual, skipped):
    """With all convolutions zero, norm gives 0, GELU gives 0, and only the skip remains."""
    decoder = ConvDecoder(
        ConvDecoderConfig(width=32, residual=residual, noise_std=0.0), dim=32, out=32, dimensions=1
    )
    for conv in decoder.convs:
        torch.nn.init.zeros_(conv.weight)
        torch.nn.init.zeros_(conv.bias)
    seen = torch.randn(1, 6, 32)
    inputs = masked(torch.zeros(1, 6, dtype=torch.bool), (6,))
    everything = inputs._replace(hidden=torch.arange(6))

    torch.testing.assert_close(decoder(seen, everything), decoder.proj(skipped * seen)[0])


@pytest.mark.parametrize(("grid", "wider"), [((6,), (11,)), ((3, 2), (5, 2))])
def test_convolutions_hear_nothing_of_how_far_an_item_is_padded(grid, wider):
    """Else a prediction would depend on the longest other item, and on how items are spread."""
    config = ConvDecoderConfig(width=32, groups=4, noise_std=0.0)
    decoder = ConvDecoder(config, dim=32, out=5, dimensions=len(grid))
    mask = torch.tensor([[True, False, False, True, False, True]])
    seen = torch.randn(1, 3, 32)
    padding = torch.zeros(1, math.prod(wider) - 6, dtype=torch.bool)
    padded = Inputs(torch.zeros(1, 1), torch.tensor([6]), wider)

    torch.testing.assert_close(
        decoder(seen, with_mask(padded, torch.cat([mask, padding], dim=1))),
        decoder(seen, masked(mask, grid)),
    )


def test_no_skip_from_another_width():
    """384 channels after 768: the first layer of the published audio decoder has none."""
    decoder = ConvDecoder(ConvDecoderConfig(layers=1, width=16), dim=32, out=4, dimensions=1)
    torch.nn.init.zeros_(decoder.convs[0].weight)
    torch.nn.init.zeros_(decoder.convs[0].bias)
    inputs = masked(torch.tensor([[True, False, True]]), (3,))

    predicted = decoder(torch.randn(1, 1, 32), inputs)
    torch.testing.assert_close(predicted, decoder.proj.bias.expand(2, -1))


def test_a_transformer_decoder_knows_places_and_hides_padding():
    decoder = TransformerDecoder(TransformerDecoderConfig(dim=16), dim=8, out=5).eval()
    mask = torch.tensor([[True, False, False, True, False, False]])
    inputs = masked(mask, (3, 2))
    seen = torch.randn(1, 4, 8)
    predicted = decoder(seen, inputs)

    assert predicted.shape == (2, 5)
    assert not torch.allclose(predicted[0], predicted[1])  # the same token, another place
    padded = with_mask(
        Inputs(torch.zeros(1, 1), torch.tensor([6]), (5, 2)),
        torch.cat([mask, torch.zeros(1, 4, dtype=torch.bool)], dim=1),
    )
    torch.testing.assert_close(decoder(seen, padded), predicted)


def test_groups_must_divide_the_width():
    with pytest.raises(ConfigError, match="decoder width 30 does not divide into 16 groups"):
        ConvDecoderConfig(width=30)


def test_heads_must_divide_the_width():
    with pytest.raises(ConfigError, match="decoder dim=30 must divide into 4 heads and by 4"):
        TransformerDecoderConfig(dim=30)
