"""Data folders: what a user's files are, row by row.

A folder has a metadata file (`metadata.csv`, `.jsonl` or `.parquet`, as the Hugging Face folder
convention has it) that names pictures, sounds and sentences, or it has its files in folders named
by their label. A single Parquet file that holds the media themselves is accepted too.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from d2v_core.data.class_folders import read_class_folders
from d2v_core.data.inside import FoundFile, Inside
from d2v_core.data.items import Entry, Item, Problem
from d2v_core.data.media_columns import columns_left_out
from d2v_core.data.metadata import metadata_files, read_metadata
from d2v_core.data.parquet_media import unpack_parquet
from d2v_core.data.splits import Split, SplitRow, make_splits, read_splits, stratum_of
from d2v_core.errors import InputError
from d2v_core.modality import MODALITIES, Modality

SAVED_FILES = ("state.json", "dataset_dict.json")
"""One of them is in every data set that the hub's library has saved to a disk."""

__all__ = [
    "MODALITIES",
    "DataFolder",
    "Item",
    "Modality",
    "Problem",
    "Split",
    "read_folder",
    "read_folders",
    "scan_folder",
]


@dataclass(frozen=True)
class DataFolder:
    """What was found in a folder. Nothing has been decoded yet."""

    root: Path
    items: tuple[Item, ...]
    """Ordered by row, then modality in the order of MODALITIES."""

    problems: tuple[Problem, ...]
    """What cannot be used at all: a file that is missing or outside the folder, an id taken."""

    fingerprint: str
    """SHA-256 over the items and the names and sizes of their files: it changes with the data."""

    def of(self, modality: Modality) -> tuple[Item, ...]:
        """Return the items of one modality, in their order."""
        return tuple(item for item in self.items if item.modality == modality)

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Return the modalities that have items, in the order of MODALITIES."""
        present = {item.modality for item in self.items}
        return tuple(modality for modality in MODALITIES if modality in present)

    @property
    def splits(self) -> dict[str, str]:
        """Return the split of each row by its id, as `write_splits` takes it."""
        return {item.id: item.split for item in self.items}

    def pairs(self, first: Modality, second: Modality) -> list[tuple[Item, Item]]:
        """Return the items of rows that have both modalities, in the order of the rows."""
        seconds = {item.id: item for item in self.of(second)}
        return [(item, seconds[item.id]) for item in self.of(first) if item.id in seconds]


def read_folder(root: Path) -> DataFolder:
    """Return the items of a data folder or of a Parquet file.

    Ids that are not given are the names of the files without suffix (with it, where two would be
    the same), or a hash of the sentence. Splits that are not given are read from `splits.csv`, or
    made (see `make_splits`); `write_splits(folder.root, folder.splits)` writes them down.

    Raises:
        InputError: if there is no such folder, or nothing in it can be used.
    """
    folder = scan_folder(root)
    if folder.items:
        return folder
    if not folder.problems:
        raise InputError(
            f"{root} is empty: wanted are files in folders named by label, or a metadata.csv with "
            "image_file_name, audio_file_name or text"
        )
    first = folder.problems[0]
    count = len(folder.problems)
    others = (
        f" (and {count - 1} more {'problem' if count == 2 else 'problems'})" if count > 1 else ""
    )
    raise InputError(f"nothing in {root} can be used: {first.file}: {first.reason}{others}")


def read_folders(roots: Sequence[Path]) -> DataFolder:
    """Return the items of several data folders as those of one.

    Ids then begin with the name of their folder, so that no rows become a pair by chance.

    Raises:
        InputError: as `read_folder`, or if two folders have the same name.
    """
    folders = [read_folder(root) for root in roots]
    if len(folders) == 1:
        return folders[0]
    names = [folder.root.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        raise InputError(f"folders must differ in their names, got {', '.join(names)}")
    items = tuple(
        replace(item, id=f"{name}/{item.id}")
        for name, folder in zip(names, folders, strict=True)
        for item in folder.items
    )
    digest = hashlib.sha256("".join(folder.fingerprint for folder in folders).encode())
    problems = tuple(problem for folder in folders for problem in folder.problems)
    return DataFolder(folders[0].root.parent, items, problems, digest.hexdigest())


def scan_folder(root: Path) -> DataFolder:
    """Return what `read_folder` does, also when nothing can be used.

    Raises:
        InputError: if there is no such folder, or its metadata cannot be read.
    """
    if root.is_file() and root.suffix.lower() == ".parquet":
        root = unpack_parquet(root)
    if str(root).startswith("hub:"):
        raise InputError(f"{root} is not here yet: d2v data get {root} --out DIR makes a folder")
    if any((root / name).is_file() for name in SAVED_FILES) and not metadata_files(root):
        raise InputError(
            f"{root} was saved by the library of the Hugging Face hub: make a data folder of it, "
            f"d2v data get hub:{root.name} --from {root} --out DIR"
        )
    if not root.is_dir():
        found = "is a file" if root.exists() else "does not exist"
        raise InputError(f"{root} {found}; wanted is a folder, or a .parquet file with the media")
    inside = Inside(root)
    try:
        entries, problems = _read_entries(inside)
    except PermissionError as error:
        raise InputError(f"{error.filename} cannot be read: {error.strerror}") from error
    rows = _with_ids(entries, problems)
    splits = _splits(inside.root, rows, problems)
    items = tuple(
        item for name, entry in rows.items() for item in _items(name, entry, splits[name])
    )
    fingerprint = _fingerprint(rows, splits)
    return DataFolder(inside.root, items, tuple(problems), fingerprint)


def _read_entries(inside: Inside) -> tuple[list[Entry], list[Problem]]:
    files = metadata_files(inside.root)
    if not files:
        return read_class_folders(inside)
    entries, problems = [], columns_left_out(inside)
    for file in files:
        more_entries, more_problems = read_metadata(file, inside)
        entries += more_entries
        problems += more_problems
    return entries, problems


def _with_ids(entries: Iterable[Entry], problems: list[Problem]) -> dict[str, Entry]:
    """Return the entries by id, and report those whose id is taken."""
    entries = list(entries)
    stems = Counter(_stem(entry) for entry in entries if entry.id is None)
    rows: dict[str, Entry] = {}
    for entry in entries:
        name = entry.id
        if name is None:
            name = _stem(entry) if stems[_stem(entry)] == 1 else _name(entry)
        if name in rows:
            reason = f"its id {name!r} is taken by {rows[name].where}"
            problems.append(Problem(entry.where, reason))
        else:
            rows[name] = entry
    return rows


def _name(entry: Entry) -> str:
    """Return a name of the entry that depends on nothing but what it holds."""
    first = next(iter(entry.sources.values()))
    if isinstance(first, FoundFile):
        return first.name
    return f"text-{hashlib.sha256(first.encode()).hexdigest()[:16]}"


def _stem(entry: Entry) -> str:
    first = next(iter(entry.sources.values()))
    if isinstance(first, FoundFile):
        return PurePosixPath(first.name).with_suffix("").as_posix()
    return _name(entry)


def _splits(root: Path, rows: dict[str, Entry], problems: list[Problem]) -> dict[str, Split]:
    """Return the split of every id: given, else written down, else made."""
    written = read_splits(root)
    splits = make_splits(
        SplitRow(
            id=name,
            stratum=stratum_of(entry.label, entry.sources),
            group=entry.group,
            split=entry.split or written.get(name),
        )
        for name, entry in rows.items()
    )
    of_group = defaultdict(set)
    for name, entry in rows.items():
        if entry.group is not None:
            of_group[entry.group].add(splits[name])
    for group, parts in of_group.items():
        if len(parts) > 1:
            reason = f"has rows in {' and '.join(sorted(parts))}: trained on and tested on"
            problems.append(Problem(f"group {group}", reason))
    return splits


def _items(name: str, entry: Entry, split: Split) -> Iterable[Item]:
    for modality, source in entry.sources.items():
        yield Item(
            id=name,
            modality=modality,
            source=source.path if isinstance(source, FoundFile) else source,
            label=entry.label,
            split=split,
            group=entry.group,
            columns=entry.columns,
        )


def _fingerprint(rows: dict[str, Entry], splits: dict[str, Split]) -> str:
    digest = hashlib.sha256()
    for name, entry in rows.items():
        sources = [
            (modality, source.name, source.size)
            if isinstance(source, FoundFile)
            else (modality, source)
            for modality, source in entry.sources.items()
        ]
        row = [name, entry.label, entry.group, splits[name], sources, dict(entry.columns)]
        digest.update(json.dumps(row).encode())
    return digest.hexdigest()
