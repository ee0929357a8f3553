"""A data2vec 2.0 training step for pictures, written plainly, to be measured against.

It computes what `d2v_core` computes, and does it as the published code does: attention with its
scores written out, a decoder that goes from tokens to channels-first and back around every norm,
clones of all tokens before most of them are dropped, a projection of all places of which the masked
ones are then picked, statistics in every step, one small operation a parameter for the moving
average. All in fp32. The blocks can be those of Hugging Face's transformers instead.

Source: Baevski et al. 2022, arXiv:2212.07525.
"""

import copy
from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import d2v_core.torchaudio_cpu  # noqa: F401  # before transformers, which imports torchaudio
from d2v_core.config import RunConfig, TrunkConfig
from d2v_core.modalities.positions import sincos_grid

BlockMaker = Callable[[TrunkConfig], nn.Module]


class PlainBlock(nn.Module):
    """A post-norm transformer block; returns its output and its MLP's."""

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        dim = config.dim
        self.heads, self.scale = config.heads, (dim // config.heads) ** -0.5
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.norm1 = nn.LayerNorm(dim, eps=config.norm_eps)
        self.fc1 = nn.Linear(dim, config.mlp_ratio * dim)
        self.fc2 = nn.Linear(config.mlp_ratio * dim, dim)
        self.norm2 = nn.LayerNorm(dim, eps=config.norm_eps)

    def attention(self, x: Tensor) -> Tensor:
        """Attend with the scores written out."""
        batch, tokens, dim = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0] * self.scale, qkv[1], qkv[2]
        scores = (q @ k.transpose(-2, -1)).softmax(dim=-1, dtype=torch.float32).to(q.dtype)
        return self.proj((scores @ v).transpose(1, 2).reshape(batch, tokens, dim))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return (output, MLP output)."""
        x = self.norm1(x + self.attention(x))
        ffn = self.fc2(F.gelu(self.fc1(x)))
        return self.norm2(x + ffn), ffn


class TransformersBlock(nn.Module):
    """The same block from Hugging Face's transformers: a layer of BERT."""

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        from transformers import BertConfig  # optional, and slow to import
        from transformers.models.bert.modeling_bert import BertLayer

        settings = BertConfig(
            hidden_size=config.dim,
            num_attention_heads=config.heads,
            intermediate_size=config.mlp_ratio * config.dim,
            layer_norm_eps=config.norm_eps,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            attn_implementation="sdpa",
        )
        self.layer = BertLayer(settings)
        self.ffn: Tensor | None = None
        self.layer.output.dense.register_forward_hook(self._keep)

    def _keep(self, _module: nn.Module, _args: object, output: Tensor) -> None:
        self.ffn = output

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return (output, MLP output)."""
        x = self.layer(x)
        ffn, self.ffn = self.ffn, None
        assert ffn is not None
        return (x if isinstance(x, Tensor) else x[0]), ffn


class ReferenceDecoder(nn.Module):
    """Convolutions over the grid of tokens, channels first."""

    def __init__(self, config: RunConfig) -> None:
        super().__init__()
        assert config.image is not None
        settings, dim = config.image.decoder, config.trunk.dim
        assert settings.kind == "conv"
        widths = [dim] + [settings.width] * settings.layers
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, settings.kernel, padding=settings.kernel // 2, groups=settings.groups)
            for a, b in pairwise(widths)
        )
        self.proj = nn.Linear(widths[-1], dim)

    def forward(self, x: Tensor, side: int) -> Tensor:
        """Predict every token: (rows, tokens, dim) → (rows, tokens, dim)."""
        x = x.transpose(1, 2).reshape(len(x), -1, side, side)
        for conv in self.convs:
            before = x
            x = conv(x).transpose(1, -1)
            x = F.layer_norm(x, x.shape[-1:]).transpose(1, -1)
            x = F.gelu(x)
            if x.shape == before.shape:
                x = x + before
        return self.proj(x.reshape(len(x), x.shape[1], -1).transpose(1, 2))


class ReferenceEncoder(nn.Module):
    """Patches, positions, CLS, norm and all the blocks: what the teacher is a copy of."""

    def __init__(self, config: RunConfig, block: BlockMaker) -> None:
        super().__init__()
        assert config.image is not None
        trunk, patch = config.trunk, config.image.patch
        self.side = config.image.size // patch
        self.patch = nn.Conv2d(3, trunk.dim, patch, stride=patch)
        self.extra = nn.Parameter(torch.randn(1, 1, trunk.dim))
        positions = sincos_grid(self.side, self.side, trunk.dim)
        self.register_buffer("positions", positions, persistent=False)
        self.norm = nn.LayerNorm(trunk.dim, eps=trunk.norm_eps)
        self.prenet = nn.ModuleList(block(trunk) for _ in range(trunk.prenet_depth))
        self.blocks = nn.ModuleList(block(trunk) for _ in range(trunk.depth))

    def tokens(self, pictures: Tensor) -> Tensor:
        """Return the tokens with their positions."""
        return self.patch(pictures).flatten(2).transpose(1, 2) + self.positions

    def encode(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the last block's output and the MLP outputs of the main blocks."""
        x = self.norm(torch.cat([self.extra.expand(len(x), -1, -1), x], dim=1))
        for block in self.prenet:
            x, _ = block(x)
        layers = []
        for block in self.blocks:
            x, ffn = block(x)
            layers.append(ffn)
        return x, layers


class ReferenceLearner(nn.Module):
    """Student, decoder and teacher of one run on pictures.

    Args:
        config: of the run; only its image settings, trunk and target are looked at.
        block: what makes a block.
    """

    def __init__(self, config: RunConfig, block: BlockMaker = PlainBlock) -> None:
        super().__init__()
        assert config.image is not None
        assert config.image.decoder.kind == "conv"
        self.image = config.image
        self.noise_std = config.image.decoder.noise_std
        self.student = ReferenceEncoder(config, block)
        self.decoder = ReferenceDecoder(config)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False).eval()

    def forward(self, pictures: Tensor, mask: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of a masked batch, and statistics of it.

        Args:
            pictures: (items, 3, side, side).
            mask: (rows, tokens), True where masked; an item's rows follow each other.
        """
        masks = len(mask) // len(pictures)
        order = mask.byte().argsort(dim=1)
        restore = order.argsort(dim=1)
        shown = int((~mask[0]).sum())

        tokens = self.student.tokens(pictures).repeat_interleave(masks, 0)
        dim = tokens.shape[-1]
        kept = order[:, :shown, None].expand(-1, -1, dim)
        encoded, _ = self.student.encode(tokens.gather(1, kept))

        noise = tokens.new_empty(len(mask), mask.shape[1] - shown, dim).normal_(0, self.noise_std)
        whole = torch.cat([encoded[:, 1:], noise], dim=1)
        whole = whole.gather(1, restore[..., None].expand(-1, -1, dim))
        predicted = self.decoder(whole, self.student.side)

        target = self.targets(pictures)
        wanted = target.repeat_interleave(masks, 0)
        x, y = predicted[mask].float(), wanted[mask]
        loss = F.mse_loss(x, y, reduction="none").sum(dim=-1).sum() * dim**-0.5 / len(x)
        mean = target.mean(dim=1).repeat_interleave(masks, 0)
        error = F.mse_loss(encoded[:, 0].float(), mean, reduction="none").sum(dim=-1)
        loss = loss + self.image.cls_weight * error.mean() * dim**-0.5
        return loss, {"target_std": spread(y), "prediction_std": spread(x)}

    @torch.no_grad()
    def targets(self, pictures: Tensor) -> Tensor:
        """Return what the student has to predict at every place."""
        _, layers = self.teacher.encode(self.teacher.tokens(pictures))
        normed = [
            F.instance_norm(layer[:, 1:].transpose(1, 2).float()).transpose(1, 2)
            for layer in layers[-self.image.target.layers :]
        ]
        average = torch.stack(normed).sum(dim=0) / len(normed)
        return F.layer_norm(average, average.shape[-1:])

    @torch.no_grad()
    def follow(self, decay: float) -> None:
        """Move the teacher, parameter by parameter."""
        student = dict(self.student.named_parameters())
        for name, mine in self.teacher.named_parameters():
            mine.mul_(decay).add_(student[name].detach().float(), alpha=1 - decay)

    def learns(self) -> list[nn.Parameter]:
        """Return what is trained."""
        return [*self.student.parameters(), *self.decoder.parameters()]


@torch.no_grad()
def spread(x: Tensor) -> float:
    """Return the standard deviation of every channel over tokens, averaged over channels."""
    return float((x.float().var(dim=0) + 1e-6).sqrt().mean())


def reference_step(
    learner: ReferenceLearner,
    optimizer: torch.optim.Optimizer,
    pictures: Tensor,
    mask: Tensor,
    *,
    clip_norm: float,
    decay: float,
) -> float:
    """Do one training step and return its loss."""
    optimizer.zero_grad()
    loss, _ = learner(pictures, mask)
    loss.backward()
    nn.utils.clip_grad_norm_(learner.learns(), clip_norm)
    optimizer.step()
    learner.follow(decay)
    return float(loss.detach())
