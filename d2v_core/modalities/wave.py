"""Raw sound to tokens: seven convolutions, and positions that are convolutions too."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from d2v_core.modality_config import WaveConfig

CONVOLUTIONS = ((10, 5), (3, 2), (3, 2), (3, 2), (3, 2), (2, 2), (2, 2))
"""Kernel and stride: 320 samples from token to token, each sees 400."""


class WaveTokens(nn.Module):
    """Convolve, normalise, map linearly: 50 tokens a second from sound at 16 kHz.

    (batch, samples) → (batch, tokens, dim). Every token hears 400 samples.

    Source: wav2vec 2.0, arXiv:2006.11477; data2vec, arXiv:2202.03555; HuBERT, arXiv:2106.07447.
    """

    extra_tokens = 0

    def __init__(self, config: WaveConfig, dim: int) -> None:
        super().__init__()
        self.feature_gradient = config.feature_gradient
        before = [1] + [config.channels] * (len(CONVOLUTIONS) - 1)
        convs = [
            nn.Conv1d(channels, config.channels, kernel, stride=stride, bias=config.conv_bias)
            for channels, (kernel, stride) in zip(before, CONVOLUTIONS, strict=True)
        ]
        for conv in convs:
            nn.init.kaiming_normal_(conv.weight)
        self.convs = nn.ModuleList(convs)
        self.over_channels = config.conv_norm == "layer"
        count = len(CONVOLUTIONS) if self.over_channels else 1
        self.conv_norms = nn.ModuleList(
            nn.LayerNorm(config.channels)
            if self.over_channels
            else nn.GroupNorm(config.channels, config.channels)
            for _ in range(count)
        )
        self.norm = nn.LayerNorm(config.channels)
        self.proj = nn.Linear(config.channels, dim)

    def token_lengths(self, lengths: Int[Tensor, " items"]) -> Int[Tensor, " items"]:
        """Return the tokens of sounds of so many samples: each hears 400 that are there."""
        for kernel, stride in CONVOLUTIONS:
            lengths = (lengths - kernel) // stride + 1
        return lengths

    def grid_of(self, width: int) -> tuple[int, ...]:
        """Return (tokens,) of a batch `width` samples long."""
        return (int(self.token_lengths(torch.tensor([width]))),)

    def convolved(
        self, values: Float[Tensor, "batch samples"]
    ) -> Float[Tensor, "batch tokens channels"]:
        """Return what the convolutions hear."""
        x = values[:, None]
        for number, conv in enumerate(self.convs):
            x = conv(x)
            if self.over_channels:
                norm = self.conv_norms[number]
                x = norm(x.transpose(1, 2).float()).transpose(1, 2).to(x.dtype)
            elif number == 0:
                x = self.conv_norms[0](x.float()).to(x.dtype)
            x = F.gelu(x)
        if self.feature_gradient != 1.0 and x.requires_grad:
            x = x * self.feature_gradient + x.detach() * (1 - self.feature_gradient)
        return x.transpose(1, 2)

    def features(self, values: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch tokens dim"]:
        """Return the tokens without their positions."""
        return self.proj(self.norm(self.convolved(values)))

    def placed(
        self, features: Float[Tensor, "batch tokens dim"]
    ) -> Float[Tensor, "batch tokens dim"]:
        """Return the tokens as they are: their positions depend on what is masked."""
        return features


class ConvPositions(nn.Module):
    """Positions that a token reads off its neighbours; they are added to the tokens.

    (rows, tokens, dim) → (rows, tokens, dim). "stacked" are narrow convolutions, each with a norm
    over channels without parameters and GELU; "single" is one wide convolution with weight norm and
    GELU.

    Args:
        config: kind, number, kernel and groups.
        dim: width of a token.
    """

    def __init__(self, config: WaveConfig, dim: int) -> None:
        super().__init__()
        self.stacked = config.positions == "stacked"
        count = config.position_layers if self.stacked else 1
        kernel, groups = config.position_kernel, config.position_groups
        convs = [
            nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=groups) for _ in range(count)
        ]
        if not self.stacked:
            nn.init.normal_(convs[0].weight, std=(4 / (kernel * dim)) ** 0.5)
            nn.init.constant_(convs[0].get_parameter("bias"), 0.0)
            convs = [weight_norm(convs[0], dim=2)]
        self.convs = nn.ModuleList(convs)

    def forward(
        self,
        x: Float[Tensor, "rows tokens dim"],
        audible: Float[Tensor, "rows tokens 1"] | None = None,
    ) -> Float[Tensor, "rows tokens dim"]:
        """Return the positions.

        Args:
            x: tokens; those that must not be heard are 0.
            audible: 0 where a token is padding, 1 elsewhere. Padding is silenced again before every
                convolution, so that it changes no other token. The reference does this only once;
                its output depends on how much padding a batch has.
        """
        tokens = x.shape[1]
        for conv in self.convs:
            x = x if audible is None else x * audible
            x = conv(x.transpose(1, 2))[..., :tokens].transpose(1, 2)
            x = F.gelu(F.layer_norm(x, x.shape[-1:]) if self.stacked else x)
        return x
