"""The chapters of a report, in their order: a new one is a file in `sections` and a line here."""

from collections.abc import Callable

from app.report.parts import Results, Section
from app.report.sections import (
    claims,
    finding,
    gap,
    geometry,
    help,
    layers,
    likeness,
    maps,
    method,
    readout,
    summary,
)

CHAPTERS: tuple[Callable[[Results], Section | None], ...] = (
    summary.chapter,
    layers.chapter,
    readout.chapter,
    maps.chapter,
    likeness.chapter,
    finding.chapter,
    help.chapter,
    gap.chapter,
    claims.chapter,
    geometry.chapter,
    method.chapter,
)
"""Each makes a chapter of the results, or None if they have nothing for it."""
