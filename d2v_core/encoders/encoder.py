"""The contract that all encoders keep."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from jaxtyping import Bool, Float
from torch import Tensor

from d2v_core.data.items import Item
from d2v_core.modality import Modality

Role = Literal["trained", "random twin", "shuffled pairs", "low-level features"]
"""What an encoder is to a claim: what it is about, or one of its controls."""


@dataclass(frozen=True)
class LayerStates:
    """What an encoder makes of a batch of one modality.

    Attributes:
        pooled: one vector an item at every tap, in the order of the encoder's taps.
        tokens: an item's own tokens at every tap, without CLS; None at a tap that has none, as the
            space of a contrastive loss. As many at every tap, unless blocks merge them.
        valid: which tokens are the item's and not padding; None if all are.
    """

    pooled: tuple[Float[Tensor, "items _"], ...]
    tokens: tuple[Float[Tensor, "items _ _"] | None, ...]
    valid: Bool[Tensor, "items tokens"] | None


@runtime_checkable
class Encoder(Protocol):
    """Turns items into layer states, all layers in one pass.

    Layer 0, tap `embed`, is the input of block 1; tap `block_NN.resid` is the output of block NN,
    `block_NN.ffn` its MLP output before the skip connection.
    """

    name: str
    hash: str
    role: Role
    pairs_seen: bool
    modalities: tuple[Modality, ...]
    taps: tuple[str, ...]
    widths: tuple[int, ...]
    pooling: str
    batch: int
    """How many items at once are worth it, and fit."""

    def load(self, item: Item, /) -> Tensor:
        """Decode an item; raise MediaError with the reason if that fails.

        `encoder.load` may be sent to another process: the weights do not go with it.
        """
        ...

    def encode(self, modality: Modality, tensors: Sequence[Tensor]) -> LayerStates:
        """Encode decoded items of one modality; the batch does not change what comes out."""
        ...
