"""Log-mel spectrograms to tokens."""

from jaxtyping import Float, Int
from torch import Tensor, nn

from d2v_core.modalities.positions import sincos_grid
from d2v_core.modality_config import MelConfig


class MelTokens(nn.Module):
    """Cut spectrograms into patches of frames x bins, map each to a token, add its position.

    (batch, frames, bins) → (batch, tokens, dim). Tokens run through the bins of the first frames,
    then of the next: those of a shorter sound come first, so that padding is at the end.

    Source: EAT, arXiv:2401.03497.
    """

    extra_tokens = 1

    def __init__(self, config: MelConfig, dim: int) -> None:
        super().__init__()
        self.patch = (config.patch_frames, config.patch_bins)
        self.columns = config.bins // config.patch_bins
        self.proj = nn.Conv2d(1, dim, kernel_size=self.patch, stride=self.patch)
        nn.init.xavier_uniform_(self.proj.weight.view(dim, -1))
        rows = config.max_frames // config.patch_frames
        self.positions: Tensor
        self.register_buffer("positions", sincos_grid(rows, self.columns, dim), persistent=False)

    def token_lengths(self, lengths: Int[Tensor, " items"]) -> Int[Tensor, " items"]:
        """Return the tokens of sounds of so many frames; a patch that is begun counts."""
        frames = self.patch[0]
        return (lengths + frames - 1) // frames * self.columns

    def grid_of(self, width: int) -> tuple[int, ...]:
        """Return (rows, columns) of the tokens of a batch `width` frames long."""
        return width // self.patch[0], self.columns

    def patches(
        self, values: Float[Tensor, "batch frames bins"]
    ) -> Float[Tensor, "batch tokens pixels"]:
        """Return the values of every patch."""
        return nn.functional.unfold(values[:, None], self.patch, stride=self.patch).transpose(1, 2)

    def features(
        self, values: Float[Tensor, "batch frames bins"]
    ) -> Float[Tensor, "batch tokens dim"]:
        """Return the tokens without their positions."""
        return self.proj(values[:, None]).flatten(2).transpose(1, 2)

    def placed(
        self, features: Float[Tensor, "batch tokens dim"]
    ) -> Float[Tensor, "batch tokens dim"]:
        """Add the fixed positions."""
        return features + self.positions[: features.shape[1]]
