"""Vectors from files that others wrote: .npy, .npz, .safetensors and .parquet, nothing pickled."""

import re
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from safetensors import SafetensorError, safe_open

from d2v_core.data.columnar import FEW_BYTES, MOST_RATIO, open_parquet
from d2v_core.errors import InputError

SUFFIXES = (".npy", ".npz", ".safetensors", ".parquet")
ONLY_TAP = "imported"
"""What the one layer of a file that names none is called."""

READABLE = {"F64", "F32", "F16", "I64", "I32", "I16", "I8", "U8"}
"""Kinds of numbers in a safetensors file that numpy has too."""


DAMAGED = (
    ValueError,
    EOFError,
    OSError,
    RuntimeError,
    MemoryError,
    OverflowError,
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What numpy raises, one place or another, on a file that is no array or a damaged one."""


def read_vectors(path: Path, rows: int, taps: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Return the layers of a file as float32 matrices (rows, width) by tap.

    An array of three axes is taken as layers x rows x width, as rows x layers x width, or as blocks
    of rows x width one after the other, whichever makes the rows come out.

    Args:
        path: the file; its suffix tells the format.
        rows: how many there have to be.
        taps: which layers of a file that names them, in this order; all if none is given. Of a
            file that does not, what its layers shall be called.

    Raises:
        InputError: if the file cannot be read, has no such layer, has another number of rows, or
            holds what is no finite number.
    """
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path} is none of {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    if path.suffix == ".npy":
        found = _split_layers(path, _load_numpy(path), rows, taps)
    else:
        named = {".npz": _read_npz, ".safetensors": _read_safetensors, ".parquet": _read_parquet}
        found = named[path.suffix](path, taps)
    return {tap: _checked(path, tap, x, rows) for tap, x in found.items()}


def list_columns(path: Path) -> list[str]:
    """Return the columns of a Parquet file that hold lists of numbers."""
    schema = _schema(path)
    return [field.name for field in schema if _is_list_of_numbers(field.type)]


def plain_columns(path: Path) -> list[str]:
    """Return the columns of a Parquet file that hold one value a row."""
    return [field.name for field in _schema(path) if not pa.types.is_nested(field.type)]


def _schema(path: Path) -> pa.Schema:
    with open_parquet(path) as file:
        return file.schema_arrow


def _is_list_of_numbers(kind: pa.DataType) -> bool:
    is_list = (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )
    return is_list and (pa.types.is_floating(kind.value_type) or _is_integer(kind.value_type))


def _is_integer(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind))


def _load_numpy(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False, mmap_mode="r")
    except DAMAGED as error:
        raise _numpy_refusal(path, error) from error


def _numpy_refusal(path: Path, error: Exception) -> InputError:
    if any(word in str(error) for word in ("Object arrays", "Python objects", "pickle")):
        return InputError(
            f"{path} holds Python objects, which could run anything when they are loaded; "
            "save plain numbers"
        )
    return InputError(f"{path} is no array of numpy, or a damaged one: {error}")


def _split_layers(
    path: Path, x: np.ndarray, rows: int, taps: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return the layers of an array of two or three axes."""
    if x.ndim == 2:
        layers = [x]
    elif x.ndim != 3:
        raise InputError(f"{path} has {x.ndim} axes; rows x width are wanted, or three with layers")
    elif x.shape[0] * x.shape[1] == rows:
        layers = [x.reshape(rows, x.shape[2])]
    elif x.shape[0] == x.shape[1] == rows:
        raise InputError(
            f"{path} has {rows} x {rows} x {x.shape[2]} numbers: which axis is the layers cannot "
            "be told; save an .npz with one array a layer"
        )
    elif x.shape[1] == rows:
        layers = list(x)
    elif x.shape[0] == rows:
        layers = [x[:, number] for number in range(x.shape[1])]
    else:
        raise InputError(f"{path} has {' x '.join(map(str, x.shape))} numbers, but {rows} rows")
    names = list(taps) or ([ONLY_TAP] if len(layers) == 1 else _numbered(len(layers)))
    if len(names) != len(layers):
        raise InputError(f"{path} has {len(layers)} layers, but {len(names)} taps are named")
    if len(set(names)) < len(names):
        raise InputError(f"taps {', '.join(names)}: every layer needs a name of its own")
    return dict(zip(names, layers, strict=True))


def _numbered(count: int) -> list[str]:
    return [f"layer_{number:02d}" for number in range(count)]


def _read_npz(path: Path, taps: Sequence[str]) -> dict[str, np.ndarray]:
    try:
        # opened here, because numpy leaves a damaged archive open
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            _check_size(path, file.zip)
            return {tap: file[tap] for tap in _chosen(path, file.files, taps)}
    except DAMAGED as error:
        raise _numpy_refusal(path, error) from error


def _check_size(path: Path, archive: zipfile.ZipFile) -> None:
    """Raise InputError if an archive says that it unpacks to far more than numbers do."""
    packed, said = path.stat().st_size, sum(info.file_size for info in archive.infolist())
    if said > max(FEW_BYTES, MOST_RATIO * packed):
        raise InputError(f"{path} has {packed:,} bytes and unpacks to {said:,}: refused")


def _read_safetensors(path: Path, taps: Sequence[str]) -> dict[str, np.ndarray]:
    try:
        with safe_open(path, framework="numpy") as file:
            names = _chosen(path, sorted(file.keys(), key=_natural), taps)
            for name in names:
                kind = file.get_slice(name).get_dtype()
                if kind not in READABLE:
                    raise InputError(f"{name} in {path} is {kind}; save it as F32 or F16")
            return {name: file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise InputError(f"{path} is no safetensors file, or a damaged one: {error}") from error


def _read_parquet(path: Path, taps: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the columns that hold a list of numbers in every row."""
    names = _chosen(path, list_columns(path), taps)
    with open_parquet(path) as file:
        table = file.read(columns=names)
        table.validate(full=True)
    return {name: _stacked(path, name, table[name]) for name in names}


def _stacked(path: Path, name: str, column: pa.ChunkedArray) -> np.ndarray:
    if column.null_count:
        raise InputError(f"{name} in {path} has {column.null_count} rows without a vector")
    lengths = sorted({0 if row is None else len(row) for row in column})
    if len(lengths) != 1:
        raise InputError(
            f"{name} in {path} is ragged: its vectors have {lengths[0]} to {lengths[-1]} numbers"
            if lengths
            else f"{name} in {path} has no row"
        )
    parts = [chunk.flatten() for chunk in column.chunks]
    if any(part.null_count for part in parts):
        raise InputError(f"{name} in {path} has vectors with missing numbers")
    flat = np.concatenate([part.to_numpy(zero_copy_only=False) for part in parts])
    return flat.reshape(len(column), lengths[0])


def _chosen(path: Path, names: Sequence[str], taps: Sequence[str]) -> list[str]:
    """Return the wanted layers, each of which has to be there."""
    if not names:
        raise InputError(f"{path} holds no vectors")
    missing = [tap for tap in taps if tap not in names]
    if missing:
        raise InputError(f"{path} has no {missing[0]!r}; it has {', '.join(names)}")
    return list(dict.fromkeys(taps)) or list(names)


def _natural(name: str) -> list[tuple[int, str]]:
    """Return what sorts layer_2 before layer_10."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdigit() else (0, part) for part in parts]


def _checked(path: Path, tap: str, x: np.ndarray, rows: int) -> np.ndarray:
    """Return one layer as float32, once it is what it has to be."""
    where = f"{tap} in {path}"
    if x.dtype.kind not in "fiu":
        raise InputError(f"{where} holds {x.dtype}, no numbers")
    if x.ndim != 2 or x.shape[1] == 0:
        shape = " x ".join(map(str, x.shape)) or "a single number"
        raise InputError(f"{where} is {shape}; rows x width are wanted")
    if len(x) != rows:
        raise InputError(f"{where} has {len(x)} vectors, but the metadata have {rows} rows")
    with np.errstate(over="ignore"):  # what overflows is refused in the next line
        kept = np.asarray(x, dtype=np.float32)
    bad = np.flatnonzero(~np.isfinite(kept).all(axis=1))
    if len(bad):
        raise InputError(
            f"{where} has {len(bad)} vectors that are not finite, the first in row {bad[0] + 1}"
        )
    return kept
