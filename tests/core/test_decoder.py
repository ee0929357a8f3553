"""The decoder: its size, its fill, what it leaves alone."""

import pytest
import torch

from d2v_core.config import DecoderConfig
from d2v_core.decoder import ConvDecoder
from d2v_core.errors import ConfigError
from d2v_core.masking import visible_tokens


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def test_the_published_image_decoder_has_its_number_of_parameters():
    config = DecoderConfig(layers=6, kernel=3, width=768, groups=16)

    assert parameters(ConvDecoder(config, dim=768, dimensions=2)) == 2_585_856


def test_the_published_audio_decoder_has_its_number_of_parameters():
    config = DecoderConfig(layers=4, kernel=7, width=384, groups=16)

    assert parameters(ConvDecoder(config, dim=768, dimensions=1)) == 619_776


@pytest.mark.parametrize("kernel", [3, 4])
def test_every_token_gets_a_prediction(kernel):
    decoder = ConvDecoder(DecoderConfig(kernel=kernel, width=32), dim=32, dimensions=2)
    mask = torch.rand(2, 12) < 0.5
    mask[:, 0], mask[:, 1] = False, True
    visible = visible_tokens(mask, torch.tensor([12, 12]))

    assert decoder(torch.randn(2, visible.ids.shape[1], 32), visible, (3, 4)).shape == (2, 12, 32)


def test_noise_of_the_given_spread_stands_at_masked_places_and_nowhere_else():
    """A decoder of no layers shows what it was fed."""
    config = DecoderConfig(layers=0, width=64, noise_std=0.5)
    decoder = ConvDecoder(config, dim=64, dimensions=1)
    torch.nn.init.eye_(decoder.proj.weight)
    torch.nn.init.zeros_(decoder.proj.bias)
    mask = torch.zeros(8, 50, dtype=torch.bool)
    mask[:, 10:] = True
    seen = torch.randn(8, 10, 64)
    fed = decoder(seen, visible_tokens(mask, torch.full((8,), 50)), (50,))

    torch.testing.assert_close(fed[:, :10], seen)
    assert fed[:, 10:].std().item() == pytest.approx(0.5, rel=0.02)


def test_the_input_is_added_where_widths_agree():
    """With all convolutions zero, norm gives 0, GELU gives 0, and only the skip remains."""
    decoder = ConvDecoder(DecoderConfig(width=32), dim=32, dimensions=1)
    for conv in decoder.convs:
        torch.nn.init.zeros_(conv.weight)
        torch.nn.init.zeros_(conv.bias)
    seen = torch.randn(1, 6, 32)
    everything = visible_tokens(torch.zeros(1, 6, dtype=torch.bool), torch.tensor([6]))

    torch.testing.assert_close(decoder(seen, everything, (6,)), decoder.proj(seen))


def test_groups_must_divide_the_width():
    with pytest.raises(ConfigError, match="decoder width 30 does not divide into 16 groups"):
        DecoderConfig(width=30)
