"""What is over-represented in a selection, of all columns that the data have."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from app.map_chart import MOST_CATEGORIES, NOT_COLOURS
from app.tables import number
from app.words import PLURAL
from d2v_core.errors import InputError
from probes.enrichment import Enriched, over_represented

QUARTERS = 4
SURE = 0.05


def lifts(items: pd.DataFrame, keys: pd.Series, rows: np.ndarray) -> tuple[Enriched, ...]:
    """Return how much more frequent every value of every column is among some items than in all.

    Args:
        items: all items.
        keys: what items that belong together share; missing for those that are alone.
        rows: the chosen items.

    Raises:
        InputError: if none is chosen.
    """
    chosen = np.zeros(len(items), dtype=bool)
    chosen[rows] = True
    alone = pd.Series([f"row {n}" for n in range(len(items))], index=items.index)
    units = keys.astype("string").fillna(alone).to_numpy(str)
    columns = {name: as_values(items[name]) for name in columns_of(items)}
    try:
        return over_represented(columns, chosen, units=units, by_item={"modality"})
    except ValueError as error:
        raise InputError(str(error)) from error


def columns_of(items: pd.DataFrame) -> list[str]:
    """Return the columns that are worth a look: of few values, or of numbers."""
    found = []
    for name in items.columns:
        is_text_of_item = name in NOT_COLOURS - {"modality", "label"}
        values = items[name].nunique()
        is_many = values > MOST_CATEGORIES and name != "label"
        if not is_text_of_item and values > 1 and (not is_many or _is_number(items[name])):
            found.append(str(name))
    return found


def as_values(column: pd.Series) -> np.ndarray:
    """Return values as text, None if unknown; numbers of many values by quarters."""
    if _is_number(column) and column.nunique() > MOST_CATEGORIES:
        column = pd.qcut(column.astype(float), QUARTERS, duplicates="drop").map(_range_words)
    texts = column.astype("string").astype(object)
    return texts.where(texts.notna(), None).to_numpy(dtype=object)


def lift_table(found: Sequence[Enriched]) -> pd.DataFrame:
    """Return lifts as rows for the eye: what is more frequent than by lot."""
    return pd.DataFrame(
        {
            "column": [row.column for row in found],
            "value": [PLURAL.get(row.value, row.value) for row in found],
            "lift": [row.lift for row in found],
            "95 % interval": [f"{number(row.low, 1)} to {number(row.high, 1)}" for row in found],
            "in the selection": [f"{row.chosen} of {row.of_chosen}" for row in found],
            "in all": [f"{row.all} of {row.of_all}" for row in found],
            "p, corrected": [f"{row.adjusted:.2g}" for row in found],
        }
    )


def sure(found: Sequence[Enriched]) -> list[Enriched]:
    """Return what is more frequent than by lot, after correction; the largest lift first."""
    over = [row for row in found if row.lift > 1 and row.adjusted <= SURE]
    return sorted(over, key=lambda row: -row.lift)


def _is_number(column: pd.Series) -> bool:
    kinds = pd.api.types
    return bool(kinds.is_numeric_dtype(column) and not kinds.is_bool_dtype(column))


def _range_words(part: pd.Interval) -> str:
    return f"{part.left:g} to {part.right:g}"
