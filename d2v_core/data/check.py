"""Check a data folder: decode everything, count what is usable, name what is not and why."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

from d2v_core.data.audio import decode_audio
from d2v_core.data.folder import scan_folder
from d2v_core.data.image import decode_image
from d2v_core.data.items import Item, Problem, Progress
from d2v_core.data.splits import SPLITS
from d2v_core.data.text import decode_text
from d2v_core.errors import MediaError
from d2v_core.modality import MODALITIES, Modality


@dataclass(frozen=True)
class Report:
    """What a data folder holds, after every item was decoded."""

    root: str
    usable: Mapping[Modality, int]
    """Items of each modality that decode."""

    problems: tuple[Problem, ...]
    """First what the folder shows, then what decoding shows, in the order of the items."""

    rows: int
    """Rows with at least one usable item."""

    pairs: Mapping[str, int]
    """Rows with two usable modalities, by their names: "image-audio"."""

    splits: Mapping[str, int]
    """Usable rows of each split."""

    labels: Mapping[str, int]
    """Usable rows of each label, in the order of the labels; rows without one are not counted."""

    fingerprint: str
    """Of the data, as in DataFolder."""

    @property
    def is_usable(self) -> bool:
        """Say if anything at all can be used."""
        return self.rows > 0

    def to_json(self) -> str:
        """Return the report as one JSON document."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2)


def check_folder(root: Path, *, progress: Progress | None = None) -> Report:
    """Decode every item of a data folder and report on it.

    Args:
        root: a data folder, or a Parquet file with media.
        progress: called after each item.

    Raises:
        InputError: if there is no such folder, or its metadata cannot be read at all.
    """
    folder = scan_folder(root)
    problems = list(folder.problems)
    usable: list[Item] = []
    for number, item in enumerate(folder.items, start=1):
        try:
            decode(item)
        except MediaError as error:
            problems.append(Problem(_name(item, folder.root), str(error)))
        else:
            usable.append(item)
        if progress is not None:
            progress(number, len(folder.items))
    return _report(folder.root, usable, tuple(problems), folder.fingerprint)


def decode(item: Item) -> object:
    """Return an item's pixels, samples or text.

    Raises:
        MediaError: with the reason, if it cannot be decoded.
    """
    match item.modality:
        case "image":
            return decode_image(item.file)
        case "audio":
            return decode_audio(item.file)
        case "text":
            return decode_text(item.source)


def _report(
    root: Path, usable: list[Item], problems: tuple[Problem, ...], fingerprint: str
) -> Report:
    counts = Counter(item.modality for item in usable)
    rows = {item.id: item for item in usable}
    ids = {key: {item.id for item in usable if item.modality == key} for key in MODALITIES}
    splits = Counter(item.split for item in rows.values())
    labels = Counter(item.label for item in rows.values() if item.label is not None)
    return Report(
        root=str(root),
        usable={key: counts[key] for key in MODALITIES},
        problems=problems,
        rows=len(rows),
        pairs={f"{a}-{b}": len(ids[a] & ids[b]) for a, b in combinations(MODALITIES, 2)},
        splits={split: splits[split] for split in SPLITS},
        labels={label: labels[label] for label in sorted(labels)},
        fingerprint=fingerprint,
    )


def _name(item: Item, root: Path) -> str:
    """Return the file as the folder names it, or the row that a sentence is in."""
    if isinstance(item.source, str):
        return f"text of row {item.id!r}"
    return item.source.relative_to(root).as_posix()
