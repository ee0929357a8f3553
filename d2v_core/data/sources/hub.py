"""Data sets of the Hugging Face hub, and those that its library has saved to a disk.

Only tables are read, Parquet or Arrow; no code of a data set is ever run, and its library is not
needed. The hub keeps most public data sets as Parquet in a branch of its own.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

import pyarrow as pa

from d2v_core.data.class_names import class_names
from d2v_core.data.columnar import Record, batch_records, open_parquet, parquet_records
from d2v_core.data.inside import Inside
from d2v_core.data.media_columns import MediaTable, write_media
from d2v_core.data.sources.hub_files import PREFIX, list_files
from d2v_core.data.sources.making import Wish
from d2v_core.data.splits import SPLITS, Split, normalise_split
from d2v_core.errors import InputError

_NAME = re.compile(r"(?P<id>\w[\w.-]*(/\w[\w.-]*)?)(@(?P<part>[\w.-]+))?")
_SAVED, _SAVED_SPLITS = "state.json", "dataset_dict.json"
_LABEL = "label"

_ABOUT = """{name}, from {place}.
Made into a data folder; see its own page for origin and licence.
"""


@dataclass(frozen=True)
class _Piece:
    """One of the files that a data set is kept in; a call of `path` fetches it if need be."""

    path: Callable[[], Path]
    split: Split | None


def make_hub(name: str, folder: Path, wish: Wish) -> None:
    """Make a data set of the hub: pictures, sounds, texts and all other columns.

    Args:
        name: ID or ID@PART, as the hub has it.
        folder: where it goes.
        wish: `from_` is a folder that `save_to_disk` made, or one with Parquet files; `limit` takes
            the first rows of each label, those of the train split before others, and fetches no
            more files than that wants.

    Raises:
        InputError: if there is no such data set, the hub cannot be reached, or it is none of
            pictures, sounds and texts.
    """
    named = _NAME.fullmatch(name)
    if named is None:
        raise InputError(f"{PREFIX}{name} is no name of the hub, such as hub:owner/name")
    listed = None
    if wish.from_ is not None:
        place, pieces = str(wish.from_), _local(wish.from_)
    else:
        place = f"https://huggingface.co/datasets/{named['id']}"
        listed = list_files(named["id"], named["part"])
        pieces = [_Piece(partial(listed.fetch, x), _split_in(x)) for x in listed.names]
    tables, notes = _tables(pieces, wish)
    if listed is not None:
        notes.insert(0, listed.fetched())
    try:
        write_media(tables, folder, name=name)
    except OSError as error:
        raise InputError(f"{folder.parent} cannot be written to: {error}") from error
    about = _ABOUT.format(name=name, place=place) + "".join(f"{note}.\n" for note in notes)
    (folder / "README.txt").write_text(about, encoding="utf-8")
    for note in notes:
        wish.say(note)


def _tables(pieces: Sequence[_Piece], wish: Wish) -> tuple[list[MediaTable], list[str]]:
    """Return the tables, as few as a limit wants, and what is to be said about them."""
    tables: list[MediaTable] = []
    notes: list[str] = []
    taken: Counter[str] = Counter()
    if wish.limit is not None:
        pieces = sorted(pieces, key=_rank)
    for number, piece in enumerate(pieces, start=1):
        path = piece.path()
        if wish.progress is not None:
            wish.progress(number, len(pieces))
        if wish.limit is None:
            tables.append(_table(path, piece.split, None))
            continue
        tables.append(_table(path, piece.split, _chosen(path, wish.limit, taken)))
        labels = _labels_of(tables[-1].schema)
        if number < len(pieces) and all(taken[x] >= wish.limit for x in labels or taken):
            if labels is None:
                notes.append(
                    "which labels there are is known only after all files: those that the rest "
                    "has are missing, without --limit they come"
                )
            break
    splits = {table.split for table in tables}
    if splits == {"train"} or (len(splits) == 1 and len(tables) < len(pieces)):
        tables = [replace(table, split=None) for table in tables]
        notes.append("all rows are of one split there; new splits are made of them")
    return tables, notes


def _rank(piece: _Piece) -> int:
    """Return a number that is lower for what a limit takes first."""
    return len(SPLITS) if piece.split is None else SPLITS.index(piece.split)


def _labels_of(schema: pa.Schema) -> list[str] | None:
    """Return all labels that rows may have, as they are counted; None if that is not known."""
    if _LABEL not in schema.names:
        return [str(None)]
    names = class_names(schema).get(_LABEL)
    return None if names is None else [str(number) for number in range(len(names))]


def _chosen(path: Path, limit: int, taken: Counter[str]) -> list[int]:
    """Return the numbers of the rows that a limit takes of a table, and count them in `taken`."""
    schema = _schema(path)
    labels = _labels_of(schema)
    left = None if labels is None else sum(limit - taken[label] for label in labels)
    columns = [_LABEL] if _LABEL in schema.names else schema.names[:1]
    chosen = []
    for number, record in enumerate(_records(path, columns)):
        label = str(record.get(_LABEL))
        if taken[label] < limit:
            taken[label] += 1
            chosen.append(number)
            if left is not None and labels is not None and label in labels:
                left -= 1
        if left == 0:
            break
    return chosen


def _table(path: Path, split: Split | None, rows: Sequence[int] | None) -> MediaTable:
    """Return a table of some rows of a file, in their order, or of all."""

    def some(columns: Sequence[str] | None) -> Iterator[Record]:
        wanted = iter(rows or ())
        following = next(wanted, None)
        for number, record in enumerate(_records(path, columns) if rows else ()):
            if number == following:
                yield record
                following = next(wanted, None)
            if following is None:
                return  # what comes behind the last is not read

    def every(columns: Sequence[str] | None) -> Iterator[Record]:
        return _records(path, columns)

    return MediaTable(_schema(path), every if rows is None else some, split)


def _schema(path: Path) -> pa.Schema:
    return _parquet_schema(path) if path.suffix == ".parquet" else _arrow_schema(path)


def _records(path: Path, columns: Sequence[str] | None) -> Iterator[Record]:
    read = _parquet_records if path.suffix == ".parquet" else _arrow_records
    return read(path, columns)


def _local(root: Path) -> list[_Piece]:
    """Return the tables of a folder, with the splits that their names say."""
    inside = Inside(root)
    if (root / _SAVED_SPLITS).is_file():
        splits = _listed(root / _SAVED_SPLITS, "splits")
        return [_at(path, name) for name in splits for path in _saved(inside, f"{name}/")]
    if (root / _SAVED).is_file():
        return [_at(path, None) for path in _saved(inside, "")]
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.parquet"))
    if not names:
        raise InputError(
            f"{root} is no data set: wanted is a folder that save_to_disk made, or one with "
            "Parquet files"
        )
    return [_Piece(partial(_found, inside, name), _split_in(name)) for name in names]


def _saved(inside: Inside, folder: str) -> list[Path]:
    names = _listed(inside.root / folder / _SAVED, "_data_files")
    if not names:
        raise InputError(f"{inside.root / folder} holds no data")
    return [_found(inside, folder + name) for name in names]


def _found(inside: Inside, name: str) -> Path:
    try:
        return inside.find(name).path
    except InputError as error:
        raise InputError(f"{name} in {inside.root}: {error}") from error


def _listed(path: Path, key: str) -> list[str]:
    """Return the names that a small JSON file lists, plain or as {filename}."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))[key]
        return [str(x["filename"] if isinstance(x, dict) else x) for x in values]
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is damaged: it lists no {key}") from error


def _at(path: Path, split: str | None) -> _Piece:
    return _Piece(lambda: path, normalise_split(split or ""))


def _split_in(name: str) -> Split | None:
    """Return the split that a folder or the beginning of a file's name says."""
    path = PurePosixPath(name)
    parts = [*reversed(path.parts[:-1]), re.split(r"[-_.]", path.name)[0]]
    return next((split for x in parts if (split := normalise_split(x))), None)


def _parquet_schema(path: Path) -> pa.Schema:
    with open_parquet(path) as file:
        return file.schema_arrow


def _parquet_records(path: Path, columns: Sequence[str] | None) -> Iterator[Record]:
    with open_parquet(path) as file:
        yield from parquet_records(file, path, columns=columns)


def _arrow_schema(path: Path) -> pa.Schema:
    try:
        with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
            return reader.schema
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} is no stream of Arrow, or a damaged one: {error}") from error


def _arrow_records(path: Path, columns: Sequence[str] | None) -> Iterator[Record]:
    try:
        with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
            batches = (x if columns is None else x.select(list(columns)) for x in reader)
            yield from batch_records(batches, path, size=path.stat().st_size)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} is no stream of Arrow, or a damaged one: {error}") from error
