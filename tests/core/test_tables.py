"""Tables: how many rows are read, and that many are read soon."""

import json
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from d2v_core.data import tables
from d2v_core.data.tables import read_table
from d2v_core.errors import InputError


def written(path, count):
    """Write a table of so many rows in the format of its suffix."""
    if path.suffix == ".csv":
        path.write_text("text,n\n" + "x,1\n" * count)
    elif path.suffix == ".jsonl":
        path.write_text((json.dumps({"text": "x", "n": 1}) + "\n") * count)
    else:
        pq.write_table(pa.table({"text": ["x"] * count, "n": [1] * count}), path)
    return path


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_table_of_too_many_rows_says_what_to_do(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(tables, "MAX_ROWS", 5)
    path = tmp_path / f"metadata.{suffix}"

    rows = read_table(written(path, 5)).rows
    with pytest.raises(InputError) as refused:
        read_table(written(path, 6))

    assert [dict(row.values) for row in rows] == [{"text": "x", "n": 1}] * 5
    assert str(refused.value) == (
        f"{path} has more than 5 rows, the most that a table may have; "
        "split it into several folders"
    )


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_table_of_too_many_columns_is_refused(tmp_path, monkeypatch, suffix):
    path = written(tmp_path / f"metadata.{suffix}", 3)
    assert read_table(path).columns == ("text", "n")
    monkeypatch.setattr(tables, "MAX_COLUMNS", 1)

    with pytest.raises(InputError) as refused:
        read_table(path)

    assert str(refused.value) == f"{path} has 2 columns; up to 1 are read"


@pytest.mark.parametrize("bound", ["MAX_ROWS", "MAX_COLUMNS"])
def test_of_a_parquet_file_the_footer_alone_is_read_before_it_is_refused(
    tmp_path, monkeypatch, bound
):
    """The bytes of its rows are overwritten: whoever looks at them finds a damaged file."""
    path = written(tmp_path / "metadata.parquet", 3)
    whole = path.read_bytes()
    footer = int.from_bytes(whole[-8:-4], "little") + 8
    path.write_bytes(whole[:4] + b"\xff" * (len(whole) - footer - 4) + whole[-footer:])
    with pytest.raises(InputError, match="is no Parquet file, or a damaged one"):
        read_table(path)

    monkeypatch.setattr(tables, bound, 1)

    with pytest.raises(InputError, match=r"has more than 1 rows|has 2 columns; up to 1 are read"):
        read_table(path)


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_table_of_text_is_not_in_memory_as_text(tmp_path, suffix):
    """Four megabytes of lines in which nothing stands."""
    path = tmp_path / f"a.{suffix}"
    line = "," * 399 if suffix == "csv" else " " * 399
    header = ",".join(f"c{n}" for n in range(400)) if suffix == "csv" else '{"text": "a"}'
    path.write_text(header + f"\n{line}" * 4_000)
    tracemalloc.start()
    read_table(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < path.stat().st_size / 4


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_the_line_that_is_not_utf8_is_named_wherever_it_is(tmp_path, suffix):
    path = written(tmp_path / f"a.{suffix}", 3_000)
    path.write_bytes(path.read_bytes() + b"caf\xe9\n")
    line = 3_002 if suffix == "csv" else 3_001

    with pytest.raises(InputError, match=f"is not UTF-8, first in line {line}; save it as UTF-8"):
        read_table(path)


def test_lines_that_cannot_be_read_count_as_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MAX_ROWS", 5)
    (tmp_path / "a.jsonl").write_text("{\n" * 6)
    (tmp_path / "a.csv").write_text("text\n" + "a,b\n" * 6)

    for name in ("a.jsonl", "a.csv"):
        with pytest.raises(InputError, match="more than 5 rows"):
            read_table(tmp_path / name)


def test_rows_keep_their_order_and_their_place(tmp_path):
    (tmp_path / "a.csv").write_text("text,n\na,1\n\nb,\nc,2.5\n")

    rows = read_table(tmp_path / "a.csv").rows

    assert [(row.where, dict(row.values)) for row in rows] == [
        ("a.csv, line 2", {"text": "a", "n": 1.0}),
        ("a.csv, line 4", {"text": "b"}),
        ("a.csv, line 5", {"text": "c", "n": 2.5}),
    ]
