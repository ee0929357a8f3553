"""Sentences to tokens."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from d2v_core.modality_config import TextConfig
from d2v_core.transformer import init_bert


class TextTokens(nn.Module):
    """Look up each entry of the vocabulary and its place, add them, normalise.

    (batch, tokens) of 0 … size − 1 → (batch, tokens, dim). Places are learnt.

    Source: BERT, arXiv:1810.04805; data2vec 2.0, arXiv:2212.07525.
    """

    extra_tokens = 0

    def __init__(self, config: TextConfig, dim: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.size, dim)
        self.positions = nn.Embedding(config.max_tokens, dim)
        self.norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(config.dropout)
        self.apply(init_bert)
        nn.init.normal_(self.positions.weight, std=config.position_std)

    def token_lengths(self, lengths: Int[Tensor, " items"]) -> Int[Tensor, " items"]:
        """Return how many tokens texts of so many entries have: the same number."""
        return lengths

    def grid_of(self, width: int) -> tuple[int, ...]:
        """Return (tokens,) of a batch `width` entries long."""
        return (width,)

    def features(self, values: Int[Tensor, "batch tokens"]) -> Float[Tensor, "batch tokens dim"]:
        """Return the tokens without their positions."""
        return self.embedding(values)

    def placed(
        self, features: Float[Tensor, "batch tokens dim"]
    ) -> Float[Tensor, "batch tokens dim"]:
        """Add the learnt positions and normalise."""
        places = torch.arange(features.shape[1], device=features.device)
        return self.dropout(self.norm(features + self.positions(places)))
