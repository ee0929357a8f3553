"""Entries of a folder that has a metadata file."""

import os
from collections.abc import Mapping
from pathlib import Path

from d2v_core.data.inside import FoundFile, Inside
from d2v_core.data.items import SUFFIXES, Entry, Problem, modality_of
from d2v_core.data.splits import SPLITS, Split, normalise_split
from d2v_core.data.tables import TableRow, read_table
from d2v_core.errors import InputError
from d2v_core.modality import MODALITIES, Modality

METADATA_FILES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_SOURCES = ("image_file_name", "audio_file_name", "text", "text_file_name", "file_name")
_KNOWN = {*_SOURCES, "id", "label", "split", "group"}


def metadata_files(root: Path) -> list[Path]:
    """Return the metadata of a folder: its own, or else one in each folder named as a split.

    Raises:
        InputError: if a folder has more than one metadata file, or one that is no file, or a link
            that leads out of the folder.
    """
    inside = Inside(root)
    own = _metadata_file(inside, "")
    if own is not None:
        return [own]
    splits = (path for path in sorted(root.iterdir()) if path.is_dir() and not path.is_symlink())
    found = [_metadata_file(inside, f"{p.name}/") for p in splits if normalise_split(p.name)]
    return [path for path in found if path is not None]


def read_metadata(path: Path, inside: Inside) -> tuple[list[Entry], list[Problem]]:
    """Return the rows of a metadata file, and what cannot be used of them.

    Names of files are relative to the folder that the metadata file is in; if that is a split's
    folder, rows without a split are of that split.

    Raises:
        InputError: if the file cannot be read or has no column that names a source.
    """
    table = read_table(path, texts=_KNOWN)
    if not set(table.columns) & set(_SOURCES):
        found = ", ".join(repr(name) for name in table.columns) or "none"
        raise InputError(
            f"{path} has none of the columns {', '.join(_SOURCES)} (found: {found}); columns are "
            "separated by commas"
        )
    relative = path.parent.relative_to(inside.root).as_posix()
    folder = "" if relative == "." else f"{relative}/"
    problems = list(table.problems)
    entries = []
    table.rows.reverse()
    while table.rows:  # each goes as its entry comes: a large table is not there twice
        row = table.rows.pop()
        split, trouble = _split_of(row.values.get("split", relative if folder else None))
        sources, row_problems = _sources_of(row, folder, inside)
        if trouble is not None:
            row_problems.append(Problem(row.where, trouble))
        elif sources:
            entries.append(_entry(row, sources, split))
        elif not row_problems:
            row_problems.append(Problem(row.where, "names no picture, no sound and no text"))
        problems += row_problems
    return entries, problems


def _metadata_file(inside: Inside, folder: str) -> Path | None:
    place = inside.root / folder
    found = [name for name in METADATA_FILES if os.path.lexists(place / name)]
    if len(found) > 1:
        raise InputError(f"{place} has {' and '.join(found)}; keep one")
    if not found:
        return None
    try:
        inside.find(folder + found[0])
    except InputError as error:
        raise InputError(f"{place / found[0]}: {error}") from error
    return place / found[0]


def _entry(
    row: TableRow, sources: Mapping[Modality, FoundFile | str], split: Split | None
) -> Entry:
    names = {name: str(row.values[name]).strip() for name in _KNOWN if name in row.values}
    return Entry(
        where=row.where,
        sources=sources,
        id=names.get("id") or None,
        label=names.get("label") or None,
        group=names.get("group") or None,
        split=split,
        columns={name: value for name, value in row.values.items() if name not in _KNOWN},
    )


def _split_of(name: object) -> tuple[Split | None, str | None]:
    """Return the split, or the trouble with it."""
    if name is None:
        return None, None
    split = normalise_split(str(name))
    return split, None if split else f"split {str(name)!r} is none of {', '.join(SPLITS)}"


def _sources_of(
    row: TableRow, folder: str, inside: Inside
) -> tuple[dict[Modality, FoundFile | str], list[Problem]]:
    """Return the sources of a row by modality, in the order of MODALITIES."""
    sources: dict[Modality, FoundFile | str] = {}
    problems = []
    if "text" in row.values:
        sources["text"] = str(row.values["text"])
    for column in ("image_file_name", "audio_file_name", "text_file_name", "file_name"):
        if column not in row.values:
            continue
        name = str(row.values[column])
        modality = modality_of(name) if column == "file_name" else _modality_named(column)
        reason = _refusal(name, modality, sources)
        if reason is None and modality is not None:
            try:
                sources[modality] = inside.find(folder + name if not name.startswith("/") else name)
            except InputError as error:
                reason = str(error)
        if reason is not None:
            problems.append(Problem(name, f"{reason} ({row.where})"))
    return {key: sources[key] for key in MODALITIES if key in sources}, problems


def _modality_named(column: str) -> Modality | None:
    return next((key for key in MODALITIES if column == f"{key}_file_name"), None)


def _refusal(
    name: str, modality: Modality | None, sources: Mapping[Modality, object]
) -> str | None:
    if modality is None:
        known = ", ".join(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
        return f"its suffix is none of {known}"
    if modality in sources:
        return f"the row has another {modality} already"
    return None
