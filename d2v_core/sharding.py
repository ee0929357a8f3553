"""Weights spread over processes, for models that would not fit into each: FSDP.

Every process keeps a part of each matrix, of its moments in the optimiser and of its average in the
teacher. The blocks of the transformers are put together one after the other, when they are needed,
and taken apart again. Scalars and what is empty stay whole everywhere, because they cannot be cut.
Where nothing is sharded, the functions here do what their plain namesakes do.
"""

import math
import warnings
from collections.abc import Iterable, Mapping

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

from d2v_core.transformer import Block

ENTRANCES = ("embed", "encode", "encode_visible", "pooled_layers")
"""Methods by which others call a student; its weights are put together for them too."""


def shard(module: nn.Module, mesh: DeviceMesh, *, device: torch.device) -> None:
    """Spread a module over the processes of a mesh, every block by itself, in place.

    Args:
        module: the same everywhere.
        mesh: of one dimension.
        device: of this process.
    """
    # Nothing here writes into what a block returns.
    warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view", UserWarning)
    kept = {p for p in module.parameters() if p.dim() == 0 or p.numel() == 0}
    for parameter in kept:
        parameter.data = parameter.data.to(device)
    for block in [m for m in module.modules() if isinstance(m, Block)]:
        fully_shard(block, mesh=mesh, ignored_params=kept)
    fully_shard(module, mesh=mesh, reshard_after_forward=True, ignored_params=kept)
    for name in ENTRANCES:
        if hasattr(module, name):
            register_fsdp_forward_method(module, name)


def is_sharded(tensor: Tensor) -> bool:
    """Tell whether this process has only a part of a tensor."""
    return isinstance(tensor, DTensor)


def own_part(tensor: Tensor) -> Tensor:
    """Return what this process has of a tensor, sharing its memory."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def whole(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors put together, on the CPU of the first process.

    Every process has to take part; the others get nothing, or a host would hold them many times.
    """
    is_first = not dist.is_initialized() or dist.get_rank() == 0
    found: dict[str, Tensor] = {}
    for name, x in tensors.items():
        together = x.full_tensor() if isinstance(x, DTensor) else x
        if is_first:
            found[name] = together.detach().cpu().contiguous()
    return found


def spread_like(whole_tensor: Tensor, like: Tensor) -> Tensor:
    """Return a tensor that every process has, spread and placed like another."""
    there = whole_tensor.to(like.device)
    if not isinstance(like, DTensor):
        return there
    # Every process has the same values: none needs to be sent any.
    return distribute_tensor(there, like.device_mesh, like.placements, src_data_rank=None)


def average_unsharded(parameters: Iterable[nn.Parameter]) -> None:
    """Average over processes the gradients that FSDP has not: those of what stays whole."""
    found = list(parameters)
    if any(is_sharded(p) for p in found):
        for parameter in found:
            if not is_sharded(parameter) and parameter.grad is not None:
                dist.all_reduce(parameter.grad)
                parameter.grad /= dist.get_world_size()


def clip_gradients(parameters: Iterable[nn.Parameter], limit: float) -> Tensor:
    """Scale all gradients so that their common norm is at most `limit`.

    Args:
        parameters: after the backward pass, their gradients averaged over processes.
        limit: 0 leaves the gradients as they are.

    Returns:
        The norm before.
    """
    found = [p for p in parameters if p.grad is not None]
    limit = limit or math.inf
    sharded = [own_part(p.grad) for p in found if p.grad is not None and is_sharded(p)]
    if not sharded:
        return nn.utils.clip_grad_norm_(found, limit)
    rest = [p.grad for p in found if p.grad is not None and not is_sharded(p)]
    square = _squares(sharded)
    dist.all_reduce(square)
    norm = (square + _squares(rest)).sqrt() if rest else square.sqrt()
    for gradient in sharded + rest:
        gradient *= (limit / (norm + 1e-6)).clamp(max=1.0)
    return norm


def _squares(tensors: list[Tensor]) -> Tensor:
    return torch.stack([x.float().square().sum() for x in tensors]).sum()
