"""data2vec 1.0: the same targets, but the student sees the whole sequence with its holes.

Masked tokens are replaced by a learnt vector and stay in the sequence; a linear layer (two for
texts) predicts the teacher's averaged layers from the student's output at these places. For texts
the teacher sees all the tokens, as the paper says; the released code shows it the masked ones only.

Source: Baevski et al. 2022, arXiv:2202.03555.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from d2v_core.config import RunConfig
from d2v_core.inputs import Inputs, masked_places
from d2v_core.modality import Modality
from d2v_core.modality_config import WaveConfig
from d2v_core.model import Student
from d2v_core.objectives.data2vec2 import at_hidden, teacher_targets
from d2v_core.objectives.objective import Outcome, channel_std, mean_hidden, regression_loss
from d2v_core.transformer import TrunkStates


class MaskVector(nn.Module):
    """What stands at a masked place, learnt.

    Args:
        dim: width of a token.
        uniform: start from U(0, 1) as with raw sound, not from N(0, 0.02²).
    """

    def __init__(self, dim: int, *, uniform: bool) -> None:
        super().__init__()
        self.vector = nn.Parameter(torch.rand(dim) if uniform else torch.randn(dim) * 0.02)

    def encode(
        self,
        student: Student,
        modality: Modality,
        inputs: Inputs,
        *,
        features: Float[Tensor, "items tokens dim"] | None = None,
    ) -> TrunkStates:
        """Run the student over whole sequences, M rows an item, with the vector at masked places.

        Args:
            student: what is run.
            modality: of the inputs.
            inputs: a masked batch.
            features: its tokens without positions, if they are there already.

        Raises:
            ValueError: if nothing is masked.
        """
        if inputs.mask is None:
            raise ValueError("this batch has no masks")
        tokens = student.prenet(modality).tokens
        features = tokens.features(inputs.values) if features is None else features
        whole = features.repeat_interleave(inputs.masks, dim=0)
        masked = torch.where(inputs.mask[..., None], self.vector.to(whole.dtype), whole)
        return student.encode(modality, tokens.placed(masked), inputs)


class Data2Vec(nn.Module):
    """The objective of one modality; holds its mask vector and head.

    Args:
        config: of the run.
        modality: which one.
    """

    def __init__(self, config: RunConfig, modality: Modality) -> None:
        super().__init__()
        self.modality: Modality = modality
        self.config = config.of(modality)
        self.masked = MaskVector(config.trunk.dim, uniform=isinstance(self.config, WaveConfig))
        self.head = make_head(config.trunk.dim, self.config.head_layers)

    def forward(self, student: Student, teacher: Student, inputs: Inputs) -> Outcome:
        """Return the `regression` at masked places.

        Raises:
            ValueError: if the batch has no masks.
        """
        states = self.masked.encode(student, self.modality, inputs)
        predicted = self.head(hidden_outputs(states, student.extra_tokens(self.modality), inputs))
        with torch.no_grad():
            tokens = teacher.embed(self.modality, inputs)
            target, raw_std = teacher_targets(self.modality, teacher, tokens, inputs)
        wanted = at_hidden(target, inputs)
        loss = mean_hidden(regression_loss(predicted, wanted, self.config), inputs)
        statistics = {
            "target_std": channel_std(wanted),
            "prediction_std": channel_std(predicted),
            "raw_std": raw_std,
        }
        return Outcome({"regression": loss}, statistics)


def hidden_outputs(states: TrunkStates, extra: int, inputs: Inputs) -> Float[Tensor, "hidden dim"]:
    """Return the student's output at the masked places."""
    _, hidden = masked_places(inputs)
    return states.output[:, extra:].flatten(0, 1)[hidden]


def make_head(dim: int, layers: int) -> nn.Module:
    """Return a linear layer, or two with GELU and twice the width between."""
    if layers == 1:
        return nn.Linear(dim, dim)
    return nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))
