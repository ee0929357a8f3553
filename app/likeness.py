"""Do two modalities arrange the same rows alike? Every layer of one with every one of the other."""

from itertools import combinations

import numpy as np

from app.alignment import FEWEST_PAIRS, Sides, reported_part
from d2v_core.modality import MODALITIES
from d2v_core.store import Representation
from probes.mutual_knn import K
from probes.result import Plain
from probes.stacks import cka_matrix, mutual_knn_matrix

MOST_PAIRS = 1000
PERMUTATIONS = 99


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
        if len(left) < max(FEWEST_PAIRS, 2 * K + 1):
            continue
        rng = np.random.default_rng(seed)
        kept = np.sort(rng.permutation(len(left))[:MOST_PAIRS])
        rows_x = sides.x.index.to_numpy()[left[kept]]
        rows_y = sides.y.index.to_numpy()[right[kept]]
        xs = {tap: x[rows_x] for tap, x in run.layers.items()}
        ys = {tap: x[rows_y] for tap, x in run.layers.items()}
        measures = {
            "cka": cka_matrix(xs, ys, count=PERMUTATIONS, rng=rng),
            "mutual_knn": mutual_knn_matrix(xs, ys, count=PERMUTATIONS, rng=rng),
        }
        matrices = {name: matrix.to_json() for name, matrix in measures.items()}
        found.append({"first": first, "second": second, "measures": matrices})
    return found
