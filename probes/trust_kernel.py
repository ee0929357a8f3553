"""How many items are nearer than some, compiled. Imported only for many items: numba takes time."""

from typing import no_type_check

import numba
import numpy as np


# The annotations of numba are its own: it compiles for the types it meets.
@numba.njit(nogil=True)
@no_type_check
def to_distances(products, squares, rows, rounding):  # noqa: ANN001, ANN201
    """Turn products of some rows with all into squared distances, in place, infinite to themselves.

    Args:
        products: (some, items) of centred points, changed in place.
        squares: (items) squared lengths.
        rows: (some) which items they are.
        rounding: share of a square below which nothing is left of a distance but rounding.
    """
    for row in range(len(rows)):
        own = squares[rows[row]]
        least = rounding * own
        for item in range(products.shape[1]):
            apart = squares[item] - 2 * products[row, item] + own
            products[row, item] = 0.0 if apart < least else apart
        products[row, rows[row]] = np.inf


@numba.njit(nogil=True)
@no_type_check
def count_nearer(distances, values, found):  # noqa: ANN001, ANN201
    """Count, in every row, the distances below each of some values.

    Comparing with every value is faster than sorting: there are few values, and a comparison of
    eight distances at once takes no longer than one.

    Args:
        distances: (some, items).
        values: (some, k).
        found: (some, k), the counts.
    """
    for row in range(len(distances)):
        for place in range(values.shape[1]):
            value, count = values[row, place], 0
            for item in range(distances.shape[1]):
                count += distances[row, item] < value
            found[row, place] = count
