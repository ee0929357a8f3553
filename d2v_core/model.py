"""The student: a prenet for every modality, and a trunk for each or one for all.

    values ──► prenet (tokens, positions, CLS, norm, its own blocks) ──► trunk ──► layer states

Layer numbering, everywhere: 0 is the input of trunk block 1, l is the output of block l.
"""

from typing import cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from d2v_core.config import ModalitySettings, RunConfig
from d2v_core.inputs import Inputs, gather_visible, masked_places
from d2v_core.modalities.distance import Alibi, RelativeBias
from d2v_core.modalities.image import ImageTokens
from d2v_core.modalities.mel import MelTokens
from d2v_core.modalities.text import TextTokens
from d2v_core.modalities.tokens import Tokens
from d2v_core.modalities.wave import ConvPositions, WaveTokens
from d2v_core.modality import Modality
from d2v_core.modality_config import ImageConfig, MelConfig, TextConfig, WaveConfig
from d2v_core.transformer import Trunk, TrunkStates, padding_bias


def tokens_of(config: ModalitySettings, dim: int) -> Tokens:
    """Make the module that turns a modality's input into tokens of width `dim`."""
    match config:
        case ImageConfig():
            return ImageTokens(config, dim)
        case MelConfig():
            return MelTokens(config, dim)
        case WaveConfig():
            return WaveTokens(config, dim)
        case TextConfig():
            return TextTokens(config, dim)


class Prenet(nn.Module):
    """Everything of one modality before the trunk.

    Args:
        run: settings of the run.
        modality: which one.
    """

    def __init__(self, run: RunConfig, modality: Modality) -> None:
        super().__init__()
        config, trunk = run.of(modality), run.trunk
        self.tokens = tokens_of(config, trunk.dim)
        self.extra = nn.Parameter(torch.randn(1, self.tokens.extra_tokens, trunk.dim))
        self.positions = (
            ConvPositions(config, trunk.dim) if isinstance(config, WaveConfig) else None
        )
        self.bias: Alibi | RelativeBias | None = None
        if config.alibi:
            self.bias = Alibi(trunk.heads, extra=self.tokens.extra_tokens)
        elif isinstance(self.tokens, ImageTokens) and self.tokens.positions.numel() == 1:
            self.bias = RelativeBias(self.tokens.grid, trunk.heads)
        is_text = isinstance(config, TextConfig)
        has_norm = not trunk.norm_first and (trunk.prenet_depth > 0 or not is_text)
        self.norm = nn.LayerNorm(trunk.dim, eps=trunk.norm_eps) if has_norm else nn.Identity()
        self.dropout = nn.Dropout(0.0 if is_text else config.dropout)  # texts: with the positions
        self.blocks = Trunk(trunk, depth=trunk.prenet_depth, last=False)

    def forward(
        self,
        x: Float[Tensor, "rows tokens dim"],
        valid: Bool[Tensor, "rows tokens"] | None,
        ids: Int[Tensor, "#rows tokens"],
        *,
        grid: tuple[int, ...],
    ) -> tuple[Float[Tensor, "rows all dim"], Float[Tensor, "#rows #heads #all all"] | None]:
        """Put the extra tokens in front, normalise, run the prenet's blocks.

        Args:
            x: tokens with their positions.
            valid: False for padding; None where there is none.
            ids: the places of the tokens in the grid.
            grid: how all the tokens of the item lie.

        Returns:
            The trunk's input, and the attention bias for every block to come.
        """
        extra = self.extra.to(x.dtype).expand(len(x), -1, -1)
        x = self.dropout(self.norm(torch.cat([extra, x], dim=1)))
        bias = None if self.bias is None else self.bias(ids, grid)
        if valid is not None:
            padding = padding_bias(nn.functional.pad(valid, (extra.shape[1], 0), value=True))
            bias = padding if bias is None else bias + padding
        return self.blocks(x, bias).residual[-1], bias


class Student(nn.Module):
    """Encodes every modality of a run.

    Args:
        config: modalities, trunk, and whether they share it.
    """

    def __init__(self, config: RunConfig) -> None:
        super().__init__()
        self.config = config
        self.prenets = nn.ModuleDict({str(m): Prenet(config, m) for m in config.modalities})
        names = ("shared",) if config.share_trunk else config.modalities
        self.trunks = nn.ModuleDict({str(name): Trunk(config.trunk) for name in names})

    def prenet(self, modality: Modality) -> Prenet:
        """Return the part of one modality."""
        return cast(Prenet, self.prenets[modality])

    def extra_tokens(self, modality: Modality) -> int:
        """Return how many tokens stand before the item's own."""
        return self.prenet(modality).tokens.extra_tokens

    def embed(self, modality: Modality, inputs: Inputs) -> Float[Tensor, "items tokens dim"]:
        """Return the tokens with all positions that do not depend on what is masked."""
        tokens = self.prenet(modality).tokens
        return tokens.placed(tokens.features(inputs.values))

    def encode(
        self,
        modality: Modality,
        tokens: Float[Tensor, "rows tokens dim"],
        inputs: Inputs,
    ) -> TrunkStates:
        """Run prenet and trunk over all the tokens; extra tokens come first in every layer.

        Args:
            modality: whose prenet.
            tokens: from `embed`; of the items, or M rows an item.
            inputs: where they are from.
        """
        prenet, valid = self.prenet(modality), inputs.valid
        if valid is not None and len(tokens) != len(valid):
            valid = valid.repeat_interleave(len(tokens) // len(valid), dim=0)
        if prenet.positions is not None:
            audible = None if valid is None else valid[..., None].to(tokens.dtype)
            tokens = tokens + prenet.positions(tokens, audible)
        ids = torch.arange(tokens.shape[1], device=tokens.device)[None]
        x, bias = prenet(tokens, valid, ids, grid=inputs.grid)
        return self._trunk(modality)(x, bias)

    def encode_visible(
        self, modality: Modality, tokens: Float[Tensor, "items tokens dim"], inputs: Inputs
    ) -> TrunkStates:
        """Run prenet and trunk over the visible tokens only, in reading order.

        Raises:
            ValueError: if nothing is masked.
        """
        (visible, _), prenet = masked_places(inputs), self.prenet(modality)
        seen = gather_visible(tokens, visible)
        if prenet.positions is not None:
            # They listen to the whole row, in which masked tokens and padding are silent.
            places = visible.ids[..., None].expand_as(seen)
            heard = torch.zeros(len(seen), *tokens.shape[1:], device=seen.device, dtype=seen.dtype)
            kept = seen if visible.valid is None else seen * visible.valid[..., None]
            heard = heard.scatter_add(1, places, kept)
            valid = inputs.valid
            if valid is not None:
                valid = valid.repeat_interleave(inputs.masks, dim=0)[..., None].to(seen.dtype)
            seen = seen + prenet.positions(heard, valid).gather(1, places)
        x, bias = prenet(seen, visible.valid, visible.ids, grid=inputs.grid)
        return self._trunk(modality)(x, bias)

    def _trunk(self, modality: Modality) -> nn.Module:
        return self.trunks["shared" if self.config.share_trunk else modality]

    @property
    def taps(self) -> tuple[str, ...]:
        """The names of what `layers` returns."""
        blocks = tuple(f"block_{n:02d}.resid" for n in range(1, self.config.trunk.depth + 1))
        final = ("final_norm",) if self.config.trunk.norm_first else ()
        return ("embed", *blocks, *final)

    def layers(self, states: TrunkStates) -> list[Float[Tensor, "rows all dim"]]:
        """Return the residual stream, layer 0 first.

        Of pre-norm blocks the last one is the final norm's, after that of the last block.
        """
        final = [states.output] if self.config.trunk.norm_first else []
        return [*states.residual, *final]

    def pooled_layers(
        self, modality: Modality, inputs: Inputs
    ) -> Float[Tensor, "layers items dim"]:
        """Return the mean over an item's own valid tokens at every tap."""
        states = self.encode(modality, self.embed(modality, inputs), inputs)
        extra = self.extra_tokens(modality)
        return torch.stack([mean_valid(x[:, extra:], inputs.valid) for x in self.layers(states)])


def mean_valid(
    x: Float[Tensor, "items tokens dim"], valid: Bool[Tensor, "items tokens"] | None
) -> Float[Tensor, "items dim"]:
    """Average over valid tokens, in fp32."""
    if valid is None:
        return x.float().mean(dim=1)
    weight = valid.float() / valid.sum(dim=1, keepdim=True)
    return torch.einsum("ntd,nt->nd", x.float(), weight)
