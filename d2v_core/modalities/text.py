"""Sentences to tokens, one a byte."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from d2v_core.config import ByteConfig
from d2v_core.transformer import init_bert


class ByteTokens(nn.Module):
    """Look up each byte and its place, add them, normalise.

    (batch, tokens) of 0 … 255 → (batch, tokens, dim). Places are learnt.
    """

    extra_tokens = 0
    """Texts have no CLS token in data2vec 2.0."""

    def __init__(self, config: ByteConfig, dim: int) -> None:
        super().__init__()
        self.bytes = nn.Embedding(256, dim)
        self.positions = nn.Embedding(config.max_bytes, dim)
        self.norm = nn.LayerNorm(dim)
        self.apply(init_bert)
        # Places start small. At full size the targets of a short training say where a byte is and
        # not what: a linear probe for the species then falls from 0.88 to 0.83 instead of rising.
        nn.init.normal_(self.positions.weight, std=0.002)

    def token_lengths(self, lengths: Int[Tensor, " items"]) -> Int[Tensor, " items"]:
        """Return how many tokens texts of so many bytes have: the same number."""
        return lengths

    def grid_of(self, width: int) -> tuple[int, ...]:
        """Return (tokens,) of a batch `width` bytes long."""
        return (width,)

    def forward(self, values: Int[Tensor, "batch tokens"]) -> Float[Tensor, "batch tokens dim"]:
        """Return the tokens with their positions."""
        places = torch.arange(values.shape[1], device=values.device)
        return self.norm(self.bytes(values) + self.positions(places))
