"""What a data folder is made of: items, and problems with what could not become one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from d2v_core.data.inside import FoundFile
from d2v_core.data.splits import Split
from d2v_core.modality import Modality

SUFFIXES: dict[Modality, tuple[str, ...]] = {
    "image": (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"),
    "audio": (
        ".8svx", ".aif", ".aifc", ".aiff", ".au", ".avr", ".bwf", ".caf", ".flac", ".mp3", ".nist",
        ".oga", ".ogg", ".opus", ".paf", ".pvf", ".rf64", ".sph", ".svx", ".voc", ".w64", ".wav",
        ".wave", ".wve",
    ),
    "text": (".txt",),
}  # fmt: skip

Progress = Callable[[int, int], None]
"""Called with how many of how many are done."""


@dataclass(frozen=True)
class Item:
    """One modality of one row of a data folder."""

    id: str
    """The row's id; the items of a pair share it."""

    modality: Modality
    source: Path | str
    """Absolute path of the file, or the sentence itself."""

    label: str | None
    split: str
    group: str | None
    """Recording, speaker, author: items of one group are in one split."""

    columns: Mapping[str, object]
    """Every further column of the row, as plain Python scalars."""

    @property
    def file(self) -> Path:
        """Return the file; raise TypeError if the item is a sentence in the metadata."""
        if isinstance(self.source, str):
            raise TypeError(f"the {self.modality} of {self.id!r} is no file but the text itself")
        return self.source


@dataclass(frozen=True)
class Problem:
    """Something that cannot be used, and why."""

    file: str
    """The file as the folder names it, or the place in the metadata where there is no file."""

    reason: str


@dataclass(frozen=True)
class Entry:
    """One row as it was found: its files are there, its id and split may still be missing."""

    where: str
    """For messages: "metadata.csv, line 3", or the file itself."""

    sources: Mapping[Modality, FoundFile | str]
    id: str | None = None
    label: str | None = None
    group: str | None = None
    split: Split | None = None
    columns: Mapping[str, object] = field(default_factory=dict)


def modality_of(name: str) -> Modality | None:
    """Return the modality that a file name's suffix tells, or None."""
    suffix = Path(name).suffix.lower()
    for modality, suffixes in SUFFIXES.items():
        if suffix in suffixes:
            return modality
    return None
