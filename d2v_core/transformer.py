"""The trunk: transformer blocks whose every layer can be looked at.

A post-norm block (data2vec, BERT) is x ← norm1(x + attention(x)); t = mlp(x); x ← norm2(x + t). A
pre-norm block (MAE, BEiT) is x ← x + attention(norm1(x)); t = mlp(norm2(x)); x ← x + t, and a norm
follows the last one. Both the new x (the *residual stream*, tap `block_NN.resid`) and t (the *ffn
output*, tap `block_NN.ffn`) are kept, because data2vec's targets are made of the second and probes
look at the first.

Source: data2vec 2.0, arXiv:2212.07525; layer scale: arXiv:2103.17239; drop path: arXiv:1603.09382.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from d2v_core.config import TrunkConfig


@dataclass(frozen=True)
class TrunkStates:
    """What a stack of blocks computed.

    Attributes:
        residual: the input of block 1, then the output of every block: depth + 1 tensors.
        ffn: every block's MLP output before the skip connection: depth tensors.
        output: the last residual, normalised where the blocks are pre-norm.
    """

    residual: list[Float[Tensor, "batch tokens dim"]]
    ffn: list[Float[Tensor, "batch tokens dim"]]
    output: Float[Tensor, "batch tokens dim"]


def is_eager_faster(x: Tensor) -> bool:
    """Tell whether plain attention beats the fused kernel: in bf16 on a CPU, if gradients follow.

    There the fused kernel is as fast forward and takes 8 times as long backward; in fp32 it is
    faster both ways.
    """
    return x.device.type == "cpu" and x.dtype == torch.bfloat16 and torch.is_grad_enabled()


class Attention(nn.Module):
    """Multi-head self-attention with one fused projection for query, key and value.

    (batch, tokens, dim) → (batch, tokens, dim). The softmax runs in fp32.

    Args:
        dim: width of a token; divisible by `heads`.
        heads: number of heads.
        dropout: of the attention probabilities.
    """

    def __init__(self, dim: int, heads: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(
        self,
        x: Float[Tensor, "batch tokens dim"],
        bias: Float[Tensor, "#batch #heads #tokens tokens"] | None = None,
    ) -> Float[Tensor, "batch tokens dim"]:
        """Attend; `bias` is added to the scores, −inf where a key must not be seen."""
        batch, tokens, dim = x.shape
        qkv = self.qkv(x).view(batch, tokens, 3, self.heads, dim // self.heads)
        q, k, v = (x.transpose(1, 2) for x in qkv.unbind(2))  # batch, heads, tokens, dim of a head
        dropout = self.dropout if self.training else 0.0
        if is_eager_faster(q):
            scores = (q @ k.transpose(-2, -1)) * (dim // self.heads) ** -0.5
            scores = scores if bias is None else scores + bias  # fp32, as the bias is
            mixed = F.dropout(scores.softmax(dim=-1), dropout).to(v.dtype) @ v
        else:
            mask = None if bias is None else bias.to(q.dtype)
            mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
        return self.proj(mixed.transpose(1, 2).reshape(batch, tokens, dim))


class Mlp(nn.Module):
    """Two linear layers with an exact GELU between: (…, dim) → (…, dim)."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch tokens dim"]:
        """Apply the two layers."""
        return self.fc2(F.gelu(self.fc1(x)))


class Branch(nn.Module):
    """What becomes of attention's or the MLP's output before it is added to the residual stream.

    (batch, tokens, dim) → (batch, tokens, dim): dropout, a learnt factor a channel, and drop path,
    which leaves the whole branch out for some of the batch.

    Args:
        config: of the trunk.
        drop_path: probability to leave the branch out.
    """

    def __init__(self, config: TrunkConfig, *, drop_path: float) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.drop_path = drop_path
        scale = config.layer_scale
        self.scale = None if scale is None else nn.Parameter(torch.full((config.dim,), scale))

    def forward(self, x: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch tokens dim"]:
        """Return what is to be added."""
        if self.training and self.dropout:
            x = F.dropout(x, self.dropout)
        if self.scale is not None:
            x = x * self.scale
        if self.training and self.drop_path:
            kept = torch.rand(len(x), 1, 1, device=x.device) >= self.drop_path
            x = x * kept / (1 - self.drop_path)
        return x


class Block(nn.Module):
    """One block, post-norm or pre-norm; returns the residual stream and the ffn output.

    Args:
        config: of the trunk.
        drop_path: probability to leave a branch out.
    """

    def __init__(self, config: TrunkConfig, *, drop_path: float = 0.0) -> None:
        super().__init__()
        self.norm_first = config.norm_first
        self.attn = Attention(config.dim, config.heads, dropout=config.attention_dropout)
        self.norm1 = nn.LayerNorm(config.dim, eps=config.norm_eps)
        self.mlp = Mlp(config.dim, config.mlp_ratio * config.dim)
        self.norm2 = nn.LayerNorm(config.dim, eps=config.norm_eps)
        self.attn_branch = Branch(config, drop_path=drop_path)
        self.mlp_branch = Branch(config, drop_path=drop_path)

    def forward(
        self,
        x: Float[Tensor, "batch tokens dim"],
        bias: Float[Tensor, "#batch #heads #tokens tokens"] | None = None,
    ) -> tuple[Float[Tensor, "batch tokens dim"], Float[Tensor, "batch tokens dim"]]:
        """Return (output of the block, its MLP output before dropout and skip)."""
        if self.norm_first:
            x = x + self.attn_branch(self.attn(self.norm1(x), bias))
            ffn = self.mlp(self.norm2(x))
            return x + self.mlp_branch(ffn), ffn
        x = self.norm1(x + self.attn_branch(self.attn(x, bias)))
        ffn = self.mlp(x)
        return self.norm2(x + self.mlp_branch(ffn)), ffn


class Trunk(nn.Module):
    """A stack of blocks: (batch, tokens, dim) → all layer states.

    Args:
        config: width and heads, norms and dropouts.
        depth: how many blocks; the config's own depth if None.
        last: whether its output is what others use, so that a pre-norm stack ends with a norm.
    """

    def __init__(self, config: TrunkConfig, *, depth: int | None = None, last: bool = True) -> None:
        super().__init__()
        count = config.depth if depth is None else depth
        rates = [config.drop_path * n / max(count - 1, 1) for n in range(count)]
        self.blocks = nn.ModuleList(Block(config, drop_path=rate) for rate in rates)
        has_norm = config.norm_first and last
        self.norm = nn.LayerNorm(config.dim, eps=config.norm_eps) if has_norm else nn.Identity()
        self.layer_drop = config.layer_drop
        self.apply(init_bert)

    def forward(
        self,
        x: Float[Tensor, "batch tokens dim"],
        bias: Float[Tensor, "#batch #heads #tokens tokens"] | None = None,
    ) -> TrunkStates:
        """Run every block and keep what each one gave.

        A block that layer drop leaves out gives its own input, and an ffn output of 0.
        """
        residual, ffn = [x], []
        for block in self.blocks:
            if self.training and self.layer_drop and float(torch.rand(())) < self.layer_drop:
                t = torch.zeros_like(x)
            else:
                x, t = block(x, bias)
            residual.append(x)
            ffn.append(t)
        return TrunkStates(residual, ffn, self.norm(x))


def padding_bias(valid: Bool[Tensor, "batch tokens"]) -> Float[Tensor, "batch 1 1 tokens"]:
    """Return the attention bias that hides padding: −inf at keys that are not valid."""
    bias = torch.zeros(valid.shape, device=valid.device)
    return bias.masked_fill(~valid, float("-inf"))[:, None, None, :]


def init_bert(module: nn.Module) -> None:
    """Initialise linear and embedding weights from N(0, 0.02²) and biases with 0, as BERT does."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
