"""Where a map is dense: peaks of its density, and the items round each. No label takes part."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from probes.checks import check_finite

CELLS = 64
"""Of the grid that density is counted on, along the longer side."""

SMOOTH = 1.5
"""Cells: standard deviation of the blur."""

REACH = 3
"""Cells between two peaks at least, and from a peak to the last of its items."""


@dataclass(frozen=True)
class Region:
    """A dense place.

    Attributes:
        x: of the peak.
        y: of the peak.
        rows: of the items near it, ascending.
    """

    x: float
    y: float
    rows: Int[np.ndarray, " near"]


def dense_regions(
    coordinates: Float[np.ndarray, "items 2"], *, most: int = 40, fewest: int = 20
) -> tuple[Region, ...]:
    """Return the densest places of a map, the one with the most items first.

    Args:
        coordinates: where the items lie; both axes have one scale.
        most: regions at most.
        fewest: a place with fewer items near it is none.

    Returns:
        Peaks of the blurred density that are at least `REACH` cells apart, each with the items that
        are no further than that. An item may be near two peaks.

    Raises:
        ValueError: if there is no item, or a place is not finite.
    """
    from scipy.ndimage import gaussian_filter, maximum_filter  # imported late: it is slow

    check_finite(coordinates, "coordinates")
    at = coordinates.astype(np.float64)
    low = at.min(axis=0)
    cell = float((at.max(axis=0) - low).max()) / CELLS or 1.0
    cells = np.minimum(((at - low) / cell).astype(np.int64), CELLS - 1)
    counts = np.zeros((CELLS, CELLS))
    np.add.at(counts, (cells[:, 0], cells[:, 1]), 1.0)
    density = gaussian_filter(counts, SMOOTH, mode="constant")
    peaks = np.argwhere((density == maximum_filter(density, 2 * REACH + 1)) & (density > 0))
    order = np.argsort(-density[peaks[:, 0], peaks[:, 1]], kind="stable")
    regions = []
    for peak in peaks[order][: 4 * most]:
        place = low + (peak + 0.5) * cell
        rows = np.flatnonzero(np.sum((at - place) ** 2, axis=1) <= (REACH * cell) ** 2)
        if len(rows) >= fewest:
            regions.append(Region(float(place[0]), float(place[1]), rows))
    regions.sort(key=lambda region: -len(region.rows))
    return tuple(regions[:most])
