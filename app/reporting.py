"""A report that somebody orders in the browser: what it is about, where it is, what is kept of it.

The `d2v report` command makes it in the background, in the folder of its task. Leaving out chapters
needs no new measurement: the page is made again from the JSON.
"""

import io
import sys
import zipfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app import places, workbench
from app.report.gather import read_results
from app.report.page import make_chapters, render, slug, tables_of
from app.report.parts import Section
from d2v_core.errors import InputError
from d2v_core.store import Store

HTML, JSON = "report.html", "report.json"


@dataclass(frozen=True)
class Order:
    """What a report is about.

    Attributes:
        place: of the store.
        names: of the representations.
        labels: columns that are to be told from the vectors.
        method: of the maps, "umap" or "pca".
    """

    place: str
    names: tuple[str, ...]
    labels: tuple[str, ...]
    method: str

    def folder(self) -> Path:
        """Return the folder of the task: the same for the same order."""
        return places.task_folder("report", *self._arguments())

    def command(self) -> list[str]:
        """Return the command that makes it."""
        out = str(self.folder() / HTML)
        return [sys.executable, "-m", "app.cli", "report", *self._arguments(), "--out", out]

    def _arguments(self) -> list[str]:
        place = str(Path(self.place).resolve()) if Path(self.place).exists() else self.place
        named = [part for name in self.names for part in ("--name", name)]
        labels = [part for label in self.labels for part in ("--label", label)]
        return [place, *named, *labels, "--method", self.method]

    def results(self) -> dict[str, Any] | None:
        """Return what was measured for it; None if it was not made, or by another version."""
        if not (self.folder() / HTML).is_file():  # written last
            return None
        try:
            return read_results(self.folder() / JSON, is_ours=True)
        except InputError:
            return None


def with_controls(store: Store, names: Sequence[str]) -> tuple[str, ...]:
    """Return representations and the controls that their claims rest on, each once."""
    controls = [other for name in names for other in workbench.controls_of(store, name)]
    return tuple(dict.fromkeys([*names, *controls]))


@dataclass(frozen=True)
class Made:
    """A report that is there. Its chapters take seconds to build, so they are built once.

    Attributes:
        order: what it is about.
        results: what was measured.
        chapters: of the whole report.
    """

    order: Order
    results: dict[str, Any]
    chapters: tuple[Section, ...]

    @classmethod
    def read(cls, order: Order) -> "Made | None":
        """Return the report that was ordered; None if it was not made, or by another version."""
        results = order.results()
        return None if results is None else cls(order, results, tuple(make_chapters(results)))

    @property
    def titles(self) -> dict[str, str]:
        """The titles of the chapters that there is something for, by their id."""
        return {section.id: section.title for section in self.chapters}

    @property
    def text(self) -> str:
        """All results as JSON: from it the whole report can be made again."""
        return (self.order.folder() / JSON).read_text(encoding="utf-8")

    def page(self, ids: Collection[str]) -> str:
        """Return the report as one HTML file, with some of its chapters."""
        kept = self._kept(ids)
        if len(kept) == len(self.chapters):  # the very file that was made
            return (self.order.folder() / HTML).read_text(encoding="utf-8")
        return render(self.results, kept)

    def tables_zip(self, ids: Collection[str]) -> bytes:
        """Return all tables of some chapters as CSV files in a zip archive."""
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, table in {slug(t.name): t for t in tables_of(self._kept(ids))}.items():
                entry = zipfile.ZipInfo(f"{name}.csv")  # of no date: same tables, same bytes
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, table.raw.to_csv(index=False))
        return file.getvalue()

    def _kept(self, ids: Collection[str]) -> list[Section]:
        return [section for section in self.chapters if section.id in ids]


def file_name(called: Sequence[str], suffix: str) -> str:
    """Return what a downloaded file is called."""
    return f"{slug('-'.join(['report', *called]))[:60]}.{suffix}"
