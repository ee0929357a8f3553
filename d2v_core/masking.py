"""Which tokens the student may not see.

True means *masked* everywhere. A row is one masked view of one item. Padding is neither masked nor
visible. Masks are exact: every row of the same length masks the same number of tokens.

Source: data2vec 2.0, arXiv:2212.07525; fairseq `compute_block_mask_1d` and `compute_block_mask_2d`.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from d2v_core.config import MaskConfig


@dataclass(frozen=True)
class Visible:
    """Where the visible tokens of every row are.

    Rows of short items show fewer tokens; they are filled up with arbitrary positions that
    `valid` marks False.
    """

    ids: Int[Tensor, "rows visible"]
    valid: Bool[Tensor, "rows visible"]


def block_masks(
    lengths: Int[Tensor, " rows"],
    grid: tuple[int, ...],
    config: MaskConfig,
    *,
    generator: torch.Generator,
) -> Bool[Tensor, "rows tokens"]:
    """Draw one mask a row out of blocks, then trim or fill it at random to the exact count.

    With `inverse` the blocks are what stays visible. Blocks are centred on cells drawn with
    replacement among the valid ones and clamped at the border, so they shrink there.

    Args:
        lengths: valid tokens of every row; they come first, padding after them.
        grid: tokens as (count,) or as (rows, columns), in reading order.
        config: ratio, block side, adjustment and direction.
        generator: source of all randomness.

    Returns:
        True where masked; ⌊length · ratio⌋ in each row, or length − ⌊length · (1 − ratio)⌋ if
        inverse, which is how the reference rounds.
    """
    tokens = math.prod(grid)
    share = 1 - config.ratio if config.inverse else config.ratio
    count = (lengths.double() * share).floor().long()  # tokens that the blocks are to mark
    marked = _blocks(lengths, grid, share + config.adjust, config.length, generator=generator)
    order = marked.float() + torch.rand(marked.shape, generator=generator)  # marked ones first
    valid = torch.arange(tokens) < lengths[:, None]
    order = order.masked_fill(~valid, -1.0)
    place = order.argsort(dim=1, descending=True).argsort(dim=1)
    chosen = place < count[:, None]
    return valid & ~chosen if config.inverse else chosen


def _blocks(
    lengths: Int[Tensor, " rows"],
    grid: tuple[int, ...],
    share: float,
    side: int,
    *,
    generator: torch.Generator,
) -> Bool[Tensor, "rows tokens"]:
    """Mark blocks of `side` cells a dimension around random centres; about `share` of the cells."""
    rows, tokens = len(lengths), math.prod(grid)
    blocks = (
        (lengths.double() * share / side ** len(grid)).floor().long()
    )  # how many each row draws
    draws = int(blocks.max()) if rows else 0
    centres = (torch.rand(rows, draws, generator=generator) * lengths[:, None]).long()
    offsets = torch.arange(side) - side // 2
    cells = [(centres[..., None] + offsets).clamp(0, grid[-1] - 1)]
    if len(grid) == 2:
        down = (centres[..., None] // grid[1] + offsets).clamp(0, grid[0] - 1)
        across = (centres[..., None] % grid[1] + offsets).clamp(0, grid[1] - 1)
        cells = [(down[..., :, None] * grid[1] + across[..., None, :]).flatten(2)]
    hits = (torch.arange(draws) < blocks[:, None])[..., None].expand_as(cells[0])
    marked = torch.zeros(rows, tokens, dtype=torch.int8)
    marked.scatter_reduce_(1, cells[0].flatten(1), hits.flatten(1).to(torch.int8), "amax")
    return marked.bool()


def visible_tokens(mask: Bool[Tensor, "rows tokens"], lengths: Int[Tensor, " rows"]) -> Visible:
    """Return where the visible tokens are, in reading order, filled up to the longest row."""
    shown = ~mask & (torch.arange(mask.shape[1], device=mask.device) < lengths[:, None])
    counts = shown.sum(dim=1)
    ids = (~shown).to(torch.int8).argsort(dim=1, stable=True)[:, : int(counts.max())]
    return Visible(ids, torch.arange(ids.shape[1], device=mask.device) < counts[:, None])


def gather_visible(
    x: Float[Tensor, "items tokens dim"], visible: Visible
) -> Float[Tensor, "rows visible dim"]:
    """Pick every row's visible tokens; the first M rows belong to item 0, the next M to item 1."""
    item = torch.arange(len(visible.ids), device=x.device) // (len(visible.ids) // len(x))
    return x[item[:, None], visible.ids]


def scatter_visible(
    seen: Float[Tensor, "rows visible dim"],
    visible: Visible,
    *,
    into: Float[Tensor, "rows tokens dim"],
) -> Float[Tensor, "rows tokens dim"]:
    """Return `into` with the visible tokens put back at their places."""
    kept = visible.valid[..., None]
    there = into.gather(1, visible.ids[..., None].expand_as(seen))
    values = torch.where(kept, seen.to(into.dtype), there)
    return into.scatter(1, visible.ids[..., None].expand_as(seen), values)
