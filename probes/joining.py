"""Several modalities in one space: as they are centred, or each turned onto one of them by pairs.

What it does is kept as a thing of its own, so that an item that comes later goes the same way.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from probes.checks import unit_rows
from probes.linear_map import Means, procrustes_space
from probes.result import Plain, to_plain

Vectors = Float[np.ndarray, "_ _"]
Anchors = tuple[Vectors, Vectors]
"""Items of the hub and of another modality, row by row partners."""


@dataclass(frozen=True, kw_only=True)
class JointSpace:
    """Carries every modality into one space, in which rows have length 1."""

    means: Mapping[str, Float[np.ndarray, " _"]]
    """Of each modality; taken off first."""

    turns: Mapping[str, Float[np.ndarray, "_ _"] | None]
    """What the centred modality is multiplied by; None leaves it as it is."""

    hub: str | None
    """The modality that the others are turned onto; None if none is turned."""

    pairs: Mapping[str, int]
    """Pairs that each turn was fitted on."""

    def carry(
        self, modality: str, x: Float[np.ndarray, "items dim"]
    ) -> Float[np.ndarray, "items dim_joint"]:
        """Return items of a modality in the joint space.

        Raises:
            ValueError: if an item lies at the mean of its modality, or across all that the pairs
                say: it points nowhere.
        """
        centred = x.astype(np.float64) - self.means[modality]
        turn = self.turns[modality]
        return unit_rows(centred if turn is None else centred @ turn, modality)

    def to_json(self) -> Plain:
        """Return hub and numbers of pairs as plain JSON; the matrices are left out."""
        return to_plain({"hub": self.hub, "pairs": self.pairs})


def centred_joint(known: Mapping[str, Vectors]) -> JointSpace:
    """Move each modality so that its mean is the origin.

    Args:
        known: items of each modality that means are learnt from, in spaces of one width.

    Raises:
        ValueError: if widths differ: no axis is common.
    """
    widths = {name: x.shape[1] for name, x in known.items()}
    if len(set(widths.values())) > 1:
        said = ", ".join(f"{name} {width}" for name, width in widths.items())
        raise ValueError(f"the modalities have different numbers of channels ({said})")
    return JointSpace(
        means={name: x.mean(axis=0, dtype=np.float64) for name, x in known.items()},
        turns=dict.fromkeys(known),
        hub=None,
        pairs=dict.fromkeys(known, 0),
    )


def turned_joint(
    known: Mapping[str, Vectors], hub: str, anchors: Mapping[str, Anchors]
) -> JointSpace:
    """Turn each modality onto the hub by the best rotation of its anchors (Procrustes).

    Nothing is stretched. A modality with fewer anchors than channels keeps only the part of it
    that the anchors determine.

    Args:
        known: items of each modality that means are learnt from.
        hub: the modality that stays as it is, but for its mean.
        anchors: of every other modality.

    Raises:
        ValueError: if a modality has no anchors, or they do not vary together.
    """
    means = {name: x.mean(axis=0, dtype=np.float64) for name, x in known.items()}
    turns: dict[str, Float[np.ndarray, "_ _"] | None] = {hub: None}
    for name in known:
        if name == hub:
            continue
        if name not in anchors:
            raise ValueError(f"{name} has no pairs with {hub} to be turned by")
        x, y = (side.astype(np.float64) for side in anchors[name])
        space = procrustes_space(x, y, means=Means(means[hub], means[name]))
        assert space.turn_x is not None  # a rotation always turns both
        assert space.turn_y is not None
        turns[name] = space.turn_y @ space.turn_x.T  # into the channels of the hub
    pairs = {name: len(sides[0]) for name, sides in anchors.items()}
    return JointSpace(means=means, turns=turns, hub=hub, pairs=pairs)
