"""Which map a page asks for. Light: a page opens before anything is computed."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

SpaceName = Literal["raw", "centred", "aligned"]
ALL_PAIRS = 0


class SpaceWish(NamedTuple):
    """The space that a map is drawn in."""

    name: SpaceName = "raw"
    """As the model left it, each sense centred, or all turned onto one by pairs."""

    pairs: int = ALL_PAIRS
    """How many pairs each sense is turned by; ALL_PAIRS for all there are."""


DEFAULTS: Mapping[str, Mapping[str, float]] = {
    "umap": {"n_neighbors": 15, "min_dist": 0.1},
    "tsne": {"perplexity": 30},
    "pca": {},
}
"""What can be set of a map, by method, and how it is set if nobody does."""

Over = Literal["", "layers", "steps"]
"""What a map goes through: nothing, the layers of a run, or the checkpoints of one."""


class MapWish(NamedTuple):
    """Which map."""

    name: str
    """Of the representation."""

    tap: str
    method: str = "umap"
    space: SpaceName = "raw"
    pairs: int = ALL_PAIRS
    settings: tuple[tuple[str, float], ...] = ()
    """Only what is set otherwise than in DEFAULTS, sorted."""

    over: Over = ""

    def spaced(self) -> SpaceWish:
        """Return the space."""
        return SpaceWish(self.space, self.pairs if self.space == "aligned" else ALL_PAIRS)

    @property
    def is_plain(self) -> bool:
        """Whether it is one of the maps that other pages use too."""
        return self.method in ("umap", "pca") and self[3:] == MapWish("", "")[3:]


def settings_of(method: str, chosen: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """Return what is set otherwise than by default, as a wish holds it."""
    usual = DEFAULTS[method]
    return tuple(sorted((n, v) for n, v in chosen.items() if n in usual and v != usual[n]))
