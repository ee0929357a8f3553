"""Names on the map: every value of a colour at the middle of its items, or names of places."""

import numpy as np
import pandas as pd

from app.map_chart import MISSING, is_scale
from app.scatter.component import Place
from app.scatter.regions import are_places_named, region_names
from app.words import PLURAL


def group_names(
    points: pd.DataFrame, coordinates: np.ndarray, colour: str, shown: np.ndarray
) -> tuple[Place, ...]:
    """Return the names of groups, the largest group first; none for a scale.

    The middle is the median of both coordinates: a few strays do not drag it along. Of many items
    or values dense places are named instead, by the value that prevails there.

    Args:
        points: all items, with the column.
        coordinates: (items, 2), where they are drawn.
        colour: the column.
        shown: which items are seen.
    """
    if is_scale(points, colour):
        return ()
    if are_places_named(points, colour, shown):
        return region_names(points, coordinates, colour, shown)
    texts = points[colour].astype("string").fillna(MISSING)[shown]
    counts = texts[texts != MISSING].value_counts()
    at = coordinates[shown]
    found = []
    for value in counts.index:
        x, y = np.median(at[(texts == value).to_numpy()], axis=0)
        name = PLURAL.get(value, value) if colour == "modality" else value
        found.append(Place(str(name), float(x), float(y)))
    return tuple(found)
