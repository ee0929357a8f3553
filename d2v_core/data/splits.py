"""Splits: which items train, which choose, which are reported on."""

import csv
import hashlib
import io
import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from d2v_core.errors import InputError

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
SHARES: dict[Split, float] = {"train": 0.70, "test": 0.15, "val": 0.15}
"""Shares of the splits that we make. The order breaks ties: train first, then test."""

SPLITS_FILE = "splits.csv"
_ALIASES = {"training": "train", "valid": "val", "validation": "val", "dev": "val", "eval": "test"}


@dataclass(frozen=True)
class SplitRow:
    """What decides the split of one row: its label and group, and its split if it has one."""

    id: str
    label: str | None
    group: str | None
    split: Split | None


def normalise_split(name: str) -> Split | None:
    """Return the split that a name means (`validation` and `dev` are `val`), or None."""
    name = name.strip().lower()
    name = _ALIASES.get(name, name)
    return cast(Split, name) if name in SPLITS else None


def make_splits(rows: Iterable[SplitRow]) -> dict[str, Split]:
    """Return the split of every row by its id, keeping the splits that are given.

    Rows of a group go together; a row without one is a group of its own. The groups are taken in
    the order of a hash of their names, so the order of the rows does not matter and nobody picks.
    Each goes where its labels are furthest behind their shares (70 % train, 15 % test, 15 % val):
    with one label a group, no split is ever a whole item off its share. The first of a label goes
    to train, so that a rare label is never tested without having been trained.

    If most groups bear a label that fewer than three groups share (every row its own name, say),
    labels are no classes to stratify by, and are ignored.

    Source: the greedy choice is the iterative stratification of Sechidis et al. 2011, with
    hash order instead of rarest label first.
    """
    rows = list(rows)
    labels: defaultdict[str, Counter[str | None]] = defaultdict(Counter)
    splits: dict[str, Split] = {}
    for row in rows:
        labels[_unit(row)][row.label] += 1
    for row in sorted(rows, key=lambda row: row.id):  # a straddling group follows its first id
        if row.split is not None:
            splits.setdefault(_unit(row), row.split)
    if not _are_classes(labels.values()):
        labels = defaultdict(
            Counter, {unit: Counter({None: n.total()}) for unit, n in labels.items()}
        )
    _share_out(labels, splits)
    return {row.id: row.split or splits[_unit(row)] for row in rows}


def read_splits(root: Path) -> dict[str, Split]:
    """Return the splits written down in a folder, by id; empty if there are none.

    Raises:
        InputError: if the file is there and cannot be used.
    """
    path = root / SPLITS_FILE
    if not path.is_file():
        return {}
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} cannot be read: {error}; delete it to have it made anew"
        ) from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    if not {"id", "split"} <= set(reader.fieldnames or ()):
        raise InputError(f"{path} has no columns id and split; delete it to have it made anew")
    splits: dict[str, Split] = {}
    for row in reader:
        split = normalise_split(row["split"] or "")
        if split is None:
            raise InputError(
                f"{path}, line {reader.line_num}: split {row['split']!r} is none of "
                f"{', '.join(SPLITS)}; mend it, or delete the file to have it made anew"
            )
        splits[row["id"]] = split
    return splits


def write_splits(root: Path, splits: Mapping[str, str]) -> Path | None:
    """Write the splits down beside the data, so that they stay when the data grow.

    The file is written aside and renamed: it is complete or absent.

    Args:
        root: the data folder.
        splits: split of each id.

    Returns:
        The file, or None if the folder cannot be written to: the splits are then made again, the
        same as long as the data are the same.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "split"])
    writer.writerows(sorted(splits.items()))
    path = root / SPLITS_FILE
    try:
        handle, aside = tempfile.mkstemp(prefix=".splits-", dir=root)
    except OSError:  # a read-only folder is no mistake
        return None
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text.getvalue())
        file.flush()
        os.fsync(file.fileno())
    aside = Path(aside)
    aside.chmod(0o644)
    aside.replace(path)
    return path


def _unit(row: SplitRow) -> str:
    """Name what goes into a split as a whole; a group is never mistaken for an id."""
    return f"id:{row.id}" if row.group is None else f"group:{row.group}"


def _are_classes(labels: Iterable[Counter[str | None]]) -> bool:
    """Say if at least half of the groups bear a label that three groups share."""
    labels = list(labels)
    shared_by = Counter(label for counter in labels for label in counter)
    rare = sum(max(shared_by[label] for label in counter) < 3 for counter in labels)
    return 2 * rare <= len(labels)


def _share_out(labels: Mapping[str, Counter[str | None]], splits: dict[str, Split]) -> None:
    """Give every unit without a split the one where its labels are furthest behind."""
    seen: Counter[str | None] = Counter()
    there: defaultdict[str, Counter[str | None]] = defaultdict(Counter)
    for unit, split in splits.items():
        seen.update(labels[unit])
        there[split].update(labels[unit])

    def behind(split: Split, counts: Counter[str | None]) -> float:
        """Items missing to the split's share, weighed by how many of each label come."""
        return sum(
            n * (SHARES[split] * seen[label] - there[split][label]) for label, n in counts.items()
        )

    for unit in sorted(labels.keys() - splits.keys(), key=_hash):
        counts = labels[unit]
        seen.update(counts)
        # rounded: 0.7 · 3 - 2 and 0.1 must tie, whatever the last bit says
        splits[unit] = max(SHARES, key=lambda split: round(behind(split, counts), 6))
        there[splits[unit]].update(counts)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
