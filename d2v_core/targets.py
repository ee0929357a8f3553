"""What the teacher sees, made into what the student has to predict."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def make_targets(
    layers: list[Float[Tensor, "batch tokens dim"]],
    target_layers: int,
    *,
    valid: Bool[Tensor, "batch tokens"],
    normalise_average: bool,
    eps: float = 1e-5,
) -> Float[Tensor, "batch tokens dim"]:
    """Average the last `target_layers` ffn outputs, each instance-normalised first.

    Every layer gets mean 0 and variance 1 per channel over an item's valid tokens, so that no layer
    outweighs the others by its scale, and padding does not count.

    Args:
        layers: ffn outputs of the teacher's trunk, block 1 first; extra tokens are cut off.
        target_layers: K, how many blocks to average, counted from the top.
        valid: True for real tokens.
        normalise_average: layer-normalise the average over channels, as for images.
        eps: added to each variance.

    Returns:
        The regression targets in fp32, without gradient.

    Raises:
        ValueError: if `target_layers` is not between 1 and the number of layers.

    Source: data2vec 2.0, arXiv:2212.07525; fairseq `Data2VecMultiModel.make_targets`.
    """
    if not 1 <= target_layers <= len(layers):
        raise ValueError(f"target_layers={target_layers}, but the teacher returned {len(layers)}")
    weight = valid.float()[..., None] / valid.sum(dim=1)[:, None, None]  # sums to 1 over an item
    average = torch.zeros_like(layers[-1], dtype=torch.float32)
    for layer in layers[-target_layers:]:
        x = layer.detach().float()
        centred = x - (x * weight).sum(dim=1, keepdim=True)
        variance = (centred.square() * weight).sum(dim=1, keepdim=True)
        average += centred / (variance + eps).sqrt() / target_layers
    return F.layer_norm(average, average.shape[-1:]) if normalise_average else average
