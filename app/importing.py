"""Vectors made elsewhere become a representation of a store."""

import hashlib
import importlib.metadata
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from app.vectors import plain_columns, read_vectors
from app.words import ROLES
from d2v_core.data.splits import SPLITS, SplitRow, make_splits, normalise_split, stratum_of
from d2v_core.data.tables import open_table, read_table
from d2v_core.errors import InputError
from d2v_core.modality import MODALITIES
from d2v_core.rows import COLUMNS, rows_table
from d2v_core.store import Recipe, Store

META_SUFFIXES = (".csv", ".jsonl", ".parquet")
TEXTS = {*COLUMNS, "pair"}
CHUNK = 20_000  # rows of one commit


class Imported(NamedTuple):
    """What an import did.

    Attributes:
        name: of the representation.
        added: rows.
        there: rows that were there before, or that somebody else added meanwhile.
        already: whether all of them were.
        pairs: how many pairs have items of more than one modality.
        layers: by tap, the width.
        splits: rows of each split.
        splits_made: whether the splits were made here.
    """

    name: str
    added: int
    there: int
    already: bool
    pairs: int
    layers: dict[str, int]
    splits: dict[str, int]
    splits_made: bool


def import_vectors(
    vectors: Path,
    meta: Path,
    place: str | Path,
    *,
    name: str | None = None,
    role: str = "trained",
    taps: Sequence[str] = (),
) -> Imported:
    """Put vectors into a store, rows as in a table.

    Args:
        vectors: .npy, .npz, .safetensors or .parquet.
        meta: .csv, .jsonl or .parquet with the column `modality`; optional are `id`, `pair`,
            `label`, `split`, `group`, `text`, `media` (relative to this file) and any others.
        place: of the store; made if it is not there, once everything has been read.
        name: what the encoder shall be called; the name of the file if None.
        role: what the vectors are to a claim.
        taps: see `read_vectors`.

    Raises:
        InputError: if a file, the role or the two together cannot be used.
        StoreError: if the store cannot take them.
    """
    if role not in ROLES:
        raise InputError(f"there is no role {role!r}; choose {', '.join(ROLES)}")
    items = read_items(meta)
    layers = read_vectors(vectors, len(items), taps)
    given = items["split"].notna()
    items["split"] = _splits(items, meta)
    table = rows_table(items, items.drop(columns=list(COLUMNS)))
    recipe = Recipe(
        encoder=name or vectors.stem,
        encoder_hash=_hash(layers, role),
        role=role,
        data=str(meta.parent.resolve()),
        data_fingerprint=hashlib.sha256(items.to_json(orient="split").encode()).hexdigest(),
        taps=tuple(layers),
        widths=tuple(x.shape[1] for x in layers.values()),
        pooling="made elsewhere",
        versions={"numpy": importlib.metadata.version("numpy")},
        precision="float32",
        imported=True,
        splits_made=not given.any(),
    )
    store = Store(place, create=True)
    done = store.done(recipe)
    new = np.array([key not in done for key in zip(items["id"], items["modality"], strict=True)])
    added = 0
    for start in range(0, len(items), CHUNK):
        rows = start + np.flatnonzero(new[start : start + CHUNK])
        if len(rows):
            added += store.append(recipe, table.take(rows), [x[rows] for x in layers.values()])
    return Imported(
        recipe.name,
        added,
        len(items) - added,
        not added,
        _count_pairs(items),
        {tap: x.shape[1] for tap, x in layers.items()},
        {split: int((items["split"] == split).sum()) for split in SPLITS},
        recipe.splits_made,
    )


def read_items(meta: Path) -> pd.DataFrame:
    """Return the rows of a table of items with all the columns of a store; splits as given.

    Raises:
        InputError: if the table cannot be used.
    """
    items = _read_frame(meta)
    if "modality" not in items:
        found = ", ".join(map(str, items.columns)) or "none"
        raise InputError(
            f"{meta} has no column modality, which says image, audio or text (found: {found})"
        )
    items["modality"] = items["modality"].str.strip().str.lower()
    wrong = items.index[~items["modality"].isin(MODALITIES)]
    if len(wrong):
        raise InputError(
            f"{meta}, row {wrong[0] + 1}: modality {_quoted(items['modality'][wrong[0]])} is none "
            f"of {', '.join(MODALITIES)}"
        )
    for column in COLUMNS:
        if column not in items:
            items[column] = pd.Series(None, index=items.index, dtype="string")
    items["id"] = _ids(items, meta)
    split = items["split"].map(lambda word: None if pd.isna(word) else normalise_split(word))
    wrong = items.index[items["split"].notna() & split.isna()]
    if len(wrong):
        raise InputError(
            f"{meta}, row {wrong[0] + 1}: split {_quoted(items['split'][wrong[0]])} is none of "
            f"{', '.join(SPLITS)}"
        )
    items["split"] = split.astype("string")
    return items


def _read_frame(meta: Path) -> pd.DataFrame:
    """Return a table as it is, its known columns as text."""
    if meta.suffix not in META_SUFFIXES:
        raise InputError(f"{meta} is none of {', '.join(META_SUFFIXES)}")
    if not meta.is_file():
        raise InputError(f"there is no file {meta}")
    if meta.suffix == ".parquet":
        with open_table(meta) as file:
            frame = file.read(columns=plain_columns(meta)).to_pandas()
    else:
        table = read_table(meta, texts=TEXTS)
        if table.problems:
            first = table.problems[0]
            raise InputError(
                f"{first.file}: {first.reason}; every row has a vector, so none can be left out"
            )
        frame = pd.DataFrame([dict(row.values) for row in table.rows], columns=list(table.columns))
    if not len(frame):
        raise InputError(f"{meta} has no row")
    for column in TEXTS & set(frame.columns):
        frame[column] = frame[column].astype("string").str.strip()
        frame[column] = frame[column].where(frame[column] != "")
    return frame.reset_index(drop=True)


def _ids(items: pd.DataFrame, meta: Path) -> pd.Series:
    """Return the ids; where none are given those of the pairs, or else the numbers of the rows."""
    ids = items["id"]
    if ids.isna().all():
        numbers = pd.Series([f"row-{n + 1:06d}" for n in range(len(items))], items.index, "string")
        if (
            "pair" not in items
            or items.duplicated(["pair", "modality"])[items["pair"].notna()].any()
        ):
            return numbers
        return items["pair"].fillna(numbers)
    if ids.isna().any():
        raise InputError(f"{meta}, row {int(ids.isna().argmax()) + 1}: the id is missing")
    twice = items.index[items.duplicated(["id", "modality"])]
    if len(twice):
        row = items.loc[twice[0]]
        raise InputError(
            f"{meta}, row {twice[0] + 1}: there is another {row['modality']} with the id "
            f"{row['id']!r}; ids are unique within a modality, use `pair` for what belongs together"
        )
    return ids


def _splits(items: pd.DataFrame, meta: Path) -> pd.Series:
    """Return the split of every row: given, or made so that pairs and groups stay together."""
    if items["split"].notna().all():
        return items["split"]
    own = items["pair"] if "pair" in items else pd.Series(pd.NA, items.index, "string")
    units = own.fillna("id " + items["id"]).rename("unit")
    by_unit = items.groupby(units, sort=False)
    groups = by_unit["group"].agg(lambda values: sorted(set(values.dropna())))
    for unit, names in groups.items():
        if len(names) > 1:
            raise InputError(
                f"{meta}: pair {unit!r} has items of the groups {names[0]!r} and {names[1]!r}; to "
                "make splits that keep both together, name one group for all its items"
            )
    rows = [
        SplitRow(
            id=str(unit),
            stratum=stratum_of(_first(part["label"]), sorted(part["modality"])),
            group=groups[unit][0] if groups[unit] else None,
            split=normalise_split(_first(part["split"]) or ""),
        )
        for unit, part in by_unit
    ]
    made = make_splits(rows)
    return items["split"].fillna(units.map(made)).astype("string")


def _first(column: pd.Series) -> str | None:
    known = column.dropna()
    return str(known.iloc[0]) if len(known) else None


def _count_pairs(items: pd.DataFrame) -> int:
    key = items["pair"] if "pair" in items else items["id"]
    return int((items.groupby(key)["modality"].nunique() > 1).sum())


def _hash(layers: dict[str, np.ndarray], role: str) -> str:
    """Return a hash of all numbers; of the role too, so that vectors can be tried in several."""
    digest = hashlib.sha256(json.dumps([role, *layers]).encode())
    for x in layers.values():
        digest.update(np.ascontiguousarray(x).data)
    return digest.hexdigest()[:16]


def _quoted(value: object) -> str:
    return repr(value) if isinstance(value, str) else "(missing)"
