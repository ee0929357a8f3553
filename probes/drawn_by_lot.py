"""How often items drawn by lot share a label: what hits that share one have to be compared with.

Whoever looks for the most frequent label among hits chooses the label after the fact. Its share of
all items is too low a chance then: the largest count of any label has to be compared with the
largest count of any.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int


@dataclass(frozen=True)
class LargestCount:
    """The largest count of a label among items drawn by lot.

    Attributes:
        mean: over the draws.
        low: 2.5 % of the draws are below.
        high: 2.5 % of the draws are above.
    """

    mean: float
    low: int
    high: int


def largest_count(
    counts: Int[np.ndarray, " labels"], drawn: int, *, rng: np.random.Generator, draws: int = 2000
) -> LargestCount:
    """Draw items without putting them back, and count the label that is there most often.

    Args:
        counts: how many items have each label.
        drawn: items in a draw.
        rng: of the draws.
        draws: how many.

    Raises:
        ValueError: if fewer items than are drawn have a label.
    """
    if not 0 < drawn <= counts.sum():
        raise ValueError(f"{drawn} items cannot be drawn from {counts.sum()}")
    found = rng.multivariate_hypergeometric(counts, drawn, size=draws, method="count")
    largest = found.max(axis=1)
    low, high = np.quantile(largest, (0.025, 0.975), method="inverted_cdf")
    return LargestCount(float(largest.mean()), int(low), int(high))
