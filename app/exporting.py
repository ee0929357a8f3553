"""A representation as one Parquet file that other tools open: map, neighbours, vectors."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from app.workbench import make_map
from d2v_core.errors import InputError, StoreError
from d2v_core.store import Representation, Store
from probes.neighbours import nearest

NEIGHBOURS = 15
OWN = ("x", "y", "trust", "neighbors")
"""Columns that are made here; `neighbors` as Embedding Atlas spells and reads it."""


class Exported(NamedTuple):
    """What an export wrote.

    Attributes:
        file: where.
        name: of the representation.
        rows: how many.
        columns: of the file, in order.
        tap: what map and neighbours were made of.
    """

    file: str
    name: str
    rows: int
    columns: list[str]
    tap: str


def export(
    store: Store,
    name: str,
    out: Path,
    *,
    tap: str | None = None,
    vectors: Sequence[str] | None = None,
    method: str = "umap",
) -> Exported:
    """Write one row an item: all that is known of it, its place on the map, its neighbours.

    `neighbors` is a struct of `ids`, numbers of rows of this file from 0, and `distances`,
    1 − cosine, nearest first, over all modalities. Layers are lists, named `vector_` and the tap
    with underscores. Columns of the data with such a name get an underscore behind theirs.

    Args:
        store: where the representation is.
        name: of the representation.
        out: the file, which is complete or absent.
        tap: what map and neighbours are made of; the last layer if None.
        vectors: layers to write; that of the map if None.
        method: of the map, "umap" or "pca".

    Raises:
        InputError: if the file's suffix is another than .parquet, or there is no such map.
        StoreError: if there is no such representation or tap, or it cannot be mapped.
    """
    if out.suffix != ".parquet":
        raise InputError(f"{out} must end in .parquet")
    recipe = store.recipe(name)
    chosen = tap or recipe.taps[-1]
    wanted = tuple(dict.fromkeys([chosen] if vectors is None else vectors))
    data = store.read(name, taps=tuple(dict.fromkeys([chosen, *wanted])))
    points, about = make_map(store, name, tap=chosen, method=method)
    try:
        table = _table(data, points, chosen, wanted)
    except ValueError as error:
        raise StoreError(f"no neighbours of {name} at {chosen}: {error}") from error
    facts: dict[str, Any] = {"recipe": recipe.to_json(), "tap": chosen, "map": about}
    table = table.replace_schema_metadata({"d2v": json.dumps(facts)})
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = out.with_name(out.name + ".part")
    pq.write_table(table, aside)
    with aside.open("rb") as file:
        os.fsync(file.fileno())
    aside.replace(out)
    return Exported(str(out), name, table.num_rows, table.column_names, chosen)


def vector_column(tap: str) -> str:
    """Return the name of the column of a layer: plain, so that SQL needs no quotes."""
    return "vector_" + re.sub(r"\W", "_", tap)


def _table(data: Representation, points: pd.DataFrame, tap: str, wanted: Sequence[str]) -> pa.Table:
    layers = {vector_column(name): data.layers[name] for name in wanted}
    taken = {*OWN, *layers}
    items = data.items.rename(columns={c: f"{c}_" for c in data.items.columns if c in taken})
    table = pa.Table.from_pandas(items, preserve_index=False)
    for column in ("x", "y", "trust"):
        table = table.append_column(column, pa.array(points[column].to_numpy(), from_pandas=True))
    table = table.append_column("neighbors", _neighbours(data.layers[tap]))
    for column, x in layers.items():
        flat = pa.array(np.ascontiguousarray(x, dtype=np.float32).ravel())
        table = table.append_column(column, pa.FixedSizeListArray.from_arrays(flat, x.shape[1]))
    return table


def _neighbours(x: np.ndarray) -> pa.StructArray:
    """Return the nearest items of every item as {ids, distances}."""
    found = nearest(x, x, NEIGHBOURS, itself=np.arange(len(x)))
    ends = np.arange(len(x) + 1, dtype=np.int32) * found.ids.shape[1]
    distances = np.maximum(1 - found.cosines.astype(np.float32), 0)
    parts = (found.ids.astype(np.int64), distances)
    lists = [pa.ListArray.from_arrays(ends, pa.array(part.ravel())) for part in parts]
    return pa.StructArray.from_arrays(lists, names=["ids", "distances"])
