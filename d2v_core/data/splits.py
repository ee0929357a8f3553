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

from d2v_core.data.inside import Inside
from d2v_core.errors import InputError

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
SHARES: dict[Split, float] = {"train": 0.70, "test": 0.15, "val": 0.15}
"""Shares of the splits that we make."""

SPLITS_FILE = "splits.csv"
_ALIASES = {"training": "train", "valid": "val", "validation": "val", "dev": "val", "eval": "test"}


@dataclass(frozen=True)
class SplitRow:
    """What decides the split of one row."""

    id: str
    stratum: str | None
    """Rows of one stratum are shared out among the splits: those alike in label and modalities."""

    group: str | None
    """Rows of one group go together."""

    split: Split | None
    """Where it is already given."""


def normalise_split(name: str) -> Split | None:
    """Return the split that a name means (`validation` and `dev` are `val`), or None."""
    name = name.strip().lower()
    name = _ALIASES.get(name, name)
    return cast(Split, name) if name in SPLITS else None


def stratum_of(label: object, modalities: Iterable[str]) -> str:
    """Return the stratum of a row: pictures and sounds of a label are shared out separately."""
    return f"{'+'.join(modalities)}: {'' if label is None else label}"


def make_splits(rows: Iterable[SplitRow]) -> dict[str, Split]:
    """Return the split of every row by its id, keeping the splits that are given.

    Rows of a group go together; a row without one is a group of its own. The groups are taken in
    the order of a hash of their names, so the order of the rows does not matter and nobody picks.
    Each goes where its strata are furthest behind their shares (70 % train, 15 % test, 15 % val):
    with one stratum a group, no split is ever a whole row off its share. The first of a stratum
    goes to train, so that a rare label is never tested without having been trained.

    If most groups bear strata that fewer than three groups share (every row its own label, say),
    there are no classes to stratify by, and strata are ignored.

    Source: the greedy choice is the iterative stratification of Sechidis et al. 2011, with
    hash order instead of rarest label first.
    """
    rows = list(rows)
    strata: defaultdict[str, Counter[str | None]] = defaultdict(Counter)
    splits: dict[str, Split] = {}
    for row in rows:
        strata[_unit(row)][row.stratum] += 1
    for row in sorted(rows, key=lambda row: row.id):  # a straddling group follows its first id
        if row.split is not None:
            splits.setdefault(_unit(row), row.split)
    if not _are_classes(strata.values()):
        for unit, counts in strata.items():
            strata[unit] = Counter({None: counts.total()})
    _share_out(strata, splits)
    return {row.id: row.split or splits[_unit(row)] for row in rows}


def read_splits(root: Path) -> dict[str, Split]:
    """Return the splits written down in a folder, by id; empty if there are none.

    Raises:
        InputError: if the file is there and cannot be used.
    """
    path = root / SPLITS_FILE
    if not os.path.lexists(path):
        return {}
    try:
        text = Inside(root).find(SPLITS_FILE).path.read_text(encoding="utf-8-sig")
    except InputError as error:
        raise InputError(f"{path}: {error}; delete it to have the splits made anew") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} cannot be read: {error}; delete it to have it made anew"
        ) from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        return _splits_of(reader, path)
    except csv.Error as error:
        raise InputError(
            f"{path} is no table: {error}; delete it to have the splits made anew"
        ) from error


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


def _splits_of(reader: csv.DictReader, path: Path) -> dict[str, Split]:
    if not {"id", "split"} <= set(reader.fieldnames or ()):
        raise InputError(f"{path} has no columns id and split; delete it to have it made anew")
    splits: dict[str, Split] = {}
    for row in reader:
        split = normalise_split(row["split"] or "")
        if split is None:
            raise InputError(
                f"{path}, line {reader.line_num}: split {(row['split'] or '')[:100]!r} is none of "
                f"{', '.join(SPLITS)}; mend it, or delete the file to have it made anew"
            )
        splits[row["id"]] = split
    return splits


def _unit(row: SplitRow) -> str:
    """Name what goes into a split as a whole; a group is never mistaken for an id."""
    return f"id:{row.id}" if row.group is None else f"group:{row.group}"


def _are_classes(strata: Iterable[Counter[str | None]]) -> bool:
    """Say if at least half of the groups bear a stratum that three groups share."""
    strata = list(strata)
    shared_by = Counter(stratum for counts in strata for stratum in counts)
    rare = sum(max(shared_by[stratum] for stratum in counts) < 3 for counts in strata)
    return 2 * rare <= len(strata)


def _share_out(strata: Mapping[str, Counter[str | None]], splits: dict[str, Split]) -> None:
    """Give every unit without a split the one where its strata are furthest behind."""
    seen: Counter[str | None] = Counter()
    there: defaultdict[str, Counter[str | None]] = defaultdict(Counter)
    for unit, split in splits.items():
        seen.update(strata[unit])
        there[split].update(strata[unit])

    def behind(split: Split, counts: Counter[str | None]) -> float:
        """Rows missing to the split's share, weighed by how many of each stratum come."""
        return sum(
            count * (SHARES[split] * seen[stratum] - there[split][stratum])
            for stratum, count in counts.items()
        )

    for unit in sorted(strata.keys() - splits.keys(), key=_hash):
        counts = strata[unit]
        seen.update(counts)
        # Ties go to train, then to test or val by a hash: always test would starve val where
        # strata are small. Rounded, so that the last bit of a fraction decides nothing.
        second = "test" if int(_hash(unit)[-1], 16) % 2 else "val"
        splits[unit] = max(
            SHARES,
            key=lambda split: (round(behind(split, counts), 6), split == "train", split == second),
        )
        there[splits[unit]].update(counts)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
