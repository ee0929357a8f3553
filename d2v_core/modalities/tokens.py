"""The contract of the front ends: from a modality's input tensor to tokens."""

from typing import Protocol, runtime_checkable

from jaxtyping import Float, Int, Shaped
from torch import Tensor


@runtime_checkable
class Tokens(Protocol):
    """Makes tokens in two steps, because some objectives mask between them."""

    extra_tokens: int
    """CLS tokens in front."""

    def token_lengths(self, lengths: Int[Tensor, " items"]) -> Int[Tensor, " items"]:
        """Return how many tokens an item of a given length has."""
        ...

    def grid_of(self, width: int) -> tuple[int, ...]:
        """Return how the tokens of a batch lie whose longest item has the given length."""
        ...

    def features(self, values: Shaped[Tensor, "items ..."]) -> Float[Tensor, "items tokens dim"]:
        """Return the tokens without their positions."""
        ...

    def placed(
        self, features: Float[Tensor, "rows tokens dim"]
    ) -> Float[Tensor, "rows tokens dim"]:
        """Add the positions that do not depend on what is masked."""
        ...
