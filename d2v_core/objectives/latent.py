"""Cross-modal latent prediction: from one sense of an item, predict the teacher's view of another.

The student sees the picture, and a head predicts what the teacher makes of the sound: its last
layers, averaged over tokens and then over layers. What all items of the batch have in common is
taken out of the target, channel by channel, or it would be the first thing to be learnt and for a
long time the only one. Nothing is contrasted: there are no negatives.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from d2v_core.config import RunConfig
from d2v_core.gather import gather_rows
from d2v_core.inputs import Inputs, Paired
from d2v_core.modality import Modality
from d2v_core.model import Student, mean_valid
from d2v_core.objectives.contrastive import meetings
from d2v_core.objectives.objective import Outcome


class LatentPrediction(nn.Module):
    """Holds a head for every direction: two a pair of modalities that meet.

    Args:
        config: of the run; its pairs say which modalities meet, and the weight.
    """

    def __init__(self, config: RunConfig) -> None:
        super().__init__()
        self.weight = config.pairs.latent_weight
        dim = config.trunk.dim
        self.heads = nn.ModuleDict(
            {
                f"{a}-{b}": nn.Sequential(
                    nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim)
                )
                for a, b in both_ways(meetings(config))
            }
        )

    def forward(
        self,
        pooled: dict[Modality, Float[Tensor, "items dim"]],
        teacher: Student,
        paired: Paired,
    ) -> Outcome:
        """Return one loss a direction, the mean squared error over channels.

        Args:
            pooled: the student's last layer, averaged over tokens; row i is item i everywhere.
            teacher: sees the same items.
            paired: the items, and which of their modalities meet.
        """
        ways = both_ways(paired.between)
        wanted = {m: pooled_target(teacher, m, x) for m, x in paired.inputs.items()}
        losses, statistics = {}, {}
        for a, b in ways:
            predicted = gather_rows(self.heads[f"{a}-{b}"](pooled[a]).float())
            error = (predicted - wanted[b]).square().mean()
            losses[f"{a}-{b}"] = self.weight / len(ways) * error
            statistics[f"{a}-{b}/explained"] = 1 - error.detach() / wanted[b].square().mean()
        return Outcome(losses, statistics)


def both_ways(between: Iterable[tuple[Modality, Modality]]) -> list[tuple[Modality, Modality]]:
    """Return every pair of modalities that meet, and the same the other way round."""
    ways: list[tuple[Modality, Modality]] = []
    for first, second in between:
        ways.extend([(first, second), (second, first)])
    return ways


@torch.no_grad()
def pooled_target(
    teacher: Student, modality: Modality, inputs: Inputs
) -> Float[Tensor, "items dim"]:
    """Return the teacher's last K ffn outputs, averaged over an item's tokens and over layers.

    Every layer has mean 0 and variance 1 per channel over the items of all processes.
    """
    extra = teacher.extra_tokens(modality)
    states = teacher.encode(modality, teacher.embed(modality, inputs), inputs)
    layers = states.ffn[-teacher.config.of(modality).target.layers :]
    pooled = [gather_rows(mean_valid(t[:, extra:], inputs.valid)) for t in layers]
    return torch.stack([F.batch_norm(x, None, None, training=True) for x in pooled]).mean(dim=0)
