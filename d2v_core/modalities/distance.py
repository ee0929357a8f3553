"""Attention that knows where tokens are: biases on its scores, in place of or beside positions.

Both modules return what is added to the scores of the tokens at the given places, so that they
serve a student that sees a few places only as well as a teacher that sees all.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class Alibi(nn.Module):
    """Scores fall linearly with the distance of two tokens, in every head at its own rate.

    bias(h, i, j) = −max(scale_h, 0) · slope_h · |i − j|₁, the distance counted in tokens, on grids
    of two dimensions along rows and columns. Extra tokens are near to everything: their bias is 0.

    Args:
        heads: attention heads.
        extra: tokens in front that have no place.

    Source: ALiBi, arXiv:2108.12409; with a learnt scale a head in data2vec 2.0, arXiv:2212.07525.
    """

    def __init__(self, heads: int, *, extra: int) -> None:
        super().__init__()
        self.extra = extra
        self.scale = nn.Parameter(torch.ones(heads))
        self.slopes: Tensor
        self.register_buffer("slopes", torch.tensor(alibi_slopes(heads)), persistent=False)

    def forward(
        self, ids: Int[Tensor, "rows tokens"], grid: tuple[int, ...]
    ) -> Float[Tensor, "rows heads all all"]:
        """Return the bias between the extra tokens and those at the places `ids`."""
        down, across = (ids // grid[-1], ids % grid[-1]) if len(grid) == 2 else (ids * 0, ids)
        distance = sum((x[:, :, None] - x[:, None, :]).abs() for x in (down, across))
        slope = -self.scale.clamp(min=0) * self.slopes
        bias = slope[:, None, None] * torch.as_tensor(distance)[:, None]
        return nn.functional.pad(bias, (self.extra, 0, self.extra, 0))


def alibi_slopes(heads: int) -> list[float]:
    """Return 2^(−8k / H) for k = 1 … H where H is a power of two.

    For other H they are those of the power of two below, followed by every second one of the power
    of two above.
    """
    below = 2 ** (heads.bit_length() - 1)
    slopes = [2 ** (-8 * k / below) for k in range(1, below + 1)]
    between = [2 ** (-4 * k / below) for k in range(1, 2 * below + 1, 2)]
    return slopes + between[: heads - below]


class RelativeBias(nn.Module):
    """A learnt bias for every offset between two places of a grid, shared by all blocks.

    The table has (2 rows − 1)(2 columns − 1) offsets, then one entry each for CLS to token, token
    to CLS, and CLS to CLS.

    Args:
        grid: (rows, columns).
        heads: attention heads.

    Source: BEiT, arXiv:2106.08254, with one table for all blocks as in data2vec 1.0.
    """

    def __init__(self, grid: tuple[int, int], heads: int) -> None:
        super().__init__()
        self.rows, self.columns = grid
        self.offsets = (2 * self.rows - 1) * (2 * self.columns - 1)
        self.table = nn.Parameter(torch.zeros(self.offsets + 3, heads))

    def forward(
        self, ids: Int[Tensor, "rows tokens"], _grid: tuple[int, ...]
    ) -> Float[Tensor, "rows heads all all"]:
        """Return the bias between CLS and the tokens at the places `ids`."""
        down, across = ids // self.columns, ids % self.columns
        offset = (down[:, :, None] - down[:, None, :] + self.rows - 1) * (2 * self.columns - 1)
        offset = offset + across[:, :, None] - across[:, None, :] + self.columns - 1
        index = nn.functional.pad(offset, (1, 0, 1, 0), value=self.offsets)  # CLS to token
        index[:, 1:, 0] = self.offsets + 1
        index[:, 0, 0] = self.offsets + 2
        return self.table[index].permute(0, 3, 1, 2)
