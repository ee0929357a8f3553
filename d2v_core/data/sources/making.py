"""What the making of every data folder shares: a fresh folder, its rows, its metadata."""

import csv
import hashlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from d2v_core.data.items import Progress
from d2v_core.data.splits import SplitRow, make_splits, normalise_split, stratum_of
from d2v_core.errors import InputError
from d2v_core.modality import MODALITIES

Row = Mapping[str, str | int | float | bool | None]
"""A row of metadata; it has an `id`, and a `label` unless it has none."""

T = TypeVar("T")
R = TypeVar("R", bound=Mapping[str, object])


@dataclass(frozen=True)
class Wish:
    """What the user asked for."""

    from_: Path | None = None
    limit: int | None = None
    progress: Progress | None = None
    say: Callable[[str], None] = lambda _: None
    """Is told what a person should know of what was made."""

    def archive(self, name: str, *, origin: str) -> Path:
        """Return the archive to take the data from, or say where to get it."""
        if self.from_ is None:
            raise InputError(f"this data set is made from {name} ({origin}): give it with --from")
        return self.from_


@contextmanager
def fresh_folder(out: Path) -> Iterator[Path]:
    """Give a new folder beside `out` that becomes `out` at the end, and is removed on failure.

    Raises:
        InputError: if `out` exists and is not empty, or cannot be made.
    """
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise InputError(f"{out} is no folder; choose another one to make")
    if out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out} is not empty; choose another folder, or remove it first")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise InputError(f"{out} cannot be made: {error.strerror}") from error
    try:
        yield aside
        aside.chmod(0o755)
        aside.replace(out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def choose(rows: Sequence[R], limit: int | None) -> list[R]:
    """Return at most `limit` rows of each label, in their order: those whose ids hash lowest."""
    if limit is None:
        return list(rows)
    taken: Counter[object] = Counter()
    chosen = set()
    for row in sorted(rows, key=lambda row: hashed(str(row["id"]))):
        if taken[row.get("label")] < limit:
            taken[row.get("label")] += 1
            chosen.add(row["id"])
    return [row for row in rows if row["id"] in chosen]


def hashed(text: str) -> str:
    """Return a hash that orders names without anybody having chosen the order."""
    return hashlib.sha256(text.encode()).hexdigest()


def make_rows(
    things: Sequence[T], make: Callable[[T], Row], progress: Progress | None
) -> list[Row]:
    """Make a row of each thing, reporting how many are done."""
    rows = []
    for number, thing in enumerate(things, start=1):
        rows.append(make(thing))
        if progress is not None:
            progress(number, len(things))
    return rows


def write_metadata(folder: Path, rows: Sequence[Row], *, about: str) -> None:
    """Write `metadata.csv`, with splits made where there are none, and `README.txt`."""
    splits = make_splits(
        SplitRow(
            id=str(row["id"]),
            stratum=stratum_of(row.get("label"), (key for key in MODALITIES if _has(row, key))),
            group=None if row.get("group") is None else str(row["group"]),
            split=normalise_split(str(row.get("split", ""))),
        )
        for row in rows
    )
    header = dict.fromkeys(name for row in rows for name in row) | {"split": None}
    with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(header), lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, "split": splits[str(row["id"])]} for row in rows)
    (folder / "README.txt").write_text(about, encoding="utf-8")


def _has(row: Row, modality: str) -> bool:
    return any(row.get(name) is not None for name in (modality, f"{modality}_file_name"))
