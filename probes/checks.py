"""What the measures demand of their input, with messages that say what was found."""

from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped


def check_finite(x: Float[np.ndarray, "items dim"], name: str = "x") -> None:
    """Raise ValueError if `x` is empty or holds NaN or an infinite number.

    Args:
        x: embeddings, one row an item.
        name: what to call it in the message.
    """
    if 0 in x.shape:
        raise ValueError(f"{name} is empty: {x.shape[0]} items of {x.shape[1]} channels")
    bad = np.flatnonzero(~np.isfinite(x).all(axis=1))
    if bad.size:
        raise ValueError(
            f"{name} has NaN or infinite numbers in {bad.size} of {len(x)} rows, "
            f"the first is row {bad[0]}; leave these items out"
        )


def check_paired(x: Float[np.ndarray, "n_x dim_x"], y: Float[np.ndarray, "n_y dim_y"]) -> None:
    """Raise ValueError unless row i of `x` can belong to row i of `y`."""
    check_finite(x, "x")
    check_finite(y, "y")
    if len(x) != len(y):
        raise ValueError(
            f"x has {len(x)} rows and y has {len(y)}: row i of one must be the partner of "
            "row i of the other"
        )


def check_same_length(x: Shaped[np.ndarray, "items ..."], other: Any, name: str) -> None:  # noqa: ANN401
    """Raise ValueError unless `other` has one entry for every item of `x`."""
    if len(x) != len(other):
        raise ValueError(f"{len(x)} items but {len(other)} {name}")


def unit_rows(x: Float[np.ndarray, "items dim"], name: str = "x") -> Float[np.ndarray, "items dim"]:
    """Divide every row by its length, so that products of rows are cosines.

    Args:
        x: embeddings; half precision is computed in single precision, the rest as it comes.
        name: what to call it in a message.

    Returns:
        Rows of length 1.

    Raises:
        ValueError: if a row is not finite, or has length 0 and so no direction.
    """
    check_finite(x, name)
    wide = x.astype(np.float32 if x.dtype.itemsize < 4 else x.dtype, copy=False)
    # the largest entry is taken out first: squares of very small or large numbers would not fit
    largest = np.abs(wide).max(axis=1, keepdims=True)
    zero = np.flatnonzero(largest[:, 0] == 0)
    if zero.size:
        raise ValueError(
            f"{zero.size} of {len(x)} rows of {name} have length 0, the first is row {zero[0]}: "
            "they point nowhere, so they have no cosine; leave these items out"
        )
    scaled = wide / largest
    return scaled / np.linalg.norm(scaled, axis=1, keepdims=True)


def number_labels(
    labels: Shaped[np.ndarray, " items"],
) -> tuple[Int[np.ndarray, " items"], tuple[str, ...]]:
    """Number the classes in sorted order.

    Args:
        labels: one label an item, numbers or text.

    Returns:
        The number of every item's class, and the names of the classes.
    """
    names, codes = np.unique(labels, return_inverse=True)
    return codes.astype(np.int64), tuple(str(name) for name in names)
