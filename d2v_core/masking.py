"""Which tokens the student may not see.

True means *masked* everywhere. A row is one masked view of one item. Padding is never masked. All
randomness of an item comes from a generator of its own, so that its masks do not depend on which
other items are in the batch, or on which process has it.

Source: data2vec 2.0, arXiv:2212.07525 (blocks); wav2vec 2.0, arXiv:2006.11477 (spans); BEiT,
arXiv:2106.08254 (rectangles).
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from d2v_core.modality_config import MaskConfig

Generators = Sequence[torch.Generator]


def uniform(generators: Generators, *shape: int) -> Float[Tensor, "..."]:
    """Return uniform numbers, one block of `shape` a generator, along a new first dimension."""
    return torch.stack([torch.rand(*shape, generator=generator) for generator in generators])


def ragged(
    generators: Generators, masks: int, counts: Int[Tensor, " items"]
) -> Float[Tensor, "rows most"]:
    """Return M rows of uniform numbers an item, as many as its own count, filled up with 0.

    What an item draws must not depend on how long the other items of its batch are.
    """
    drawn = [
        torch.rand(masks, count, generator=generator)
        for generator, count in zip(generators, counts.tolist(), strict=True)
    ]
    most = max((x.shape[1] for x in drawn), default=0)
    return torch.cat([torch.nn.functional.pad(x, (0, most - x.shape[1])) for x in drawn])


def draw_masks(
    lengths: Int[Tensor, " items"],
    grid: tuple[int, ...],
    config: MaskConfig,
    *,
    generators: Generators,
) -> Bool[Tensor, "rows tokens"]:
    """Draw M masks an item, of the shape that the settings ask for.

    Args:
        lengths: valid tokens of every item; they come first, padding after them.
        grid: tokens as (count,) or as (rows, columns), in reading order.
        config: shape, ratio, size and number of the masks.
        generators: one an item, the source of all its randomness.

    Returns:
        True where masked; the M rows of an item follow each other.

    Raises:
        ValueError: if rectangles are asked for on a sequence.
    """
    match config.shape:
        case "blocks":
            return block_masks(lengths, grid, config, generators=generators)
        case "spans" | "clipped-spans":
            return span_masks(lengths, math.prod(grid), config, generators=generators)
        case "beit":
            return beit_masks(lengths, grid, config, generators=generators)


def block_masks(
    lengths: Int[Tensor, " items"],
    grid: tuple[int, ...],
    config: MaskConfig,
    *,
    generators: Generators,
) -> Bool[Tensor, "rows tokens"]:
    """Draw masks out of blocks, then trim or fill each at random to the exact count.

    With `inverse` the blocks are what stays visible. Blocks are centred on cells drawn with
    replacement among the valid ones and clamped at the border, so they shrink there. Arguments as
    of `draw_masks`.

    Returns:
        True where masked; ⌊length · ratio⌋ in each row, or length − ⌊length · (1 − ratio)⌋ if
        inverse, which is how the reference rounds.

    Source: fairseq `compute_block_mask_1d` and `compute_block_mask_2d`.
    """
    tokens = math.prod(grid)
    share = 1 - config.ratio if config.inverse else config.ratio
    blocks = _floor(lengths, (share + config.adjust) / config.length ** len(grid))
    centres = ragged(generators, config.masks, blocks)
    order = _widened(ragged(generators, config.masks, lengths), tokens)
    lengths, blocks = (x.repeat_interleave(config.masks) for x in (lengths, blocks))
    marked = _blocks(centres, lengths, blocks, grid=grid, side=config.length)
    order = marked.float() + order  # marked ones first
    valid = torch.arange(tokens) < lengths[:, None]
    order = order.masked_fill(~valid, -1.0)
    place = order.argsort(dim=1, descending=True).argsort(dim=1)
    chosen = place < _floor(lengths, share)[:, None]
    return valid & ~chosen if config.inverse else chosen


def _widened(x: Float[Tensor, "rows most"], tokens: int) -> Float[Tensor, "rows {tokens}"]:
    return torch.nn.functional.pad(x, (0, tokens - x.shape[1]))


def _floor(lengths: Int[Tensor, " rows"], share: float) -> Int[Tensor, " rows"]:
    return (lengths.double() * share).floor().long()


def _blocks(
    random: Float[Tensor, "rows draws"],
    lengths: Int[Tensor, " rows"],
    blocks: Int[Tensor, " rows"],
    *,
    grid: tuple[int, ...],
    side: int,
) -> Bool[Tensor, "rows tokens"]:
    """Mark blocks of `side` cells a dimension around random centres; each row its own number."""
    rows, draws = random.shape
    centres = (random * lengths[:, None]).long()
    offsets = torch.arange(side) - side // 2
    cells = (centres[..., None] + offsets).clamp(0, grid[-1] - 1)
    if len(grid) == 2:
        down = (centres[..., None] // grid[1] + offsets).clamp(0, grid[0] - 1)
        across = (centres[..., None] % grid[1] + offsets).clamp(0, grid[1] - 1)
        cells = (down[..., :, None] * grid[1] + across[..., None, :]).flatten(2)
    hits = (torch.arange(draws) < blocks[:, None])[..., None].expand_as(cells)
    marked = torch.zeros(rows, math.prod(grid), dtype=torch.int8)
    marked.scatter_reduce_(1, cells.flatten(1), hits.flatten(1).to(torch.int8), "amax")
    return marked.bool()


def span_masks(
    lengths: Int[Tensor, " items"], tokens: int, config: MaskConfig, *, generators: Generators
) -> Bool[Tensor, "rows tokens"]:
    """Draw masks out of spans that may overlap, so that counts differ from row to row.

    n = max(least, ⌊ratio · length / span + u⌋) different starts, u uniform in [0, 1): among those
    from which a whole span fits, or among all places if clipped. The reference then makes the
    counts of a batch equal by unmasking single tokens; we keep the spans whole, because a student
    that sees all places needs no equal counts. Where it raises because an item is masked from end
    to end, we leave one token visible. Arguments as of `draw_masks`.

    Returns:
        True where masked.

    Source: fairseq `compute_mask_indices`, static; data2vec 1.0, arXiv:2202.03555.
    """
    span, clipped = config.length, config.shape == "clipped-spans"
    random = _widened(ragged(generators, config.masks, 1 + lengths), 1 + tokens)
    lengths = lengths.repeat_interleave(config.masks)
    wanted = (config.ratio * lengths / span + random[:, 0]).floor().long().clamp(min=config.least)
    starts = lengths if clipped else lengths - span
    starts = torch.where(starts <= wanted, wanted + 1 - int(clipped), starts).minimum(lengths)
    places = torch.arange(tokens)
    order = random[:, 1:].masked_fill(places >= starts[:, None], 2.0)
    chosen = order.argsort(dim=1).argsort(dim=1) < wanted[:, None]
    reach = torch.cumsum(chosen.int(), dim=1)
    before = torch.nn.functional.pad(reach, (span, 0))[:, :tokens]  # starts that ended earlier
    masked = (reach > before) & (places < lengths[:, None])
    full = masked.sum(dim=1) == lengths  # of short items only
    shown = (random[:, 0] * lengths).long()
    masked[full, shown[full]] = False
    return masked


def beit_masks(
    lengths: Int[Tensor, " items"],
    grid: tuple[int, ...],
    config: MaskConfig,
    *,
    generators: Generators,
) -> Bool[Tensor, "rows tokens"]:
    """Draw masks out of rectangles, until ⌊tokens · ratio⌋ are masked or none fits any more.

    A rectangle has at least 16 of 196 cells, or that share of a smaller grid, at most what is still
    to be masked, and sides that differ by a factor of 0.3 at most; it is taken if it covers a new
    cell and not more than are left. Ten tries each; so a row never masks more than it should, but
    may mask less. Padding counts as rows of the grid that are not there. Arguments as of
    `draw_masks`.

    Raises:
        ValueError: if the grid has one dimension only.
    """
    if len(grid) != 2:
        raise ValueError(f"rectangles need a grid of two dimensions, got {len(grid)}")
    tokens, rows = math.prod(grid), []
    for length, generator in zip(lengths.tolist(), generators, strict=True):
        own = (length // grid[1], grid[1])
        for _ in range(config.masks):
            mask = _beit_mask(own, config.ratio, generator)
            rows.append(torch.nn.functional.pad(mask, (0, tokens - length)))
    return torch.stack(rows)


def _beit_mask(
    grid: tuple[int, int], ratio: float, generator: torch.Generator
) -> Bool[Tensor, " tokens"]:
    height, width = grid
    mask = torch.zeros(height, width, dtype=torch.bool)
    left = math.floor(height * width * ratio)
    smallest = 16 / 196 * height * width
    while left > 0:
        before = left
        for area, aspect, down, across in torch.rand(10, 4, generator=generator).tolist():
            cells = smallest + area * max(left - smallest, 0)
            skew = math.exp(math.log(0.3) * (2 * aspect - 1))
            h, w = round(math.sqrt(cells * skew)), round(math.sqrt(cells / skew))
            if not (0 < h < height and 0 < w < width):
                continue
            top, start = int(down * (height - h + 1)), int(across * (width - w + 1))
            block = mask[top : top + h, start : start + w]
            new = int((~block).sum())
            if 0 < new <= left:
                block.fill_(True)
                left -= new
                break
        if left == before:
            break
    if left and not mask.any():  # a grid too narrow for any rectangle
        mask.view(-1)[int(torch.randint(mask.numel(), (), generator=generator))] = True
    return mask.flatten()
