"""Fixed positions: sines and cosines of the row and the column of a token."""

import torch
from jaxtyping import Float
from torch import Tensor


def sincos_grid(rows: int, columns: int, dim: int) -> Float[Tensor, "tokens dim"]:
    """Return positions of a grid in reading order; row r, column c is token r · columns + c.

    The first half of the channels encodes the column, the second the row. Within a half come the
    sines, then the cosines, at frequencies 10000^(−j / (dim / 4)), j = 0 … dim / 4 − 1.

    Args:
        rows: height of the grid.
        columns: width of the grid.
        dim: channels, a multiple of 4.

    Source: MAE, arXiv:2111.06377; data2vec 2.0 uses the same.
    """
    quarter = dim // 4
    omega = 10000.0 ** (-torch.arange(quarter, dtype=torch.float64) / quarter)

    def half(places: Tensor) -> Tensor:
        angles = places[:, None] * omega
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    column = torch.arange(columns, dtype=torch.float64).repeat(rows)
    row = torch.arange(rows, dtype=torch.float64).repeat_interleave(columns)
    return torch.cat([half(column), half(row)], dim=1).float()
