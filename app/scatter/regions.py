"""Names of dense places of a map with many items: what is most frequent there, and how frequent."""

import numpy as np
import pandas as pd

from app.map_chart import MISSING, MOST_CATEGORIES
from app.scatter.component import DENSITY_FROM, Place
from app.words import PLURAL

LEAST_SHARE = 1 / 3
"""Of a place's items that must have a value for the place to be called by it."""

FEWEST = 20
"""Items of a place that is named."""


def are_places_named(points: pd.DataFrame, colour: str, shown: np.ndarray) -> bool:
    """Tell whether places are named rather than values: with many items, or too many values."""
    return shown.sum() > DENSITY_FROM or points[colour][shown].nunique() > MOST_CATEGORIES


def region_names(
    points: pd.DataFrame, coordinates: np.ndarray, colour: str, shown: np.ndarray
) -> tuple[Place, ...]:
    """Return a name for every dense place where one value prevails, the largest place first.

    Args:
        points: all items, with the column.
        coordinates: (items, 2), where they are drawn.
        colour: the column.
        shown: which items are seen.
    """
    from probes.regions import dense_regions

    seen = np.flatnonzero(shown)
    if not len(seen):
        return ()
    texts = points[colour].astype("string").fillna(MISSING)
    codes, values = pd.factorize(texts.to_numpy(object)[seen])
    found = []
    for region in dense_regions(coordinates[seen], fewest=FEWEST):
        counts = np.bincount(codes[region.rows], minlength=len(values))
        top = int(counts.argmax())
        share = counts[top] / len(region.rows)
        if values[top] == MISSING or share < LEAST_SHARE:
            continue
        name = PLURAL.get(values[top], values[top]) if colour == "modality" else values[top]
        found.append(Place(f"{name} {100 * share:.0f} %", region.x, region.y))
    return tuple(found)


def source_words(colour: str) -> str:
    """Return where the names of places come from."""
    return (
        f"A name on the map is the most frequent {colour} among the items near that place (at "
        f"least {FEWEST}), with its share of them; where none has a third there is no name. Places "
        "are found by density alone."
    )
