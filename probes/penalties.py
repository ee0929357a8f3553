"""The penalties that are tried: decades first, then quarters of a decade around the best."""

import math
from collections.abc import Sequence


def largest_first(penalties: Sequence[float]) -> list[float]:
    """Return the distinct penalties in falling order: the first of equal scores is then the best.

    Raises:
        ValueError: if there is none, or one is not positive.
    """
    tried = sorted({float(penalty) for penalty in penalties}, reverse=True)
    if not tried or not tried[-1] > 0:
        raise ValueError(f"the penalties must be positive, got {tried}")
    return tried


def quarter_decades(tried: Sequence[float], peak: float) -> list[float]:
    """Return λ a quarter of a decade apart around the peak of a first sweep.

    Args:
        tried: the λ of that sweep; they bound the finer one and are not repeated.
        peak: the best of them.

    Returns:
        New candidates up to three quarters of a decade from the peak, the largest first.
    """
    finer = (peak * 10 ** (quarter / 4) for quarter in (3, 2, 1, -1, -2, -3))
    return [
        penalty
        for penalty in finer
        if min(tried) < penalty < max(tried)
        and not any(math.isclose(penalty, other, rel_tol=1e-3) for other in tried)
    ]
