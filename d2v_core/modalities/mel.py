"""Log-mel spectrograms to tokens."""

from jaxtyping import Float, Int
from torch import Tensor, nn

from d2v_core.config import MelConfig
from d2v_core.modalities.positions import sincos_grid


class MelTokens(nn.Module):
    """Cut spectrograms into patches of frames x bins, map each to a token, add its position.

    (batch, frames, bins) → (batch, tokens, dim). Tokens run through the bins of the first frames,
    then of the next: those of a shorter sound come first, so that padding is at the end.

    Source: EAT, arXiv:2401.03497.
    """

    extra_tokens = 1
    """CLS tokens in front."""

    def __init__(self, config: MelConfig, dim: int) -> None:
        super().__init__()
        self.patch_frames = config.patch_frames
        self.columns = config.bins // config.patch_bins
        patch = (config.patch_frames, config.patch_bins)
        self.proj = nn.Conv2d(1, dim, kernel_size=patch, stride=patch)
        nn.init.xavier_uniform_(self.proj.weight.view(dim, -1))
        rows = config.max_frames // config.patch_frames
        self.positions: Tensor
        self.register_buffer("positions", sincos_grid(rows, self.columns, dim), persistent=False)

    def token_lengths(self, lengths: Int[Tensor, " items"]) -> Int[Tensor, " items"]:
        """Return the tokens of sounds of so many frames; a patch that is begun counts."""
        return (lengths + self.patch_frames - 1) // self.patch_frames * self.columns

    def grid_of(self, width: int) -> tuple[int, ...]:
        """Return (rows, columns) of the tokens of a batch `width` frames long."""
        return width // self.patch_frames, self.columns

    def forward(
        self, values: Float[Tensor, "batch frames bins"]
    ) -> Float[Tensor, "batch tokens dim"]:
        """Return the tokens with their positions."""
        tokens = self.proj(values[:, None]).flatten(2).transpose(1, 2)
        return tokens + self.positions[: tokens.shape[1]]
