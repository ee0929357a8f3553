"""The geometry of every layer in one table: a monitor of one model, not a race between models."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from jaxtyping import Shaped

from probes.checks import check_finite, check_same_length
from probes.dimension import Dimension, two_nn
from probes.lidar import Lidar, lidar
from probes.result import Plain, to_plain
from probes.spectrum import Spectrum, spectrum
from probes.uniformity import Uniformity, uniformity

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class LayerGeometry:
    """How the embeddings of one layer lie in space."""

    tap: str
    n: int
    dim: int
    spectrum: Spectrum | None
    uniformity: Uniformity | None
    dimension: Dimension | None
    lidar: Lidar | None
    """Only if several views of the items were given."""

    reasons: Mapping[str, str]
    """Why a measure is missing."""

    def to_json(self) -> Plain:
        """Return everything as plain JSON."""
        return to_plain(self)


@dataclass(frozen=True, kw_only=True)
class GeometryTable:
    """The geometry of a stack of layers."""

    rows: tuple[LayerGeometry, ...]
    """One a layer, in the order given."""

    def to_json(self) -> Plain:
        """Return the table as plain JSON."""
        return to_plain(self)


def layer_geometry(
    layers: Mapping[str, np.ndarray],
    *,
    rng: np.random.Generator,
    groups: Shaped[np.ndarray, " grouped"] | None = None,
    views: Mapping[str, np.ndarray] | None = None,
    item_of: Shaped[np.ndarray, " labelled"] | None = None,
) -> GeometryTable:
    """Measure every layer: spectrum and ranks, uniformity, intrinsic dimension, LiDAR.

    Every layer is measured with the same parts, subsets and draws, so that layers differ by what
    they hold and not by the draw.

    Args:
        layers: embeddings (items, dim) by tap id, the first layer first.
        rng: source of all randomness.
        groups: items of one group (recording, speaker) are left out together.
        views: embeddings (views, dim) of several views of items, by the same tap ids, for LiDAR;
            they need not be views of the same items.
        item_of: which item every view belongs to.

    Returns:
        The table; a measure that a layer does not allow is None, with the reason.

    Raises:
        ValueError: if there is no layer, if a layer is not finite, if groups or ids do not fit the
            rows, or if only one of `views` and `item_of` is given.
    """
    if not layers:
        raise ValueError("no layer to measure")
    if (views is None) != (item_of is None):
        raise ValueError("LiDAR needs both the views and the item of each")
    seed = int(rng.integers(2**63))
    rows = []
    for tap, x in layers.items():
        check_finite(x, tap)
        if groups is not None:
            check_same_length(x, groups, "groups")
        reasons: dict[str, str] = {}
        tried = partial(_tried, reasons, seed)
        found = None
        if views is not None and item_of is not None:
            if tap in views:
                check_same_length(views[tap], item_of, "ids of items")
                found = tried("lidar", partial(lidar, views[tap], item_of))
            else:
                reasons["lidar"] = f"no views at {tap}"
        row = LayerGeometry(
            tap=tap,
            n=len(x),
            dim=x.shape[1],
            spectrum=tried("spectrum", partial(spectrum, x, groups=groups)),
            uniformity=tried("uniformity", lambda *, rng, x=x: uniformity(x)),
            dimension=tried("dimension", partial(two_nn, x, groups=groups)),
            lidar=found,
            reasons=reasons,
        )
        rows.append(row)
    return GeometryTable(rows=tuple(rows))


def _tried(reasons: dict[str, str], seed: int, name: str, measure: Callable[..., T]) -> T | None:
    """Return what a measure finds, or None with the reason written down."""
    try:
        return measure(rng=np.random.default_rng(seed))
    except ValueError as error:
        reasons[name] = str(error)
        return None
