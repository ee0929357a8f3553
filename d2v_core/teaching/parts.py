"""How many weights of a run belong to whom: to one modality, or to all."""

from dataclasses import dataclass
from math import prod
from pathlib import Path

from safetensors import SafetensorError, safe_open

from d2v_core.checkpoint import newest_checkpoint
from d2v_core.errors import CheckpointError
from d2v_core.modality import MODALITIES

SHARED = "shared"
PART_OF = {
    "prenets": "before the trunk",
    "trunks": "trunk",
    "objectives": "predictor, dropped after training",
    "contrastive": "head of the shared space",
    "latent": "head of the shared space",
}
"""What the modules of a learner are to somebody who counts."""


@dataclass(frozen=True)
class PartCount:
    """Weights of one part of a run.

    Attributes:
        part: what it is.
        owner: the modality, or `SHARED` if all use it.
        weights: how many numbers are learnt.
    """

    part: str
    owner: str
    weights: int


def count_parts(run: Path) -> list[PartCount]:
    """Count the weights in the newest checkpoint of a run, from what its file says of itself.

    Raises:
        CheckpointError: if there is no checkpoint, or its file cannot be read.
    """
    file = newest_checkpoint(run) / "learner.safetensors"
    found: dict[tuple[str, str], int] = {}
    try:
        with safe_open(file, "pt") as tensors:
            for name in tensors.keys():  # it is no mapping
                key = part_and_owner(name)
                shape = tensors.get_slice(name).get_shape()
                found[key] = found.get(key, 0) + prod(shape)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{file} cannot be read: {error}") from error
    return [PartCount(*key, weights) for key, weights in found.items() if weights]


def part_and_owner(name: str) -> tuple[str, str]:
    """Return the part that a tensor belongs to, and whose it is.

    Temperatures and heads that stand between two modalities are nobody's alone.
    """
    path = name.removeprefix("student.").split(".")
    part = PART_OF.get(path[0], path[0])
    owner = next((word for word in path[1:] if word in MODALITIES), SHARED)
    return part, owner
