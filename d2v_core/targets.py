"""What the teacher sees, made into what the student has to predict."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from d2v_core.modality_config import TargetConfig


def make_targets(
    layers: Sequence[Float[Tensor, "batch tokens dim"]],
    config: TargetConfig,
    *,
    valid: Bool[Tensor, "batch tokens"] | None,
) -> Float[Tensor, "batch tokens dim"]:
    """Average the last K layers, each normalised first, so that none outweighs the others.

    Args:
        layers: of the teacher's trunk, block 1 first; extra tokens are cut off.
        config: K, and the norms before and after the average.
        valid: True for real tokens; None if all are. Padding does not count.

    Returns:
        The regression targets in fp32, without gradient.

    Raises:
        ValueError: if K is more than the number of layers.

    Source: data2vec 2.0, arXiv:2212.07525; fairseq `Data2VecMultiModel.make_targets`.
    """
    if config.layers > len(layers):
        raise ValueError(f"target layers={config.layers}, but the teacher returned {len(layers)}")
    average = torch.zeros_like(layers[-1], dtype=torch.float32)
    for layer in layers[-config.layers :]:
        x = layer.detach().float()
        average += instance_norm(x, valid) if config.per_layer == "instance" else _layer_norm(x)
    average /= config.layers
    match config.average:
        case None:
            return average
        case "layer":
            return _layer_norm(average)
        case "instance":
            return instance_norm(average, valid)


def instance_norm(
    x: Float[Tensor, "batch tokens dim"],
    valid: Bool[Tensor, "batch tokens"] | None,
    *,
    eps: float = 1e-5,
) -> Float[Tensor, "batch tokens dim"]:
    """Give every channel of an item mean 0 and variance 1 over the item's valid tokens."""
    if valid is None:  # `var_mean` over an axis that is not the last takes ten times as long
        centred = x - x.mean(dim=1, keepdim=True)
        variance = centred.square().mean(dim=1, keepdim=True)
    else:
        weight = valid.float()[..., None] / valid.sum(dim=1)[:, None, None]  # sums to 1 an item
        centred = x - (x * weight).sum(dim=1, keepdim=True)
        variance = (centred.square() * weight).sum(dim=1, keepdim=True)
    return centred * (variance + eps).rsqrt()


def _layer_norm(x: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch tokens dim"]:
    return F.layer_norm(x, x.shape[-1:])
