"""A report measured again from its JSON: the same data, the same questions, the same numbers?"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from app.report.gather import counts_of, gather
from d2v_core.errors import StoreError
from d2v_core.store import Store

RELATIVE, ABSOLUTE = 1e-6, 1e-9
"""Numbers that differ by less are the same: another processor adds up in another order."""

Report = Callable[[int, int], None]


class Afresh(Store):
    """A store in which nothing was measured yet; what is measured now is kept in memory only."""

    def __init__(self, place: str | Path) -> None:
        super().__init__(place)
        self._measured: dict[str, tuple[pd.DataFrame, dict[str, Any]]] = {}

    def keep(self, key: str, table: pd.DataFrame, about: dict[str, Any]) -> None:
        """Keep a result until the program ends, as the store would give it back."""
        self._measured[key] = (table, json.loads(json.dumps(about)))

    def kept(self, key: str) -> tuple[pd.DataFrame, dict[str, Any]] | None:
        """Return what was measured by this program."""
        return self._measured.get(key)


def measure_again(
    results: Mapping[str, Any], *, report: Report = lambda _done, _of: None
) -> dict[str, Any]:
    """Measure everything anew that a report says, whatever its stores have kept.

    Args:
        results: the JSON of the report.
        report: called with representations done and representations in all.

    Raises:
        StoreError: if a store or a representation is not there, or has other items now.
    """
    for run in results["runs"]:
        store = Store(run["store"])
        counts = counts_of(store.read(store.recipe(run["name"]).name, taps=()).items)
        if counts != run["counts"]:
            raise StoreError(
                f"{run['name']} in {run['store']} has {total(counts):,} items in its splits, and "
                f"the report is of {total(run['counts']):,} in theirs; make a new report of it"
            )
    return gather(
        [Afresh(place) for place in results["stores"]],
        labels=results["labels"],
        names=[run["name"] for run in results["runs"]],
        method=results["method"],
        deep=results["deep"],
        report=report,
    )


def total(counts: Mapping[str, Mapping[str, int]]) -> int:
    """Return how many items there are in all modalities and splits."""
    return sum(sum(by_split.values()) for by_split in counts.values())


@dataclass(frozen=True)
class Comparison:
    """What two reports of the same things have in common.

    Attributes:
        numbers: how many were compared.
        differences: what differs, a line each: where, what it was, what it is.
    """

    numbers: int
    differences: tuple[str, ...]


def compare(before: Mapping[str, Any], now: Mapping[str, Any]) -> Comparison:
    """Compare everything that was measured for two reports."""
    then, there = dict(_leaves(before["runs"], "runs")), dict(_leaves(now["runs"], "runs"))
    differences = [
        f"{where}: {then.get(where, 'nothing')}, now {there.get(where, 'nothing')}"
        for where in dict.fromkeys([*then, *there])
        if where not in then or where not in there or not _are_same(then[where], there[where])
    ]
    return Comparison(sum(_is_number(value) for value in then.values()), tuple(differences))


def _leaves(value: Any, where: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401  # any JSON
    """Yield all plain values in a document, each with the way to it."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _leaves(part, f"{where}/{key}")
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _leaves(part, f"{where}/{number}")
    else:
        yield where, value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _are_same(old: object, new: object) -> bool:
    if isinstance(old, int | float) and isinstance(new, int | float):
        both_missing = math.isnan(old) and math.isnan(new)
        return both_missing or math.isclose(old, new, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return old == new
