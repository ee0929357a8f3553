"""What lies around one item: its neighbours in every modality, and where its own partners are."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from d2v_core.modality import MODALITIES
from d2v_core.representation import Representation
from probes.one_query import OneQuery


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


def neighbours(data: Representation, row: int, *, tap: str, k: int = 5) -> dict[str, pd.DataFrame]:
    """Return the nearest items of one item in every modality, by cosine in the layer itself.

    Args:
        data: the representation.
        row: of the item.
        tap: which layer.
        k: how many of each modality.

    Returns:
        By modality the nearest items, nearest first, with their `cosine` and `row`.
    """
    query = OneQuery.of(data.layers[tap][row], data.layers[tap])
    return {
        modality: _nearest(data, query, rows, k) for modality, rows in _others(data, row).items()
    }


def look_around(data: Representation, row: int, *, tap: str, k: int) -> list[Around]:
    """Return the surroundings of an item in every modality.

    Args:
        data: the representation.
        row: of the item.
        tap: which layer.
        k: how many neighbours of each modality.
    """
    own, keys = data.items.iloc[row], data.partner_keys()
    query = OneQuery.of(data.layers[tap][row], data.layers[tap])
    found = []
    for modality, rows in _others(data, row).items():
        nearest = _nearest(data, query, rows, k)
        expected = None
        nearest["agrees"] = None
        if pd.notna(own["label"]):
            labels = data.items["label"].iloc[rows]
            expected = float((labels == own["label"]).fillna(False).mean())
            known = nearest["label"].notna()
            nearest.loc[known, "agrees"] = nearest["label"][known] == own["label"]
        partner = rank = None
        places = np.flatnonzero((keys.iloc[rows] == keys.iloc[row]).fillna(False).to_numpy(bool))
        if len(places):
            partner = int(rows[places[0]])
            rank = query.rank(partner, rows)
        found.append(Around(modality, nearest, expected, len(rows), partner, rank))
    return found


def _others(data: Representation, row: int) -> dict[str, np.ndarray]:
    """Return the rows of every modality that has any, an item's own left out."""
    modalities = data.items["modality"].to_numpy()
    rows = {m: np.flatnonzero(modalities == m) for m in MODALITIES}
    rows = {modality: its[its != row] for modality, its in rows.items()}
    return {modality: its for modality, its in rows.items() if len(its)}


def _nearest(data: Representation, query: OneQuery, rows: np.ndarray, k: int) -> pd.DataFrame:
    near, cosines = query.nearest(rows, k)
    table = data.items.iloc[near].copy()
    table["cosine"], table["row"] = cosines, near
    return table
