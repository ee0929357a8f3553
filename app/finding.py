"""Find items on the map by their id, or by words of their sentence or label."""

import numpy as np
import pandas as pd


def find_rows(items: pd.DataFrame, words: str) -> np.ndarray:
    """Return the rows that have all words somewhere in id, label or sentence, whatever the case.

    An item whose id is just that comes first; the others are in their order. No words find none.

    Args:
        items: with `id`, `label` and `text`.
        words: what somebody typed.
    """
    wanted = words.casefold().split()
    if not wanted:
        return np.empty(0, dtype=np.int64)
    parts = [items[name].astype("string").fillna("") for name in ("id", "label", "text")]
    said = (parts[0] + " " + parts[1] + " " + parts[2]).str.casefold()
    has = np.ones(len(items), dtype=bool)
    for word in wanted:
        has &= said.str.contains(word, regex=False).to_numpy(bool)
    rows = np.flatnonzero(has)
    is_exact = (parts[0].iloc[rows].str.casefold() == words.strip().casefold()).to_numpy(bool)
    return np.concatenate([rows[is_exact], rows[~is_exact]])
