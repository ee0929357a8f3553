"""A student by itself in a folder of its own: settings and safetensors, neither heads nor teacher.

FOLDER/
├── config.json            the settings, and where the weights are from
└── student.safetensors    with the fixed positions, where the model has such
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from d2v_core.checkpoint import FORMAT, load_tensors, read_run, write_json
from d2v_core.config import RunConfig, to_json
from d2v_core.encoders.fairseq import fill, of_official
from d2v_core.encoders.fairseq_names import POSITIONS
from d2v_core.encoders.pooling import Pooling
from d2v_core.encoders.student import StudentEncoder
from d2v_core.errors import CheckpointError
from d2v_core.model import Student

STUDENT = "student.safetensors"
MOST_LAYERS = 1_000


def write_exported(
    folder: Path, config: RunConfig, weights: Mapping[str, Tensor], about: dict[str, Any]
) -> None:
    """Write a student of one modality into a folder that is there.

    Args:
        folder: empty.
        config: of the student.
        weights: all of them, and the fixed positions.
        about: where it is from.
    """
    save_file({name: x.contiguous() for name, x in weights.items()}, folder / STUDENT)
    values = {"format": FORMAT, "config": to_json(config), "about": about}
    write_json(folder / "config.json", values)


def exported(folder: Path, *, pooling: Pooling = "mean", ffn: bool = False) -> StudentEncoder:
    """Return the encoder of such a folder.

    Raises:
        CheckpointError: if its settings are missing or broken, or its weights are not theirs.
    """
    config, about = read_run(folder)
    weights = load_tensors(folder / STUDENT)
    _check_fit(config, weights, folder / STUDENT)
    student = Student(config)
    try:
        fill(student, weights)
    except CheckpointError as error:
        raise CheckpointError(f"{folder / STUDENT}: {error}") from error
    name = str(about.get("name") or folder.resolve().name)
    return of_official(name, student, weights, pooling=pooling, ffn=ffn)


def _check_fit(config: RunConfig, weights: Mapping[str, Tensor], path: Path) -> None:
    """Refuse weights that are not those of the settings, before the settings take memory."""
    wrong = f"{path} does not fit its config.json"
    if max(config.trunk.depth, config.trunk.prenet_depth) > min(len(weights), MOST_LAYERS):
        raise CheckpointError(
            f"{wrong}: of {config.trunk.depth} layers; it has {len(weights)} tensors"
        )
    try:
        with torch.device("meta"):  # shapes without numbers
            wanted = {n: tuple(x.shape) for n, x in Student(config).state_dict().items()}
    except (RuntimeError, ValueError, TypeError, ArithmeticError) as error:
        raise CheckpointError(f"{wrong}: its settings make no model: {error}") from error
    there = {n: tuple(x.shape) for n, x in weights.items() if n != POSITIONS}
    wanted = {n: shape for n, shape in wanted.items() if n in there or 0 not in shape}
    for name in sorted(wanted.keys() | there.keys()):
        if wanted.get(name) != there.get(name):
            raise CheckpointError(
                f"{wrong}: {name} is {there.get(name, 'missing')}, wanted "
                f"{wanted.get(name, 'no such thing')}"
            )
    for name, tensor in weights.items():
        if not bool(tensor.isfinite().all()):
            raise CheckpointError(f"{path}: {name} is not finite: it is damaged")
