"""Exact nearest neighbours by cosine: one matrix product and a partial sort, in chunks."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from probes.checks import check_same_length, unit_rows
from probes.progress import tell
from probes.result import Plain, to_plain

CHUNK = 16_000_000  # cosines held at once
SAFE = (1e-15, 1e15)  # lengths whose squares are exact enough in single precision


@dataclass(frozen=True)
class Neighbours:
    """The nearest items of a bank for every query, nearest first."""

    ids: Int[np.ndarray, "queries k"]
    """Rows of the bank."""

    cosines: Float[np.ndarray, "queries k"]

    def to_json(self) -> Plain:
        """Return ids and cosines as plain JSON."""
        return to_plain(self)


def nearest(
    queries: Float[np.ndarray, "queries dim_queries"],
    bank: Float[np.ndarray, "bank dim_bank"],
    k: int,
    *,
    itself: Int[np.ndarray, " queries"] | None = None,
    device: str = "cpu",
) -> Neighbours:
    """Find the k bank rows with the largest cosine to each query.

    Computed in double precision if both arrays are, else in single precision. Equal cosines come
    in the order of the bank. One search serves every smaller k: take the first columns.

    Args:
        queries: embeddings to search for.
        bank: embeddings to search in.
        k: neighbours wanted; fewer are returned if the bank has fewer.
        itself: for queries that are in the bank, the row of each, which is left out.
        device: where the cosines are computed, as torch names it: "cpu", "cuda".

    Returns:
        Ids and cosines, nearest first.

    Raises:
        ValueError: if k is below 1, dims differ, an input is not finite or empty, or nothing is
            left to find.
    """
    if k < 1:
        raise ValueError(f"k={k} neighbours: at least 1 is needed")
    if queries.shape[1] != bank.shape[1]:
        raise ValueError(
            f"queries have {queries.shape[1]} channels and the bank has {bank.shape[1]}: "
            "only embeddings of one space have cosines"
        )
    if itself is not None:
        check_same_length(queries, itself, "rows to leave out")
    k = min(k, len(bank) - (itself is not None))
    if k < 1:
        raise ValueError("the only item of the bank is the query itself: no neighbour is left")
    both = queries.dtype == bank.dtype == np.float64
    kind = np.float64 if both else np.float32
    left = torch.from_numpy(_directions(queries.astype(kind, copy=False), "queries")).to(device)
    right = torch.from_numpy(_directions(bank.astype(kind, copy=False), "bank")).to(device)
    step = max(1, CHUNK // len(bank))
    # new memory for every few rows would take as long as the product itself
    room = torch.empty((min(step, len(queries)), len(bank)), dtype=left.dtype, device=device)
    found = []
    for start in range(0, len(queries), step):
        tell("neighbours", start, len(queries))
        some = left[start : start + step]
        cosines = torch.mm(some, right.T, out=room[: len(some)])
        if itself is not None:
            skip = torch.from_numpy(np.asarray(itself[start : start + step], dtype=np.int64))
            cosines.scatter_(1, skip[:, None].to(device), -torch.inf)
        ids, values = largest(cosines, k)
        found.append((ids.cpu(), values.cpu()))
    tell("neighbours", len(queries), len(queries))
    ids = torch.cat([ids for ids, _ in found]).numpy()
    return Neighbours(ids, torch.cat([values for _, values in found]).numpy())


def _directions(x: Float[np.ndarray, "items dim"], name: str) -> Float[np.ndarray, "items dim"]:
    """Divide every row by its length, in two passes over rows of ordinary length.

    A length in the safe range also says that its row is finite; for all others there is
    `unit_rows`, which takes twice as long, cannot overflow and explains what is wrong.
    """
    lengths = np.sqrt(np.einsum("ij,ij->i", x, x))
    is_safe = x.size and lengths.min() > SAFE[0] and lengths.max() < SAFE[1]  # NaN is not
    return x / lengths[:, None] if is_safe else unit_rows(x, name)


def largest(
    cosines: Float[torch.Tensor, "some bank"], k: int
) -> tuple[Int[torch.Tensor, "some k"], Float[torch.Tensor, "some k"]]:
    """Return the k largest of every row, the earlier column first among equals."""
    if k == cosines.shape[1]:
        values, ids = cosines.sort(dim=1, descending=True, stable=True)
        return ids, values
    values, ids = cosines.topk(k + 1, dim=1)
    # topk keeps any of several equal values; only where the border runs through them it matters
    tied = torch.nonzero(values[:, k - 1] == values[:, k])[:, 0]
    ids, order = ids[:, :k].sort(dim=1)
    values, by_value = values[:, :k].gather(1, order).sort(dim=1, descending=True, stable=True)
    ids = ids.gather(1, by_value)
    if len(tied):
        exact, places = cosines[tied].sort(dim=1, descending=True, stable=True)
        ids[tied], values[tied] = places[:, :k], exact[:, :k]
    return ids, values
