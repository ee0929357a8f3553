"""Trustworthiness of a map: are neighbours on the map neighbours in the embedding?"""

from statistics import NormalDist

import numpy as np
from jaxtyping import Float

from probes.checks import check_finite, check_same_length
from probes.intervals import CONFIDENCE
from probes.result import Score

CHUNK = 4_000_000  # distances held at once


def trustworthiness(
    x: Float[np.ndarray, "items dim"], coordinates: Float[np.ndarray, "placed axes"], k: int
) -> tuple[Score, Float[np.ndarray, " items"]]:
    """Return the trustworthiness of a map, and of the place of every item.

    T = 1 − 2 / (n k (2n − 3k − 1)) Σᵢ Σ_{j ∈ Uᵢ} (r(i, j) − k), where Uᵢ are the items among the
    k nearest of i on the map but not in the embedding, and r their rank in the embedding. An item's
    own T is its term alone, so that T is their mean. Both sides Euclidean; pass unit vectors
    for cosine. Memory is a few times items × chunk, never items × items.

    Args:
        x: embeddings.
        coordinates: places on the map.
        k: neighbours; k < items / 2.

    Returns:
        The score (chance: a random map) and T of every item; equal to scikit-learn's.

    Raises:
        ValueError: if k does not fit the number of items, or an input is not finite.

    Source: Venna and Kaski, 2001.
    """
    check_finite(x)
    check_finite(coordinates, "coordinates")
    check_same_length(x, coordinates, "places on the map")
    n = len(x)
    if not 1 <= k < n / 2:
        raise ValueError(f"k={k} neighbours of {n} items; choose 1 <= k < items / 2")
    high, low = x.astype(np.float64), coordinates.astype(np.float64)
    high, low = high - high.mean(axis=0), low - low.mean(axis=0)  # keeps distances accurate
    excess = np.zeros(n)
    step = max(1, CHUNK // n)
    for start in range(0, n, step):
        rows = np.arange(start, min(start + step, n))
        near = np.argpartition(_distances(low, rows), k - 1, axis=1)[:, :k]
        apart = _distances(high, rows)
        for place in range(k):
            own = np.take_along_axis(apart, near[:, place : place + 1], axis=1)
            rank = (apart < own).sum(axis=1) + 1
            excess[rows] += np.maximum(rank - k, 0)
    per_item = 1 - excess * 2 / (k * (2 * n - 3 * k - 1))
    value = float(per_item.mean())
    half = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * float(per_item.std(ddof=1)) / np.sqrt(n)
    score = Score(
        value=value,
        low=value - half,
        high=min(1.0, value + half),
        chance=1 - (n - 1 - k) * (n - k) / ((n - 1) * (2 * n - 3 * k - 1)),
        n=n,
        method=f"trustworthiness, k = {k}; normal interval over items; chance: a random map",
    )
    return score, per_item


def _distances(
    x: Float[np.ndarray, "items dim"], rows: np.ndarray
) -> Float[np.ndarray, "rows items"]:
    """Return squared distances of some rows to all, infinite to themselves."""
    squares = np.einsum("ij,ij->i", x, x)
    found = squares[rows, None] + squares[None, :] - 2 * x[rows] @ x.T
    found[np.arange(len(rows)), rows] = np.inf
    return found
