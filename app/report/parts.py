"""What a report is put together from: sections of words, exhibits and tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from app.tables import score_table

Results = Mapping[str, Any]
"""What `gather` found, as JSON."""

Score = Mapping[str, Any]
RAW = ("value", "low", "high", "chance", "p", "n", "method", "reason")


@dataclass(frozen=True)
class Table:
    """A table, as it is shown and as it is written beside the report.

    Attributes:
        name: of its CSV file, without suffix.
        title: what it shows.
        shown: for the eye.
        raw: for other programs.
    """

    name: str
    title: str
    shown: pd.DataFrame
    raw: pd.DataFrame

    @classmethod
    def of_scores(
        cls, name: str, title: str, rows: Sequence[tuple[Mapping[str, str], Score]]
    ) -> "Table":
        """Return a table of leading cells and a score a row."""
        raw = [{**lead, **{key: score.get(key) for key in RAW}} for lead, score in rows]
        return cls(name, title, score_table(rows), pd.DataFrame(raw))

    @classmethod
    def plain(cls, name: str, title: str, frame: pd.DataFrame) -> "Table":
        """Return a table that is shown as it is."""
        return cls(name, title, frame, frame)


@dataclass(frozen=True)
class Drawing:
    """One figure.

    Attributes:
        figure: drawn without title, legend and background.
        alt: what it shows, for those who do not see it.
        title: a line above.
        is_wide: whether it may take the whole width of the page.
    """

    figure: go.Figure
    alt: str
    title: str = ""
    is_wide: bool = False


@dataclass(frozen=True)
class Option:
    """Figures that are shown together, side by side where there is room.

    Attributes:
        name: in the list of options.
        drawings: the figures.
        note: a line below.
        colours: what colours stand for, where the traces do not say so.
    """

    name: str
    drawings: tuple[Drawing, ...]
    note: str = ""
    colours: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Exhibit:
    """Figures, how to read them, and what they do not say.

    Attributes:
        title: a line above.
        options: one of them is shown at a time, the first one first.
        how: how to read it.
        cannot: what it cannot tell.
        tables: the same in numbers.
    """

    title: str
    options: tuple[Option, ...]
    how: str
    cannot: str
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Card:
    """A sentence with what it rests on."""

    verdict: str
    sentence: str
    reasons: tuple[str, ...]
    table: Table


@dataclass(frozen=True)
class Cards:
    """Sentences about one thing, under a title."""

    title: str
    cards: tuple[Card, ...]


@dataclass(frozen=True)
class Words:
    """Paragraphs, and a list under them."""

    paragraphs: tuple[str, ...]
    points: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """A chapter.

    Attributes:
        id: in the address.
        title: in the list of contents.
        lead: what the chapter is about, in a sentence or two.
        parts: from top to bottom.
    """

    id: str
    title: str
    lead: str
    parts: tuple[Words | Exhibit | Cards | Table, ...]
