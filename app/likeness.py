"""Do two stacks of layers arrange the same rows alike? Every layer of one with every of the other.

The stacks are those of two modalities of a run, of two runs, or of a run and itself.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np

from app.alignment import FEWEST_PAIRS, Part, Sides, reported_part
from d2v_core.errors import StoreError
from d2v_core.modality import MODALITIES
from d2v_core.store import Representation
from probes.mutual_knn import K
from probes.result import Plain
from probes.stacks import Stack, cka_matrix, mutual_knn_matrix

MOST_PAIRS = 1000
PERMUTATIONS = 99
FEWEST = max(FEWEST_PAIRS, 2 * K + 1)
"""With fewer pairs nearly all items are neighbours of one another."""


class Side(NamedTuple):
    """One of two stacks that are compared."""

    run: Representation
    modality: str

    def rows(self, part: Part) -> dict[str, int]:
        """Return the row of every item of a part by what partners share; the first of several."""
        items = self.run.items
        is_test = items["split"] == "test"
        kept = (items["modality"] == self.modality) & {"test": is_test, "rest": ~is_test}.get(
            part, True
        )
        keys = self.run.partner_keys()[kept].dropna().drop_duplicates()
        return dict(zip(keys.astype(str), keys.index, strict=True))


def compare_modalities(run: Representation, *, seed: int = 0) -> list[Plain]:
    """Compare the layers of every pair of modalities on partners that are reported on.

    Args:
        run: all layers of a representation.
        seed: of the permutations, and of the choice of partners where there are more than 1,000.

    Returns:
        For every pair of modalities with enough partners its names and, by measure, the matrix.
    """
    part, _ = reported_part(run, [])
    found = []
    present = [m for m in MODALITIES if (run.items["modality"] == m).any()]
    for first, second in combinations(present, 2):
        sides = Sides.of(run, (first, second), part)
        left, right = sides.pairs
        if len(left) < FEWEST:
            continue
        rng = np.random.default_rng(seed)
        kept = np.sort(rng.permutation(len(left))[:MOST_PAIRS])
        rows_x = sides.x.index.to_numpy()[left[kept]]
        rows_y = sides.y.index.to_numpy()[right[kept]]
        measures = _measures(_rows_of(run, rows_x), _rows_of(run, rows_y), rng)
        found.append({"first": first, "second": second, "measures": measures})
    return found


def compare_stacks(left: Side, right: Side, *, seed: int = 0) -> Plain:
    """Compare every layer of one stack with every layer of another, on rows that belong together.

    Args:
        left: a representation and one of its modalities.
        right: the same or another one of the same data, and one of its modalities.
        seed: of the permutations, and of the choice of rows where there are more than 1,000.

    Returns:
        By measure the matrix, under `measures`.

    Raises:
        StoreError: if the two have too few rows in common.
    """
    part, _ = reported_part(left.run, [right.run])
    mine, theirs = left.rows(part), right.rows(part)
    shared = sorted(set(mine) & set(theirs))
    if len(shared) < FEWEST:
        raise StoreError(
            f"only {len(shared)} items that are reported on belong together; "
            f"layers are compared on {FEWEST} or more"
        )
    rng = np.random.default_rng(seed)
    chosen = [shared[n] for n in np.sort(rng.permutation(len(shared))[:MOST_PAIRS])]
    xs = _rows_of(left.run, np.array([mine[key] for key in chosen]))
    ys = _rows_of(right.run, np.array([theirs[key] for key in chosen]))
    try:
        return {"measures": _measures(xs, ys, rng)}
    except ValueError as error:
        raise StoreError(str(error)) from error


def _rows_of(run: Representation, rows: np.ndarray) -> Stack:
    return {tap: x[rows] for tap, x in run.layers.items()}


def _measures(xs: Stack, ys: Stack, rng: np.random.Generator) -> Plain:
    measures = {
        "cka": cka_matrix(xs, ys, count=PERMUTATIONS, rng=rng),
        "mutual_knn": mutual_knn_matrix(xs, ys, count=PERMUTATIONS, rng=rng),
    }
    return {name: matrix.to_json() for name, matrix in measures.items()}
