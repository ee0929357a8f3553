"""What is more frequent among some chosen items than among all: lift, interval and exact test.

Items that belong together (a picture and the sound of the same bird) share their values. Counting
them one by one would make three findings of one, so units are counted, not items.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Shaped

from probes.checks import check_same_length
from probes.intervals import wilson
from probes.multiple import correct_tests
from probes.result import Plain, to_plain


@dataclass(frozen=True, kw_only=True)
class Enriched:
    """One value of one column."""

    column: str
    value: str
    chosen: int
    """Chosen units that have it."""

    of_chosen: int
    """Chosen units of which the column is known."""

    all: int
    """Units that have it."""

    of_all: int
    lift: float
    """Its share among the chosen over its share among all; 1 if choosing had nothing to do with
    it."""

    low: float
    """Lower end of the 95 % interval of the lift."""

    high: float
    p: float
    """Chance of so many or more if as many units were drawn by lot (hypergeometric, exact)."""

    adjusted: float
    """p corrected for all values of all columns (Benjamini and Hochberg)."""

    def to_json(self) -> Plain:
        """Return the row as plain JSON."""
        return to_plain(self)


def over_represented(
    columns: Mapping[str, Shaped[np.ndarray, " _"]],
    chosen: Bool[np.ndarray, " items"],
    *,
    units: Shaped[np.ndarray, " grouped"],
    by_item: Collection[str] = (),
) -> tuple[Enriched, ...]:
    """Compare every value of every column among the chosen items with all.

    A unit is chosen if any of its items is, and has the value of its first item that has one. The
    interval is Wilson's, narrowed for drawing without putting back: whoever chooses everything has
    a lift of exactly 1.

    Args:
        columns: values by item, text; None where a value is not known.
        chosen: which items are.
        units: what items that belong together share.
        by_item: columns that differ within a unit; their items are counted one by one.

    Returns:
        All values of all columns, the surest first, the dull ones too.

    Raises:
        ValueError: if no item is chosen, or lengths differ.
    """
    if not chosen.any():
        raise ValueError("no item is chosen")
    check_same_length(chosen, units, "units")
    found = []
    for name, values in columns.items():
        check_same_length(chosen, values, f"values of {name}")
        group = np.arange(len(values)) if name in by_item else units
        found += _column(name, values, chosen, group)
    if not found:
        return ()
    tests = correct_tests({str(n): row["p"] for n, row in enumerate(found)}, "exploratory")
    rows = [
        Enriched(**row, adjusted=adjusted)
        for row, adjusted in zip(found, tests.adjusted, strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: (row.p, -row.lift)))


def _column(
    name: str,
    values: Shaped[np.ndarray, " items"],
    chosen: Bool[np.ndarray, " items"],
    units: Shaped[np.ndarray, " items"],
) -> list[Plain]:
    """Return the rows of one column, not corrected yet."""
    from scipy.stats import hypergeom  # imported late: the app starts without it

    known = np.array([value is not None for value in values], dtype=bool)
    if not (chosen & known).any():
        return []
    _, first, unit = np.unique(units[known], return_index=True, return_inverse=True)
    own = np.array([str(value) for value in values[known][first]])
    picked = np.zeros(len(own), dtype=bool)
    picked[unit[chosen[known]]] = True
    size, drawn = len(own), int(picked.sum())
    found = []
    for value in np.unique(own):
        has = own == value
        both, whole = int((has & picked).sum()), int(has.sum())
        base = whole / size
        low, high = _share(both, drawn, size)
        found.append(
            {
                "column": name,
                "value": str(value),
                "chosen": both,
                "of_chosen": drawn,
                "all": whole,
                "of_all": size,
                "lift": both / drawn / base,
                "low": low / base,
                "high": high / base,
                "p": min(1.0, float(hypergeom.sf(both - 1, size, whole, drawn))),
            }
        )
    return found


def _share(both: int, drawn: int, size: int) -> tuple[float, float]:
    """Return the interval of a share among `drawn` of `size` without putting back."""
    if drawn == size:
        return both / drawn, both / drawn
    worth = max(drawn, int(drawn * (size - 1) / (size - drawn)))
    return wilson(both / drawn * worth, worth)
