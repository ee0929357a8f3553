"""Masks: exact counts, right directions, and nothing lost on the way to visible tokens and back."""

import math

import pytest
import torch

from d2v_core.config import MaskConfig
from d2v_core.errors import ConfigError
from d2v_core.masking import (
    _blocks,
    block_masks,
    gather_visible,
    scatter_visible,
    visible_tokens,
)

BASE_IMAGE = MaskConfig(ratio=0.8, length=3, adjust=0.07, inverse=True)
LARGE_IMAGE = MaskConfig(ratio=0.75, length=3, adjust=0.1, inverse=True)
BASE_AUDIO = MaskConfig(ratio=0.5, length=5, adjust=0.05)


def draw(config, grid, rows=64, seed=0, lengths=None):
    lengths = torch.full((rows,), math.prod(grid)) if lengths is None else lengths
    return block_masks(lengths, grid, config, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("config", "grid", "masked"),
    [
        (BASE_IMAGE, (14, 14), 157),
        (LARGE_IMAGE, (14, 14), 147),
        (LARGE_IMAGE, (16, 16), 192),
        (BASE_IMAGE, (64, 8), 410),
        (BASE_AUDIO, (499,), 249),
        (BASE_AUDIO, (749,), 374),
        (BASE_AUDIO, (1000,), 500),
        (MaskConfig(ratio=0.48, inverse=True), (512,), 246),
    ],
)
def test_every_row_masks_exactly_the_published_number(config, grid, masked):
    assert draw(config, grid).sum(dim=1).unique().tolist() == [masked]


def test_blocks_before_trimming_cover_what_the_reference_covers():
    """Five blocks of 3 x 3 on a 14 x 14 grid: 37.5 ± 4.2 cells, measured on the reference."""
    lengths = torch.full((10_000,), 196)
    share = 1 - BASE_IMAGE.ratio + BASE_IMAGE.adjust
    marked = _blocks(lengths, (14, 14), share, 3, generator=torch.Generator().manual_seed(0))
    counts = marked.sum(dim=1).float()

    assert counts.mean().item() == pytest.approx(37.5, abs=0.3)
    assert counts.std().item() == pytest.approx(4.2, abs=0.3)


def test_inverse_blocks_are_visible_and_lie_together():
    """A visible cell has more visible neighbours than if single cells were drawn."""

    def neighbours(mask):
        seen = (~mask).view(-1, 14, 14).float()
        return (seen[:, 1:] * seen[:, :-1]).sum(dim=(1, 2)).mean()

    blocks = neighbours(draw(BASE_IMAGE, (14, 14)))
    single = neighbours(draw(MaskConfig(ratio=0.8, length=1, inverse=True), (14, 14)))

    assert blocks > 2.5 * single


def test_masks_differ_between_rows_and_repeat_with_the_seed():
    first = draw(BASE_IMAGE, (14, 14), seed=3)

    assert torch.equal(first, draw(BASE_IMAGE, (14, 14), seed=3))
    assert len(first.unique(dim=0)) == len(first)


def test_padding_is_neither_masked_nor_visible():
    lengths = torch.tensor([20, 50, 80])
    mask = draw(BASE_AUDIO, (80,), lengths=lengths)
    visible = visible_tokens(mask, lengths)

    assert mask.sum(dim=1).tolist() == [10, 25, 40]
    assert not any(mask[row, length:].any() for row, length in enumerate(lengths))
    assert visible.valid.sum(dim=1).tolist() == [10, 25, 40]
    assert (
        visible.ids[visible.valid] < lengths.repeat_interleave(torch.tensor([10, 25, 40]))
    ).all()


def test_gather_then_scatter_brings_every_visible_token_home():
    lengths = torch.tensor([30, 64]).repeat_interleave(3)
    mask = draw(MaskConfig(ratio=0.6, length=2, inverse=True), (8, 8), lengths=lengths)
    visible = visible_tokens(mask, lengths)
    tokens = torch.randn(2, 64, 5)
    there = scatter_visible(
        gather_visible(tokens, visible), visible, into=torch.full((6, 64, 5), torch.nan)
    )
    shown = ~mask & (torch.arange(64) < lengths[:, None])

    torch.testing.assert_close(there[shown], tokens.repeat_interleave(3, dim=0)[shown])
    assert there[~shown].isnan().all()


def test_no_ratio_of_one():
    with pytest.raises(ConfigError, match=r"mask ratio must lie between 0 and 1, got 1\.0"):
        MaskConfig(ratio=1.0)
