"""What each of the teacher's layers has in the target, with and without normalising it first."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from d2v_core.data.batches import item_tensor
from d2v_core.data.items import Item
from d2v_core.encoders.run import trained
from d2v_core.targets import instance_norm


@dataclass(frozen=True)
class LayerPart:
    """One of the last K layers.

    Attributes:
        block: its number.
        spread: root mean square of its outputs about their mean over tokens.
        raw_share: of the sum of squares over layers if they were averaged as they are.
        normalised_share: the same after each was normalised.
        likeness: mean correlation with the other layers, normalised; 1 would make them one layer.
    """

    block: int
    spread: float
    raw_share: float
    normalised_share: float
    likeness: float


@torch.no_grad()
def layer_parts(run: Path, items: Sequence[Item]) -> list[LayerPart]:
    """Compare the layers that a run's target is made of.

    Args:
        run: a run folder.
        items: of one modality, at least one.

    Raises:
        CheckpointError: if there is no such run.
        ConfigError: if the run has no such modality.
        MediaError: if an item cannot be decoded.
    """
    encoder = trained(run)
    student, modality = encoder.student.cpu(), items[0].modality
    settings = student.config.of(modality).target
    inputs = encoder.collators[modality]([item_tensor(item, student.config) for item in items])
    states = student.encode(modality, student.embed(modality, inputs), inputs)
    extra, layers = student.extra_tokens(modality), states.ffn[-settings.layers :]
    layers = [x[:, extra:].double() for x in layers]
    raw = [x - x.mean(dim=1, keepdim=True) for x in layers]
    unit = [instance_norm(x, inputs.valid) for x in layers]
    squares = [torch.tensor([float(x.square().sum()) for x in side]) for side in (raw, unit)]
    shares = [side / side.sum() for side in squares]
    first = len(states.ffn) - len(layers) + 1
    return [
        LayerPart(
            block=first + n,
            spread=float(raw[n].square().mean().sqrt()),
            raw_share=float(shares[0][n]),
            normalised_share=float(shares[1][n]),
            likeness=_likeness(unit, n),
        )
        for n in range(len(layers))
    ]


def _likeness(layers: list[torch.Tensor], n: int) -> float:
    """Return the mean correlation of layer `n` with the others; NaN if it is the only one."""
    flat = [torch.nn.functional.normalize(x.flatten(), dim=0) for x in layers]
    others = [float(flat[n] @ y) for m, y in enumerate(flat) if m != n]
    return sum(others) / len(others) if others else float("nan")
