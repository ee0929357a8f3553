"""Parquet files that hold the media themselves, unpacked once into a data folder beside them.

Unpacked, because everything after wants files: to show them, to play them, to decode them in many
processes without each holding the whole table in memory.
"""

import csv
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from d2v_core.data.class_names import class_names
from d2v_core.errors import InputError
from d2v_core.modality import Modality

_MAGIC: tuple[tuple[int, bytes, Modality, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image", ".png"),
    (0, b"\xff\xd8\xff", "image", ".jpg"),
    (0, b"GIF8", "image", ".gif"),
    (0, b"BM", "image", ".bmp"),
    (0, b"II*\x00", "image", ".tif"),
    (0, b"MM\x00*", "image", ".tif"),
    (8, b"WEBP", "image", ".webp"),
    (8, b"WAVE", "audio", ".wav"),
    (8, b"AIF", "audio", ".aiff"),
    (0, b"fLaC", "audio", ".flac"),
    (0, b"OggS", "audio", ".ogg"),
    (0, b"ID3", "audio", ".mp3"),
    (0, b"\xff\xfb", "audio", ".mp3"),
)
"""Where a format's mark stands, the mark, and what it means."""

_STAMP = ".unpacked-from"
_BATCH_ROWS = 64


def unpack_parquet(path: Path) -> Path:
    """Return a data folder with the media of a Parquet file, unpacked unless it already was.

    Columns of bytes, or of {bytes, path} as the Hugging Face hub has them, become files; at most
    one of them pictures and one sounds. All other columns go into `metadata.csv`, class numbers as
    the names that the file's own schema gives them. The folder is `NAME-unpacked` beside the file,
    or in the user's cache where that cannot be written to.

    Raises:
        InputError: if it is no Parquet file, or has neither media nor text.
    """
    status = path.stat()
    stamp = f"{path.name} {status.st_size} {status.st_mtime_ns}"
    places = [path.parent / f"{path.stem}-unpacked", _cache() / f"{path.stem}-{status.st_ino:x}"]
    for place in places:
        if _is_unpacked(place, stamp):
            return place
    place = next((place for place in places if _is_writable(place.parent)), None)
    if place is None:
        raise InputError(
            f"{path} has to be unpacked, but neither {places[0].parent} nor the cache "
            "can be written to; copy it to where you may write"
        )
    if place.exists() and not (place / _STAMP).is_file():
        raise InputError(f"{place} is in the way: {path} would be unpacked there; rename one")
    aside = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    try:
        _unpack(path, aside)
        (aside / _STAMP).write_text(stamp, encoding="utf-8")
        aside.chmod(0o755)
        if place.exists():  # of an older version of the file
            shutil.rmtree(place)
        aside.rename(place)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return place


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "d2v"


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _is_unpacked(place: Path, stamp: str) -> bool:
    mark = place / _STAMP
    return mark.is_file() and mark.read_text(encoding="utf-8") == stamp


def _unpack(path: Path, out: Path) -> None:
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            media = _media_columns(file, path)
            names = class_names(schema)
            plain = [name for name in schema.names if name not in _binary_columns(schema)]
            header = [*plain, *(f"{modality}_file_name" for modality in media.values())]
            with (out / "metadata.csv").open("w", encoding="utf-8", newline="") as table:
                writer = csv.DictWriter(table, header, lineterminator="\n")
                writer.writeheader()
                for number, record in enumerate(_records(file)):
                    row = {name: _named(record[name], names.get(name)) for name in plain}
                    for column, modality in media.items():
                        row[f"{modality}_file_name"] = _save(
                            record[column], modality, out / f"{modality}s" / f"{number:08d}"
                        )
                    writer.writerow(row)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} is no Parquet file, or a damaged one: {error}") from error


def _records(file: pq.ParquetFile) -> Iterator[Mapping[str, object]]:
    for batch in file.iter_batches(batch_size=_BATCH_ROWS):
        yield from batch.to_pylist()


def _binary_columns(schema: pa.Schema) -> list[str]:
    return [column.name for column in schema if _is_binary(column.type)]


def _is_binary(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(kind.field(i).name == "bytes" for i in range(kind.num_fields))
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _media_columns(file: pq.ParquetFile, path: Path) -> dict[str, Modality]:
    """Return the columns that hold media; the first value that shows its format tells which."""
    media: dict[str, Modality] = {}
    for column in _binary_columns(file.schema_arrow):
        batches = file.iter_batches(batch_size=_BATCH_ROWS, columns=[column])
        values = (_bytes(record[column]) for batch in batches for record in batch.to_pylist())
        kind = next(filter(None, map(_kind, values)), None)
        if kind is None:
            continue
        modality = kind[0]
        if modality in media.values():
            raise InputError(f"{path} has more than one column of {modality}; keep one")
        media[column] = modality
    if not media and "text" not in file.schema_arrow.names:
        found = ", ".join(file.schema_arrow.names)
        raise InputError(
            f"{path} has no column of pictures or sounds, and no text (found: {found})"
        )
    return media


def _bytes(value: object) -> bytes | None:
    if isinstance(value, Mapping):
        value = value.get("bytes")
    return value if isinstance(value, bytes) else None


def _kind(data: bytes | None) -> tuple[Modality, str] | None:
    for start, mark, modality, suffix in _MAGIC:
        if data is not None and data[start : start + len(mark)] == mark:
            return modality, suffix
    return None


def _save(value: object, modality: Modality, stem: Path) -> str | None:
    """Write one value to a file and return its name; a damaged one too, to be reported later."""
    data = _bytes(value)
    if data is None:
        return None
    kind = _kind(data)
    suffix = kind[1] if kind else {"image": ".png", "audio": ".wav", "text": ".txt"}[modality]
    file = stem.with_suffix(suffix)
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(data)
    return f"{file.parent.name}/{file.name}"


def _named(value: object, names: list[str] | None) -> object:
    if names is not None and isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    return value
