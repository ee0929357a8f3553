"""Contrast: an item's picture, sound and sentence are to be found among those of other items.

For every pair of modalities the symmetric cross-entropy of CLIP, with a temperature of its own.

Source: CLIP, arXiv:2103.00020; ImageBind, arXiv:2305.05665 for more than two modalities.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from d2v_core.config import RunConfig
from d2v_core.modality import Modality
from d2v_core.model import Inputs, Student
from d2v_core.objectives.outcome import Outcome

LARGEST_LOG_SCALE = math.log(100.0)


class Contrastive(nn.Module):
    """Projects the last layer's mean of each modality into a joint space and contrasts the pairs.

    Args:
        config: of the run; its pairs say which modalities are contrasted.
    """

    def __init__(self, config: RunConfig) -> None:
        super().__init__()
        self.weight = config.pairs.weight
        have = set(config.modalities)
        self.between = [pair for pair in config.pairs.between if have.issuperset(pair)]
        dim = config.trunk.dim
        self.heads = nn.ModuleDict(
            {m: nn.Linear(dim, config.pairs.dim, bias=False) for m in config.modalities}
        )
        self.log_scales = nn.ParameterDict(
            {
                "-".join(pair): nn.Parameter(torch.tensor(math.log(1 / 0.07)))
                for pair in self.between
            }
        )

    def project(
        self, modality: Modality, pooled: Float[Tensor, "items dim"]
    ) -> Float[Tensor, "items joint"]:
        """Map the mean of the last layer into the joint space, on the unit sphere."""
        return F.normalize(self.heads[modality](pooled).float(), dim=-1)

    def forward(self, student: Student, paired: dict[Modality, Inputs]) -> Outcome:
        """Return one loss a pair of modalities; row i of every modality is item i."""
        joint = {
            modality: self.project(modality, student.pooled_layers(modality, inputs)[-1])
            for modality, inputs in paired.items()
        }
        losses, statistics = {}, {}
        for first, second in self.between:
            name = f"{first}-{second}"
            scale = self.log_scales[name].exp()
            loss = clip_loss(joint[first], joint[second], scale)
            losses[name] = self.weight / len(self.between) * loss
            statistics[f"{name}/scale"] = scale.detach()
        return Outcome(losses, statistics)

    @torch.no_grad()
    def clamp(self) -> None:
        """Keep every temperature between 1/100 and 1; to be called after each optimiser step."""
        for log_scale in self.log_scales.values():
            log_scale.clamp_(0.0, LARGEST_LOG_SCALE)


def clip_loss(
    first: Float[Tensor, "items joint"],
    second: Float[Tensor, "items joint"],
    scale: Float[Tensor, ""],
) -> Float[Tensor, ""]:
    """Return ½ [CE(scale · F Gᵀ, i) + CE(scale · G Fᵀ, i)] for unit vectors F and G."""
    logits = scale * first @ second.T
    here = torch.arange(len(first), device=first.device)
    return (F.cross_entropy(logits, here) + F.cross_entropy(logits.T, here)) / 2
