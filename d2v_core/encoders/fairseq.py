"""Official data2vec 2.0 checkpoints, as fairseq writes them, read without fairseq.

Pictures, raw sound, text, and EAT's spectrograms; pretrained or fine-tuned; the student or its
teacher. Every weight is accounted for, and no pickle is executed.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from d2v_core.data.audio import decode_audio
from d2v_core.data.items import Item
from d2v_core.data.kaldi import eat_spectrogram
from d2v_core.data.vocabulary import is_fairseq_folder
from d2v_core.encoders.fairseq_names import (
    POSITIONS,
    architecture,
    ours,
    pretrained,
    without_leftovers,
)
from d2v_core.encoders.foreign_texts import PUBLISHED
from d2v_core.encoders.pooling import Pooling
from d2v_core.encoders.run import hash_of
from d2v_core.encoders.student import StudentEncoder
from d2v_core.encoders.torch_files import read_file
from d2v_core.errors import CheckpointError
from d2v_core.modality_config import MelConfig
from d2v_core.model import Student

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def official(
    path: Path, *, teacher: bool = False, pooling: Pooling = "mean", ffn: bool = False
) -> StudentEncoder:
    """Return the encoder of an official checkpoint.

    Args:
        path: a fairseq `.pt` file; of texts with `dict.txt`, `encoder.json` and `vocab.bpe` beside
            it, or the hub's copy of the same vocabulary is taken.
        teacher: take the moving average (`_ema`) in place of the student.
        pooling: of the tokens.
        ffn: whether every block's MLP output has taps too.

    Raises:
        CheckpointError: if the file is missing or broken, would have to execute a pickle, is of
            another family, or has a weight too many or too few.
    """
    try:
        student, weights = read_official(path, teacher=teacher)
    except CheckpointError as error:
        raise CheckpointError(f"{path.name}: {error}") from error
    name = f"{path.stem}-ema" if teacher else path.stem
    return of_official(name, student, weights, pooling=pooling, ffn=ffn)


def of_official(
    name: str,
    student: Student,
    weights: Mapping[str, Tensor],
    *,
    pooling: Pooling = "mean",
    ffn: bool = False,
) -> StudentEncoder:
    """Return the encoder of an official model that is filled with its weights."""
    found = hash_of(student.config, weights)
    encoder = StudentEncoder(name, student, weights_hash=found, pooling=pooling, ffn=ffn)
    if isinstance(student.config.audio, MelConfig):
        encoder.load = partial(eat_tensor, mel=student.config.audio)
    return encoder


def eat_tensor(item: Item, mel: MelConfig) -> Float[Tensor, "frames bins"]:
    """Decode a recording as EAT hears it, a spectrogram as Kaldi makes them.

    Padding will be masked, which the original does not.

    Raises:
        MediaError: with the reason, if it cannot be decoded.
    """
    samples = decode_audio(item.file, first_seconds=mel.max_frames / 100)
    return eat_spectrogram(torch.as_tensor(samples), bins=mel.bins)[: mel.max_frames]


def read_official(path: Path, *, teacher: bool) -> tuple[Student, dict[str, Tensor]]:
    """Return a student with the weights of an official checkpoint, and the weights.

    Raises:
        CheckpointError: as `official`.
    """
    file = _fairseq_file(path)
    theirs, sense = pretrained(file["model"])
    average = theirs.pop("_ema", None)
    if teacher:
        theirs = _teacher(theirs, average)
    weights = ours(theirs, sense)
    settings = file.get("cfg") or {}
    settings = settings.get("model") if isinstance(settings, Mapping) else None
    heads = settings.get("num_heads") if isinstance(settings, Mapping) else None
    beside = path.parent if is_fairseq_folder(path.parent) else None
    config = architecture(weights, sense, heads=heads, vocabulary=str(beside or PUBLISHED))
    student = Student(config)
    if config.image is not None:
        _take_minus_one_to_one(weights)
    fill(student, weights)
    return student, weights


def _fairseq_file(path: Path) -> dict[str, Any]:
    file = read_file(path)
    if not isinstance(file, dict) or not isinstance(file.get("model"), dict):
        raise CheckpointError("it is no fairseq checkpoint: it has no `model`")
    if not all(isinstance(name, str) for name in file["model"]):
        raise CheckpointError("it is no fairseq checkpoint: its weights have no names")
    return file


def _teacher(student: dict[str, Tensor], average: object) -> dict[str, Tensor]:
    """Return the student's weights with the teacher's in their places."""
    if not isinstance(average, Mapping):
        raise CheckpointError("it holds no teacher (`_ema`); leave it at the student")
    # A teacher that is made of blocks only has no names in front of their numbers.
    named = {f"blocks.{n}" if n[:1].isdigit() else n: value for n, value in average.items()}
    named = without_leftovers(named)
    extra = sorted(set(named) - set(student))
    if extra:
        raise CheckpointError(f"its teacher has {extra[0]}, which its student has not")
    return student | named


def _take_minus_one_to_one(weights: dict[str, Tensor]) -> None:
    """Make the first layer take pictures from -1 to 1 in place of ImageNet's mean and deviation."""
    name = "prenets.image.tokens.proj"
    mean, std = (torch.tensor(x)[:, None, None] for x in (IMAGENET_MEAN, IMAGENET_STD))
    weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    weights[f"{name}.bias"] = bias + (weight * ((0.5 - mean) / std)).sum(dim=(1, 2, 3))
    weights[f"{name}.weight"] = weight * (0.5 / std)


def fill(student: Student, weights: Mapping[str, Tensor]) -> None:
    """Load all the weights, fixed positions among them.

    Raises:
        CheckpointError: if one is missing, left over or of another shape.
    """
    (modality,) = student.config.modalities
    tokens = cast(nn.Module, student.prenet(modality).tokens)
    parameters = {n: value for n, value in weights.items() if n != POSITIONS}
    empty = {n: value for n, value in student.state_dict().items() if not value.numel()}
    try:
        student.load_state_dict(empty | parameters)
    except RuntimeError as error:
        raise CheckpointError(" ".join(str(error).split())) from error
    if POSITIONS in weights:
        buffer = tokens.get_buffer(POSITIONS)
        if buffer.shape != weights[POSITIONS].shape:
            raise CheckpointError(
                f"its positions are {tuple(weights[POSITIONS].shape)}, wanted {tuple(buffer.shape)}"
            )
        buffer.copy_(weights[POSITIONS])
