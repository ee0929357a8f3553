"""Which items a probe is fitted on, chosen on and reported on."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Shaped

from probes.checks import check_same_length

PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class Splits:
    """Three disjoint sets of rows: fitted on `train`, chosen on `val`, reported on `test`."""

    train: Int[np.ndarray, " train"]
    val: Int[np.ndarray, " val"]
    test: Int[np.ndarray, " test"]

    groups: Shaped[np.ndarray, " items"] | None = None
    """Recording, speaker or author of every item; a group must not straddle two parts."""

    def __post_init__(self) -> None:
        for name in PARTS:
            rows = getattr(self, name)
            if not len(rows):
                raise ValueError(f"the {name} split is empty; a probe needs {', '.join(PARTS)}")
            if len(np.unique(rows)) < len(rows):
                raise ValueError(f"the {name} split holds an item twice")
        for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
            self._check_apart(one, other)

    def _check_apart(self, one: str, other: str) -> None:
        left, right = getattr(self, one), getattr(self, other)
        shared = np.intersect1d(left, right)
        if shared.size:
            raise ValueError(f"{shared.size} items are in both {one} and {other}")
        if self.groups is None:
            return
        shared = np.intersect1d(self.groups[left], self.groups[right])
        if shared.size:
            raise ValueError(
                f"{shared.size} groups are in both {one} and {other}, the first is {shared[0]}: "
                "the probe would measure the group, not the label"
            )

    @property
    def fit_and_val(self) -> Int[np.ndarray, " fit_and_val"]:
        """Rows for the last fit, once everything is chosen."""
        return np.concatenate([self.train, self.val])

    @property
    def test_groups(self) -> Shaped[np.ndarray, " test"] | None:
        """The groups of the test items, for a cluster bootstrap."""
        return None if self.groups is None else self.groups[self.test]

    @classmethod
    def from_column(
        cls,
        names: Shaped[np.ndarray, " items"],
        groups: Shaped[np.ndarray, " items"] | None = None,
    ) -> "Splits":
        """Read the splits from a column that says train, val or test for every item.

        Raises:
            ValueError: if the column holds another word, or a part is missing.
        """
        if groups is not None:
            check_same_length(names, groups, "groups")
        _check_words(names)
        train, val, test = (np.flatnonzero(names == part) for part in PARTS)
        return cls(train, val, test, groups)


def _check_words(names: Iterable[object]) -> None:
    other = sorted({str(name) for name in names} - set(PARTS))
    if other:
        raise ValueError(f"splits are {', '.join(PARTS)}, but the column also has {other[0]!r}")
