"""The student: a prenet for every modality, and a trunk for each or one for all.

    values ──► prenet (tokens, positions, CLS, norm, its own blocks) ──► trunk ──► layer states

Layer numbering, everywhere: 0 is the input of trunk block 1, l is the output of block l.
"""

from typing import NamedTuple, cast

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

from d2v_core.config import ByteConfig, ImageConfig, MelConfig, RunConfig, TrunkConfig
from d2v_core.masking import Visible, gather_visible
from d2v_core.modalities.image import ImageTokens
from d2v_core.modalities.mel import MelTokens
from d2v_core.modalities.text import ByteTokens
from d2v_core.modality import Modality
from d2v_core.transformer import Trunk, TrunkStates, padding_bias


class Inputs(NamedTuple):
    """A batch of one modality, padded to its longest item.

    Attributes:
        values: pictures (items, 3, side, side), spectrograms (items, frames, bins) or bytes
            (items, bytes).
        lengths: valid tokens of every item, on the CPU; they come first, padding after them.
        grid: how the tokens lie: (tokens,) or (rows, columns).
        mask: True where masked, (items · M, tokens); the M rows of an item follow each other.
            None where nothing is masked.
    """

    values: Shaped[Tensor, "items ..."]
    lengths: Int[Tensor, " items"]
    grid: tuple[int, ...]
    mask: Bool[Tensor, "rows tokens"] | None = None

    def to(self, device: torch.device) -> "Inputs":
        """Return the batch with its values and masks on a device."""
        mask = None if self.mask is None else self.mask.to(device)
        return Inputs(self.values.to(device), self.lengths.to(device), self.grid, mask)

    @property
    def valid(self) -> Bool[Tensor, "items tokens"]:
        """True for tokens, False for padding."""
        tokens = 1
        for count in self.grid:
            tokens *= count
        return torch.arange(tokens, device=self.lengths.device) < self.lengths[:, None]


def tokens_of(config: RunConfig, modality: Modality) -> ImageTokens | MelTokens | ByteTokens:
    """Make the module that turns a modality's input into tokens."""
    match config.of(modality):
        case ImageConfig() as image:
            return ImageTokens(image, config.trunk.dim)
        case MelConfig() as mel:
            return MelTokens(mel, config.trunk.dim)
        case ByteConfig() as text:
            return ByteTokens(text, config.trunk.dim)


class Prenet(nn.Module):
    """Everything of one modality before the trunk.

    Args:
        tokens: the modality's input module.
        config: of the trunk, whose blocks the prenet's are like.
    """

    def __init__(self, tokens: ImageTokens | MelTokens | ByteTokens, config: TrunkConfig) -> None:
        super().__init__()
        self.tokens = tokens
        self.extra = nn.Parameter(torch.randn(1, tokens.extra_tokens, config.dim))
        has_norm = config.prenet_depth > 0 or tokens.extra_tokens > 0
        self.norm = nn.LayerNorm(config.dim, eps=config.norm_eps) if has_norm else nn.Identity()
        self.blocks = Trunk(config, depth=config.prenet_depth)

    def context(
        self, x: Float[Tensor, "rows tokens dim"], valid: Bool[Tensor, "rows tokens"]
    ) -> tuple[Float[Tensor, "rows all dim"], Float[Tensor, "rows 1 1 all"] | None]:
        """Put the extra tokens in front, normalise, run the prenet's blocks.

        Returns:
            The trunk's input, and the attention bias that hides padding.
        """
        rows, extra = len(x), self.extra.shape[1]
        x = self.norm(torch.cat([self.extra.to(x.dtype).expand(rows, -1, -1), x], dim=1))
        always = torch.ones(rows, extra, dtype=torch.bool, device=valid.device)
        bias = padding_bias(torch.cat([always, valid], dim=1))
        return self.blocks(x, bias).residual[-1], bias


class Student(nn.Module):
    """Encodes every modality of a run.

    Args:
        config: modalities, trunk, and whether they share it.
    """

    def __init__(self, config: RunConfig) -> None:
        super().__init__()
        self.config = config
        self.prenets = nn.ModuleDict(
            {m: Prenet(tokens_of(config, m), config.trunk) for m in config.modalities}
        )
        names = ("shared",) if config.share_trunk else config.modalities
        self.trunks = nn.ModuleDict({name: Trunk(config.trunk) for name in names})

    def prenet(self, modality: Modality) -> Prenet:
        """Return the part of one modality."""
        return cast(Prenet, self.prenets[modality])

    def extra_tokens(self, modality: Modality) -> int:
        """Return how many tokens stand before the item's own."""
        return self.prenet(modality).tokens.extra_tokens

    def embed(self, modality: Modality, inputs: Inputs) -> Float[Tensor, "items tokens dim"]:
        """Return the tokens with positions, before anything is masked."""
        return self.prenet(modality).tokens(inputs.values)

    def encode(
        self,
        modality: Modality,
        tokens: Float[Tensor, "items tokens dim"],
        valid: Bool[Tensor, "items tokens"],
    ) -> TrunkStates:
        """Run prenet and trunk over all the tokens; extra tokens come first in every layer."""
        x, bias = self.prenet(modality).context(tokens, valid)
        return self.trunks["shared" if self.config.share_trunk else modality](x, bias)

    def encode_visible(
        self, modality: Modality, tokens: Float[Tensor, "items tokens dim"], visible: Visible
    ) -> Float[Tensor, "rows all dim"]:
        """Run prenet and trunk over the visible tokens only; return the last layer."""
        seen = gather_visible(tokens, visible)
        return self.encode(modality, seen, visible.valid).residual[-1]

    def pooled_layers(
        self, modality: Modality, inputs: Inputs
    ) -> Float[Tensor, "layers items dim"]:
        """Return every layer's mean over an item's own valid tokens, layer 0 first."""
        states = self.encode(modality, self.embed(modality, inputs), inputs.valid)
        extra = self.extra_tokens(modality)
        return torch.stack([mean_valid(x[:, extra:], inputs.valid) for x in states.residual])


def mean_valid(
    x: Float[Tensor, "items tokens dim"], valid: Bool[Tensor, "items tokens"]
) -> Float[Tensor, "items dim"]:
    """Average over valid tokens, in fp32."""
    weight = valid.float() / valid.sum(dim=1, keepdim=True)
    return torch.einsum("ntd,nt->nd", x.float(), weight)
