"""Masks: exact counts, right directions, and nothing lost on the way to visible tokens and back."""

import math

import pytest
import torch

from d2v_core.errors import ConfigError
from d2v_core.inputs import gather_visible, scatter_visible, visible_tokens
from d2v_core.masking import _blocks, draw_masks
from d2v_core.modality_config import MaskConfig

BASE_IMAGE = MaskConfig(ratio=0.8, length=3, adjust=0.07, inverse=True, masks=1)
LARGE_IMAGE = MaskConfig(ratio=0.75, length=3, adjust=0.1, inverse=True, masks=1)
BASE_AUDIO = MaskConfig(ratio=0.5, length=5, adjust=0.05, masks=1)


def draw(config, grid, rows=64, seed=0, lengths=None):
    lengths = torch.full((rows,), math.prod(grid)) if lengths is None else lengths
    generators = [torch.Generator().manual_seed(seed + 1000 * n) for n in range(len(lengths))]
    return draw_masks(lengths, grid, config, generators=generators)


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
        (MaskConfig(ratio=0.48, inverse=True, masks=3), (512,), 246),
    ],
)
def test_every_row_masks_exactly_the_published_number(config, grid, masked):
    assert draw(config, grid).sum(dim=1).unique().tolist() == [masked]


def test_blocks_before_trimming_cover_what_the_reference_covers():
    """Five blocks of 3 x 3 on a 14 x 14 grid: 37.5 ± 4.2 cells, measured on the reference."""
    lengths, blocks = torch.full((10_000,), 196), torch.full((10_000,), 5)
    random = torch.rand(10_000, 5, generator=torch.Generator().manual_seed(0))
    marked = _blocks(random, lengths, blocks, grid=(14, 14), side=3)
    counts = marked.sum(dim=1).float()

    assert counts.mean().item() == pytest.approx(37.5, abs=0.3)
    assert counts.std().item() == pytest.approx(4.2, abs=0.3)


def test_inverse_blocks_are_visible_and_lie_together():
    """A visible cell has more visible neighbours than if single cells were drawn."""

    def neighbours(mask):
        seen = (~mask).view(-1, 14, 14).float()
        return (seen[:, 1:] * seen[:, :-1]).sum(dim=(1, 2)).mean()

    blocks = neighbours(draw(BASE_IMAGE, (14, 14)))
    single = neighbours(draw(MaskConfig(ratio=0.8, length=1, inverse=True, masks=1), (14, 14)))

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
    mask = draw(MaskConfig(ratio=0.6, length=2, inverse=True, masks=1), (8, 8), lengths=lengths)
    visible = visible_tokens(mask, lengths)
    tokens = torch.randn(2, 64, 5)
    there = scatter_visible(
        gather_visible(tokens, visible), visible, into=torch.full((6, 64, 5), torch.nan)
    )
    shown = ~mask & (torch.arange(64) < lengths[:, None])

    torch.testing.assert_close(there[shown], tokens.repeat_interleave(3, dim=0)[shown])
    assert there[~shown].isnan().all()


@pytest.mark.parametrize(
    ("config", "tokens", "share", "within"),
    [
        (MaskConfig(ratio=0.65, shape="spans", length=10, masks=8), 500, 0.491, 0.01),
        (MaskConfig(ratio=0.8, shape="spans", length=10, least=2, masks=8), 500, 0.568, 0.01),
        (MaskConfig(ratio=0.35, shape="clipped-spans", length=4, masks=8), 512, 0.307, 0.005),
    ],
)
def test_spans_cover_what_the_reference_covers(config, tokens, share, within):
    """data2vec 1.0 speech, HuBERT, data2vec 1.0 text: measured on the reference."""
    mask = draw(config, (tokens,), rows=100)

    assert mask.float().mean().item() == pytest.approx(share, abs=within)


def runs_of(row):
    return [len(run) for run in "".join("x" if m else " " for m in row.tolist()).split()]


def test_spans_stay_whole_and_only_clipped_ones_are_cut_at_the_end():
    whole = draw(MaskConfig(ratio=0.4, shape="spans", length=7, masks=2), (100,), rows=50)
    assert min(length for row in whole for length in runs_of(row)) >= 7
    clipped = draw(MaskConfig(ratio=0.4, shape="clipped-spans", length=7, masks=9), (100,), rows=50)
    short = [row for row in clipped if min(runs_of(row)) < 7]

    assert short
    assert all(row[-1] and runs_of(row)[-1] < 7 for row in short)


@pytest.mark.parametrize("shape", ["spans", "clipped-spans"])
@pytest.mark.parametrize("length", [1, 2, 5, 11])
def test_spans_leave_something_of_the_shortest_item(shape, length):
    lengths = torch.full((20,), length)
    config = MaskConfig(ratio=0.65, shape=shape, length=10, masks=4)
    mask = draw(config, (30,), lengths=lengths)

    assert (mask.sum(dim=1) < length).all()
    assert not mask[:, length:].any()


def test_beit_rectangles_never_mask_more_than_they_should():
    mask = draw(MaskConfig(ratio=120 / 196, shape="beit", masks=4), (14, 14), rows=250)
    counts = mask.sum(dim=1)

    assert counts.max() <= 120
    assert counts.float().mean() > 115


@pytest.mark.parametrize(("grid", "lengths"), [((13, 4), [52, 28, 4]), ((5, 5), [25, 25, 25])])
def test_beit_rectangles_mask_something_of_every_item_and_no_padding(grid, lengths):
    lengths = torch.tensor(lengths).repeat(20)
    mask = draw(MaskConfig(ratio=0.6, shape="beit", masks=2), grid, lengths=lengths)
    lengths = lengths.repeat_interleave(2)
    counts = mask.sum(dim=1)

    assert (counts >= 1).all()
    assert (counts <= lengths * 0.6).all()
    assert not (mask & (torch.arange(math.prod(grid)) >= lengths[:, None])).any()
    assert (counts / lengths).mean() > 0.4


def test_rectangles_need_a_grid():
    with pytest.raises(ValueError, match="rectangles need a grid of two dimensions, got 1"):
        draw(MaskConfig(ratio=0.5, shape="beit"), (30,))


@pytest.mark.parametrize("shape", ["blocks", "spans"])
def test_an_item_has_the_same_masks_in_whatever_batch_it_is(shape):
    """Its randomness is its own, so it does not matter how a step is spread over processes."""
    config = MaskConfig(ratio=0.5, shape=shape, length=4, masks=3)
    lengths = torch.tensor([60, 80, 60])
    generators = [torch.Generator().manual_seed(n) for n in range(3)]
    together = draw_masks(lengths, (80,), config, generators=generators)
    alone = draw_masks(lengths[2:], (60,), config, generators=[torch.Generator().manual_seed(2)])

    assert torch.equal(together[6:, :60], alone)
    assert not together[6:, 60:].any()
    assert len(together.unique(dim=0)) == 9


def test_no_ratio_of_one():
    with pytest.raises(ConfigError, match=r"mask ratio must lie between 0 and 1, got 1\.0"):
        MaskConfig(ratio=1.0)
