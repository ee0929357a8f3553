"""Where embeddings live: a LanceDB directory, one table a representation.

A representation is what one encoder makes of one data folder. Its table has a row an item of one
modality and a column a layer; its recipe, which says how it was made, is in the table's metadata.
All calls to LanceDB are in this file.
"""

import hashlib
import json
import re
import time
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Float

from d2v_core.errors import StoreError
from d2v_core.representation import Recipe, Representation
from d2v_core.rows import KEY, MARK, has_key, layer_column, matrix_of, with_key
from d2v_core.store_place import alone_at, refusals

PATIENCE_SECONDS, POLL_SECONDS = 300.0, 0.2
"""How long a process waits for another to make their table, and how often it looks."""

PRECISIONS = ("float16", "float32")
"""How numbers can be kept."""

_KEPT = "kept."  # tables of results, beside those of representations


class Store:
    """A directory of representations, local or on object storage.

    Args:
        place: a path or a URI that LanceDB understands.
        create: make it if it is not there.
        precision: that vectors are embedded into it with: float16 or float32.

    Raises:
        StoreError: if it is not there and `create` is not set, or there is no such precision.
    """

    def __init__(
        self, place: str | Path, *, create: bool = False, precision: str = "float16"
    ) -> None:
        if precision not in PRECISIONS:
            raise StoreError(f"no precision {precision!r}; choose {' or '.join(PRECISIONS)}")
        self.place, self.precision = str(place), precision
        if "://" not in self.place and not Path(self.place).is_dir() and not create:
            raise StoreError(f"there is no store at {self.place}; make one with `d2v embed`")
        with refusals(self.place):
            self.database = lancedb.connect(self.place)

    def _tables(self) -> list[str]:
        names, token = [], None
        while True:
            with refusals(self.place):
                answer = self.database.list_tables(page_token=token)
            names += answer.tables
            token = answer.page_token
            if not token:
                return sorted(names)

    def _open(self, name: str) -> lancedb.table.Table:
        with refusals(self.place):
            return self.database.open_table(name)

    def _rows(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """Return the rows of a table, in no order."""
        table = self._open(name)
        with refusals(self.place):
            return table.search().select(columns or table.schema.names).limit(None).to_arrow()

    def names(self) -> list[str]:
        """Return the names of the representations."""
        return [name for name in self._tables() if not name.startswith(_KEPT)]

    def recipe(self, name: str) -> Recipe:
        """Return how a representation was made.

        Raises:
            StoreError: if there is no such table, or it was not made by this software.
        """
        if name not in self._tables():
            raise StoreError(
                f"{self.place} has no representation {name!r}; it has "
                f"{', '.join(self.names()) or 'none'}"
            )
        metadata = self._open(name).schema.metadata or {}
        if b"recipe" not in metadata:
            raise StoreError(f"table {name!r} of {self.place} has no recipe: not made by d2v")
        try:
            values = json.loads(metadata[b"recipe"])
            return Recipe(**values | {n: tuple(values[n]) for n in ("taps", "widths")})
        except (ValueError, TypeError, KeyError) as error:
            raise StoreError(
                f"the recipe of {name!r} in {self.place} is of another version of d2v ({error}); "
                "embed the data anew, into another store"
            ) from error

    def held(self, name: str) -> str:
        """Return the name with the number of rows: what depends on the rows is kept under this.

        An embedding adds rows while others look, and one that was broken off is gone on with.

        Raises:
            StoreError: if there is no such representation.
        """
        self.recipe(name)
        with refusals(self.place):
            return f"{name}@{self._open(name).count_rows()}"

    def recipes(self) -> dict[str, Recipe]:
        """Return all recipes by the name of their table."""
        return {name: self.recipe(name) for name in self.names()}

    def only(self) -> str:
        """Return the name of the one representation.

        Raises:
            StoreError: if there is none, or more than one to choose from.
        """
        names = self.names()
        if len(names) != 1:
            what = f"{len(names)} representations ({', '.join(names)}); choose one with --name"
            raise StoreError(f"{self.place} holds {what if names else 'no representation'}")
        return names[0]

    def read(self, name: str, *, taps: tuple[str, ...] | None = None) -> Representation:
        """Return a representation, rows ordered by id and modality.

        Args:
            name: of its table.
            taps: which layers; all if None.

        Raises:
            StoreError: if there is no such representation or tap.
        """
        recipe = self.recipe(name)
        wanted = recipe.taps if taps is None else taps
        missing = set(wanted) - set(recipe.taps)
        if missing:
            raise StoreError(
                f"{name} has no tap {', '.join(sorted(missing))}; it has {', '.join(recipe.taps)}"
            )
        columns = {tap: layer_column(recipe.taps.index(tap)) for tap in wanted}
        names = self._open(name).schema.names
        others = [c for c in names if not re.fullmatch(r"layer_\d+", c)]
        data = self._rows(name, [*others, *columns.values()])
        items = data.select(others).to_pandas()
        order = items.sort_values(["id", "modality"], kind="stable").index.to_numpy()
        layers = {tap: matrix_of(data[column])[order] for tap, column in columns.items()}
        return Representation(recipe, items.loc[order].reset_index(drop=True), layers)

    def done(self, recipe: Recipe) -> set[tuple[str, str]]:
        """Return (id, modality) of all the items that are stored under a recipe.

        Raises:
            StoreError: if they are there in another precision.
        """
        if recipe.name not in self._tables():
            return set()
        there = self.recipe(recipe.name).precision
        if there != recipe.precision:
            raise StoreError(
                f"{self.place} has {recipe.name} in {there} already; for {recipe.precision} embed "
                "into another store"
            )
        rows = self._rows(recipe.name, list(KEY)).to_pydict()
        return set(zip(rows["id"], rows["modality"], strict=True))

    def append(
        self, recipe: Recipe, items: pa.Table, layers: list[Float[np.ndarray, "items _"]]
    ) -> int:
        """Add the rows that are not there yet, in one commit: all of them, or none.

        Returns:
            How many were added. Another process may have added some since anybody looked.

        Raises:
            StoreError: if an embedding is not finite.
        """
        kind = np.dtype(recipe.precision)
        with np.errstate(over="ignore"):  # what overflows is refused below
            kept = [np.ascontiguousarray(x, dtype=kind) for x in layers]
        for tap, x, given in zip(recipe.taps, kept, layers, strict=True):
            bad = ~np.isfinite(x).all(axis=1)
            if bad.any():
                ids = items["id"].take(np.flatnonzero(bad)[:3]).to_pylist()
                words = "half" if recipe.precision == "float16" else "single"
                is_large = np.isfinite(given[bad]).all() and not recipe.imported
                way = "; keep them in another store, with --precision float32" if is_large else ""
                raise StoreError(
                    f"{recipe.encoder} gives values at {tap} that are not finite in {words} "
                    f"precision for {int(bad.sum())} items, {', '.join(ids)} among them{way}"
                )
        for number, x in enumerate(kept):
            flat = pa.array(x.ravel())
            column = pa.FixedSizeListArray.from_arrays(flat, x.shape[1])
            items = items.append_column(layer_column(number), column)
        items = items.cast(with_key(items.schema))
        self._make(recipe, items.schema)
        table = self._keyed(recipe.name)
        with refusals(self.place):
            merged = table.merge_insert(list(KEY)).when_not_matched_insert_all().execute(items)
        return merged.num_inserted_rows

    def _keyed(self, name: str) -> lancedb.table.Table:
        """Return a table whose rows are named; one that an older d2v made gets the mark now."""
        if not has_key(self._open(name).schema):
            with alone_at(self.place):
                self._mark_key(name)
        return self._open(name)

    def _mark_key(self, name: str) -> None:
        table = self._open(name)
        if has_key(table.schema):  # another process was faster
            return
        try:
            with refusals(self.place):
                named = [{"path": path, "nullable": False} for path in KEY]
                table.alter_columns(*named)  # pyright: ignore[reportArgumentType]  # see its own example
                table.update_field_metadata(*({"path": path, "metadata": MARK} for path in KEY))
        except StoreError:
            if not has_key(self._open(name).schema):
                raise

    def _make(self, recipe: Recipe, columns: pa.Schema) -> None:
        """Make the table of a recipe, unless it is there."""
        with alone_at(self.place):
            if recipe.name in self._tables():
                return
            about = {"recipe": json.dumps(recipe.to_json())}
            try:
                with refusals(self.place):
                    self.database.create_table(recipe.name, schema=columns.with_metadata(about))
            except StoreError:
                if recipe.name not in self._tables():  # else another process was faster
                    raise

    def share(self, recipe: Recipe, items: pa.Schema, *, first: bool) -> None:
        """Make ready for many processes that append: one makes the table, the others wait for it.

        Two that made it at once would overwrite what one of them had appended.

        Args:
            recipe: of the table.
            items: what is known of an item.
            first: whether this is the process that makes it.

        Raises:
            StoreError: if it was waited for in vain.
        """
        if first:
            kind = pa.float16() if recipe.precision == "float16" else pa.float32()
            for number, width in enumerate(recipe.widths):
                items = items.append(pa.field(layer_column(number), pa.list_(kind, width)))
            self._make(recipe, with_key(items))
        end = time.monotonic() + PATIENCE_SECONDS
        while recipe.name not in self._tables():
            if time.monotonic() > end:
                raise StoreError(
                    f"the first process has made no table {recipe.name} in {self.place} for "
                    f"{PATIENCE_SECONDS:.0f} s; start it, with RANK=0"
                )
            time.sleep(POLL_SECONDS)

    def drop(self, name: str) -> None:
        """Remove a representation; results that were kept of it stay.

        Raises:
            StoreError: if there is no such representation.
        """
        self.recipe(name)
        self.database.drop_table(name)

    def keep(self, key: str, table: pd.DataFrame, about: dict[str, Any]) -> None:
        """Keep a result that was dear to compute, replacing one of the same key.

        Args:
            key: everything that the result depends on, as text.
            table: its rows.
            about: plain JSON values that belong to it.
        """
        rows = pa.Table.from_pandas(table, preserve_index=False)
        rows = rows.replace_schema_metadata({"about": json.dumps(about)})
        name = _kept_name(key)
        with alone_at(self.place):
            # Overwriting what is not there makes LanceDB complain on the terminal.
            mode = "overwrite" if name in self._tables() else "create"
            with refusals(self.place):
                self.database.create_table(name, rows, mode=mode)

    def kept(self, key: str) -> tuple[pd.DataFrame, dict[str, Any]] | None:
        """Return what was kept under a key, or None."""
        if _kept_name(key) not in self._tables():
            return None
        rows = self._rows(_kept_name(key))
        about = (self._open(_kept_name(key)).schema.metadata or {})[b"about"]
        return rows.to_pandas(), json.loads(about)


def _kept_name(key: str) -> str:
    return _KEPT + hashlib.sha256(key.encode()).hexdigest()[:16]
