"""Tables: how many rows are read, and that many are read soon."""

import json

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
