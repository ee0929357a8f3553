"""What stands between an item and a Hugging Face model: decoding, its own processor, a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from d2v_core.data.items import Item


@dataclass(frozen=True)
class Batch:
    """What a tower is called with.

    Attributes:
        arguments: by name.
        own: which tokens, without those in front, are the item's own; None if all are.
        summary: the place of each item's summary; None if it is the first.
    """

    arguments: dict[str, Tensor]
    own: Bool[Tensor, "items tokens"] | None = None
    summary: Int64[Tensor, " items"] | None = None


@runtime_checkable
class Preparation(Protocol):
    """From items to a tower's input."""

    extra: int
    """Tokens in front that are no part of the item."""

    together: bool
    """Items of different lengths may share a batch."""

    tokens: int
    """About the most that an item has."""

    def settings(self) -> Any:  # noqa: ANN401
        """Return what decides what it does, as plain values."""
        ...

    def load(self, item: Item) -> Tensor:
        """Decode an item; raise MediaError with the reason if that fails."""
        ...

    def batch(self, tensors: Sequence[Tensor]) -> Batch:
        """Return a batch of decoded items."""
        ...


def padded(tensors: Sequence[Tensor], value: float | int) -> Tensor:
    """Return items of different lengths as one tensor."""
    return torch.nn.utils.rnn.pad_sequence(list(tensors), batch_first=True, padding_value=value)
