"""The rows of all processes, with gradient."""

import torch
import torch.distributed
import torch.distributed.nn.functional as distributed
from jaxtyping import Float
from torch import Tensor


def gather_rows(x: Float[Tensor, "rows dim"]) -> Float[Tensor, "all dim"]:
    """Return the rows of every process, in the order of their ranks.

    Every process must have equally many rows. If every process computes the same loss of what this
    returns, the average of their gradients is the gradient of that loss: what data-parallel
    training needs. With one process the rows are returned as they are.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return x
    if torch.distributed.get_world_size() == 1:
        return x
    return torch.cat(distributed.all_gather(x.contiguous()))  # pyright: ignore[reportArgumentType]
