"""From an item's tokens to one vector."""

from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from d2v_core.errors import InputError
from d2v_core.model import mean_valid

Pooling = Literal["mean", "mean+std", "max", "first"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)


def check_pooling(name: str) -> Pooling:
    """Return the name of a pooling.

    Raises:
        InputError: if there is none of that name.
    """
    for pooling in POOLINGS:
        if pooling == name:
            return pooling
    raise InputError(f"there is no pooling {name!r}; there are {', '.join(POOLINGS)}")


def pool(
    tokens: Float[Tensor, "items tokens dim"],
    valid: Bool[Tensor, "items tokens"] | None,
    *,
    first: Float[Tensor, "items dim"],
    pooling: Pooling,
) -> Float[Tensor, "items width"]:
    """Pool an item's own tokens, in fp32; padding is never among them.

    Args:
        tokens: without CLS.
        valid: False for padding; None where there is none.
        first: the CLS token, or the first of the item where there is none.
        pooling: "mean"; "mean+std", twice as wide, with the deviation over tokens; "max", channel
            by channel; "first".
    """
    match pooling:
        case "mean":
            return mean_valid(tokens, valid)
        case "mean+std":
            mean = mean_valid(tokens, valid)
            variance = mean_valid((tokens.float() - mean[:, None]) ** 2, valid)
            return torch.cat([mean, variance.sqrt()], dim=1)
        case "max":
            hidden = tokens.float()
            if valid is not None:
                hidden = hidden.masked_fill(~valid[..., None], float("-inf"))
            return hidden.amax(dim=1)
        case "first":
            return first.float()


def pooled_width(width: int, pooling: Pooling) -> int:
    """Return how wide a pooled vector is whose tokens have so many channels."""
    return 2 * width if pooling == "mean+std" else width
