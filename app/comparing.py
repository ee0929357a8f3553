"""Two layers or runs of the same items side by side: whose neighbours change, and how alike."""

import json

import numpy as np
import pandas as pd

from app.spaces import open_space, senses_of, vectors_in
from app.wishes import SpaceWish
from d2v_core.errors import StoreError
from d2v_core.store import Representation, Store
from probes.mutual_knn import K, overlap
from probes.neighbours import nearest
from probes.result import Plain
from probes.similarity import compare_cka
from probes.trust import drawn_by_lot

MOST_ITEMS = 1000
"""Of a sense, for CKA; more are drawn by lot."""

FEWEST_ITEMS = 8
Side = tuple[str, str]
"""A representation and its layer."""


def compare(
    store: Store, left: Side, right: Side, *, space: SpaceWish
) -> tuple[pd.DataFrame, Plain]:
    """Compare two layers, of one run or of two.

    Args:
        store: where both are.
        left: one layer.
        right: the other.
        space: that neighbours are looked for in, on both sides.

    Returns:
        `changed` of every item: the share of its K nearest neighbours, over all senses, that are
        others on the right; of very many items it is known of some, drawn by lot, and NaN of the
        rest. And by sense CKA with interval and null, of held-out items, and the mean change beside
        its chance, with the `n` it rests on.

    Raises:
        StoreError: if the two are not of the same items, or cannot be compared.
    """
    held = [store.held(name) for name, _ in (left, right)]
    key = f"compare|2|{json.dumps([left, right, space, held])}"
    found = store.kept(key)
    if found is not None:
        return found
    one, other = (store.read(name, taps=(tap,)) for name, tap in (left, right))
    if not one.items[["id", "modality"]].equals(other.items[["id", "modality"]]):
        raise StoreError(
            f"{one.recipe.encoder} and {other.recipe.encoder} were embedded on different items; "
            "only the same items can be compared"
        )
    try:
        table, about = _compare(one, other, (left[1], right[1]), space)
    except ValueError as error:
        raise StoreError(f"the two cannot be compared: {error}") from error
    store.keep(key, table, about)
    return table, about


def _compare(
    one: Representation, other: Representation, taps: Side, space: SpaceWish
) -> tuple[pd.DataFrame, Plain]:
    x, y = (
        vectors_in(data, tap, open_space(data, tap, space))
        for data, tap in zip((one, other), taps, strict=True)
    )
    k = min(K, len(x) - 1)
    rows = drawn_by_lot(len(x), np.random.default_rng(0))
    rows = np.arange(len(x)) if rows is None else rows
    before, after = (nearest(side[rows], side, k, itself=rows).ids for side in (x, y))
    changed = np.full(len(x), np.nan)
    changed[rows] = 1 - overlap(before, after)
    about = {
        "k": k,
        "n": len(rows),
        "changed": float(changed[rows].mean()),
        "chance": 1 - k / (len(x) - 1),
        "cka": {m: _cka(one, m, x, y) for m in senses_of(one)},
    }
    return pd.DataFrame({"changed": changed}), about


def _cka(data: Representation, modality: str, x: np.ndarray, y: np.ndarray) -> Plain:
    """Return CKA of the held-out items of a sense; of all if none is held out."""
    own = (data.items["modality"] == modality).to_numpy()
    held_out = own & (data.items["split"] == "test").to_numpy(bool)
    rows = np.flatnonzero(held_out if held_out.any() else own)
    if len(rows) < FEWEST_ITEMS:
        return {"reason": f"{len(rows)} items; CKA takes {FEWEST_ITEMS}"}
    rng = np.random.default_rng(0)
    rows = np.sort(rng.permutation(rows)[:MOST_ITEMS])
    return compare_cka(x[rows], y[rows], rng=rng).score.to_json()
