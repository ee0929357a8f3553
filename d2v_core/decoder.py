"""The decoder: from visible tokens and noise to a prediction for every masked token.

It carries no positions: convolutions over the grid know where they are. It is thrown away after
training.

Source: data2vec 2.0, arXiv:2212.07525 (`Decoder1d`, `Decoder2d` of the reference).
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from d2v_core.config import DecoderConfig
from d2v_core.masking import Visible, scatter_visible


class ConvDecoder(nn.Module):
    """Convolutions over the token grid, each followed by a norm without parameters and GELU.

    (rows, tokens, dim) → (rows, tokens, dim). A layer's input is added to its output where both
    have the same width. Tokens stay channels-last throughout, so nothing is ever transposed.

    Args:
        config: layers, kernel, width, groups, noise.
        dim: width of a token, going in and coming out.
        dimensions: 1 for sequences, 2 for grids.
    """

    def __init__(self, config: DecoderConfig, *, dim: int, dimensions: int) -> None:
        super().__init__()
        self.noise_std = config.noise_std
        self.is_kernel_even = config.kernel % 2 == 0
        conv = nn.Conv1d if dimensions == 1 else nn.Conv2d
        widths = [dim] + [config.width] * config.layers
        self.convs = nn.ModuleList(
            conv(a, b, config.kernel, padding=config.kernel // 2, groups=config.groups)
            for a, b in pairwise(widths)
        )
        self.proj = nn.Linear(config.width, dim)

    def forward(
        self,
        seen: Float[Tensor, "rows visible dim"],
        visible: Visible,
        grid: tuple[int, ...],
    ) -> Float[Tensor, "rows tokens dim"]:
        """Put visible tokens in their places, noise in the others, and predict all of them."""
        rows, _, dim = seen.shape
        noise = torch.randn(rows, math.prod(grid), dim, device=seen.device, dtype=seen.dtype)
        x = scatter_visible(seen, visible, into=noise * self.noise_std)
        x = x.view(rows, *grid, dim)
        for conv in self.convs:
            x = self._layer(conv, x)
        return self.proj(x.flatten(1, -2))

    def _layer(self, conv: nn.Module, x: Tensor) -> Tensor:
        """Apply one convolution, norm, GELU and skip to (rows, …grid, channels)."""
        y = conv(x.movedim(-1, 1)).movedim(1, -1)
        if self.is_kernel_even:
            y = y[tuple(slice(n) for n in x.shape[:-1])]
        y = F.gelu(F.layer_norm(y, y.shape[-1:]))
        return y + x if y.shape == x.shape else y
