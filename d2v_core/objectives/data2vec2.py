"""data2vec 2.0: predict the teacher's averaged layers at masked places, from visible tokens only.

Source: Baevski et al. 2022, arXiv:2212.07525; fairseq `examples/data2vec`.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from d2v_core.config import RunConfig
from d2v_core.decoder import ConvDecoder
from d2v_core.masking import visible_tokens
from d2v_core.modality import Modality
from d2v_core.model import Inputs, Student, mean_valid
from d2v_core.objectives.outcome import Outcome
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
        self.target_layers = config.teacher.target_layers
        self.decoder = ConvDecoder(
            self.config.decoder, dim=config.trunk.dim, dimensions=1 if modality == "text" else 2
        )

    def forward(self, student: Student, teacher: Student, inputs: Inputs) -> Outcome:
        """Return the losses of a masked batch.

        The terms are `regression`, √D times the mean squared error at masked places, and `cls`,
        the same error of the CLS token against the item's mean target, times its weight.

        Raises:
            ValueError: if the batch has no masks.
        """
        if inputs.mask is None:
            raise ValueError("data2vec2 needs masked inputs")
        masks = len(inputs.mask) // len(inputs.lengths)
        lengths = inputs.lengths.repeat_interleave(masks)
        visible = visible_tokens(inputs.mask, lengths)
        tokens = student.embed(self.modality, inputs)
        encoded = student.encode_visible(self.modality, tokens, visible)
        extra = student.extra_tokens(self.modality)
        predicted = self.decoder(encoded[:, extra:], visible, inputs.grid)[inputs.mask]

        target, raw_std = self.targets(teacher, inputs)
        wanted = target.repeat_interleave(masks, dim=0)[inputs.mask]
        losses = {"regression": token_loss(predicted, wanted)}
        if extra and self.config.cls_weight:
            mean = mean_valid(target, inputs.valid).repeat_interleave(masks, dim=0)
            losses["cls"] = self.config.cls_weight * token_loss(encoded[:, extra - 1], mean)
        return Outcome(
            losses,
            {
                "target_std": channel_std(wanted),
                "prediction_std": channel_std(predicted.detach().float()),
                "raw_std": raw_std,
            },
        )

    @torch.no_grad()
    def targets(
        self, teacher: Student, inputs: Inputs
    ) -> tuple[Float[Tensor, "items tokens dim"], Float[Tensor, ""]]:
        """Return the targets, and the spread of what they were made of before any norm."""
        states = teacher.encode(self.modality, teacher.embed(self.modality, inputs), inputs.valid)
        layers = [layer[:, teacher.extra_tokens(self.modality) :] for layer in states.ffn]
        target = make_targets(
            layers,
            self.target_layers,
            valid=inputs.valid,
            normalise_average=self.config.normalise_average,
        )
        return target, channel_std(layers[-1][inputs.valid].float())


def token_loss(
    predicted: Float[Tensor, "tokens dim"], wanted: Float[Tensor, "tokens dim"]
) -> Float[Tensor, ""]:
    """Return the mean over tokens of Σ_d (x − y)² / √D, in fp32."""
    error = (predicted.float() - wanted.float()).square().sum(dim=-1)
    return error.mean() / predicted.shape[-1] ** 0.5


def channel_std(x: Float[Tensor, "tokens dim"]) -> Float[Tensor, ""]:
    """Return √(unbiased variance + 1e-6) of every channel over tokens, averaged over channels."""
    return (x.var(dim=0) + 1e-6).sqrt().mean()
