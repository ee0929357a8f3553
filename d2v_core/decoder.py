"""Decoders: from visible tokens to a prediction for every masked one.

Only the masked places are projected to the width of the target: nothing else enters a loss. A
decoder is thrown away after training.
"""

import functools
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from d2v_core.config import TrunkConfig
from d2v_core.inputs import Inputs, masked_places, scatter_visible
from d2v_core.modalities.positions import sincos_grid
from d2v_core.modality_config import ConvDecoderConfig, DecoderConfig, TransformerDecoderConfig
from d2v_core.transformer import Trunk, init_bert, padding_bias


def make_decoder(config: DecoderConfig, *, dim: int, out: int, dimensions: int) -> nn.Module:
    """Make a decoder of the kind that the settings ask for.

    Args:
        config: its kind and sizes.
        dim: width of a visible token.
        out: width of a prediction.
        dimensions: 1 for sequences, 2 for grids.
    """
    match config:
        case ConvDecoderConfig():
            return ConvDecoder(config, dim=dim, out=out, dimensions=dimensions)
        case TransformerDecoderConfig():
            return TransformerDecoder(config, dim=dim, out=out)


class ConvDecoder(nn.Module):
    """Convolutions over the token grid, each followed by a norm without parameters and GELU.

    Noise stands at the masked places, and no positions are added: convolutions over the grid know
    where they are. A layer's input is added to its output where both have the same width. Tokens
    stay channels-last throughout, so nothing is ever transposed.

    Source: data2vec 2.0, arXiv:2212.07525 (`Decoder1d`, `Decoder2d` of the reference).
    """

    def __init__(self, config: ConvDecoderConfig, *, dim: int, out: int, dimensions: int) -> None:
        super().__init__()
        self.config = config
        self.is_kernel_even = config.kernel % 2 == 0
        conv = nn.Conv1d if dimensions == 1 else nn.Conv2d
        widths = [dim] + [config.width] * config.layers
        self.convs = nn.ModuleList(
            conv(a, b, config.kernel, padding=config.kernel // 2, groups=config.groups)
            for a, b in pairwise(widths)
        )
        self.proj = (
            nn.Linear(widths[-1], out)
            if config.projections == 1
            else nn.Sequential(nn.Linear(widths[-1], 2 * dim), nn.GELU(), nn.Linear(2 * dim, out))
        )

    def forward(
        self, seen: Float[Tensor, "rows visible dim"], inputs: Inputs
    ) -> Float[Tensor, "hidden out"]:
        """Predict the masked places of all rows.

        Args:
            seen: the visible tokens, in reading order.
            inputs: where they are and how the grid lies.
        """
        visible, hidden = masked_places(inputs)
        rows, _, dim = seen.shape
        seen = F.dropout(seen, self.config.dropout, self.training)
        noise = seen.new_empty(rows, inputs.tokens, dim).normal_(0, self.config.noise_std)
        x = scatter_visible(seen, visible, into=noise).view(rows, *inputs.grid, dim)
        if torch.is_autocast_enabled(x.device.type):  # at once, and not at every convolution
            x = x.to(torch.get_autocast_dtype(x.device.type))
        # Padding stays silent, or what is predicted of an item would depend on the longest other.
        valid = inputs.valid
        if valid is not None:
            valid = valid.repeat_interleave(inputs.masks, dim=0).view(rows, *inputs.grid, 1)
            x = x * valid
        for conv in self.convs:
            x = self._layer(conv, x)
            x = x if valid is None else x * valid
        return self.proj(x.flatten(0, -2).index_select(0, hidden))

    def _layer(self, conv: nn.Module, x: Tensor) -> Tensor:
        """Apply one convolution, norm, GELU and skip to (rows, …grid, channels)."""
        y = convolve(conv, x)
        if self.is_kernel_even:
            y = y[tuple(slice(n) for n in x.shape[:-1])]
        y = F.gelu(F.layer_norm(y, y.shape[-1:]))
        return y + x if self.config.residual and y.shape == x.shape else y


def convolve(
    conv: nn.Module, x: Float[Tensor, "rows *grid channels"]
) -> Float[Tensor, "rows *others width"]:
    """Apply a convolution to what has its channels last.

    On a CPU groups of 12 channels, as a width of 192 has, are computed as groups of 16 of which
    four are thrown away: for exactly 12 oneDNN takes a kernel that is half as fast as for 16.
    """
    first = x.movedim(-1, 1)
    if not isinstance(conv, nn.Conv2d) or conv.out_channels != 12 * conv.groups or x.is_cuda:
        return conv(first).movedim(1, -1)
    weight = F.pad(conv.weight.unflatten(0, (conv.groups, 12)), (0, 0, 0, 0, 0, 0, 0, 4))
    bias = None if conv.bias is None else F.pad(conv.bias.view(conv.groups, 12), (0, 4)).flatten()
    y = F.conv2d(first, weight.flatten(0, 1), bias, padding=conv.padding, groups=conv.groups)
    return y.movedim(1, -1).unflatten(-1, (conv.groups, 16))[..., :12].flatten(-2)


class TransformerDecoder(nn.Module):
    """Pre-norm blocks over visible tokens and a learnt mask token, with fixed positions.

    Source: MAE, arXiv:2111.06377.
    """

    def __init__(self, config: TransformerDecoderConfig, *, dim: int, out: int) -> None:
        super().__init__()
        self.enter = nn.Linear(dim, config.dim)
        self.mask_token = nn.Parameter(torch.randn(config.dim) * 0.02)
        trunk = TrunkConfig(dim=config.dim, depth=config.depth, heads=config.heads, norm_first=True)
        self.trunk = Trunk(trunk)
        self.proj = nn.Linear(config.dim, out)
        self.apply(init_bert)

    def forward(
        self, seen: Float[Tensor, "rows visible dim"], inputs: Inputs
    ) -> Float[Tensor, "hidden out"]:
        """Predict the masked places of all rows; arguments as of `ConvDecoder`."""
        visible, hidden = masked_places(inputs)
        small = self.enter(seen)
        empty = self.mask_token.to(small.dtype).expand(len(small), inputs.tokens, -1)
        x = scatter_visible(small, visible, into=empty)
        x = x + _positions(inputs.grid, x.shape[-1]).to(x.device)
        valid = inputs.valid
        bias = None if valid is None else padding_bias(valid.repeat_interleave(inputs.masks, dim=0))
        return self.proj(self.trunk(x, bias).output.flatten(0, 1).index_select(0, hidden))


@functools.lru_cache(maxsize=64)
def _positions(grid: tuple[int, ...], dim: int) -> Float[Tensor, "tokens dim"]:
    rows, columns = grid if len(grid) == 2 else (1, grid[0])
    return sincos_grid(rows, columns, dim)
