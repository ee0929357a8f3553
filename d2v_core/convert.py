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

from safetensors import SafetensorError

from d2v_core.conversions import of_file, of_library, of_run
from d2v_core.encoders.exported import STUDENT
from d2v_core.encoders.foreign import asked_of
from d2v_core.encoders.huggingface import choice_of
from d2v_core.encoders.huggingface_files import read_json
from d2v_core.encoders.openclip import CONFIG as OPEN_CLIP
from d2v_core.errors import CheckpointError, InputError
from d2v_core.likeness import MOST_DIFFERENCE, Likeness, likeness


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
            path, only = Path(rest).expanduser(), asked.choice.only
            done = of_file(path, folder, teacher=asked.teacher, only=only)
        elif choice is not None:
            done = of_library(rest, folder, only=choice.only)
        else:
            done = of_run(Path(rest), folder)
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
