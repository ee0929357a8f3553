"""Contrast: an item's picture, sound and sentence are to be found among those of other items.

For every pair of modalities that meet, the symmetric cross-entropy of CLIP or the sigmoid loss of
SigLIP, with a temperature of its own. Whether all pairs of modalities meet, or all with one hub as
in ImageBind, is in the settings. The rows of all processes are contrasted with each other.

Source: CLIP, arXiv:2103.00020; SigLIP, arXiv:2303.15343; ImageBind, arXiv:2305.05665.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from d2v_core.config import RunConfig
from d2v_core.gather import gather_rows
from d2v_core.modality import Modality
from d2v_core.objectives.objective import Outcome

LARGEST_LOG_SCALE = math.log(100.0)
FIRST = {"clip": (math.log(1 / 0.07), 0.0), "siglip": (math.log(10.0), -10.0)}
"""Log of the scale, and the bias, before the first step."""


class Contrastive(nn.Module):
    """Projects the last layer's mean of each modality into a joint space and contrasts the pairs.

    Args:
        config: of the run; its pairs say which modalities are contrasted.
    """

    def __init__(self, config: RunConfig) -> None:
        super().__init__()
        self.weight, self.loss = config.pairs.weight, config.pairs.loss
        dim = config.trunk.dim
        self.heads = nn.ModuleDict(
            {m: nn.Linear(dim, config.pairs.dim, bias=False) for m in config.modalities}
        )
        scale, bias = FIRST[self.loss]
        names = ["-".join(pair) for pair in meetings(config)]
        self.log_scales = nn.ParameterDict({n: nn.Parameter(torch.tensor(scale)) for n in names})
        has_bias = self.loss == "siglip"
        self.biases = nn.ParameterDict(
            {n: nn.Parameter(torch.tensor(bias)) for n in names if has_bias}
        )

    def project(
        self, modality: Modality, pooled: Float[Tensor, "items dim"]
    ) -> Float[Tensor, "items joint"]:
        """Map the mean of the last layer into the joint space, on the unit sphere."""
        return F.normalize(self.heads[modality](pooled).float(), dim=-1)

    def forward(
        self,
        pooled: dict[Modality, Float[Tensor, "items dim"]],
        between: tuple[tuple[Modality, Modality], ...],
    ) -> Outcome:
        """Return one loss a pair of modalities.

        Args:
            pooled: the last layer's mean by modality; row i of every modality is item i.
            between: the pairs of modalities that these items are for.
        """
        joint = {m: gather_rows(self.project(m, x)) for m, x in pooled.items()}
        losses, statistics = {}, {}
        for first, second in between:
            name = f"{first}-{second}"
            scale = self.log_scales[name].exp()
            if self.loss == "clip":
                loss = clip_loss(joint[first], joint[second], scale)
            else:
                loss = siglip_loss(joint[first], joint[second], scale, self.biases[name])
            losses[name] = self.weight / len(between) * loss
            statistics[f"{name}/scale"] = scale.detach()
        return Outcome(losses, statistics)

    @torch.no_grad()
    def clamp(self) -> None:
        """Keep every temperature between 1/100 and 1; to be called after each optimiser step."""
        for log_scale in self.log_scales.values():
            log_scale.clamp_(0.0, LARGEST_LOG_SCALE)


def meetings(config: RunConfig) -> list[tuple[Modality, Modality]]:
    """Return the pairs of modalities that meet and that the run has both of."""
    have = set(config.modalities)
    return [pair for pair in config.pairs.between if have.issuperset(pair)]


def cosines(
    first: Float[Tensor, "items joint"], second: Float[Tensor, "items joint"]
) -> Float[Tensor, "items items"]:
    """Return F Gᵀ in fp32: in bf16 a scale of 100 would put the scores off by tenths."""
    with torch.autocast(first.device.type, enabled=False):
        return first.float() @ second.float().T


def clip_loss(
    first: Float[Tensor, "items joint"],
    second: Float[Tensor, "items joint"],
    scale: Float[Tensor, ""],
) -> Float[Tensor, ""]:
    """Return ½ [CE(scale · F Gᵀ, i) + CE(scale · G Fᵀ, i)] for unit vectors F and G."""
    logits = scale * cosines(first, second)
    here = torch.arange(len(first), device=first.device)
    return (F.cross_entropy(logits, here) + F.cross_entropy(logits.T, here)) / 2


def siglip_loss(
    first: Float[Tensor, "items joint"],
    second: Float[Tensor, "items joint"],
    scale: Float[Tensor, ""],
    bias: Float[Tensor, ""],
) -> Float[Tensor, ""]:
    """Return −Σ_ij log σ(±(scale · f_i · g_j + bias)) / items, + where i = j and − elsewhere."""
    logits = scale * cosines(first, second) + bias
    sign = 2 * torch.eye(len(first), device=first.device) - 1
    return -F.logsigmoid(sign * logits).sum() / len(first)
