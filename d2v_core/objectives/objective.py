"""The contract of the objectives that learn from items of one modality.

An objective is a module that holds what only it needs (a decoder, a head, a mask vector). It is
called with the student, the teacher and a masked batch, and returns the terms of its loss.
"""

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from d2v_core.inputs import Inputs
from d2v_core.modality_config import ModalityConfig


class Outcome(NamedTuple):
    """The loss terms of one step, by name, and numbers about them.

    Attributes:
        losses: scalars with gradient; their sum is what is minimised.
        statistics: scalars without gradient.
    """

    losses: dict[str, Tensor]
    statistics: dict[str, Tensor]

    @property
    def total(self) -> Tensor:
        """The sum of the terms."""
        return torch.stack(list(self.losses.values())).sum()


@runtime_checkable
class Objective(Protocol):
    """What an objective can do; it is made from the run's settings and the modality."""

    def __call__(self, student: nn.Module, teacher: nn.Module, inputs: Inputs) -> Outcome:
        """Return the loss of a masked batch."""
        ...


def merge(outcomes: dict[str, Outcome]) -> Outcome:
    """Join outcomes, each name prefixed: {"image": {"regression": …}} → "image/regression"."""
    return Outcome(
        {f"{k}/{name}": v for k, o in outcomes.items() for name, v in o.losses.items()},
        {f"{k}/{name}": v for k, o in outcomes.items() for name, v in o.statistics.items()},
    )


def mean_hidden(losses: Float[Tensor, " hidden"], inputs: Inputs) -> Float[Tensor, ""]:
    """Return the part that a batch has in the mean over all masked tokens of an optimiser step.

    However the items of a step are spread over processes and parts, what this returns adds up over
    the parts, and averages over the processes, to that mean.
    """
    return losses.sum() / max(inputs.totals.hidden if inputs.totals else len(losses), 1)


def mean_rows(losses: Float[Tensor, " rows"], inputs: Inputs) -> Float[Tensor, ""]:
    """Return the same for losses that there is one of in every masked row."""
    return losses.sum() / (inputs.totals.rows if inputs.totals else len(losses))


def regression_loss(
    predicted: Float[Tensor, "tokens dim"],
    wanted: Float[Tensor, "tokens dim"],
    config: ModalityConfig,
) -> Float[Tensor, " tokens"]:
    """Return Σ_d ℓ(x − y) / D^p of every token, in fp32.

    ℓ is the square, or smooth L1 if there is a `loss_beta`; p is 1, ½ or 0 by `loss_scale`.
    """
    x, y = predicted.float(), wanted.float()
    if config.loss_beta:
        error = torch.nn.functional.smooth_l1_loss(x, y, beta=config.loss_beta, reduction="none")
    else:
        error = (x - y).square()
    power = {"mean": 1.0, "root": 0.5, "sum": 0.0}[config.loss_scale]
    return error.sum(dim=-1) / x.shape[-1] ** power


def channel_std(x: Float[Tensor, "tokens dim"]) -> Float[Tensor, ""]:
    """Return √(unbiased variance + 1e-6) of every channel over tokens, averaged over channels."""
    x = x.detach().float()
    centred = x - x.mean(dim=0)  # `var` over the first axis takes seven times as long
    return (centred.square().sum(dim=0) / (len(x) - 1) + 1e-6).sqrt().mean()
