"""The space a map is drawn in: as the model left it, centred, or turned onto one sense by pairs.

Means and turns are learnt on train items; every number that is shown is of held-out items. Of data
without a train split the items that are not held out are taken.
"""

from itertools import combinations
from typing import Any

import numpy as np

from app.alignment import FEWEST_PAIRS, Sides
from app.wishes import SpaceWish
from app.words import PLURAL
from d2v_core.errors import StoreError
from d2v_core.modality import MODALITIES
from d2v_core.store import Representation
from probes.gap import modality_gap
from probes.joining import Anchors, JointSpace, centred_joint, turned_joint
from probes.result import Plain

MOST_MEASURED = 2000
"""Held-out items of a sense that a gap is measured on: its interval is about a hundredth then."""


def open_space(data: Representation, tap: str, wish: SpaceWish) -> JointSpace | None:
    """Return what carries items into a space; None if they stay as they are.

    Raises:
        StoreError: if there is no such space of these items, in words for a visitor.
    """
    if wish.name == "raw":
        return None
    senses = senses_of(data)
    if len(senses) < 2:
        raise StoreError(
            f"{data.recipe.encoder} has {PLURAL[senses[0]]} only: there is no other sense to bring "
            "together with them"
        )
    known = {m: data.layers[tap][_learnt_from(data, m)] for m in senses}
    try:
        if wish.name == "centred":
            return centred_joint(known)
        hub, anchors = _anchors(data, tap, senses, wish.pairs)
        return turned_joint(known, hub, anchors)
    except ValueError as error:
        raise StoreError(f"the senses cannot be brought together: {error}") from error


def vectors_in(data: Representation, tap: str, space: JointSpace | None) -> np.ndarray:
    """Return all items (items, width) in a space, in the order of the representation."""
    x = data.layers[tap]
    if space is None:
        return x
    senses = data.items["modality"].to_numpy()
    found: np.ndarray | None = None
    for modality in senses_of(data):
        rows = np.flatnonzero(senses == modality)
        try:
            carried = space.carry(modality, x[rows])
        except ValueError as error:
            raise StoreError(f"the senses cannot be brought together: {error}") from error
        if found is None:
            found = np.empty((len(x), carried.shape[1]), dtype=np.float32)
        found[rows] = carried
    assert found is not None  # a representation has items
    return found


def measure_gaps(data: Representation, tap: str, space: JointSpace | None) -> list[Plain]:
    """Return the gap between every two senses, as they are and in a space, on held-out items.

    Returns:
        By pair of senses `first`, `second` and, under `raw` and `now`, gap, gap in spreads and
        cosine of partners as JSON, or a `reason`. Of a sense with more than MOST_MEASURED items so
        many are drawn by lot, the same ones in both spaces.
    """
    there = {"raw": data.layers[tap]}
    if space is not None:
        there["now"] = vectors_in(data, tap, space)
    found = []
    for names in combinations(senses_of(data), 2):
        sides = Sides.of(data, names, "test")
        if min(len(sides.x), len(sides.y)) < 2:
            reason = "fewer than 2 held-out items of a sense"
            found.append({"first": names[0], "second": names[1], "reason": reason})
            continue
        measured: dict[str, Any] = {name: _gap(x, sides) for name, x in there.items()}
        found.append({"first": names[0], "second": names[1], "now": measured["raw"], **measured})
    return found


def senses_of(data: Representation) -> list[str]:
    """Return the modalities that a representation has."""
    present = set(data.items["modality"].unique())
    return [m for m in MODALITIES if m in present]


def pairs_there(data: Representation) -> int:
    """Return how many pairs every sense can be turned by: the least that one has."""
    senses = senses_of(data)
    if len(senses) < 2:
        return 0
    hub = _hub(data, senses)
    return min(len(_pair_rows(data, hub, m)[0]) for m in senses if m != hub)


def _gap(x: np.ndarray, sides: Sides) -> Plain:
    left, right = sides.pairs
    is_paired = len(left) == len(sides.x) == len(sides.y)
    rows_x, rows_y = sides.x.index.to_numpy(), sides.y.index.to_numpy()
    if is_paired:
        rows_x, rows_y = rows_x[left], rows_y[right]
    # the same seed for both, so that partners are drawn together
    drawn_x, drawn_y = (_some(rows, np.random.default_rng(0)) for rows in (rows_x, rows_y))
    try:
        found = modality_gap(
            x[drawn_x],
            x[drawn_y],
            rng=np.random.default_rng(0),
            paired=is_paired,
            separability=False,
        ).to_json()
    except ValueError as error:
        return {"reason": str(error)}
    wanted = ("modality_gap", "normalised_gap", "matched_cosine")
    return {name: found[name] for name in wanted}


def _some(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return rows, or some of them in their order if they are very many."""
    if len(rows) <= MOST_MEASURED:
        return rows
    return rows[np.sort(rng.choice(len(rows), MOST_MEASURED, replace=False))]


def _learnt_from(data: Representation, modality: str) -> np.ndarray:
    """Return the rows of a modality that may be learnt from."""
    own = (data.items["modality"] == modality).to_numpy()
    rows = np.flatnonzero(own & _may_teach(data))
    if not len(rows):
        raise StoreError(
            f"no {PLURAL[modality]} outside of the test split: their middle cannot be learnt "
            "without looking at what is shown"
        )
    return rows


def _may_teach(data: Representation) -> np.ndarray:
    splits = data.items["split"]
    is_train = (splits == "train").to_numpy(bool)
    return is_train if is_train.any() else (splits != "test").to_numpy(bool)


def _pair_rows(data: Representation, hub: str, other: str) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of the hub and of their partners that may be learnt from, in order of keys."""
    keys, teach = data.partner_keys(), _may_teach(data)
    sides = []
    for modality in (hub, other):
        own = keys[(data.items["modality"] == modality) & teach].dropna().drop_duplicates()
        sides.append(dict(zip(own.astype(str), own.index, strict=True)))
    shared = sorted(set(sides[0]) & set(sides[1]))
    x, y = (np.array([side[key] for key in shared], dtype=np.int64) for side in sides)
    return x, y


def _hub(data: Representation, senses: list[str]) -> str:
    """Return the sense with the most pairs with all others; the first of several."""
    return max(
        senses,
        key=lambda hub: min(len(_pair_rows(data, hub, m)[0]) for m in senses if m != hub),
    )


def _anchors(
    data: Representation, tap: str, senses: list[str], most: int
) -> tuple[str, dict[str, Anchors]]:
    hub = _hub(data, senses)
    anchors: dict[str, Anchors] = {}
    for other in (m for m in senses if m != hub):
        x, y = _pair_rows(data, hub, other)
        if len(x) < max(FEWEST_PAIRS, most):
            needed = f"{most} were asked for" if most > FEWEST_PAIRS else f"it takes {FEWEST_PAIRS}"
            raise StoreError(
                f"{PLURAL[hub].capitalize()} and {PLURAL[other]} have {len(x)} pairs to learn a "
                f"turn from; {needed}. “As it is” and “Centred” need none."
            )
        # the same seed for all senses, so that they are taught by the same rows where they can be
        drawn = np.random.default_rng(0).permutation(len(x))[: most or len(x)]
        anchors[other] = (data.layers[tap][x[drawn]], data.layers[tap][y[drawn]])
    return hub, anchors
