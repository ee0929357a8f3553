"""What is in a data folder: counts, splits, sizes, and its rows to be looked at. No mathematics."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pandas as pd

from app.words import PLURAL
from d2v_core.errors import MediaError
from d2v_core.modality import MODALITIES, Modality

if TYPE_CHECKING:
    from d2v_core.data.folder import DataFolder
    from d2v_core.data.items import Item
    from d2v_core.data.playback import Playback

MEASURED = 400
"""Items of each modality whose size is looked up; more would keep the page waiting."""

TILES = 24
CLIP_SECONDS = 10.0
"""What is heard and drawn of a longer sound."""

NO_LABEL = "(no label)"
T = TypeVar("T")


@dataclass(frozen=True)
class Looked:
    """A data folder as it was found; nothing but headers has been decoded."""

    folder: "DataFolder"
    rows: pd.DataFrame
    """A row an id: id, label, split, group, and by modality whether it is there."""

    @property
    def counts(self) -> dict[Modality, int]:
        """Return the items of each modality that is there."""
        return {m: int(self.rows[m].sum()) for m in MODALITIES if self.rows[m].any()}

    @property
    def pairs(self) -> dict[tuple[Modality, Modality], int]:
        """Return the rows that have both of two modalities."""
        found: dict[tuple[Modality, Modality], int] = {}
        for first, second in combinations(MODALITIES, 2):
            if count := int((self.rows[first] & self.rows[second]).sum()):
                found[first, second] = count
        return found

    def splits_by_label(self) -> pd.DataFrame:
        """Return rows of each label in each split, the most frequent label first, sums last."""
        labels = self.rows["label"].fillna(NO_LABEL)
        table = pd.crosstab(labels, self.rows["split"])
        table = table.reindex(columns=[s for s in ("train", "val", "test") if s in table])
        table["all"] = table.sum(axis=1)
        table = table.sort_values("all", ascending=False, kind="stable")
        total = table.sum().to_frame("all").T
        return pd.concat([table, total]).rename_axis("label").reset_index()


def look(root: Path) -> Looked:
    """Return what is in a data folder; a folder in which nothing can be used has no rows.

    Raises:
        InputError: if there is no such folder, or its metadata cannot be read.
    """
    from d2v_core.data.folder import scan_folder

    folder = scan_folder(root)
    seen: dict[str, dict[str, object]] = {}
    for item in folder.items:
        row = seen.setdefault(
            item.id,
            {"id": item.id, "label": item.label, "split": item.split, "group": item.group},
        )
        row[item.modality] = True
    rows = pd.DataFrame(list(seen.values()), columns=["id", "label", "split", "group", *MODALITIES])
    present = rows[list(MODALITIES)].notna()
    return Looked(folder, rows.assign(**{m: present[m] for m in MODALITIES}))


def sizes(looked: Looked) -> pd.DataFrame:
    """Return how large items are: seconds of sounds, pixels of pictures, letters of sentences.

    At most MEASURED items of each modality are looked at, spread evenly; `of` says how many.
    """
    found = []
    for modality in looked.counts:
        items = spread(looked.folder.of(modality), MEASURED)
        values = pd.Series([size_of(item) for item in items], dtype=float).dropna()
        if len(values):
            unit = {"image": "pixels, longer side", "audio": "seconds", "text": "letters"}[modality]
            found.append(
                {
                    "what": PLURAL[modality],
                    "unit": unit,
                    "shortest": values.min(),
                    "middle": values.median(),
                    "longest": values.max(),
                    "of": len(values),
                }
            )
    return pd.DataFrame(found)


def size_of(item: "Item") -> float | None:
    """Return seconds, pixels of the longer side, or letters; None if no header can be read."""
    match item.modality:
        case "image":
            from PIL import Image

            try:
                with Image.open(item.file) as picture:  # reads no more than the header
                    return float(max(picture.size))
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
                return None
        case "audio":
            from d2v_core.data.walk import seconds

            return seconds(item) or None
        case _:
            return float(len(text_of(item)))


def text_of(item: "Item") -> str:
    """Return a sentence, or why there is none."""
    from d2v_core.data.text import decode_text

    try:
        return decode_text(item.source)
    except MediaError as error:
        return f"(cannot be read: {error})"


def spread(items: Sequence[T], most: int) -> list[T]:
    """Return at most `most` items, spread evenly."""
    if len(items) <= most:
        return list(items)
    return [items[n * len(items) // most] for n in range(most)]


def matching(rows: pd.DataFrame, *, labels: Sequence[str], splits: Sequence[str]) -> list[str]:
    """Return the ids of the rows with one of some labels and splits; none named means any."""
    keep = pd.Series(True, index=rows.index)
    if labels:
        keep &= rows["label"].fillna(NO_LABEL).isin(labels)
    if splits:
        keep &= rows["split"].isin(splits)
    return rows.loc[keep, "id"].tolist()


def chance_of(rows: pd.DataFrame) -> dict[Modality, float]:
    """Return how often guessing tells the labels of val, by modality: what neighbours must beat.

    It is the better of two ways to guess from the training labels alone: always the most frequent
    one, or each as often as it occurs.
    """
    found = {}
    for modality in MODALITIES:
        labelled = rows[rows[modality] & rows["label"].notna()]
        train = labelled.loc[labelled["split"] == "train", "label"]
        val = labelled.loc[(labelled["split"] == "val") & labelled["label"].isin(train), "label"]
        if len(train) and len(val):
            often, there = train.value_counts(normalize=True), val.value_counts(normalize=True)
            by_share = float((often * there).sum())  # labels are the index of both
            found[modality] = max(float((val == often.index[0]).mean()), by_share)
    return found


def page_of(ids: Sequence[str], page: int, size: int = TILES) -> list[str]:
    """Return the ids on a page; the first page is 1."""
    return list(ids[(page - 1) * size : page * size])


def pages(count: int, size: int = TILES) -> int:
    """Return how many pages so many items fill; an empty gallery has one."""
    return max(1, -(-count // size))


def clip(path: Path) -> "tuple[Playback, float]":
    """Return the first seconds of a sound for eyes and ears, and how long it is in all.

    Raises:
        MediaError: if it cannot be decoded.
    """
    import soundfile

    from d2v_core.data.audio import decode_audio
    from d2v_core.data.playback import playback_of

    samples = decode_audio(path, first_seconds=CLIP_SECONDS).numpy()
    return playback_of(samples), soundfile.info(str(path)).duration


def torn_groups(rows: pd.DataFrame) -> list[str]:
    """Return the groups whose rows are in more than one split, by name."""
    known = rows[rows["group"].notna()]
    splits = known.groupby("group")["split"].nunique()
    return sorted(str(group) for group in splits.index[splits > 1])


def with_modalities(rows: pd.DataFrame, wanted: Sequence[str]) -> pd.DataFrame:
    """Return the rows that have all of some modalities."""
    keep = pd.Series(True, index=rows.index)
    for modality in wanted:
        keep &= rows[modality]
    return rows[keep]
