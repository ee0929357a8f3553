"""The trunk: post-norm transformer blocks whose every layer can be looked at.

A block is x ← norm1(x + attention(x)); t = mlp(x); x ← norm2(x + t). Both the new x (the *residual
stream*, tap `block_NN.resid`) and t (the *ffn output*, tap `block_NN.ffn`) are kept, because
data2vec's targets are made of the second and probes look at the first.

Source: data2vec 2.0, arXiv:2212.07525.
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
    """

    residual: list[Float[Tensor, "batch tokens dim"]]
    ffn: list[Float[Tensor, "batch tokens dim"]]


def is_eager_faster(x: Tensor) -> bool:
    """Tell whether plain attention beats the fused kernel: so in bf16 on a CPU, by 4 to 6 times."""
    autocast = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu")
    return x.device.type == "cpu" and (x.dtype == torch.bfloat16 or autocast == torch.bfloat16)


class Attention(nn.Module):
    """Multi-head self-attention with one fused projection for query, key and value.

    (batch, tokens, dim) → (batch, tokens, dim). The softmax runs in fp32.

    Args:
        dim: width of a token; divisible by `heads`.
        heads: number of heads.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
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
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each batch, heads, tokens, dim of a head
        if is_eager_faster(x):
            scores = (q * (dim // self.heads) ** -0.5) @ k.transpose(-2, -1)
            scores = scores.float() if bias is None else scores.float() + bias
            mixed = scores.softmax(dim=-1).to(v.dtype) @ v
        else:
            mask = None if bias is None else bias.to(q.dtype)
            mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
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


class Block(nn.Module):
    """One post-norm block; returns the residual stream and the ffn output."""

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        self.attn = Attention(config.dim, config.heads)
        self.norm1 = nn.LayerNorm(config.dim, eps=config.norm_eps)
        self.mlp = Mlp(config.dim, config.mlp_ratio * config.dim)
        self.norm2 = nn.LayerNorm(config.dim, eps=config.norm_eps)

    def forward(
        self,
        x: Float[Tensor, "batch tokens dim"],
        bias: Float[Tensor, "#batch #heads #tokens tokens"] | None = None,
    ) -> tuple[Float[Tensor, "batch tokens dim"], Float[Tensor, "batch tokens dim"]]:
        """Return (output of the block, its MLP output before the skip)."""
        x = self.norm1(x + self.attn(x, bias))
        ffn = self.mlp(x)
        return self.norm2(x + ffn), ffn


class Trunk(nn.Module):
    """A stack of blocks: (batch, tokens, dim) → all layer states.

    Args:
        config: width and heads.
        depth: how many blocks; the config's own depth if None.
    """

    def __init__(self, config: TrunkConfig, *, depth: int | None = None) -> None:
        super().__init__()
        count = config.depth if depth is None else depth
        self.blocks = nn.ModuleList(Block(config) for _ in range(count))
        self.apply(init_bert)

    def forward(
        self,
        x: Float[Tensor, "batch tokens dim"],
        bias: Float[Tensor, "#batch #heads #tokens tokens"] | None = None,
    ) -> TrunkStates:
        """Run every block and keep what each one gave."""
        residual, ffn = [x], []
        for block in self.blocks:
            x, t = block(x, bias)
            residual.append(x)
            ffn.append(t)
        return TrunkStates(residual, ffn)


def padding_bias(
    valid: Bool[Tensor, "batch tokens"],
) -> Float[Tensor, "batch 1 1 tokens"] | None:
    """Return the attention bias that hides padding, or None where there is no padding to hide.

    The fast path matters: without a bias the fused kernels need not read one.
    """
    if bool(valid.all()):
        return None
    bias = torch.zeros(valid.shape, device=valid.device)
    return bias.masked_fill(~valid, float("-inf"))[:, None, None, :]


def init_bert(module: nn.Module) -> None:
    """Initialise linear and embedding weights from N(0, 0.02²) and biases with 0, as BERT does."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
