"""What alignment is asked about beyond its verdict: help from pairs, hubs, the shape of layers."""

from typing import Any

import numpy as np

from app.alignment import FEWEST_PAIRS, Sides
from d2v_core.modality import MODALITIES
from d2v_core.store import Representation
from probes.csls import Bank, csls
from probes.geometry import layer_geometry
from probes.hubness import hubness
from probes.ladder import Ladder, LadderSettings, climb, pairs_needed
from probes.ranks import mid_ranks
from probes.result import Plain
from probes.retrieval import retrieve_ranked
from probes.rungs import MAPS
from probes.splits import Splits

MOST_ITEMS = 2000
MOST_SHARES = 64  # of a spectrum, the widest axes
TARGETS = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Values of R@1 of which is said how many pairs they take."""

PERMUTATIONS = 199
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
        ladder = climb(
            x[items.index.to_numpy()],
            x[sides.y.index.to_numpy()[right]],
            Splits.from_column(splits, items["group"].fillna(items["id"]).to_numpy(str)),
            rng=np.random.default_rng(0),
            classes=None if labels.isna().any() else labels.to_numpy(str),
            settings=SETTINGS,
        )
    except ValueError as error:
        return {"reason": str(error)}
    return {**ladder.to_json(), "needed": _needed(ladder)}


def _needed(ladder: Ladder) -> list[Plain]:
    """Return how many pairs each kind of map needs for each target, as JSON."""
    return [
        pairs_needed(ladder, target, name=name).to_json() for name in MAPS for target in TARGETS
    ]


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


def correct_hubs(data: Representation, names: tuple[str, str], tap: str, part: Any) -> Plain:  # noqa: ANN401
    """Return how well partners are found by cosine and by CSLS, each way, as JSON; or `reason`.

    CSLS takes off from every cosine how close both items are to anything at all, so that hubs come
    first less often. Closeness is judged once by the items that are reported on, and once, where
    there are others, by those.
    """
    sides, others = Sides.of(data, names, part), Sides.of(data, names, "rest")
    left, right = sides.pairs
    if len(left) < FEWEST_PAIRS:
        return {"reason": f"fewer than {FEWEST_PAIRS} pairs are reported on"}
    layer = data.layers[tap].astype(np.float64)
    x = layer[sides.x.index.to_numpy()[left]]
    y = layer[sides.y.index.to_numpy()[right]]
    bank = Bank(*(layer[side.index.to_numpy()] for side in (others.x, others.y)))
    if part != "test" or min(len(bank.x), len(bank.y)) < FEWEST_PAIRS:
        bank = None
    try:
        return {
            "x_to_y": _by_likeness(x, y, bank),
            "y_to_x": _by_likeness(y, x, bank and Bank(bank.y, bank.x)),
        }
    except ValueError as error:
        return {"reason": str(error)}


def _by_likeness(queries: np.ndarray, gallery: np.ndarray, bank: Bank | None) -> Plain:
    """Return the scores of partners by what the gallery was ranked by."""
    ranked = {
        "cosine": mid_ranks(queries, gallery),
        "CSLS, transductive": csls(queries, gallery).ranks(),
    }
    if bank is not None:
        ranked["CSLS"] = csls(queries, gallery, bank=bank).ranks()
    return {
        name: retrieve_ranked(
            ranks, rng=np.random.default_rng(0), count=PERMUTATIONS, likeness=name
        ).to_json()["scores"]
        for name, ranks in ranked.items()
    }


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
            variances = np.asarray(spectrum.pop("variances"))  # as many as channels
            total = float(variances.sum())
            shares = variances[:MOST_SHARES] / total if total else variances[:0]
            spectrum["shares"] = [round(float(share), 6) for share in shares]
        found[modality] = table
    return found
