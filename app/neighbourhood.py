"""What lies around one item: its neighbours in every modality, and where its own partners are."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from app.workbench import neighbours
from d2v_core.store import Representation
from probes.ranks import mid_ranks


@dataclass(frozen=True)
class Around:
    """The surroundings of one item in one modality.

    Attributes:
        modality: which.
        nearest: items, nearest first, with `cosine`, `row` and `agrees` (same label; None if a
            label is missing).
        expected: share of all items of the modality with the item's label: what agrees by chance.
        gallery: items of the modality, the item itself not counted.
        partner: row of the item's own picture, sound or sentence in this modality.
        partner_rank: its place among the gallery, 1 the nearest; (gallery + 1) / 2 by chance.
    """

    modality: str
    nearest: pd.DataFrame
    expected: float | None
    gallery: int
    partner: int | None
    partner_rank: float | None


def look_around(data: Representation, row: int, *, tap: str, k: int) -> list[Around]:
    """Return the surroundings of an item in every modality.

    Args:
        data: the representation.
        row: of the item.
        tap: which layer.
        k: how many neighbours of each modality.
    """
    items, x = data.items, data.layers[tap]
    own, keys = items.iloc[row], data.partner_keys()
    found = []
    for modality, nearest in neighbours(data, row, tap=tap, k=k).items():
        rows = np.flatnonzero((items["modality"] == modality).to_numpy())
        rows = rows[rows != row]
        expected = None
        nearest["agrees"] = None
        if pd.notna(own["label"]):
            labels = items["label"].iloc[rows]
            expected = float((labels == own["label"]).fillna(False).mean())
            known = nearest["label"].notna()
            nearest.loc[known, "agrees"] = nearest["label"][known] == own["label"]
        partner = rank = None
        places = np.flatnonzero((keys.iloc[rows] == keys.iloc[row]).fillna(False).to_numpy(bool))
        if len(places):
            partner = int(rows[places[0]])
            rank = float(mid_ranks(x[[row]], x[rows])[0, places[0]])
        found.append(Around(modality, nearest, expected, len(rows), partner, rank))
    return found
