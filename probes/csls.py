"""CSLS: cosines with each item's general closeness taken off, so that hubs are found less often.

With the test items themselves as reference it is transductive: the rank of an item for one query
depends on the other queries, which a search engine would not have. A bank of training items in
their place is not. The name of the likeness says which it was and goes into every score.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from probes.neighbours import nearest
from probes.ranks import cosines, rank_likeness

K = 10


@dataclass(frozen=True)
class Bank:
    """Items that are not reported, by which closeness is judged; they need not be paired."""

    x: Float[np.ndarray, "n_x dim"]
    y: Float[np.ndarray, "n_y dim"]


@dataclass(frozen=True, kw_only=True)
class Csls:
    """A likeness of queries and gallery, and how it was made."""

    values: Float[np.ndarray, "queries gallery"]
    is_transductive: bool
    """Whether test items served as reference."""

    likeness: str
    """What to call it in the method of a score."""

    def ranks(self) -> Float[np.ndarray, "queries gallery"]:
        """Return the mid-rank of every gallery item for every query, the most alike first."""
        return rank_likeness(self.values)


def csls(
    queries: Float[np.ndarray, "queries dim_q"],
    gallery: Float[np.ndarray, "gallery dim_g"],
    *,
    bank: Bank | None = None,
    k: int = K,
) -> Csls:
    """Return 2 cos(x, y) − r(x) − r(y), where r is the mean cosine to the k nearest of the other.

    Args:
        queries: embeddings of one modality.
        gallery: embeddings of the other, in the same space.
        bank: reference items: its x of the modality of the queries, its y of the gallery's. If
            not given, the queries and the gallery themselves are used.
        k: neighbours; clipped to what there is.

    Returns:
        The likeness of every query with every gallery item. `retrieve_ranked` scores its ranks.

    Raises:
        ValueError: if dims differ, an input is not finite, or k is below 1.

    Source: Conneau et al., arXiv:1710.04087.
    """
    near_query, near_gallery = (gallery, queries) if bank is None else (bank.y, bank.x)
    doubled = 2 * cosines(queries, gallery)
    of_queries, of_gallery = (
        nearest(side.astype(np.float64), others.astype(np.float64), k).cosines.mean(axis=1)
        for side, others in ((queries, near_query), (gallery, near_gallery))
    )
    how = "transductive: test items as reference"
    if bank is not None:
        how = f"bank of {len(bank.x)} and {len(bank.y)} other items"
    return Csls(
        values=doubled - of_queries[:, None] - of_gallery,
        is_transductive=bank is None,
        likeness=f"CSLS (k = {k}, {how})",
    )
