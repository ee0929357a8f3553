"""Checkpoints into folders that others can open, each held against what it was made from.

A model that the Hugging Face library has a class for becomes a folder of that library; any other
becomes settings and safetensors of our own. Nothing is left behind that was not opened again and
found to give the same layers.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from d2v_core.checkpoint import newest_checkpoint, read_run, start_run
from d2v_core.config import RunConfig
from d2v_core.encoders import foreign_texts
from d2v_core.encoders.encoder import Encoder
from d2v_core.encoders.exported import STUDENT, exported, write_exported
from d2v_core.encoders.fairseq import of_official, read_official
from d2v_core.encoders.foreign import asked_of, model_of, parts_of, read_foreign
from d2v_core.encoders.foreign_names import Foreign
from d2v_core.encoders.huggingface import Choice, HuggingFaceEncoder, choice_of, huggingface
from d2v_core.encoders.huggingface_families import BY_TYPE
from d2v_core.encoders.huggingface_files import (
    family_of,
    find,
    library,
    processor_of,
    read_config,
    read_json,
    refusals,
)
from d2v_core.encoders.openclip import CONFIG as OPEN_CLIP
from d2v_core.encoders.run import trained
from d2v_core.encoders.sentences import read_head
from d2v_core.errors import CheckpointError, InputError
from d2v_core.likeness import MOST_DIFFERENCE, Likeness, likeness
from d2v_core.modality import Modality
from d2v_core.modality_config import WaveConfig
from d2v_core.safe_copy import copy_safely, pickled_places

_FIRST: dict[str, Any] = {"pooling": "first", "ffn": True}
"""Every token in front is compared too, and every MLP's output."""


@dataclass(frozen=True, kw_only=True)
class Converted:
    """What was written, and how like its source it is."""

    source: str
    folder: str
    model: str
    """The class of the Hugging Face library, or `Student`, ours."""

    opens: str
    """What the folder is called where an encoder is named."""

    sentence: str
    likeness: Likeness
    dropped: list[str] = field(default_factory=list)
    """Weights of the source that no layer needs, by their names: heads, decoders, leftovers."""

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON."""
        return {**vars(self), "likeness": self.likeness.to_json()}


def convert(
    name: str, out: Path, *, progress: Callable[[int, int], None] = lambda _done, _of: None
) -> Converted:
    """Write a checkpoint as a folder that others can open, and compare the two.

    Args:
        name: a file or a folder, with or without what stands in front of it where an encoder is
            named: `fairseq-ema:FILE`, `file-image:FOLDER`, `hf:ID`.
        out: the folder; it must not be there.
        progress: is told how many of how many steps are done: written and opened, compared.

    Raises:
        InputError: if there is nothing to convert, or `out` is there.
        CheckpointError: if the source cannot be read, or what was written is not like it.
    """
    if out.exists() or out.is_symlink():
        raise InputError(f"{out} is there already; name a folder that is not")
    kind, rest = _named(name)
    asked, choice = asked_of(kind), choice_of(kind)
    if choice is None and asked is not None:
        choice = asked.choice
    if choice is not None and (choice.random or choice.bf16):
        raise InputError(f"{kind}: makes a model of its own; what is converted is the file's")
    progress(0, 2)
    with _aside(out) as folder:
        if asked is not None:
            done = _file(Path(rest).expanduser(), asked.teacher, asked.choice.only, folder)
        elif choice is not None:
            done = _safe_copy(rest, choice.only, folder)
        else:
            done = _run(Path(rest), folder)
        progress(1, 2)
        found = likeness(done.source, done.written)
        progress(2, 2)
        if found.difference > MOST_DIFFERENCE:
            raise CheckpointError(
                f"what was written of {name} is not like it: its layers differ by up to "
                f"{found.difference:.1e}, at {found.at}; nothing is kept"
            )
    start = "" if done.model == "Student" else "hf-image:" if done.only == "image" else "hf:"
    return Converted(
        source=name,
        folder=str(out),
        model=done.model,
        opens=f"{start}{out}",
        sentence=done.sentence,
        likeness=found,
        dropped=done.dropped,
    )


@dataclass(frozen=True, kw_only=True)
class _Done:
    source: Encoder
    written: Encoder
    model: str
    sentence: str
    dropped: list[str] = field(default_factory=list)
    only: Modality | None = None


def _named(name: str) -> tuple[str, str]:
    """Return what stands in front of a name, or would, and the rest.

    Raises:
        InputError: if it is nothing that can be converted.
    """
    kind, colon, rest = name.partition(":")
    if colon and (asked_of(kind) is not None or choice_of(kind) is not None):
        return kind, rest
    path = Path(name).expanduser()
    if path.is_file() or (path / OPEN_CLIP).is_file():
        return "file", name
    if (path / STUDENT).is_file():
        raise InputError(f"{name} is converted already: d2v embed {name} opens it")
    if (path / "config.json").is_file():
        is_library = "model_type" in read_json(path / "config.json")
        return ("hf" if is_library else "run"), name
    if path.parent.name == "checkpoints" and (path / "state.json").is_file():
        return "run", name
    raise InputError(
        f"there is no checkpoint {name}; name a file, a run folder, or a folder of open_clip or of "
        "the Hugging Face library"
    )


@contextmanager
def _aside(out: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes `out` in the end, or is gone if anything went wrong."""
    aside: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        folder = aside / out.name
        folder.mkdir()
        yield folder
        folder.rename(out)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{out} cannot be written: {error}") from error
    finally:
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)


def _file(path: Path, teacher: bool, only: Modality | None, folder: Path) -> _Done:
    foreign = read_foreign(path, teacher=teacher)
    if foreign is not None:
        return _library(foreign, only, folder, called=path.name)
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
    return _Done(
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


def _library(foreign: Foreign, only: Modality | None, folder: Path, *, called: str) -> _Done:
    try:
        model = model_of(foreign)
        trains_otherwise = bool(BY_TYPE[foreign.type].settings)
        encodes = model_of(foreign, to_encode=True) if trains_otherwise else model
        parts = parts_of(foreign, encodes, only=only)
    except CheckpointError as error:
        raise CheckpointError(f"{called}: {error}") from error
    _write(foreign, model, folder)
    source = HuggingFaceEncoder(called, parts, choice=Choice(only=only), **_FIRST)
    return _Done(
        source=source,
        written=_opened(foreign.type, folder, only),
        model=type(model).__name__,
        sentence=_opens(foreign),
        dropped=foreign.dropped,
        only=only,
    )


def _texts(source: Encoder, foreign: Foreign, folder: Path) -> _Done:
    model = model_of(foreign)
    _write(foreign, model, folder)
    return _Done(
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


def _safe_copy(name: str, only: Modality | None, folder: Path) -> _Done:
    there = find(name)
    if not pickled_places(there):
        raise InputError(
            f"{name} has no pickled weights: transformers.AutoModel opens it as it is, and "
            f"d2v embed hf:{name}"
        )
    source = huggingface(name, Choice(only=only), **_FIRST)
    copy_safely(there, folder)
    return _Done(
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


def _run(run: Path, folder: Path) -> _Done:
    """Write what encodes of a run of ours."""
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
    return _Done(
        source=source,
        written=trained(folder, **_FIRST),
        model="Student",
        sentence="The Hugging Face library has no class for it. It is a run folder with what "
        "encodes, without teacher and optimiser, which d2v embed opens.",
    )
