"""Checkpoints of other people in files of their own, opened as models of the Hugging Face library.

What a file is, is told from the names of its weights; its prefix only says that it is a file.
"""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from d2v_core.encoders.fairseq import official
from d2v_core.encoders.foreign_audio import is_audio, read_audio
from d2v_core.encoders.foreign_images import is_image, read_image
from d2v_core.encoders.foreign_names import Foreign, filled
from d2v_core.encoders.foreign_texts import is_text, read_text
from d2v_core.encoders.huggingface import Choice, HuggingFaceEncoder
from d2v_core.encoders.huggingface_families import BY_TYPE, Tower
from d2v_core.encoders.huggingface_files import library, random_model, refusals
from d2v_core.encoders.huggingface_inputs import preparation
from d2v_core.encoders.huggingface_parts import Part
from d2v_core.encoders.openclip import (
    CONFIG,
    TOKENIZER,
    is_openclip,
    read_openclip,
    weights_file,
)
from d2v_core.encoders.pooling import Pooling
from d2v_core.encoders.student import StudentEncoder
from d2v_core.encoders.torch_files import read_file, settings_of, weights_of
from d2v_core.errors import CheckpointError, InputError
from d2v_core.modality import MODALITIES, Modality

KINDS = ("file", "fairseq")
"""What may stand in front of a file; the second is older, and means the same."""

_OURS = "modality_encoders."
_UNDERSTOOD = (
    "data2vec 2.0 and EAT; data2vec 1.0, HuBERT, wav2vec 2.0 and RoBERTa as fairseq writes them; "
    "data2vec 1.0 for pictures; MAE and plain vision transformers; open_clip folders"
)


@dataclass(frozen=True)
class Asked:
    """What is asked of a file, by what stands in front of its name: `file-ema:FILE`."""

    teacher: bool
    choice: Choice


def asked_of(kind: str) -> Asked | None:
    """Return what stands in front of a name, None if it is none of these.

    Raises:
        InputError: if it starts like one and goes on otherwise.
    """
    start, *words = kind.split("-")
    if start not in KINDS:
        return None
    towers: list[Modality] = [m for m in MODALITIES if m in words]
    known = {"ema", "random", "bf16", *MODALITIES}
    if not set(words) <= known or len(set(words)) < len(words) or len(towers) > 1:
        raise InputError(
            f"{kind}: is not understood; behind {start} may stand -ema, -random, -bf16 and one of "
            f"{', '.join(f'-{m}' for m in MODALITIES)}"
        )
    choice = Choice("random" in words, "bf16" in words, towers[0] if towers else None)
    return Asked("ema" in words, choice)


def open_file(
    path: Path, asked: Asked, *, seed: int = 0, pooling: Pooling = "mean", ffn: bool = False
) -> HuggingFaceEncoder | StudentEncoder:
    """Return the encoder of a checkpoint in a file, or in a folder of open_clip.

    Args:
        path: of the file, or the folder.
        asked: the student or its teacher, trained or fresh weights, all towers or one.
        seed: of fresh weights.
        pooling: of the tokens.
        ffn: whether every block's MLP output has taps too.

    Raises:
        CheckpointError: if it is missing or broken, would have to execute something, is of a kind
            that is not understood, or has a weight too many or too few.
        InputError: if it has not what is asked for.
    """
    foreign = read_foreign(path, teacher=asked.teacher)
    if foreign is None:
        if asked.choice != Choice():
            raise InputError(
                f"{path.name} is a data2vec 2.0 file, of which the student or, by fairseq-ema, "
                "the teacher is taken, and nothing else"
            )
        return official(path, teacher=asked.teacher, pooling=pooling, ffn=ffn)
    called = path.resolve().name if path.is_dir() else path.stem
    called = f"{called}-ema" if asked.teacher else called
    try:
        model = model_of(foreign, seed=seed if asked.choice.random else None, to_encode=True)
        parts = parts_of(foreign, model, only=asked.choice.only)
    except CheckpointError as error:
        raise CheckpointError(f"{path.name}: {error}") from error
    if not parts:
        family = BY_TYPE[foreign.type]
        raise InputError(
            f"{path.name} is {family.title}, which encodes {', '.join(family.modalities)} and not "
            f"{asked.choice.only}"
        )
    return HuggingFaceEncoder(
        f"{KINDS[0]}-random:{called}" if asked.choice.random else called,
        parts,
        choice=asked.choice,
        pooling=pooling,
        ffn=ffn,
    )


def read_foreign(path: Path, *, teacher: bool = False) -> Foreign | None:
    """Return the model in a file; None for data2vec 2.0, which the library has no class for.

    Args:
        path: of the file, or a folder of open_clip.
        teacher: take the moving average in place of the student.

    Raises:
        CheckpointError: as `open_file`.
    """
    try:
        return _read(path, teacher=teacher)
    except CheckpointError as error:
        raise CheckpointError(f"{path.name}: {error}") from error


def _read(path: Path, *, teacher: bool) -> Foreign | None:
    if path.is_dir():
        if not (path / CONFIG).is_file():
            raise CheckpointError(
                f"there is no such file; it is a folder, without the {CONFIG} of open_clip: name "
                f"the file in it, or hf:{path.name} if it is one of the Hugging Face library"
            )
        folder, file = path, read_file(weights_file(path))
    else:
        folder, file = path.parent, read_file(path)
    weights, settings = weights_of(file), settings_of(file)
    if any(_OURS in name for name in weights):
        return None
    if is_audio(weights):
        return read_audio(weights, settings, teacher=teacher)
    if is_text(weights):
        return read_text(weights, settings, folder, teacher=teacher)
    if teacher:
        raise CheckpointError("it holds no teacher (`_ema`); leave it at the student")
    if is_openclip(weights):
        return read_openclip(weights, folder)
    if is_image(weights):
        return read_image(weights)
    raise CheckpointError(
        f"its weights are of no kind that is understood, {', '.join(list(weights)[:3])} the first "
        f"of them; understood are {_UNDERSTOOD}"
    )


def model_of(foreign: Foreign, *, seed: int | None = None, to_encode: bool = False) -> nn.Module:
    """Return the model with every weight in its place, in fp32.

    Args:
        foreign: from a file.
        seed: of fresh random weights; None for those of the file.
        to_encode: with the settings changed that are for training, as MAE's masks.

    Raises:
        CheckpointError: if a weight is missing, left over or of another shape.
    """
    family, config = BY_TYPE[foreign.type], copy.deepcopy(foreign.config)
    if to_encode:
        for name, value in family.settings.items():
            setattr(config, name, value)
    if seed is not None:
        return random_model(family, config, seed=seed)
    made = getattr(library(), family.model)
    pooler = {"add_pooling_layer": foreign.pooler} if family.pooler else {}
    with refusals("its sizes"):
        model = made(config, **pooler)
    return filled(model, foreign.weights, title=family.title)


def parts_of(foreign: Foreign, model: nn.Module, *, only: Modality | None = None) -> list[Part]:
    """Return the towers of a model with what prepares their input.

    Raises:
        CheckpointError: if there is no tokenizer for a tower that reads.
    """
    towers = [t for t in BY_TYPE[foreign.type].towers if only in (None, t.modality)]
    return [_part(foreign, model, tower) for tower in towers]


def _part(foreign: Foreign, model: nn.Module, tower: Tower) -> Part:
    processor = foreign.processors.get(tower.modality)
    if processor is None:
        raise CheckpointError(
            f"it has no {TOKENIZER}, without which no text can be read: put the one that was "
            "published with it beside its weights, or take its pictures alone, by file-image:"
        )
    config: Any = getattr(model.get_submodule(tower.at), "config", model.config)
    prepare = preparation(tower, processor, config)
    return Part(model, tower, config=config, prepare=prepare, head=None)
