"""From results to one HTML file, the JSON that re-makes it, and tables beside it."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go
import plotly.io
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from app.report.chapters import CHAPTERS
from app.report.parts import Cards, Exhibit, Option, Results, Section, Table
from app.report.runs import trained
from app.tables import MARKS
from app.words import VERDICTS
from d2v_core.errors import InputError

NUMBER = re.compile(r"(-?\d[\d.,e+\-]*( to -?\d[\d.]*)?|–|nan)?")
"""A cell with a number, an interval or nothing."""


class Key(NamedTuple):
    """An entry of a legend: a line or a shape and its name."""

    name: str
    colour: str
    dash: str | None
    symbol: str | None


class Column(NamedTuple):
    """A column of a table as it is shown."""

    name: str
    cells: list[str]
    is_number: bool


class Written(NamedTuple):
    """The files of a report."""

    html: Path
    json: Path
    tables: Path
    tables_written: int


def write_report(results: dict[str, Any], out: Path, *, with_json: bool = True) -> Written:
    """Write a report, its JSON and its tables.

    Args:
        results: what `gather` found.
        out: the HTML file; NAME.json and NAME_tables/ are written beside it.
        with_json: write the JSON too; not when the report is made from it.

    Raises:
        InputError: if the file's suffix is another than .html.
    """
    check_out(out)
    text = json.dumps(results, ensure_ascii=False, indent=1)
    chapters = make_chapters(json.loads(text))  # as it will be read again
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = out.with_name(f"{out.stem}_tables")
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.csv"):
        old.unlink()
    tables = {slug(table.name): table for table in tables_of(chapters)}
    for name, table in tables.items():
        table.raw.to_csv(folder / f"{name}.csv", index=False)
    beside = out.with_suffix(".json")
    if with_json:
        beside.write_text(text, encoding="utf-8")
    out.write_text(render(results, chapters), encoding="utf-8")
    return Written(out, beside, folder, len(tables))


def check_out(out: Path) -> None:
    """Refuse a file that is no HTML before anything is measured for it.

    Raises:
        InputError: if its suffix is another than .html.
    """
    if out.suffix not in (".html", ".htm"):
        raise InputError(f"{out} must end in .html")


def make_chapters(results: Results) -> list[Section]:
    """Return the chapters that the results have something for."""
    return [made for chapter in CHAPTERS if (made := chapter(results)) is not None]


def tables_of(chapters: list[Section]) -> Iterator[Table]:
    """Yield every table of a report."""
    for part in (part for chapter in chapters for part in chapter.parts):
        match part:
            case Table():
                yield part
            case Exhibit():
                yield from part.tables
            case Cards():
                yield from (card.table for card in part.cards)
            case _:
                pass


def render(results: Results, chapters: list[Section]) -> str:
    """Return the page; the same for the same results."""
    template = _environment().get_template("page.html")
    return template.render(
        results=results,
        names=", ".join(run["called"] for run in trained(results)),
        chapters=chapters,
        plotly=Markup(get_plotlyjs()),  # the library itself
    )


def figure_json(figure: go.Figure) -> Markup:
    """Return a figure as JSON that cannot end the script element it stands in."""
    figure.update_layout(template="none", showlegend=False)
    text = plotly.io.to_json(figure, engine="json", remove_uids=True)
    assert text is not None  # only without a figure
    return Markup(text.replace("<", "\\u003c"))  # nothing is left to escape


def keys_of(option: Option) -> list[Key]:
    """Return the legend of an option: one entry for every name among its traces."""
    found: dict[str, Key] = {}
    for drawing in option.drawings:
        traces: Any = drawing.figure.data  # plotly's own type knows nothing of traces
        for trace in traces:
            if trace.name is None or trace.type == "heatmap" or trace.showlegend is False:
                continue
            has_line = "lines" in (trace.mode or "")
            has_mark = "markers" in (trace.mode or "")
            colour = trace.line.color if has_line else trace.marker.color
            found.setdefault(
                trace.name,
                Key(
                    trace.name,
                    colour if isinstance(colour, str) else "currentColor",
                    trace.line.dash if has_line else None,
                    trace.marker.symbol if has_mark else None,
                ),
            )
    return list(found.values())


def columns_of(frame: pd.DataFrame) -> list[Column]:
    """Return a table column by column, as text."""
    found = []
    for name in frame:
        cells = ["" if pd.isna(cell) else str(cell) for cell in frame[name]]
        is_number = any(cells) and all(NUMBER.fullmatch(cell) for cell in cells)
        found.append(Column(str(name), cells, is_number))
    return found


def slug(name: str) -> str:
    """Return a name as part of a file name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "table"


def kind(part: object) -> str:
    """Return what a part is, for the template."""
    return type(part).__name__.lower()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("app.report", "static"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figure": figure_json, "slug": slug, "columns": columns_of}
    environment.filters |= {"kind": kind, "keys": keys_of}
    environment.globals |= {"verdicts": VERDICTS, "marks": MARKS}
    return environment
