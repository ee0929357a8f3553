"""Files of tensors from elsewhere, read without executing anything: torch's own and safetensors."""

import argparse
import struct
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError  # torch's own refusal; nothing else of it is used
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from d2v_core.errors import CheckpointError

_DAMAGED = (
    UnpicklingError,
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    OSError,
    TypeError,
    AttributeError,
    AssertionError,
    MemoryError,
    OverflowError,
    struct.error,
    zipfile.BadZipFile,
)
"""What torch raises, one place or another, on a file that is no checkpoint or a damaged one."""

_HARMLESS = (
    "fairseq.data.dictionary.Dictionary",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.dtype",
    "numpy.dtypes.Float64DType",
    "numpy.dtypes.Int64DType",
)
"""What training leaves beside the weights of published files, and nothing here needs."""

_WRAPPINGS = ("model", "module", "state_dict")
"""Under what name a file holds its weights, if not at the top."""


class Unread:
    """Stands for what a file holds besides tensors and plain values: it keeps and does nothing.

    The real class is never looked up, imported or called.
    """

    def __init__(self, *_content: object) -> None:
        pass

    def __setstate__(self, _state: object) -> None:
        pass


def read_file(path: Path) -> object:
    """Return what a file of torch or of safetensors holds: tensors and plain values.

    Tensors stay in the file until they are used, where the format allows that.

    Raises:
        CheckpointError: if it is missing, packed or damaged, or would have to execute something.
    """
    if not path.is_file():
        raise CheckpointError("there is no such file")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"it is damaged, and is not read: {error}") from error
    _refuse_packed(path)
    try:
        known = [argparse.Namespace, *((Unread, name) for name in _HARMLESS)]
        with warnings.catch_warnings(), torch.serialization.safe_globals(known):
            warnings.simplefilter("ignore")  # it is read or refused, nothing between
            mmap = zipfile.is_zipfile(path)  # older files cannot be mapped
            file = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except _DAMAGED as error:
        # The first sentence: torch goes on with how to execute it nevertheless.
        reason = str(error).splitlines()[0].split(". ")[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"it holds more than tensors and plain values, or is damaged, and is not read: {reason}"
        ) from error
    for tensor in _tensors(file):
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise CheckpointError("a tensor of it says that it has more numbers than there are")
    return file


def _tensors(value: object) -> Iterator[Tensor]:
    """Yield the tensors in what a file holds, however deep."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _tensors(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)


def weights_of(file: object) -> dict[str, Any]:
    """Return the weights in what a file holds, by name; a teacher may be nested among them.

    Raises:
        CheckpointError: if there are none.
    """
    if isinstance(file, Mapping):
        for name in _WRAPPINGS:
            if isinstance(file.get(name), Mapping):
                file = file[name]
                break
    if not isinstance(file, Mapping) or not any(isinstance(x, Tensor) for x in file.values()):
        raise CheckpointError(
            "it is no checkpoint: it has no `model` with weights, and no weights at its top"
        )
    if not all(isinstance(name, str) for name in file):
        raise CheckpointError("it is no checkpoint: its weights have no names")
    return dict(file)


def settings_of(file: object) -> list[Mapping[str, Any]]:
    """Return every set of settings that training left in a file, the nearest to the model first.

    A fine-tuned model of fairseq keeps those of its pretraining inside of its own.
    """
    if not isinstance(file, Mapping):
        return []
    found, rest = [], [_mapping(file.get("cfg")), _mapping(file.get("args"))]
    while rest:
        settings = rest.pop(0)
        inner = [_mapping(settings.get(n)) for n in ("w2v_args", "model", "task", "transformer")]
        rest += [x for x in [*inner, _mapping(settings.get("encoder"))] if x]
        found.append(settings)
    return found


def setting(settings: list[Mapping[str, Any]], *names: str) -> Any:  # noqa: ANN401
    """Return the first value that any of these names has; None if none has one."""
    for values in settings:
        for name in names:
            if values.get(name) is not None:
                return values[name]
    return None


def _mapping(value: object) -> Mapping[str, Any]:
    if isinstance(value, argparse.Namespace):
        return vars(value)
    return value if isinstance(value, Mapping) else {}


def _refuse_packed(path: Path) -> None:
    """Raise CheckpointError for a file that unpacks to more than it is: torch never packs."""
    try:
        if not zipfile.is_zipfile(path):  # which may find that it is a damaged one
            return
        with zipfile.ZipFile(path) as archive:
            said = sum(info.file_size for info in archive.infolist())
    except _DAMAGED as error:
        raise CheckpointError(f"it is damaged, and is not read: {error}") from error
    if said > path.stat().st_size:
        raise CheckpointError("it is packed, as no file of torch is, and is not read")
