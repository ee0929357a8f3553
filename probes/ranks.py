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
    left, right = _directions(queries, gallery)
    ranks = np.empty((len(left), len(right)), dtype=np.float32)
    step = max(1, CHUNK // len(right))
    for start in range(0, len(left), step):
        ranks[start : start + step] = rank_likeness(left[start : start + step] @ right.T)
    return ranks


def cosines(
    queries: Float[np.ndarray, "queries dim_q"], gallery: Float[np.ndarray, "gallery dim_g"]
) -> Float[np.ndarray, "queries gallery"]:
    """Return the cosine of every query with every gallery item, in double precision.

    Raises:
        ValueError: as `mid_ranks`.
    """
    left, right = _directions(queries, gallery)
    return left @ right.T


def rank_likeness(
    likeness: Float[np.ndarray, "queries gallery"],
) -> Float[np.ndarray, "queries gallery"]:
    """Rank the columns of every row, the most alike first, equal ones at their mean rank."""
    return _rank_rows(-np.round(likeness, DECIMALS))


def _directions(
    queries: Float[np.ndarray, "queries dim_q"], gallery: Float[np.ndarray, "gallery dim_g"]
) -> tuple[Float[np.ndarray, "queries dim_q"], Float[np.ndarray, "gallery dim_g"]]:
    if queries.shape[1] != gallery.shape[1]:
        raise ValueError(
            f"queries have {queries.shape[1]} channels and the gallery has {gallery.shape[1]}: "
            "only embeddings of one space have cosines"
        )
    left = unit_rows(queries.astype(np.float64), "queries")
    return left, unit_rows(gallery.astype(np.float64), "gallery")


def _rank_rows(values: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "rows columns"]:
    """Return the rank of every entry within its row, the smallest 1, equal ones at their mean."""
    order = np.argsort(values, axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    columns = np.arange(values.shape[1], dtype=np.float32)
    differs = ordered[:, 1:] != ordered[:, :-1]
    if differs.all():
        places = np.broadcast_to(columns, values.shape)
    else:
        begins = np.pad(differs, ((0, 0), (1, 0)), constant_values=True)
        ends = np.pad(differs, ((0, 0), (0, 1)), constant_values=True)
        first = np.maximum.accumulate(np.where(begins, columns, 0), axis=1)
        last = np.where(ends, columns, columns[-1])[:, ::-1]
        places = (first + np.minimum.accumulate(last, axis=1)[:, ::-1]) / 2
    ranks = np.empty(values.shape, dtype=np.float32)
    np.put_along_axis(ranks, order, (places + 1).astype(np.float32), axis=1)
    return ranks
