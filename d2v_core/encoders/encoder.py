"""The contract that all encoders keep."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from d2v_core.data.items import Item
from d2v_core.modality import Modality

Role = Literal["trained", "random twin", "shuffled pairs", "low-level features"]
"""What an encoder is to a claim: what it is about, or one of its controls."""


@dataclass(frozen=True)
class LayerVectors:
    """What an encoder makes of a batch of one modality.

    Attributes:
        pooled: one vector an item at every tap, in the order of the encoder's taps.
    """

    pooled: tuple[Float[Tensor, "items _"], ...]


@runtime_checkable
class Encoder(Protocol):
    """Turns items into one vector a layer, all layers in one pass."""

    name: str
    hash: str
    role: Role
    modalities: tuple[Modality, ...]
    taps: tuple[str, ...]
    widths: tuple[int, ...]
    pooling: str

    def load(self, item: Item) -> Tensor:
        """Decode an item; raise MediaError with the reason if that fails."""
        ...

    def encode(self, modality: Modality, tensors: Sequence[Tensor]) -> LayerVectors:
        """Encode decoded items of one modality; the batch does not change what comes out."""
        ...
