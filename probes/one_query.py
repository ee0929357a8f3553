"""One item beside all others, while somebody waits: cosines without a copy of the bank."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from probes.checks import unit_rows
from probes.neighbours import SAFE, largest
from probes.ranks import DECIMALS
from probes.ranks import cosines as exact_cosines

CLOSE = 1e-5  # cosines in single precision that differ by more are in this order in double too
CHUNK = 8192  # rows that are in memory in double precision at once


@dataclass(frozen=True)
class OneQuery:
    """The cosines of one query with every row of a bank."""

    query: Float[np.ndarray, " dim_query"]
    bank: Float[np.ndarray, "bank dim_bank"]
    cosines: Float[np.ndarray, " bank"]

    @classmethod
    def of(
        cls, query: Float[np.ndarray, " dim_query"], bank: Float[np.ndarray, "bank dim_bank"]
    ) -> "OneQuery":
        """Compare a query with a bank: a matrix-vector product and the lengths, in one pass each.

        Args:
            query: an embedding.
            bank: embeddings of the same space.

        Raises:
            ValueError: if dims differ, or a row is not finite or has length 0.
        """
        if len(query) != bank.shape[1]:
            raise ValueError(
                f"the query has {len(query)} channels and the bank has {bank.shape[1]}: "
                "only embeddings of one space have cosines"
            )
        direction = unit_rows(query[None], "query")[0].astype(bank.dtype, copy=False)
        lengths = np.sqrt(np.einsum("ij,ij->i", bank, bank))
        is_safe = lengths.size and lengths.min() > SAFE[0] and lengths.max() < SAFE[1]
        if is_safe:  # NaN is not
            return cls(query, bank, bank @ direction / lengths)
        return cls(query, bank, unit_rows(bank, "bank") @ direction)

    def nearest(
        self, among: Int[np.ndarray, " rows"], k: int
    ) -> tuple[Int[np.ndarray, " k"], Float[np.ndarray, " k"]]:
        """Return the k rows with the largest cosines and these, the earlier first among equals.

        Args:
            among: rows of the bank that may be found.
            k: how many; fewer are returned if there are fewer.
        """
        places, values = largest(torch.from_numpy(self.cosines[among])[None], min(k, len(among)))
        return among[places[0].numpy()], values[0].numpy()

    def rank(self, row: int, among: Int[np.ndarray, " rows"]) -> float:
        """Return the rank of a row among rows, 1 the nearest, as `probes.ranks.mid_ranks` does.

        Only those about as near are compared in double precision, where equal ones share a rank.

        Args:
            row: of the bank, one of `among`.
            among: rows of the bank.
        """
        ahead = self.cosines[among] - self.cosines[row]
        is_close = np.abs(ahead) <= CLOSE
        close, own = self._exact(among[is_close]), self._exact(np.array([row]))
        better = np.count_nonzero(ahead[~is_close] > 0) + np.count_nonzero(close > own)
        return float(better + (np.count_nonzero(close == own) + 1) / 2)

    def _exact(self, rows: Int[np.ndarray, " rows"]) -> Float[np.ndarray, " rows"]:
        starts = range(0, len(rows), CHUNK)
        parts = (exact_cosines(self.query[None], self.bank[rows[s : s + CHUNK]])[0] for s in starts)
        return np.round(np.concatenate(list(parts)), DECIMALS)
