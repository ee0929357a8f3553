"""Rank a gallery for every query by cosine, equal cosines at their mean rank."""

import numpy as np
from jaxtyping import Float

from probes.checks import unit_rows

DECIMALS = 10  # cosines that differ by less are equal: rounding must not order a collapsed space
CHUNK = 4_000_000  # cosines ranked at once


def mid_ranks(
    queries: Float[np.ndarray, "queries dim_q"], gallery: Float[np.ndarray, "gallery dim_g"]
) -> Float[np.ndarray, "queries gallery"]:
    """Return the rank of every gallery item for every query.

    Rank 1 is the largest cosine; equal cosines share the mean of their places. A constant
    embedding therefore ranks everything in the middle: neither perfect nor hopeless.

    Args:
        queries: embeddings of one modality.
        gallery: embeddings of the other, of the same dim.

    Returns:
        Ranks from 1 to the size of the gallery, half numbers among them.

    Raises:
        ValueError: if dims differ, or a row is not finite or has length 0.
    """
    from scipy.stats import rankdata  # imported late: the app starts without it

    if queries.shape[1] != gallery.shape[1]:
        raise ValueError(
            f"queries have {queries.shape[1]} channels and the gallery has {gallery.shape[1]}: "
            "only embeddings of one space have cosines"
        )
    left = unit_rows(queries.astype(np.float64), "queries")
    right = unit_rows(gallery.astype(np.float64), "gallery")
    ranks = np.empty((len(left), len(right)), dtype=np.float32)
    step = max(1, CHUNK // len(right))
    for start in range(0, len(left), step):
        cosines = np.round(left[start : start + step] @ right.T, DECIMALS)
        ranks[start : start + step] = rankdata(-cosines, axis=1)
    return ranks
