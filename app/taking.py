"""A selection to take away, and to bring back: ids, tables, and the media as a data folder."""

import io
import zipfile
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from app.exporting import vector_column
from app.words import PLURAL
from app.workbench import media_path
from d2v_core.errors import InputError
from d2v_core.store import Recipe

OWN = ("row", "hover")
NAMES = {"image": "image_file_name", "audio": "audio_file_name"}
FIXED = ("id", "modality", "text", "media", "x", "y", "trust", *OWN)
MOST_ZIP_BYTES = 400_000_000
MOST_IDS_BYTES = 20_000_000
MISSING = "missing.txt"


class Brought(NamedTuple):
    """What a file of ids names."""

    rows: np.ndarray
    unknown: int
    """Items of the file that are not among these."""


def as_csv(part: pd.DataFrame) -> bytes:
    """Return selected items as a table for any program."""
    return part.drop(columns=list(OWN), errors="ignore").to_csv(index=False).encode()


def as_parquet(part: pd.DataFrame, x: np.ndarray, tap: str) -> bytes:
    """Return selected items with their vectors of one layer.

    Args:
        part: of all items, with `row`.
        x: (items, width) of all items.
        tap: of the layer.
    """
    file = io.BytesIO()
    vectors = list(x[part["row"].to_numpy()].astype(np.float32))
    table = part.drop(columns=list(OWN), errors="ignore")
    table.assign(**{vector_column(tap): vectors}).to_parquet(file, index=False)
    return file.getvalue()


def as_ids(part: pd.DataFrame) -> bytes:
    """Return selected items by name, one a line: id and modality, a tab between them."""
    return part[["id", "modality"]].to_csv(index=False, sep="\t").encode()


def read_ids(content: bytes, items: pd.DataFrame) -> Brought:
    """Return the rows that a file names: one of `as_ids`, or any table with an id column.

    Without a modality column an id means all the items of that id.

    Raises:
        InputError: if it cannot be read, or names none of these items.
    """
    if len(content) > MOST_IDS_BYTES:
        raise InputError(f"{len(content) / 1e6:.0f} MB are no list of ids")
    try:
        text = content.decode("utf-8-sig")
        head = text.partition("\n")[0]
        separator = "\t" if "\t" in head else ","
        table = pd.read_csv(io.StringIO(text), sep=separator, dtype=str, skip_blank_lines=True)
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError("this is no table of text: save a selection as ids or CSV") from error
    if "id" not in table:
        raise InputError(f"no column id; the columns are {', '.join(map(str, table.columns))}")
    names = ["id", "modality"] if "modality" in table else ["id"]
    wanted = pd.MultiIndex.from_frame(table[names].dropna().drop_duplicates())
    there = pd.MultiIndex.from_frame(items[names].astype(str))
    rows = np.flatnonzero(there.isin(wanted))
    unknown = int((~wanted.isin(there)).sum())
    if not len(rows):
        raise InputError(f"none of the {len(wanted)} items of this file are here")
    return Brought(rows, unknown)


def as_folder(part: pd.DataFrame, recipe: Recipe) -> bytes:
    """Return selected items with their media as a zip that is a data folder.

    A file that is gone is left out, and named in missing.txt.

    Raises:
        InputError: if the media are too large for it.
    """
    file, gone, size = io.BytesIO(), [], 0
    rows: dict[str, dict[str, object]] = {}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for item in _records(part):
            row = rows.setdefault(str(item["id"]), _shared(item))
            modality = str(item["modality"])
            if modality not in NAMES:
                row["text"] = item["text"]
                continue
            try:
                path = media_path(recipe, item["media"])
            except InputError as error:
                gone.append(str(error))
                continue
            size += path.stat().st_size
            if size > MOST_ZIP_BYTES:
                raise InputError(
                    f"the media take more than {MOST_ZIP_BYTES // 10**6} MB; select fewer "
                    f"{PLURAL[modality]}, or take the ids"
                )
            row[NAMES[modality]] = f"{modality}/{path.name}"
            archive.write(path, f"{modality}/{path.name}")
        table = pd.DataFrame(list(rows.values()))
        archive.writestr("metadata.csv", table.to_csv(index=False))
        if gone:
            archive.writestr(MISSING, "\n".join(gone) + "\n")
    return file.getvalue()


def _records(part: pd.DataFrame) -> Iterator[dict[str, object]]:
    for _, item in part.iterrows():
        yield {str(name): (None if pd.isna(value) else value) for name, value in item.items()}


def _shared(item: dict[str, object]) -> dict[str, object]:
    """Return what all items of a row share."""
    return {"id": item["id"]} | {n: v for n, v in item.items() if n not in FIXED}
