"""Pictures to tokens."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from d2v_core.config import ImageConfig
from d2v_core.modalities.positions import sincos_grid


class ImageTokens(nn.Module):
    """Cut pictures into square patches, map each one linearly to a token, add its position.

    (batch, 3, side, side) → (batch, tokens, dim) with tokens = (side / P)², in reading order.

    Source: ViT, arXiv:2010.11929; data2vec 2.0, arXiv:2212.07525.
    """

    extra_tokens = 1
    """CLS tokens in front."""

    def __init__(self, config: ImageConfig, dim: int) -> None:
        super().__init__()
        side = config.size // config.patch
        self.grid = (side, side)
        self.proj = nn.Conv2d(3, dim, kernel_size=config.patch, stride=config.patch)
        nn.init.xavier_uniform_(self.proj.weight.view(dim, -1))
        self.positions: Tensor
        self.register_buffer("positions", sincos_grid(side, side, dim), persistent=False)

    def token_lengths(self, lengths: Int[Tensor, " items"]) -> Int[Tensor, " items"]:
        """Return how many tokens an item has; every picture has the whole grid."""
        return torch.full_like(lengths, self.grid[0] * self.grid[1])

    def grid_of(self, _width: int) -> tuple[int, ...]:
        """Return (rows, columns) of the tokens."""
        return self.grid

    def forward(
        self, values: Float[Tensor, "batch 3 side side"]
    ) -> Float[Tensor, "batch tokens dim"]:
        """Return the tokens with their positions."""
        return self.proj(values).flatten(2).transpose(1, 2) + self.positions
