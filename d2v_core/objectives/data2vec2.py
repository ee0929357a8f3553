"""data2vec 2.0: predict the teacher's averaged layers at masked places, from visible tokens only.

Source: Baevski et al. 2022, arXiv:2212.07525; fairseq `examples/data2vec`.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from d2v_core.config import RunConfig
from d2v_core.decoder import make_decoder
from d2v_core.inputs import Inputs, masked_places
from d2v_core.modality import Modality
from d2v_core.modality_config import ImageConfig, MelConfig, TextConfig, WaveConfig
from d2v_core.model import Student, mean_valid
from d2v_core.objectives.objective import (
    Outcome,
    channel_std,
    mean_hidden,
    mean_rows,
    regression_loss,
)
from d2v_core.targets import make_targets


class Data2Vec2(nn.Module):
    """The objective of one modality; holds its decoder.

    Args:
        config: of the run.
        modality: which one.
    """

    def __init__(self, config: RunConfig, modality: Modality) -> None:
        super().__init__()
        self.modality: Modality = modality
        self.config = config.of(modality)
        dim = config.trunk.dim
        dimensions = 2 if isinstance(self.config, ImageConfig | MelConfig) else 1
        self.decoder = make_decoder(self.config.decoder, dim=dim, out=dim, dimensions=dimensions)

    def forward(self, student: Student, teacher: Student, inputs: Inputs) -> Outcome:
        """Return the losses of a masked batch.

        The terms are `regression` at masked places, and `cls`, the CLS token against the item's
        mean target, times its weight and averaged over rows.

        Raises:
            ValueError: if the batch has no masks.
        """
        tokens = student.embed(self.modality, inputs)
        encoded = student.encode_visible(self.modality, tokens, inputs).output
        extra = student.extra_tokens(self.modality)
        predicted = self.decoder(encoded[:, extra:], inputs)

        target, raw_std = self.targets(teacher, tokens.detach(), inputs)
        wanted = at_hidden(target, inputs)
        losses = {
            "regression": mean_hidden(regression_loss(predicted, wanted, self.config), inputs)
        }
        if extra and self.config.cls_weight:
            mean = mean_valid(target, inputs.valid).repeat_interleave(inputs.masks, dim=0)
            error = regression_loss(encoded[:, extra - 1], mean, self.config)
            losses["cls"] = self.config.cls_weight * mean_rows(error, inputs)
        statistics = {
            "target_std": channel_std(wanted),
            "prediction_std": channel_std(predicted),
            "raw_std": raw_std,
        }
        return Outcome(losses, statistics)

    @torch.no_grad()
    def targets(
        self, teacher: Student, tokens: Float[Tensor, "items tokens dim"], inputs: Inputs
    ) -> tuple[Float[Tensor, "items tokens dim"], Float[Tensor, ""]]:
        """Return the targets, and the spread of what they were made of before any norm.

        Args:
            teacher: sees all the tokens.
            tokens: the student's; the teacher has the same where it shares what makes them, with
                raw sound and texts, and its own elsewhere.
            inputs: the batch.
        """
        shares = isinstance(self.config, WaveConfig | TextConfig)
        seen = tokens if shares else teacher.embed(self.modality, inputs)
        return teacher_targets(self.modality, teacher, seen, inputs)


def teacher_targets(
    modality: Modality,
    teacher: Student,
    tokens: Float[Tensor, "items tokens dim"],
    inputs: Inputs,
) -> tuple[Float[Tensor, "items tokens dim"], Float[Tensor, ""]]:
    """Return the targets of unmasked tokens, and the raw spread of the last layer."""
    config, extra = teacher.config.of(modality).target, teacher.extra_tokens(modality)
    states = teacher.encode(modality, tokens, inputs)
    layers = states.ffn if config.tap == "ffn" else states.residual[1:]
    layers = [layer[:, extra:] for layer in layers]
    valid = inputs.valid
    raw = layers[-1].flatten(0, 1) if valid is None else layers[-1][valid]
    return make_targets(layers, config, valid=valid), channel_std(raw)


def at_hidden(
    target: Float[Tensor, "items tokens dim"], inputs: Inputs
) -> Float[Tensor, "hidden dim"]:
    """Return an item's targets at the masked places of all its rows."""
    _, hidden = masked_places(inputs)
    row, place = hidden // inputs.tokens, hidden % inputs.tokens
    return target.flatten(0, 1).index_select(0, row // inputs.masks * inputs.tokens + place)
