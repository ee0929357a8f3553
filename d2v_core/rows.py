"""The rows of a store: an item each, with the columns that all have, those of the data, layers."""

from collections.abc import Container

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Float

COLUMNS = ("id", "modality", "label", "split", "group", "text", "media")

KEY = ("id", "modality")
MARK = {"lance-schema:unenforced-primary-key": "true"}
"""What names a row. LanceDB lets nobody add a row of the same name only where it is marked so."""


def rows_table(fixed: pd.DataFrame, further: pd.DataFrame) -> pa.Table:
    """Return a row an item: the fixed columns of a store, then further ones.

    Further columns whose name is taken get an underscore behind it, as have those parts of a name
    that a store does not take; columns of mixed kinds become text.

    Args:
        fixed: has the columns of COLUMNS.
        further: whatever else is known of the items, in the same order.
    """
    frame = fixed[list(COLUMNS)].astype("string")
    for name in further:
        column = further[name]
        kind = pd.api.types.infer_dtype(column, skipna=True)
        is_plain = kind in ("integer", "floating", "boolean")
        frame[_free_name(str(name), frame)] = column if is_plain else column.astype("string")
    return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)


def _free_name(name: str, taken: Container[str]) -> str:
    """Return a name that a table can have: dots part the levels of a struct there."""
    name = "".join(c if c.isprintable() and c != "." else "_" for c in name).strip() or "column"
    name = f"{name}_" if name.startswith("layer_") else name
    while name in taken:
        name += "_"
    return name


def layer_column(number: int) -> str:
    """Return the name of the column of layer `number`."""
    return f"layer_{number:02d}"


def matrix_of(column: pa.ChunkedArray) -> Float[np.ndarray, "items dim"]:
    """Return a column of fixed-size lists as a float32 matrix."""
    width = column.type.list_size
    parts = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    flat = np.concatenate(parts) if parts else np.zeros(0)
    return flat.astype(np.float32).reshape(-1, width)


def with_key(columns: pa.Schema) -> pa.Schema:
    """Return columns of which those that name a row are marked: commits at once look at them."""
    for name in KEY:
        number = columns.get_field_index(name)
        field = columns.field(number).with_nullable(False).with_metadata(MARK)
        columns = columns.set(number, field)
    return columns


def has_key(columns: pa.Schema) -> bool:
    """Return whether those columns that name a row are marked."""
    wanted = {key.encode(): value.encode() for key, value in MARK.items()}
    return all(wanted.items() <= (columns.field(n).metadata or {}).items() for n in KEY)
