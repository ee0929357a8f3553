"""A store with the four roles, made of numbers whose answer is known."""

import numpy as np
import pandas as pd

from app.importing import import_vectors

PAIRS, KINDS, DIM = 90, 6, 6
SPLITS = ("train", "val", "test", "test", "train")
ROLES = ("trained", "random twin", "shuffled pairs", "low-level features")


def fill_with_numbers(root):
    """Write vectors of pictures and sentences and import them as a run and its three controls.

    In the run both modalities of a pair have one vector, that of the kind and some of its own, but
    for noise; in the controls every vector is drawn by itself.
    """
    rng = np.random.default_rng(0)
    kinds = np.arange(PAIRS) % KINDS
    shared = 2 * rng.normal(size=(KINDS, DIM))[kinds] + rng.normal(size=(PAIRS, DIM))
    table = pd.DataFrame(
        {
            "modality": ["image"] * PAIRS + ["text"] * PAIRS,
            "pair": [f"p{n:02d}" for n in range(PAIRS)] * 2,
            "label": [f"kind {k}" for k in kinds] * 2,
            "split": [SPLITS[n // KINDS % 5] for n in range(PAIRS)] * 2,
            "text": [None] * PAIRS + [f"<b>number</b> {n} </script>" for n in range(PAIRS)],
            "pitch": np.concatenate([shared[:, 0], shared[:, 0]]),
        }
    )
    root.mkdir(parents=True, exist_ok=True)
    table.to_csv(root / "meta.csv", index=False)
    for role in ROLES:
        noise = [rng.normal(size=(2 * PAIRS, DIM)) for _ in range(2)]
        both = np.concatenate([shared, shared])
        layers = [noise[0], both + 0.1 * noise[1]] if role == "trained" else noise
        layers = layers if role == "trained" else layers[:1]  # one layer is soon probed
        names = ("block_01.resid", "block_02.resid")
        np.savez(root / "v.npz", **dict(zip(names, layers, strict=False)))
        called = role.replace(" ", "-")
        import_vectors(root / "v.npz", root / "meta.csv", root / "store", name=called, role=role)
    return root / "store"
