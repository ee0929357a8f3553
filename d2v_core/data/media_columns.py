"""Tables whose columns hold pictures and sounds, written out as a data folder.

Written out, because everything after wants files: to show them, to play them, to decode them in
many processes without each holding the whole table in memory.
"""

import csv
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from d2v_core.data.class_names import class_names
from d2v_core.data.columnar import Record
from d2v_core.data.inside import Inside
from d2v_core.data.items import Problem
from d2v_core.errors import InputError
from d2v_core.modality import Modality

_MAGIC: tuple[tuple[int, bytes, Modality, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image", ".png"),
    (0, b"\xff\xd8\xff", "image", ".jpg"),
    (0, b"GIF8", "image", ".gif"),
    (0, b"BM", "image", ".bmp"),
    (0, b"II*\x00", "image", ".tif"),
    (0, b"MM\x00*", "image", ".tif"),
    (0, b"II+\x00", "image", ".tif"),
    (0, b"MM\x00+", "image", ".tif"),
    (0, b"P5\n", "image", ".ppm"),
    (0, b"P6\n", "image", ".ppm"),
    (8, b"WEBP", "image", ".webp"),
    (8, b"WAVE", "audio", ".wav"),
    (8, b"AIF", "audio", ".aiff"),
    (0, b"fLaC", "audio", ".flac"),
    (0, b"OggS", "audio", ".ogg"),
    (0, b"ID3", "audio", ".mp3"),
    (0, b".snd", "audio", ".au"),
    (0, b"dns.", "audio", ".au"),
    (0, b"caff", "audio", ".caf"),
    (0, b"riff\x2e\x91\xcf\x11", "audio", ".w64"),
    (0, b"Creative Voice File", "audio", ".voc"),
    (0, b"NIST_1A", "audio", ".nist"),
    (8, b"8SVX", "audio", ".svx"),
    (8, b"16SV", "audio", ".svx"),
)
"""Where a format's mark stands, the mark, and what it means. MP3 may begin without one."""

_NOT_UNDERSTOOD = ".not-understood"
"""Names, one a line, the columns of bytes that became no files."""

_MOST_NAMES_BYTES = 1 << 16


@dataclass(frozen=True)
class MediaTable:
    """One of the tables that become a folder."""

    schema: pa.Schema
    records: Callable[[Sequence[str] | None], Iterator[Record]]
    """Yields the rows, of some columns or of all."""

    split: str | None = None
    """Of all its rows, unless a column says it."""


def write_media(tables: Sequence[MediaTable], out: Path, *, name: str) -> int:
    """Write tables as one data folder, and return how many rows it has.

    Columns of bytes, or of {bytes, path} as the Hugging Face hub has them, become files; at most
    one of them pictures and one sounds. All other columns go into `metadata.csv`, class numbers as
    the names that the schema gives them. Columns of bytes in no format that is known are noted, see
    `columns_left_out`. Columns that would name files get an underscore: the files
    they name are not here.

    Args:
        tables: with the same columns.
        out: an empty folder.
        name: of all this, for messages.

    Raises:
        InputError: if there are neither media nor text, or tables that differ in their columns.
    """
    schema = tables[0].schema
    for table in tables:
        if set(table.schema.names) != set(schema.names):
            raise InputError(
                f"{name} has parts with other columns: {', '.join(schema.names)} and "
                f"{', '.join(table.schema.names)}"
            )
    media = _media_columns(tables, name)
    binary = set(_binary_columns(schema))
    plain = [column for column in schema.names if column not in binary]
    _note(tables, binary - set(media), out)
    heads = {column: f"{column}_" if column.endswith("file_name") else column for column in plain}
    with_split = "split" not in plain and any(table.split for table in tables)
    files = [f"{modality}_file_name" for modality in media.values()]
    header = [*heads.values(), *(["split"] if with_split else []), *files]
    numbers = itertools.count()
    with (out / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
        # Line ends as in RFC 4180: then a lone carriage return in a text is quoted, too.
        writer = csv.DictWriter(file, header, lineterminator="\r\n")
        writer.writeheader()
        for table in tables:
            names = class_names(table.schema)
            for record in table.records(None):
                row = {heads[c]: _named(record[c], names.get(c)) for c in plain}
                if with_split:
                    row["split"] = table.split
                stem = f"{next(numbers):08d}"
                for column, modality in media.items():
                    place = out / f"{modality}s" / stem
                    row[f"{modality}_file_name"] = _save(record[column], modality, place)
                writer.writerow(row)
    return next(numbers)


def columns_left_out(inside: Inside) -> list[Problem]:
    """Return a problem for each column of bytes that `write_media` could make nothing of."""
    try:
        note = inside.find(_NOT_UNDERSTOOD)
        if note.size > _MOST_NAMES_BYTES:
            return []
        names = note.path.read_text(encoding="utf-8", errors="replace").splitlines()
    except (InputError, OSError):
        return []
    reason = "its bytes are in no format known here; the column was left out"
    return [Problem(f"column {name}", reason) for name in names]


def _note(tables: Sequence[MediaTable], columns: Collection[str], out: Path) -> None:
    """Write down which columns hold bytes, and become no files."""
    left = [
        column
        for column in sorted(columns)
        if any(_bytes(record[column]) for table in tables for record in table.records([column]))
    ]
    if left:
        names = "\n".join(map(repr, left)).encode("utf-8", "replace")
        (out / _NOT_UNDERSTOOD).write_bytes(names[:_MOST_NAMES_BYTES])


def _binary_columns(schema: pa.Schema) -> list[str]:
    return [column.name for column in schema if _is_binary(column.type)]


def _is_binary(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(kind.field(i).name == "bytes" for i in range(kind.num_fields))
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _media_columns(tables: Sequence[MediaTable], name: str) -> dict[str, Modality]:
    """Return the columns that hold media; the first value that shows its format tells which."""
    media: dict[str, Modality] = {}
    schema = tables[0].schema
    for column in _binary_columns(schema):
        values = (_bytes(record[column]) for table in tables for record in table.records([column]))
        kind = next(filter(None, map(_kind, values)), None)
        if kind is None:
            continue
        modality = kind[0]
        if modality in media.values():
            raise InputError(f"{name} has more than one column of {modality}; keep one")
        media[column] = modality
    if not media and "text" not in schema.names:
        found = ", ".join(schema.names)
        raise InputError(
            f"{name} has no column of pictures or sounds, and no text (found: {found})"
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
    return ("audio", ".mp3") if data is not None and _is_mpeg_frame(data) else None


def _is_mpeg_frame(data: bytes) -> bool:
    """Return if data begin with the header of an MPEG frame of layer II or III.

    Its fields: 11 set bits, version (01 is reserved), layer, protection, bit rate (0000 is free,
    1111 forbidden), sampling rate (11 is reserved). Layer I is left out: its frames may begin as
    text in UTF-16 does.
    """
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return False
    version, layer = data[1] >> 3 & 3, data[1] >> 1 & 3
    bit_rate, rate = data[2] >> 4, data[2] >> 2 & 3
    return version != 1 and layer in (1, 2) and bit_rate not in (0, 15) and rate != 3


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
