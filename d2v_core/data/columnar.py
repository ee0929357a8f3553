"""Rows of Parquet files and Arrow streams, a few at a time; what a file says of itself is checked.

Such files repeat a value at no cost: a kilobyte can stand for a terabyte. So what comes out is
counted, and never more than a few rows are there as values at once.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from d2v_core.errors import InputError

Record = dict[str, object]

BATCH_ROWS = 64
MOST_RATIO = 100
"""Unpacked over packed bytes. Text packs to a tenth, media hardly at all."""

FEW_ROWS, FEW_PACKED, FEW_BYTES = 100_000, 16_000_000, 64_000_000
"""Rows, bytes of a part and bytes in all up to which any ratio will do."""


@contextmanager
def open_parquet(path: Path) -> Iterator[pq.ParquetFile]:
    """Give an open Parquet file.

    Raises:
        InputError: if it is none, is damaged, now or while it is read, or says that it is far more
            than fits into it.
    """
    try:
        with pq.ParquetFile(path) as file:
            _check_footer(file, path)
            yield file
    except OSError as error:
        if error.errno is not None:  # not Arrow's own word for a damaged file
            raise InputError(f"{path} cannot be read: {error.strerror}") from error
        raise InputError(f"{path} is no Parquet file, or a damaged one: {error}") from error
    except (pa.ArrowException, UnicodeDecodeError) as error:  # the latter: a name of a column
        raise InputError(f"{path} is no Parquet file, or a damaged one: {error}") from error


def parquet_records(
    file: pq.ParquetFile, path: Path, *, columns: Sequence[str] | None = None
) -> Iterator[Record]:
    """Yield the rows of an open file as plain values.

    Raises:
        InputError: if a column is there twice, a value cannot be read, or the rows become far more
            than the file.
    """
    batches = file.iter_batches(batch_size=BATCH_ROWS, columns=columns)
    return batch_records(batches, path, size=path.stat().st_size)


def batch_records(batches: Iterable[pa.RecordBatch], path: Path, *, size: int) -> Iterator[Record]:
    """Yield the rows of batches as plain values.

    Args:
        batches: in their order.
        path: where they come from, for messages.
        size: bytes of that on the disk.

    Raises:
        InputError: as `parquet_records`.
    """
    most, total = max(FEW_BYTES, MOST_RATIO * size), 0
    for batch in batches:
        _check_names(batch.schema.names, path)
        batch.validate(full=True)  # offsets and UTF-8: nothing looks again
        for start in range(0, batch.num_rows, BATCH_ROWS):
            part = batch.slice(start, BATCH_ROWS)
            values = {name: _values(part, name, path) for name in part.schema.names}
            total += sum(map(_bytes_of, values.values()))
            if total > most:
                raise InputError(
                    f"{path} has {size:,} bytes and unpacks to more than {most:,}: refused"
                )
            for row in range(part.num_rows):
                yield {name: column[row] for name, column in values.items()}


def _check_footer(file: pq.ParquetFile, path: Path) -> None:
    about, size = file.metadata, path.stat().st_size
    _check_names(file.schema_arrow.names, path)
    if about.num_rows > max(FEW_ROWS, size):
        raise InputError(f"{path} says it has {about.num_rows:,} rows in {size:,} bytes: refused")
    for number in range(about.num_row_groups):
        # Not the sum over its columns: Arrow ends the process where a column's entry is damaged.
        said = about.row_group(number).total_byte_size
        if said > max(FEW_PACKED, MOST_RATIO * size):
            raise InputError(
                f"{path} has {size:,} bytes and unpacks to more than {said:,}: refused"
            )


def _check_names(names: Sequence[str], path: Path) -> None:
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise InputError(
            f"{path} has more than one column {', '.join(twice)}; rename or remove one"
        )


def _values(batch: pa.RecordBatch, name: str, path: Path) -> list[object]:
    try:
        return batch.column(name).to_pylist()
    except (ValueError, OverflowError) as error:  # a day in the year 5,881,580
        raise InputError(
            f"{path}: column {name!r} holds a value that cannot be read: {error}"
        ) from error


def _bytes_of(value: object) -> int:
    """Return about how much memory a value takes."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_bytes_of, value.values()))
    return sum(map(_bytes_of, value)) if isinstance(value, list | tuple) else 8
