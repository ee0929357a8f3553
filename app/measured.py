"""What pages ask of a store: kept, measured at once where that is quick, or in the background.

`python -m app.measured PLACE WANTED…` is what works in the background. It keeps what it measured in
the store, where the page looks for it.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from app import deeper, workbench
from app.likeness import Side, compare_stacks
from app.noting import Notes
from app.probing import is_numeric
from d2v_core.errors import D2VError
from d2v_core.store import Store

Kind = Literal["probe", "deeper", "align", "extras", "geometry", "alike"]
QUICK_SECONDS = 3.0
"""A page measures at once what takes no longer in all; the rest is done in the background."""

MICROSECONDS = {"probe": 6.0, "align": 5.0, "geometry": 2.5, "alike": 5.0}
"""For each number of a representation, on a core of a laptop."""

PROBE_MICROSECONDS = 0.5
"""More, for each number and each kind that a probe tells from the others."""

PARTS = 12  # of a measurement, so that a bar moves while one is being made


class Wanted(NamedTuple):
    """One measurement."""

    kind: Kind
    name: str
    """Of the representation."""

    more: tuple[str, ...] = ()
    """The column of a probe; modality, other representation and its modality of a comparison."""


@dataclass(frozen=True)
class _Measure:
    """How a kind of measurement is found in a store, and how it is made."""

    key: Callable[[Store, Wanted], str]
    make: Callable[[Store, Wanted, workbench.Report], dict[str, Any]]


MEASURES: dict[Kind, _Measure] = {
    "probe": _Measure(
        lambda s, w: workbench.probe_key(s, w.name, w.more[0]),
        lambda s, w, report: workbench.probe(s, w.name, label=w.more[0], report=report),
    ),
    "deeper": _Measure(
        lambda s, w: deeper.probes_key(s, w.name, w.more[0]),
        lambda s, w, report: deeper.probes(s, w.name, label=w.more[0], report=report),
    ),
    "align": _Measure(
        lambda s, w: workbench.align_key(s, w.name, workbench.controls_of(s, w.name)),
        lambda s, w, _: workbench.align(s, w.name),
    ),
    "extras": _Measure(
        lambda s, w: deeper.alignment_key(s, w.name),
        lambda s, w, report: deeper.alignment(s, w.name, report=report),
    ),
    "geometry": _Measure(
        lambda s, w: deeper.geometry_key(s, w.name), lambda s, w, _: deeper.geometry(s, w.name)
    ),
    "alike": _Measure(
        lambda s, w: "|".join(["alike", "1", *_held(s, w), w.more[0], w.more[2]]),
        lambda s, w, _: _compare(s, w),
    ),
}


def kept(store: Store, wanted: Wanted) -> dict[str, Any] | None:
    """Return what was measured before; None if it was not."""
    found = store.kept(MEASURES[wanted.kind].key(store, wanted))
    return None if found is None else found[1]


def measure(
    store: Store, wanted: Wanted, report: workbench.Report = workbench.quiet
) -> dict[str, Any]:
    """Measure it unless that was done, and return it.

    Args:
        store: where it is kept.
        wanted: what is measured.
        report: called with parts done and parts in all, by what takes longer.

    Raises:
        StoreError: if it cannot be measured.
    """
    return MEASURES[wanted.kind].make(store, wanted, report)


def are_quick(store: Store, wanted: Sequence[Wanted]) -> bool:
    """Tell whether a page may measure all of them while the visitor waits."""
    return sum(seconds(store, one) for one in wanted) <= QUICK_SECONDS


def seconds(store: Store, wanted: Wanted) -> float:
    """Return about how long a measurement takes; without end if nobody should wait for it."""
    if wanted.kind not in MICROSECONDS:
        return math.inf
    items = store.read(wanted.name, taps=()).items
    numbers = len(items) * sum(store.recipe(wanted.name).widths)
    each = MICROSECONDS[wanted.kind]
    if wanted.kind == "probe" and wanted.more[0] in items:
        column = items[wanted.more[0]]
        each += 0 if is_numeric(column) else PROBE_MICROSECONDS * column.nunique()
    return 1e-6 * each * numbers


def command(place: str, wanted: Sequence[Wanted]) -> list[str]:
    """Return the command that measures all of them and keeps them in the store."""
    asked = [json.dumps([w.kind, w.name, *w.more]) for w in wanted]
    return [sys.executable, "-m", "app.measured", place, *asked]


def measure_all(store: Store, wanted: Sequence[Wanted], notes: Notes) -> list[str]:
    """Measure all that is not kept yet, noting how far it is; return why some cannot be."""
    problems, parts = [], PARTS * len(wanted)
    for number, one in enumerate(wanted):
        stage = store.recipe(one.name).encoder.rpartition("/")[2]

        def report(done: int, of: int, *, first: int = PARTS * number, stage: str = stage) -> None:
            notes.note(first + PARTS * done // max(1, of), parts, stage=stage)

        report(0, 1)
        try:
            measure(store, one, report)
        except D2VError as error:
            problems.append(str(error))
    notes.note(parts, parts)
    return problems


def _held(store: Store, wanted: Wanted) -> list[str]:
    """Return what the two representations of a comparison hold."""
    return [store.held(wanted.name), store.held(wanted.more[1])]


def _compare(store: Store, wanted: Wanted) -> dict[str, Any]:
    modality, other, its = wanted.more
    sides = Side(store.read(wanted.name), modality), Side(store.read(other), its)
    key = MEASURES["alike"].key(store, wanted)
    return workbench.once(store, key, lambda: compare_stacks(*sides))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line asks for; return 0, or 2 after saying what could not be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("place")
    parser.add_argument("wanted", nargs="+", type=json.loads)
    given = parser.parse_args(arguments)
    wanted = [Wanted(kind, name, tuple(more)) for kind, name, *more in given.wanted]
    problems = measure_all(Store(given.place), wanted, Notes.wanted())
    for problem in problems:
        sys.stderr.write(f"d2v: {problem}\n")
    return 2 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
