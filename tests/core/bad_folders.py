"""Data folders that want to break what reads them, or to lead out of it.

Each has what a person is to read, in the refusal or among the problems; None where all is well.
"""

import datetime
import io
import json
import os
import socket
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from tests.core.bad_media import bomb, picture

NAMED = "text,label\nA bird.,bird\n"


class Folder(NamedTuple):
    """How a folder is filled, and a part of what is said about it (None: nothing is wrong)."""

    fill: Callable[[Path], object]
    reason: str | None


def file(name, data):
    """Return what writes one file."""
    content = data if isinstance(data, bytes) else data.encode()
    return lambda root: (root / name).write_bytes(content)


def csv(text):
    return file("metadata.csv", text)


def jsonl(*records):
    lines = [line if isinstance(line, str) else json.dumps(line) for line in records]
    return file("metadata.jsonl", "\n".join(lines))


def named(name):
    """Return what writes metadata that name a picture, which is there under a plain name."""

    def fill(root):
        (root / "a.png").write_bytes(picture())
        (root.parent / "secret.png").write_bytes(picture())
        jsonl({"file_name": name, "label": "x"})(root)

    return fill


def link(name, target, *, beside=NAMED):
    """Return what makes a link; {out} is the folder around."""

    def fill(root):
        (root.parent / "out").mkdir(exist_ok=True)
        (root.parent / "out" / "secret.csv").write_text(beside)
        (root.parent / "out" / "secret.png").write_bytes(picture())
        (root / "good.png").write_bytes(picture())
        (root / name).symlink_to(target.format(out=root.parent / "out"))

    return fill


def listens(root):
    """A socket; its name is short because that of a socket has to be."""
    here = Path.cwd()
    os.chdir(root)
    try:
        with socket.socket(socket.AF_UNIX) as ear:
            ear.bind("ear.png")
    finally:
        os.chdir(here)


def folder_named_as_picture(root):
    (root / "bird.png").mkdir()
    (root / "good.png").write_bytes(picture())


def deep(root):
    """A picture below 60 folders."""
    place = root.joinpath(*["f" * 20] * 60)
    place.mkdir(parents=True)
    (place / "a.png").write_bytes(picture())


# --- Parquet


def parquet(name="metadata.parquet", **columns):
    def fill(root):
        pq.write_table(pa.table(columns), root / name)

    return fill


def cut_parquet(keep):
    """Return what writes a Parquet file up to some byte (negative: from the end)."""

    def fill(root):
        data = io.BytesIO()
        pq.write_table(pa.table({"text": ["A bird."] * 50}), data)
        (root / "metadata.parquet").write_bytes(data.getvalue()[:keep])

    return fill


def swollen_rows(root):
    """Fifty million rows of the same sentence in a few kilobytes."""
    schema = pa.schema([("text", pa.dictionary(pa.int32(), pa.string()))])
    indices = pa.array([0], pa.int32()).take(pa.array([0] * 1_000_000))
    batch = pa.record_batch([pa.DictionaryArray.from_arrays(indices, ["A bird."])], schema=schema)
    with pq.ParquetWriter(root / "metadata.parquet", schema, compression="zstd") as writer:
        for _ in range(50):
            writer.write_batch(batch)


def swollen_values(root):
    """A megabyte of text, 20,000 times, in about a megabyte."""
    values = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), ["x" * 1_000_000])
    pq.write_table(pa.table({"text": values}), root / "metadata.parquet", compression="zstd")


def no_utf8(root):
    """A column of text that holds bytes which are none."""
    raw = pa.array([b"fine", b"caf\xe9"]).view(pa.string())
    pq.write_table(pa.table({"text": raw}), root / "metadata.parquet")


def column_twice(root):
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    pq.write_table(table, root / "metadata.parquet")


def far_future(root):
    days = pa.array([2**31 - 1, 1], pa.int32()).cast(pa.date32())
    pq.write_table(pa.table({"text": ["a", "b"], "day": days}), root / "metadata.parquet")


def odd_types(root):
    """Everything that a column can hold and a plain value cannot."""
    table = {
        "text": ["A bird."],
        "big": pa.array([2**64 - 1], pa.uint64()),
        "exact": [Decimal("1e-30")],
        "day": [datetime.date(2020, 1, 1)],
        "long": [datetime.timedelta(days=1)],
        "list": [[1.0, float("nan")]],
        "map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
        "raw": [b"\xff"],
        "none": pa.nulls(1),
    }
    pq.write_table(pa.table(table), root / "metadata.parquet")


def with_features(said):
    """Return what writes a table whose schema says how the hub's library is to read it."""
    raw = said if isinstance(said, bytes) else json.dumps({"info": {"features": said}}).encode()
    table = pa.table({"text": ["A bird.", "A cat."], "label": [0, 1]})

    def fill(root):
        named = table.replace_schema_metadata({b"huggingface": raw})
        pq.write_table(named, root / "metadata.parquet")

    return fill


def label(**said):
    return with_features({"label": {"_type": "ClassLabel"} | said})


FEATURES = {
    "no names": label(),
    "names a number": label(names=3),
    "names a text": label(names="ab"),
    "names nested": label(names=[[1], {"a": 2}]),
    "names too few": label(names=["bird"]),
    "names of a lone surrogate": label(names=["\ud800", "cat"]),
    "a list": with_features([1, 2]),
    "no JSON": with_features(b"\xff{"),
    "deep JSON": with_features(b"[" * 100_000),
}
"""Settings of the Hugging Face library in a table; none of them keeps its rows from being read."""

FOLDERS = {
    "nothing": Folder(lambda root: None, "is empty"),
    "csv empty": Folder(csv(""), "none of the columns"),
    "csv header only": Folder(csv("text,label\n"), "is empty"),
    "csv other columns": Folder(csv("name,kind\na,b\n"), "none of the columns"),
    "csv semicolons": Folder(csv("text;label\na;b\n"), "separated by commas"),
    "csv column twice": Folder(csv("text,label,label\na,b,c\n"), "more than one column label"),
    "csv id twice": Folder(csv("id,text\n1,a\n1,b\n"), "its id '1' is taken by"),
    "csv too many fields": Folder(csv("text,label\na,b,c\nd,e\n"), "3 fields, but the header"),
    "csv quote": Folder(csv('text,label\n"open,1\n'), "unexpected end of data"),
    "csv NUL": Folder(csv("text,label\na\0b,1\nc,2\n"), "a NUL character at position 1"),
    "csv long": Folder(csv(f"text\nshort\n{'A bird. ' * 1_260_000}\n"), "longer than 100,000"),
    "csv Latin-1": Folder(file("metadata.csv", "text\ncafé\n".encode("latin-1")), "is not UTF-8"),
    "csv UTF-16": Folder(file("metadata.csv", "text\na\n".encode("utf-16")), "is not UTF-8"),
    "csv split": Folder(csv("text,split\na,train\nb,later\n"), "split 'later' is none of"),
    "csv mark": Folder(csv("\ufefftext,label\nA bird.,bird\n"), None),
    "csv old Mac": Folder(csv("text,label\rA bird.,bird\rA cat.,cat\r"), None),
    "csv odd columns": Folder(csv("text,layer_00,media,a.b,,é\nx,1,2,3,4,5\n"), None),
    "csv right to left": Folder(csv("text,label\nציפור שרה,עוף\nطائر,طير\n"), None),
    "jsonl broken lines": Folder(jsonl("{oops", {"text": "a"}, "[1]", "\0"), "line 1"),
    "jsonl cut": Folder(jsonl({"text": "a"}, '{"text": "b'), "line 2"),
    "jsonl deep": Folder(jsonl({"text": "a"}, "[" * 100_000), "brackets too deep"),
    "jsonl deep value": Folder(jsonl('{"text": "a", "x": ' + "[" * 900 + "]" * 900 + "}"), None),
    "csv columns": Folder(csv("text" + ",x" * 10_001 + "\na"), "10,002 columns; up to 10,000"),
    "jsonl surrogate": Folder(jsonl('{"text": "\\ud800"}', {"text": "b"}), "a lone surrogate"),
    "jsonl long number": Folder(jsonl({"text": "a"}, '{"x": ' + "9" * 5_000 + "}"), "not JSON"),
    "jsonl numbers": Folder(
        jsonl('{"text": "a", "x": 1e999, "y": NaN, "z": ' + "9" * 30 + "}", {"text": "b", "z": 1}),
        None,
    ),
    "jsonl mixed": Folder(
        jsonl(*({"text": str(n), "x": x} for n, x in enumerate([1, "a", True, 0.5, [1], {}]))), None
    ),
    "jsonl wrong types": Folder(jsonl({"text": ["a"], "label": {"b": 1}, "id": 3.5}), None),
    "jsonl empty names": Folder(jsonl({"text": "a", "": 1, " ": 2, "\0": 3}), None),
    "name out": Folder(named("../secret.png"), "lies outside the data folder"),
    "name out and in": Folder(named("x/../../secret.png"), "lies outside the data folder"),
    "name absolute": Folder(named("/etc/passwd.png"), "an absolute path"),
    "name of a drive": Folder(named("C:\\secret.png"), "an absolute path"),
    "name of a share": Folder(named("\\\\host\\share\\a.png"), "an absolute path"),
    "name of a home": Folder(named("~/a.png"), "there is no such file"),
    "name of a page": Folder(named("https://example.org/a.png"), "there is no such file"),
    "name with NUL": Folder(named("a\0.png"), "not a possible file name"),
    "name with a line": Folder(named("a\n.png"), "there is no such file"),
    "name too long": Folder(named("a" * 5_000 + ".png"), "cannot be read: File name too long"),
    "name of the folder": Folder(named("."), "its suffix is none of"),
    "name of a table": Folder(named("metadata.jsonl"), "its suffix is none of"),
    "name with dots": Folder(named("././a.png"), None),
    "link out": Folder(link("a.png", "{out}/secret.png"), "lies outside the data folder"),
    "link to a device": Folder(link("a.png", "/dev/zero"), "lies outside the data folder"),
    "link to itself": Folder(link("a.png", "a.png"), "cannot be read: Too many levels"),
    "link to nothing": Folder(link("a.png", "gone.png"), "there is no such file"),
    "link to a folder": Folder(link("birds", "{out}"), "a link to a folder"),
    "link around": Folder(link("birds", "."), "a link to a folder"),
    "link within": Folder(link("a.png", "good.png"), None),
    "link as metadata": Folder(link("metadata.csv", "{out}/secret.csv"), "lies outside"),
    "link as splits": Folder(
        link("splits.csv", "{out}/secret.csv", beside="id,split\ngood,test\n"), "lies outside"
    ),
    "pipe": Folder(lambda root: os.mkfifo(root / "a.png"), "not a regular file"),
    "pipe as metadata": Folder(lambda root: os.mkfifo(root / "metadata.csv"), "not a regular file"),
    "socket": Folder(listens, "not a regular file"),
    "folder as picture": Folder(folder_named_as_picture, "a folder, not a file"),
    "folder as metadata": Folder(lambda root: (root / "metadata.csv").mkdir(), "not a regular"),
    "deep folders": Folder(deep, None),
    "splits quote": Folder(
        lambda root: (csv(NAMED)(root), file("splits.csv", 'id,split\n"a,b\n')(root)), "splits.csv"
    ),
    "splits long": Folder(
        lambda root: (csv(NAMED)(root), file("splits.csv", "id,split\n" + "x" * 200_000)(root)),
        "splits.csv",
    ),
    "splits other": Folder(
        lambda root: (csv(NAMED)(root), file("splits.csv", "a,b\n1,2\n")(root)), "no columns id"
    ),
    "parquet none": Folder(file("metadata.parquet", "no parquet"), "is no Parquet file"),
    "parquet mark": Folder(file("metadata.parquet", "PAR1"), "is no Parquet file"),
    "parquet cut at the end": Folder(cut_parquet(-1), "is no Parquet file"),
    "parquet cut in its footer": Folder(cut_parquet(-40), "is no Parquet file"),
    "parquet column twice": Folder(column_twice, "more than one column text"),
    "parquet cut in its data": Folder(cut_parquet(30), "is no Parquet file"),
    "parquet of rows": Folder(swollen_rows, "rows in"),
    "parquet of values": Folder(swollen_values, "unpacks to more than"),
    "parquet no UTF-8": Folder(no_utf8, "UTF8"),
    "parquet far future": Folder(far_future, "column 'day' holds a value"),
    "parquet odd types": Folder(odd_types, None),
    "archive as table": Folder(file("metadata.csv", bomb()), "is not UTF-8"),
    "archive as lines": Folder(file("metadata.jsonl", bomb()), "is not UTF-8"),
    "archive as Parquet": Folder(file("metadata.parquet", bomb()), "is no Parquet file"),
    "archive in a folder": Folder(
        lambda root: ((root / "birds").mkdir(), file("birds/bomb.zip", bomb())(root)),
        "its suffix is none of",
    ),
    "saved by the hub's library": Folder(file("state.json", "{oops"), "make a data folder of it"),
    **{f"features: {name}": Folder(fill, None) for name, fill in FEATURES.items()},
    "parquet of bytes": Folder(parquet(image=[b"no picture"]), "none of the columns"),
}

EMPTY = ("nothing", "csv header only")
"""Folders in which nothing is wrong but that nothing is there: `read_folder` says so."""
