"""The rows of all processes, with gradient."""

from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor


def gather_rows(x: Float[Tensor, "rows dim"]) -> Float[Tensor, "all dim"]:
    """Return the rows of every process, in the order of their ranks.

    Every process must have equally many rows. If every process computes the same loss of what this
    returns, the average of their gradients is the gradient of that loss: what data-parallel
    training needs. With one process the rows are returned as they are.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return x
    return _Gather.apply(x)  # pyright: ignore[reportReturnType]  # a tensor, whatever apply says


class _Gather(torch.autograd.Function):
    """Everybody's rows; backwards, the sum of what everybody's loss has to say about ours."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ANN401
        ctx.rows = len(x)
        parts = [torch.empty_like(x) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, x.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ANN401
        summed = gradients[0].clone()
        dist.all_reduce(summed)
        start = dist.get_rank() * ctx.rows
        return summed[start : start + ctx.rows]
