"""Many tests at once: Holm, Benjamini and Hochberg, and the maximum over a shared null.

Holm is for the few claims that were written down beforehand (confirmatory): the chance of even one
false claim stays at α. Benjamini and Hochberg is for grids one looks through (exploratory): of what
is pointed out, a share of α is false on average. The maximum takes account of how alike the tests
are, which neighbouring layers are very much, and so loses less than Holm.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from probes.nulls import ALPHA
from probes.result import Plain, to_plain

Purpose = Literal["confirmatory", "exploratory"]


@dataclass(frozen=True, kw_only=True)
class CorrectedTests:
    """Tests with p values that may be compared with α although there are many."""

    names: tuple[str, ...]
    p: tuple[float, ...]
    """As each test gave it on its own."""

    adjusted: tuple[float, ...]
    """Corrected for the number of tests; never smaller than `p`."""

    rejected: tuple[bool, ...]
    """Whether `adjusted` is at most `alpha`."""

    alpha: float
    method: str
    purpose: Purpose

    def to_json(self) -> Plain:
        """Return the tests as plain JSON."""
        return to_plain(self)


def correct_tests(
    tests: Mapping[str, float], purpose: Purpose, *, alpha: float = ALPHA
) -> CorrectedTests:
    """Correct the p values of named tests: Holm if confirmatory, Benjamini-Hochberg if not.

    Args:
        tests: p of every test that was made, the dull ones too: leaving them out undoes it.
        purpose: whether the list was fixed before the data were seen.
        alpha: error rate aimed at; of any false claim, or of the share of false ones.

    Returns:
        The tests in their order.

    Raises:
        ValueError: if there is no test or a p is not between 0 and 1.
    """
    p = np.array(list(tests.values()), dtype=np.float64)
    adjusted = holm(p) if purpose == "confirmatory" else benjamini_hochberg(p)
    return CorrectedTests(
        names=tuple(tests),
        p=tuple(p.tolist()),
        adjusted=tuple(adjusted.tolist()),
        rejected=tuple((adjusted <= alpha).tolist()),
        alpha=alpha,
        method="Holm" if purpose == "confirmatory" else "Benjamini-Hochberg",
        purpose=purpose,
    )


def holm(p: Float[np.ndarray, " tests"]) -> Float[np.ndarray, " tests"]:
    """Return p values adjusted so that any false claim among them has probability α at most.

    Valid whatever the dependence between the tests. The k-th smallest of m is multiplied by
    m − k + 1, and none gets smaller than the one before it.

    Raises:
        ValueError: if there is no test or a p is not between 0 and 1.

    Source: S. Holm, 1979, "A simple sequentially rejective multiple test procedure".
    """
    _check_p(p)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return np.minimum(adjusted, 1.0)


def benjamini_hochberg(p: Float[np.ndarray, " tests"]) -> Float[np.ndarray, " tests"]:
    """Return p values adjusted so that of those at most α a share of α is false on average.

    For independent or positively dependent tests, as layers on the same items are.

    Raises:
        ValueError: if there is no test or a p is not between 0 and 1.

    Source: Y. Benjamini and Y. Hochberg, 1995; SciPy's `false_discovery_control`.
    """
    from scipy.stats import false_discovery_control  # imported late: it is slow

    _check_p(p)
    return np.asarray(false_discovery_control(p, method="bh"))


def max_t(
    observed: Float[np.ndarray, " tests"], null: Float[np.ndarray, "permutations tests"]
) -> Float[np.ndarray, " tests"]:
    """Return the p of every test against the largest value of all tests under permutation.

    Each test is standardised by its own null, so that none rules the maximum by its scale. The
    chance of any false claim is α at most.

    Args:
        observed: values on the data as they are, larger is better.
        null: values under permutation; row b used the same permutation for all tests.

    Returns:
        (1 + #{maximum under permutation at least as good}) / (permutations + 1).

    Raises:
        ValueError: if there is no permutation, or a test does not vary under them.

    Source: P. Westfall and S. Young, 1993, "Resampling-based multiple testing", single step.
    """
    if not null.size:
        raise ValueError("no permutation or no test: there is nothing to compare with")
    if not (np.isfinite(observed).all() and np.isfinite(null).all()):
        raise ValueError("a test is undefined on the data or on a permutation; leave it out")
    # the data are one of the permutations when there is nothing to find
    pool = np.vstack([observed, null])
    centre, spread = pool.mean(axis=0), pool.std(axis=0)
    if not (spread > 1e-12 * np.abs(pool).max(axis=0)).all():
        dull = int(np.argmin(spread))
        raise ValueError(f"test {dull} has the same value under all permutations; leave it out")
    largest = ((null - centre) / spread).max(axis=1)
    standardised = (observed - centre) / spread
    as_good = (largest[:, None] >= standardised - 1e-12).sum(axis=0)
    return (1 + as_good) / (len(null) + 1)


def _check_p(p: Float[np.ndarray, " tests"]) -> None:
    if not len(p):
        raise ValueError("no test to correct")
    bad = np.flatnonzero(~((p >= 0) & (p <= 1)))  # NaN is neither
    if bad.size:
        raise ValueError(f"p[{bad[0]}] is {p[bad[0]]}; a p value lies between 0 and 1")
