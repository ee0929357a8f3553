"""Which items are labelled when only a few are: the same draws for every layer and model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Shaped

from probes.checks import number_labels
from probes.splits import Splits

SHOTS = (1, 2, 4, 8, 16, 32, 64)
DRAWS = 30
ALL = "all"


@dataclass(frozen=True)
class Supports:
    """The labelled items of every draw: make them once, use them for every layer and model."""

    rows: Mapping[str, Int[np.ndarray, "draws support"]]
    """By number of shots ("1", "2", ..., "all"); those of fewer shots are part of those of more."""

    skipped: Mapping[str, str]
    """Why some numbers of shots cannot be had."""


def draw_supports(
    labels: Shaped[np.ndarray, " items"],
    splits: Splits,
    *,
    shots: Sequence[int] = SHOTS,
    draws: int = DRAWS,
    rng: np.random.Generator,
) -> Supports:
    """Draw m train items of every class, many times over, and all of train once.

    Args:
        labels: one an item; only those of train are looked at.
        splits: rows of each part.
        shots: the m wanted; a class with fewer train items rules an m out.
        draws: supports for each m.
        rng: source of all randomness; the same seed gives all layers and models the same draws.

    Returns:
        Rows of the supports.

    Raises:
        ValueError: if train has one class only, an m or the number of draws is not positive.
    """
    if draws < 2 or not shots or min(shots) < 1:
        raise ValueError(f"at least 2 draws of at least 1 shot, got {draws} of {list(shots)}")
    codes, names = number_labels(labels[splits.train])
    if len(names) < 2:
        raise ValueError("the train split has items of one class only: there is nothing to learn")
    sizes = np.bincount(codes)
    fewest, rarest = int(sizes.min()), names[int(sizes.argmin())]
    of_class = [splits.train[codes == code] for code in range(len(names))]
    most = min(max(shots), fewest)
    order = np.stack(
        [
            np.stack([rng.permutation(rows)[:most] for rows in of_class], axis=1)  # shot, class
            for _ in range(draws)
        ]
    )
    possible = [m for m in sorted(set(shots)) if m <= fewest]
    rows = {str(m): order[:, :m].reshape(draws, -1) for m in possible}
    return Supports(
        rows={**rows, ALL: splits.train[None]},
        skipped={
            str(m): f"class {rarest!r} has only {fewest} train items"
            for m in sorted(set(shots))
            if m > fewest
        },
    )
