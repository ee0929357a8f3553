"""Tables of metadata: CSV, JSON lines and Parquet, read into rows of plain Python values."""

import csv
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TextIO

import pyarrow.parquet as pq

from d2v_core.data.columnar import open_parquet, parquet_records
from d2v_core.data.items import Problem
from d2v_core.errors import InputError

_INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})")  # 007 is a name, and so is a number of 20 digits
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?")
_INT64 = range(-(2**63), 2**63)
_MAX_FIELD = 2**31 - 1  # a field is never too long: its row may be
MAX_BYTES = 1_000_000_000
"""Larger tables of text are refused."""

MAX_ROWS, MAX_COLUMNS = 1_000_000, 10_000
"""Of a table that is read: all its rows are in memory, see docs/reference.md for how much."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row; values that are missing are left out."""

    where: str
    values: Mapping[str, object]


@dataclass(frozen=True)
class Table:
    """A table as read, with the rows that could not be."""

    columns: tuple[str, ...]
    rows: list[TableRow]
    problems: list[Problem]


def read_table(path: Path, *, texts: Collection[str] = ()) -> Table:
    """Read a `.csv`, `.jsonl` or `.parquet` file.

    Numbers and truth values of a CSV file become such where the whole column agrees; empty fields
    count as missing, and so do nulls and NaN.

    Args:
        path: the file; its suffix tells the format.
        texts: columns of a CSV file that stay as they are written: a label `1e5` is no number.

    Raises:
        InputError: if the file as a whole cannot be read.
    """
    if path.suffix == ".csv":
        return _read_csv(path, texts)
    return _read_jsonl(path) if path.suffix == ".jsonl" else _read_parquet(path)


@contextmanager
def _open_text(path: Path, newline: str) -> Iterator[TextIO]:
    """Give the text of a file, which is read as it is asked for.

    Raises:
        InputError: if it is too large, or not UTF-8, when that place is come to.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path} is larger than {MAX_BYTES / 1e9:g} GB; save it as .parquet")
        with path.open(encoding="utf-8-sig", newline=newline) as file:
            yield file
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = _first_that_is_not_utf8(path)
        raise InputError(f"{path} is not UTF-8, first in line {line}; save it as UTF-8") from error


def _first_that_is_not_utf8(path: Path) -> int:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1  # it has changed meanwhile


def _read_csv(path: Path, texts: Collection[str]) -> Table:
    header, records, problems = _csv_records(path)
    written: dict[str, list[str]] = {name: [] for name in header}
    for _, record in records:
        for name, text in record.items():
            written[name].append(text)
    parsers = {name: str if name in texts else _parser(written[name]) for name in header}
    rows = []
    records.reverse()
    while records:  # each goes as its row comes: both together would be twice the memory
        where, record = records.pop()
        values = {name: parsers[name](text) for name, text in record.items()}
        rows.append(TableRow(where, _present(values)))
    return Table(tuple(header), rows, problems)


def _csv_records(
    path: Path,
) -> tuple[list[str], list[tuple[str, dict[str, str]]], list[Problem]]:
    """Return the names of the columns, the fields that are filled of each row, and problems."""
    csv.field_size_limit(_MAX_FIELD)
    records = []
    problems = []
    with _open_text(path, newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            header = [name.strip() for name in next(reader, [])]
            _check_header(header, path)
            for number, fields in enumerate(reader, start=1):
                _check_count(number, path)
                where = f"{path.name}, line {reader.line_num}"
                if len(fields) > len(header):
                    problems.append(
                        Problem(where, f"{len(fields)} fields, but the header has {len(header)}")
                    )
                elif any(fields):
                    filled = zip(header, fields, strict=False)
                    records.append((where, {name: text for name, text in filled if text}))
        except csv.Error as error:
            raise InputError(f"{path}, line {reader.line_num}: {error}") from error
    return header, records, problems


def _check_header(header: list[str], path: Path) -> None:
    _check_width(len(header), path)
    twice = sorted(name for name, count in Counter(header).items() if count > 1)
    if twice:
        raise InputError(
            f"{path} has more than one column {', '.join(twice)}; rename or remove one"
        )


def _check_width(columns: int, path: Path) -> None:
    if columns > MAX_COLUMNS:
        raise InputError(f"{path} has {columns:,} columns; up to {MAX_COLUMNS:,} are read")


def _check_count(number: int, path: Path) -> None:
    if number > MAX_ROWS:
        raise InputError(
            f"{path} has more than {MAX_ROWS:,} rows, the most that a table may have; split it "
            "into several folders"
        )


def _parser(texts: list[str]) -> Callable[[str], object]:
    """Return what turns the texts of one column into values: the narrowest type that fits all."""
    if all(_INTEGER.fullmatch(text) for text in texts):
        return int
    if all(_NUMBER.fullmatch(text) or text.lower() == "nan" for text in texts):
        return float
    if all(text.lower() in {"true", "false"} for text in texts):
        return lambda text: text.lower() == "true"
    return str


def _read_jsonl(path: Path) -> Table:
    rows, problems = [], []
    columns: dict[str, None] = {}  # a set that keeps its order
    with _open_text(path, newline="\n") as lines:
        for number, line in enumerate(lines, start=1):
            _check_count(number, path)
            if not line.strip():
                continue
            where = f"{path.name}, line {number}"
            found = _json_record(line)
            if isinstance(found, str):
                problems.append(Problem(where, found))
                continue
            columns.update(dict.fromkeys(found))
            _check_width(len(columns), path)
            rows.append(TableRow(where, _present(found)))
    return Table(tuple(columns), rows, problems)


def _json_record(line: str) -> dict[str, object] | str:
    """Return what is in one line, or why it is no record."""
    try:
        record = json.loads(line)
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "a lone surrogate, which is no character"
    except RecursionError:
        return "not JSON: brackets too deep to be read"
    except ValueError as error:
        return f"not JSON: {error}"
    return record if isinstance(record, dict) else "not a JSON object in braces"


@contextmanager
def open_table(path: Path) -> Iterator[pq.ParquetFile]:
    """Give an open Parquet file that has no more rows and columns than a table may have.

    Its footer says how many there are: nothing has been read yet when it is refused.

    Raises:
        InputError: as `open_parquet`, or if there are more.
    """
    with open_parquet(path) as file:
        _check_count(file.metadata.num_rows, path)
        _check_width(file.metadata.num_columns, path)
        yield file


def _read_parquet(path: Path) -> Table:
    with open_table(path) as file:
        rows = [
            TableRow(f"{path.name}, row {number}", _present(record))
            for number, record in enumerate(parquet_records(file, path), start=1)
        ]
        return Table(tuple(file.schema_arrow.names), rows, [])


def _present(record: Mapping[str, object]) -> dict[str, object]:
    """Return the values that are there, as plain scalars."""
    plain = {name: _scalar(value) for name, value in record.items()}
    return {name: value for name, value in plain.items() if value is not None and value != ""}


def _scalar(value: object) -> object:
    """Return a plain scalar, or None for what is missing or cannot be shown."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and value not in _INT64:
        return str(value)  # of 300 digits, say: a name and no number
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return _scalar(float(value))
    if isinstance(value, list | dict):
        return json.dumps(value, default=str, ensure_ascii=False)
    return None
