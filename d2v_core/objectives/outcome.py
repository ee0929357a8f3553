"""What an objective returns: the terms of its loss, and what the monitor wants to know."""

from typing import NamedTuple

import torch
from torch import Tensor


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


def merge(outcomes: dict[str, Outcome]) -> Outcome:
    """Join outcomes, each name prefixed: {"image": {"regression": …}} → "image/regression"."""
    return Outcome(
        {f"{k}/{name}": v for k, o in outcomes.items() for name, v in o.losses.items()},
        {f"{k}/{name}": v for k, o in outcomes.items() for name, v in o.statistics.items()},
    )
