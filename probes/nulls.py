"""What a measure gives when there is nothing to find: permutations, p and calibrated values."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped

from probes.checks import check_same_length
from probes.result import Plain, to_plain

ALPHA = 0.05


@dataclass(frozen=True, kw_only=True)
class NullTest:
    """An observed value against the values under permutation."""

    observed: float
    """The measure on the data as they are. Where `kind` says that only part of it was permuted, p
    and the calibrated value compare that part with itself."""

    null_mean: float
    """Mean under permutation: the chance level."""

    threshold: float
    """τ: the order statistic that a fraction 1 − α of the null does not exceed."""

    p: float
    """(1 + #{null at least as good}) / (permutations + 1); never 0."""

    floor: float
    """The smallest p that this many permutations can give."""

    calibrated: float | None
    """clip((observed − τ) / (max − τ), 0, 1); None if the measure has no upper end above τ."""

    permutations: int
    kind: str
    """What was permuted."""

    def to_json(self) -> Plain:
        """Return the test as plain JSON."""
        return to_plain(self)


def against_null(
    observed: float,
    null: Float[np.ndarray, " permutations"],
    *,
    kind: str,
    maximum: float | None = 1.0,
    smaller_is_better: bool = False,
) -> NullTest:
    """Compare an observed value with its values under permutation.

    Args:
        observed: the measure on the data as they are.
        null: the measure on permuted data; the identity is not among them.
        kind: what was permuted, in words.
        maximum: the largest value the measure can take; None if there is none.
        smaller_is_better: for ranks and distances; there is no calibrated value then.

    Returns:
        p, threshold and calibrated value.

    Raises:
        ValueError: if there is no permutation, or a value is not finite.

    Source: p after Phipson and Smyth, 2010; calibration after Gröger et al., arXiv:2602.14486.
    """
    if not len(null):
        raise ValueError(f"{kind}: no permutation was made, so there is nothing to compare with")
    if not (math.isfinite(observed) and np.isfinite(null).all()):
        raise ValueError(f"{kind}: the measure is undefined on the data or on a permutation")
    sign = -1.0 if smaller_is_better else 1.0
    slack = 1e-12 * max(1.0, abs(observed))  # equal values may differ in the last bit
    as_good = int(np.sum(sign * null >= sign * observed - slack))
    pool = np.sort(np.append(sign * null, sign * observed))
    threshold = sign * float(pool[math.ceil((1 - ALPHA) * len(pool)) - 1])
    calibrated = None
    if maximum is not None and not smaller_is_better and maximum > threshold:
        calibrated = float(np.clip((observed - threshold) / (maximum - threshold), 0.0, 1.0))
    return NullTest(
        observed=float(observed),
        null_mean=float(null.mean()),
        threshold=threshold,
        p=(1 + as_good) / (len(null) + 1),
        floor=1 / (len(null) + 1),
        calibrated=calibrated,
        permutations=len(null),
        kind=kind,
    )


def permutations(
    n: int,
    count: int,
    /,
    *,
    rng: np.random.Generator,
    within: Shaped[np.ndarray, " n"] | None = None,
) -> Iterator[Int[np.ndarray, " n"]]:
    """Yield random permutations of n items.

    Args:
        n: items.
        count: how many permutations.
        rng: source of all randomness.
        within: if given, items only change places with items of the same group.

    Yields:
        Index arrays; entry i is the item that takes place i.
    """
    if within is None:
        for _ in range(count):
            yield rng.permutation(n)
        return
    check_same_length(within, range(n), "items to permute")
    codes = np.unique(within, return_inverse=True)[1]
    places = np.argsort(codes, kind="stable")
    for _ in range(count):
        shuffled = np.empty(n, dtype=np.int64)
        shuffled[places] = np.lexsort((rng.random(n), codes))
        yield shuffled


def item_orders(
    n: int,
    count: int,
    /,
    *,
    rng: np.random.Generator,
    within: Shaped[np.ndarray, " n"] | None = None,
) -> Iterator[Int[np.ndarray, " n"]]:
    """Yield permutations of n items for a null: all but the identity where `count` allows.

    With up to 6 items there are fewer than 1,000: each is then taken once, and p is exact.

    Args:
        n: items.
        count: how many permutations at most.
        rng: source of all randomness where they are drawn.
        within: if given, items only change places with items of the same group; always drawn.

    Yields:
        Index arrays; entry i is the item that takes place i.
    """
    if within is None and n <= 12 and math.factorial(n) - 1 <= count:
        yield from class_permutations(n, count, rng=rng)
    else:
        yield from permutations(n, count, rng=rng, within=within)


def class_permutations(
    classes: int, count: int, /, *, rng: np.random.Generator
) -> Int[np.ndarray, "permutations classes"]:
    """Return permutations of class names, all of them but the identity where `count` allows.

    Args:
        classes: C.
        count: how many permutations at most.
        rng: source of all randomness when C! − 1 exceeds `count`.

    Returns:
        C! − 1 permutations if that is at most `count`, else `count` random ones.
    """
    if classes <= 12 and math.factorial(classes) - 1 <= count:  # 13! would never be enumerated
        every = itertools.permutations(range(classes))
        next(every)  # the identity comes first
        return np.array(list(every), dtype=np.int64).reshape(-1, classes)
    return np.stack([rng.permutation(classes) for _ in range(count)]).astype(np.int64)
