"""Names on the map: every value of a colour, at the middle of its items."""

import numpy as np
import pandas as pd

from app.map_chart import MISSING, MOST_CATEGORIES, is_scale
from app.scatter.component import Place
from app.words import PLURAL


def group_names(
    points: pd.DataFrame, coordinates: np.ndarray, colour: str, shown: np.ndarray
) -> tuple[Place, ...]:
    """Return the names of groups, the largest group first; none for a scale or too many values.

    The middle is the median of both coordinates: a few strays do not drag it along.

    Args:
        points: all items, with the column.
        coordinates: (items, 2), where they are drawn.
        colour: the column.
        shown: which items are seen.
    """
    if is_scale(points, colour):
        return ()
    texts = points[colour].astype("string").fillna(MISSING)[shown]
    counts = texts[texts != MISSING].value_counts()
    if len(counts) > MOST_CATEGORIES:
        return ()
    at = coordinates[shown]
    found = []
    for value in counts.index:
        x, y = np.median(at[(texts == value).to_numpy()], axis=0)
        name = PLURAL.get(value, value) if colour == "modality" else value
        found.append(Place(str(name), float(x), float(y)))
    return tuple(found)
