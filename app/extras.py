"""What alignment is asked about beyond its verdict: help from pairs, hubs, the shape of layers."""

from typing import Any

import numpy as np

from app.alignment import FEWEST_PAIRS, Sides
from d2v_core.modality import MODALITIES
from d2v_core.store import Representation
from probes.geometry import layer_geometry
from probes.hubness import hubness
from probes.ladder import LadderSettings, climb
from probes.result import Plain
from probes.splits import Splits

MOST_ITEMS = 2000
SETTINGS = LadderSettings(draws=3, permutations=99)


def climb_ladder(data: Representation, names: tuple[str, str], tap: str) -> Plain:
    """Return how much help from pairs two modalities need at a layer, as JSON.

    Args:
        data: a representation with that layer.
        names: of the modalities.
        tap: which layer.

    Returns:
        The ladder, or `reason`.
    """
    sides = Sides.of(data, names, "all")
    left, right = sides.pairs
    items = sides.x.iloc[left]
    splits = items["split"].to_numpy(str)
    if min(int((splits == "test").sum()), int((splits != "test").sum())) < FEWEST_PAIRS:
        return {"reason": f"fewer than {FEWEST_PAIRS} pairs in test, or outside of it"}
    x = data.layers[tap]
    labels = items["label"]
    try:
        return climb(
            x[items.index.to_numpy()],
            x[sides.y.index.to_numpy()[right]],
            Splits.from_column(splits, items["group"].fillna(items["id"]).to_numpy(str)),
            rng=np.random.default_rng(0),
            classes=None if labels.isna().any() else labels.to_numpy(str),
            settings=SETTINGS,
        ).to_json()
    except ValueError as error:
        return {"reason": str(error)}


def find_hubs(data: Representation, names: tuple[str, str], tap: str, part: Any) -> Plain:  # noqa: ANN401
    """Return how unevenly items are found, each way, as JSON; or `reason`."""
    sides = Sides.of(data, names, part)
    x, y = (data.layers[tap][side.index.to_numpy()] for side in (sides.x, sides.y))
    try:
        ways = {"x_to_y": (x, y), "y_to_x": (y, x)}
        found = {
            way: hubness(queries, gallery, rng=np.random.default_rng(0)).to_json()
            for way, (queries, gallery) in ways.items()
        }
    except ValueError as error:
        return {"reason": str(error)}
    for one in found.values():
        del one["occurrences"]  # one number an item: not for a report
    return found


def measure_geometry(data: Representation) -> dict[str, Plain]:
    """Return the geometry of every layer by modality, on at most 2,000 items, as JSON."""
    found: dict[str, Plain] = {}
    for modality in (m for m in MODALITIES if (data.items["modality"] == m).any()):
        part = data.of(modality)
        rng = np.random.default_rng(0)
        kept = np.sort(rng.permutation(len(part.items))[:MOST_ITEMS])
        groups = part.items["group"].fillna(part.items["id"]).to_numpy(str)[kept]
        layers = {tap: x[kept] for tap, x in part.layers.items()}
        try:
            table: Plain = layer_geometry(layers, rng=rng, groups=groups).to_json()
        except ValueError as error:
            table = {"reason": str(error)}
        spectra = [row["spectrum"] for row in table.get("rows", []) if row["spectrum"]]
        for spectrum in spectra:
            del spectrum["variances"]  # as many as channels
        found[modality] = table
    return found
