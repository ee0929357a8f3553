"""A batch of one modality on its way into a model.

Whatever a device would have to wait for, counts and places of tokens above all, is worked out here,
on the CPU, when the batch is made.
"""

import math
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from d2v_core.modality import Modality


class Visible(NamedTuple):
    """Where the visible tokens of every row are.

    Rows of short items show fewer tokens; they are filled up with arbitrary places.

    Attributes:
        ids: places of the visible tokens.
        valid: False where a row is filled up; None where no row is.
    """

    ids: Int[Tensor, "rows visible"]
    valid: Bool[Tensor, "rows visible"] | None


class Totals(NamedTuple):
    """What the sums of losses are divided by, so that the parts of a step add up to its mean.

    Attributes:
        hidden: masked tokens of a whole optimiser step, a process.
        rows: masked rows of the same.
    """

    hidden: float
    rows: float


class Inputs(NamedTuple):
    """A batch, padded to its longest item.

    Attributes:
        values: pictures (items, 3, side, side), spectrograms (items, frames, bins), sounds (items,
            samples) or entries of the vocabulary (items, tokens).
        lengths: valid tokens of every item, on the CPU; they come first, padding after them.
        grid: how the tokens lie: (tokens,) or (rows, columns).
        mask: True where masked; the M rows of an item follow each other. None: nothing is masked.
        visible: where the tokens are that are neither masked nor padding.
        hidden: places of the masked tokens, counted through all rows.
        labels: cluster of every token for objectives that predict such; −1 where it has none.
        totals: of the step that the batch is a part of; None: the batch is all of it.
    """

    values: Shaped[Tensor, "items ..."]
    lengths: Int[Tensor, " items"]
    grid: tuple[int, ...]
    mask: Bool[Tensor, "rows tokens"] | None = None
    visible: Visible | None = None
    hidden: Int[Tensor, " hidden"] | None = None
    labels: Int[Tensor, "items tokens"] | None = None
    totals: Totals | None = None

    @property
    def tokens(self) -> int:
        """How many tokens the longest item has room for."""
        return math.prod(self.grid)

    @property
    def masks(self) -> int:
        """M: masked rows an item."""
        return 1 if self.mask is None else len(self.mask) // len(self.lengths)

    @property
    def valid(self) -> Bool[Tensor, "items tokens"] | None:
        """True for an item's own tokens; None where there is no padding."""
        if bool((self.lengths == self.tokens).all()):
            return None
        lengths = self.lengths.to(self.values.device, non_blocking=True)
        return torch.arange(self.tokens, device=self.values.device) < lengths[:, None]

    def to(self, device: torch.device) -> "Inputs":
        """Return the batch on a device; the lengths stay on the CPU."""

        def move(x: Any) -> Any:  # noqa: ANN401  # a tensor or None
            return None if x is None else x.to(device, non_blocking=True)

        visible = self.visible and Visible(move(self.visible.ids), move(self.visible.valid))
        return self._replace(
            values=move(self.values),
            mask=move(self.mask),
            visible=visible,
            hidden=move(self.hidden),
            labels=move(self.labels),
        )


def with_mask(inputs: Inputs, mask: Bool[Tensor, "rows tokens"]) -> Inputs:
    """Return a batch with masks and all that follows from them."""
    lengths = inputs.lengths.repeat_interleave(len(mask) // len(inputs.lengths))
    visible = visible_tokens(mask, lengths)
    return inputs._replace(mask=mask, visible=visible, hidden=mask.flatten().nonzero()[:, 0])


def masked_places(inputs: Inputs) -> tuple[Visible, Int[Tensor, " hidden"]]:
    """Return where the visible and the masked tokens are.

    Raises:
        ValueError: if nothing is masked.
    """
    if inputs.visible is None or inputs.hidden is None:
        raise ValueError("this batch has no masks")
    return inputs.visible, inputs.hidden


def visible_tokens(mask: Bool[Tensor, "rows tokens"], lengths: Int[Tensor, " rows"]) -> Visible:
    """Return where the visible tokens are, in reading order, filled up to the longest row."""
    shown = ~mask & (torch.arange(mask.shape[1]) < lengths[:, None])
    counts = shown.sum(dim=1)
    ids = (~shown).to(torch.int8).argsort(dim=1, stable=True)[:, : int(counts.max())]
    valid = torch.arange(ids.shape[1]) < counts[:, None]
    return Visible(ids, None if bool(valid.all()) else valid)


def gather_visible(
    x: Float[Tensor, "items tokens dim"], visible: Visible
) -> Float[Tensor, "rows visible dim"]:
    """Pick every row's visible tokens; the first M rows belong to item 0, the next M to item 1."""
    item = torch.arange(len(visible.ids), device=x.device) // (len(visible.ids) // len(x))
    places = item[:, None] * x.shape[1] + visible.ids
    return x.flatten(0, 1).index_select(0, places.flatten()).view(*places.shape, x.shape[-1])


def scatter_visible(
    seen: Float[Tensor, "rows visible dim"],
    visible: Visible,
    *,
    into: Float[Tensor, "rows tokens dim"],
) -> Float[Tensor, "rows tokens dim"]:
    """Return `into` with the visible tokens put back at their places."""
    places = visible.ids[..., None].expand_as(seen)
    values = seen.to(into.dtype)
    if visible.valid is not None:
        values = torch.where(visible.valid[..., None], values, into.gather(1, places))
    return into.scatter(1, places, values)


class Paired(NamedTuple):
    """A batch of items that belong together.

    Attributes:
        inputs: by modality; row i of every modality is of item i.
        between: which modalities meet, two by two.
    """

    inputs: dict[Modality, Inputs]
    between: tuple[tuple[Modality, Modality], ...]

    def to(self, device: torch.device) -> "Paired":
        """Return the batch on a device."""
        return Paired({m: x.to(device) for m, x in self.inputs.items()}, self.between)
