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
            return read_results(self.folder() / JSON)
        except InputError:
            return None


def with_controls(store: Store, names: Sequence[str]) -> tuple[str, ...]:
    """Return representations and the controls that their claims rest on, each once."""
    controls = [other for name in names for other in workbench.controls_of(store, name)]
    return tuple(dict.fromkeys([*names, *controls]))


def chapter_titles(results: dict[str, Any]) -> dict[str, str]:
    """Return the titles of the chapters that there is something for, by their id."""
    return {section.id: section.title for section in make_chapters(results)}


def page_of(results: dict[str, Any], ids: Collection[str]) -> str:
    """Return the report as one HTML file, with some of its chapters."""
    return render(results, _kept(results, ids))


def tables_zip(results: dict[str, Any], ids: Collection[str]) -> bytes:
    """Return all tables of some chapters as CSV files in a zip archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, table in {slug(t.name): t for t in tables_of(_kept(results, ids))}.items():
            entry = zipfile.ZipInfo(f"{name}.csv")  # of no date: the same tables, the same bytes
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, table.raw.to_csv(index=False))
    return file.getvalue()


def _kept(results: dict[str, Any], ids: Collection[str]) -> list[Section]:
    return [section for section in make_chapters(results) if section.id in ids]


def file_name(called: Sequence[str], suffix: str) -> str:
    """Return what a downloaded file is called."""
    return f"{slug('-'.join(['report', *called]))[:60]}.{suffix}"
