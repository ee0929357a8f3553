"""The innermost loop of UMAP, compiled. Imported only when a map is drawn: numba takes a second."""

from typing import no_type_check

import numba
import numpy as np


# The annotations of numba are its own: it compiles for the types it meets.
@numba.njit(fastmath=True)
@no_type_check
def sweep(places, starts, ends, weights, due, states, pulls, pushes, scale, rate, negatives):  # noqa: ANN001, ANN201, PLR0913
    """Go once through all neighbours: pull those together whose turn it is, push strangers apart.

    An edge of weight w has its turn in a share w of the sweeps. With each pull an item is pushed
    from `negatives` items drawn at random. Both forces are looked up by distance: powers would take
    most of the time. The pushes of one pull are summed before the item moves, so that they do not
    wait for each other.

    Args:
        places: (items, 2) float32, changed in place.
        starts: (items + 1) where the edges of an item begin in `ends`.
        ends: (edges) the item at the other end.
        weights: (edges) float32, the largest 1.
        due: (edges) float32, how much of a turn has come together; changed in place.
        states: (items) uint64, not 0: the random numbers of every item; changed in place.
        pulls: force over distance, at distances 0, 1 / scale, 2 / scale ...
        pushes: the same of strangers.
        scale: entries of the tables for one unit of distance.
        rate: learning rate.
        negatives: strangers for each pull.
    """
    one, most = np.float32(1), np.float32(4)
    items, last = np.uint64(len(places)), np.float32(len(pulls) - 2)
    for i in range(len(places)):
        state = states[i]
        for edge in range(starts[i], starts[i + 1]):
            due[edge] += weights[edge]
            if due[edge] < one:
                continue
            due[edge] -= one
            j = ends[edge]
            across, up = places[i, 0] - places[j, 0], places[i, 1] - places[j, 1]
            at = min(np.sqrt(across * across + up * up) * scale, last)
            cell = int(at)
            part = at - np.float32(cell)
            force = pulls[cell] * (one - part) + pulls[cell + 1] * part
            step = rate * min(max(force * across, -most), most)
            places[i, 0] -= step
            places[j, 0] += step
            step = rate * min(max(force * up, -most), most)
            places[i, 1] -= step
            places[j, 1] += step
            right, above = np.float32(0), np.float32(0)
            for _ in range(negatives):
                state ^= state << np.uint64(13)  # xorshift, Marsaglia 2003
                state ^= state >> np.uint64(7)
                state ^= state << np.uint64(17)
                k = np.int64(((state >> np.uint64(32)) * items) >> np.uint64(32))
                across, up = places[i, 0] - places[k, 0], places[i, 1] - places[k, 1]
                at = min(np.sqrt(across * across + up * up) * scale, last)
                cell = int(at)
                part = at - np.float32(cell)
                force = pushes[cell] * (one - part) + pushes[cell + 1] * part
                right += min(max(force * across, -most), most)
                above += min(max(force * up, -most), most)
            places[i, 0] += rate * right
            places[i, 1] += rate * above
        states[i] = state
