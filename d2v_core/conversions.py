"""Each kind of checkpoint as a folder that others can open, and that folder opened again."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from d2v_core.checkpoint import newest_checkpoint, read_run, start_run
from d2v_core.config import RunConfig
from d2v_core.encoders import foreign_texts
from d2v_core.encoders.encoder import Encoder
from d2v_core.encoders.exported import exported, write_exported
from d2v_core.encoders.fairseq import of_official, read_official
from d2v_core.encoders.foreign import model_of, parts_of, read_foreign
from d2v_core.encoders.foreign_names import Foreign
from d2v_core.encoders.huggingface import Choice, HuggingFaceEncoder, huggingface
from d2v_core.encoders.huggingface_families import BY_TYPE
from d2v_core.encoders.huggingface_files import (
    family_of,
    find,
    library,
    processor_of,
    read_config,
    refusals,
)
from d2v_core.encoders.run import trained
from d2v_core.encoders.sentences import read_head
from d2v_core.errors import CheckpointError, InputError
from d2v_core.modality import Modality
from d2v_core.modality_config import WaveConfig
from d2v_core.safe_copy import copy_safely, pickled_places

_FIRST: dict[str, Any] = {"pooling": "first", "ffn": True}
"""Every token in front is compared too, and every MLP's output."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """What was written, and both sides of it as encoders."""

    source: Encoder
    written: Encoder
    model: str
    sentence: str
    dropped: list[str] = field(default_factory=list)
    only: Modality | None = None


def of_file(path: Path, folder: Path, *, teacher: bool, only: Modality | None) -> Done:
    """Write a checkpoint in a file of its own.

    Args:
        path: the file, or a folder of open_clip.
        folder: where it goes; it is there, and empty.
        teacher: the teacher in place of the student, where there is one.
        only: one tower of two.

    Raises:
        InputError: if it has no such tower.
        CheckpointError: if it cannot be read.
    """
    foreign = read_foreign(path, teacher=teacher)
    if foreign is not None:
        return _foreign(foreign, only, folder, called=path.name)
    if only is not None:
        raise InputError(f"{path.name} is a data2vec 2.0 file, which has one modality")
    try:
        student, weights = read_official(path, teacher=teacher)
    except CheckpointError as error:
        raise CheckpointError(f"{path.name}: {error}") from error
    source = of_official(path.stem, student, weights, **_FIRST)
    if foreign_texts.is_equivalent(student.config):
        return _texts(
            source, foreign_texts.of_student(student.config, student.state_dict()), folder
        )
    write_exported(folder, student.config, weights, {"name": path.stem, "data": ""})
    return Done(
        source=source,
        written=exported(folder, **_FIRST),
        model="Student",
        sentence=f"The Hugging Face library has no class for it: {_reason(student.config)}. It is "
        "in our own format, which d2v embed opens.",
    )


def _reason(config: RunConfig) -> str:
    """Return why a data2vec 2.0 model is none of the Hugging Face library."""
    if isinstance(config.audio, WaveConfig):
        return "its attention counts distance (ALiBi)"
    if config.text is not None:
        return "it has blocks before those of its trunk"
    return "its blocks normalise what they give and not what they take"


def _foreign(foreign: Foreign, only: Modality | None, folder: Path, *, called: str) -> Done:
    try:
        model = model_of(foreign)
        trains_otherwise = bool(BY_TYPE[foreign.type].settings)
        encodes = model_of(foreign, to_encode=True) if trains_otherwise else model
        parts = parts_of(foreign, encodes, only=only)
    except CheckpointError as error:
        raise CheckpointError(f"{called}: {error}") from error
    _write(foreign, model, folder)
    source = HuggingFaceEncoder(called, parts, choice=Choice(only=only), **_FIRST)
    return Done(
        source=source,
        written=_opened(foreign.type, folder, only),
        model=type(model).__name__,
        sentence=_opens(foreign),
        dropped=foreign.dropped,
        only=only,
    )


def _texts(source: Encoder, foreign: Foreign, folder: Path) -> Done:
    model = model_of(foreign)
    _write(foreign, model, folder)
    return Done(
        source=source,
        written=_opened(foreign.type, folder, None),
        model=type(model).__name__,
        sentence=_opens(foreign),
        dropped=foreign.dropped,
    )


def _opens(foreign: Foreign) -> str:
    said = "transformers.AutoModel opens it."
    # Of data2vec for pictures AutoModel makes none unless it is asked to.
    makes_one_up = BY_TYPE[foreign.type].pooler and foreign.type != "data2vec-vision"
    if makes_one_up and not foreign.pooler:
        said += " The source has no pooler: what AutoModel gives as pooler_output means nothing."
    return said


def _write(foreign: Foreign, model: Any, folder: Path) -> None:  # noqa: ANN401
    model.save_pretrained(folder)
    if foreign.type == "clip" and len(foreign.processors) > 1:
        pair = foreign.processors["image"], foreign.processors["text"]
        library().CLIPProcessor(*pair).save_pretrained(folder)
        return
    for processor in foreign.processors.values():
        processor.save_pretrained(folder)


def _opened(kind: str, folder: Path, only: Modality | None) -> Encoder:
    """Return what `AutoModel` makes of a folder."""
    family = BY_TYPE[kind]
    towers = [t for t in family.towers if only in (None, t.modality)]
    processors = {t.modality: processor_of(folder, t.form) for t in towers}
    config = read_config(folder, family)
    with refusals("what was written"):
        model = library().AutoModel.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
        )
    parts = parts_of(Foreign(kind, config, {}, processors), model, only=only)
    return HuggingFaceEncoder(folder.name, parts, choice=Choice(only=only), **_FIRST)


def of_library(name: str, folder: Path, *, only: Modality | None) -> Done:
    """Write a model of the Hugging Face library without its pickle.

    Raises:
        InputError: if it has none.
        CheckpointError: if it cannot be read.
    """
    there = find(name)
    if not pickled_places(there):
        raise InputError(
            f"{name} has no pickled weights: transformers.AutoModel opens it as it is, and "
            f"d2v embed hf:{name}"
        )
    source = huggingface(name, Choice(only=only), **_FIRST)
    copy_safely(there, folder)
    return Done(
        source=source,
        written=huggingface(str(folder), Choice(only=only), **_FIRST),
        model=_class_in(there),
        sentence="The same model without a pickle: every tensor by its name, as safetensors.",
        only=only,
    )


def _class_in(folder: Path) -> str:
    """Return the class of a folder, of the transformer within it if it lists modules."""
    head = read_head(folder)
    return family_of(folder if head is None else head.transformer).model


def of_run(run: Path, folder: Path) -> Done:
    """Write what encodes of a run of ours, or of one of its checkpoints.

    Raises:
        CheckpointError: if it cannot be read.
    """
    source = trained(run, **_FIRST)
    if foreign_texts.is_equivalent(source.config) and source.contrastive is None:
        weights = source.student.state_dict()
        return _texts(source, foreign_texts.of_student(source.config, weights), folder)
    is_checkpoint = run.parent.name == "checkpoints"
    checkpoint = run if is_checkpoint else newest_checkpoint(run)
    config, about = read_run(run.parent.parent if is_checkpoint else run)
    # Where the data lay is nobody else's business.
    start_run(folder, config, about | {"data": Path(str(about.get("data", ""))).name})
    place = folder / "checkpoints" / checkpoint.name
    place.mkdir()
    for name in ("learner.safetensors", "state.json"):
        shutil.copyfile(checkpoint / name, place / name)
    return Done(
        source=source,
        written=trained(folder, **_FIRST),
        model="Student",
        sentence="The Hugging Face library has no class for it. It is a run folder with what "
        "encodes, without teacher and optimiser, which d2v embed opens.",
    )
