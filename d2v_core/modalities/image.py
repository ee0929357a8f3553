"""Pictures to tokens."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from d2v_core.modalities.positions import sincos_grid
from d2v_core.modality_config import ImageConfig


class ImageTokens(nn.Module):
    """Cut pictures into square patches, map each one linearly to a token, add its position.

    (batch, 3, side, side) → (batch, tokens, dim) with tokens = (side / P)², in reading order.

    Source: ViT, arXiv:2010.11929; data2vec 2.0, arXiv:2212.07525.
    """

    extra_tokens = 1

    def __init__(self, config: ImageConfig, dim: int) -> None:
        super().__init__()
        side = config.size // config.patch
        self.grid = (side, side)
        self.patch = config.patch
        self.proj = nn.Conv2d(3, dim, kernel_size=config.patch, stride=config.patch)
        nn.init.xavier_uniform_(self.proj.weight.view(dim, -1))
        fixed = sincos_grid(side, side, dim) if config.positions == "sincos" else torch.zeros(1, 1)
        self.positions: Tensor
        self.register_buffer("positions", fixed, persistent=False)

    def token_lengths(self, lengths: Int[Tensor, " items"]) -> Int[Tensor, " items"]:
        """Return how many tokens an item has; every picture has the whole grid."""
        return torch.full_like(lengths, self.grid[0] * self.grid[1])

    def grid_of(self, width: int) -> tuple[int, ...]:
        """Return (rows, columns) of the tokens, whatever the width: all pictures have one size."""
        return self.grid

    def patches(
        self, values: Float[Tensor, "batch 3 side side"]
    ) -> Float[Tensor, "batch tokens pixels"]:
        """Return the pixels of every patch."""
        return nn.functional.unfold(values, self.patch, stride=self.patch).transpose(1, 2)

    def features(
        self, values: Float[Tensor, "batch 3 side side"]
    ) -> Float[Tensor, "batch tokens dim"]:
        """Return the tokens without their positions."""
        return self.proj(values).flatten(2).transpose(1, 2)

    def placed(
        self, features: Float[Tensor, "batch tokens dim"]
    ) -> Float[Tensor, "batch tokens dim"]:
        """Add the fixed positions."""
        return features + self.positions
