"""Measurements that take longer, each kept in the store: what probes and alignment leave open."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from app import workbench
from app.alignment import Part
from app.extras import climb_ladder, correct_hubs, find_hubs, measure_geometry
from app.probing import is_numeric, probe_deeper
from app.workbench import Report
from d2v_core.store import Representation, Store

LOW_LEVEL = "low-level features"


def probes(
    store: Store, name: str, *, label: str, report: Report = workbench.quiet
) -> dict[str, Any]:
    """Return weighted sum, few-shot, control and description length by modality, as JSON.

    Numbers have none of them. Control tasks take their types from the low-level features of the
    same data in the same store, if there are any.

    Args:
        store: where the representation is.
        name: of the representation.
        label: column that is to be told from the embeddings.
        report: called with modalities done and modalities in all.

    Raises:
        StoreError: if no item has that column.
    """
    quick = workbench.probe(store, name, label=label)["modalities"]
    low = _low_level(store, name)

    def compute() -> dict[str, Any]:
        whole = store.read(name)
        features = None if low is None else store.read(low)
        found: dict[str, Any] = {}
        for number, (modality, table) in enumerate(quick.items()):
            report(number, len(quick))
            part = whole.of(modality)
            best = [b["tap"] for b in table.get("best", []) if b["probe"] == "linear"]
            if best and not is_numeric(part.items[label]):
                raw = None if features is None else _same_rows(features, part)
                found[modality] = probe_deeper(part, label, best[0], raw)
        return found

    return workbench.once(store, probes_key(store, name, label), compute)


def probes_key(store: Store, name: str, label: str) -> str:
    """Return under what the probes that take longer are kept."""
    low = _low_level(store, name)
    return f"deeper|1|{store.held(name)}|{label}|{low and store.held(low)}"


def alignment(
    store: Store, name: str, *, report: Report = workbench.quiet
) -> dict[str, dict[str, Any]]:
    """Return the ladder of the run and its controls, and hubs of the run, by pair of modalities.

    Every representation is measured at the layer that its alignment was measured at.

    Args:
        store: where the representation is.
        name: of the representation.
        report: called with pairs of modalities done and in all.

    Raises:
        StoreError: if there are no two modalities to compare.
    """
    result = workbench.align(store, name)
    names = [name, *workbench.controls_of(store, name)]

    def compute() -> dict[str, Any]:
        found = {}
        for number, pair in enumerate(result["pairs"]):
            report(number, len(result["pairs"]))
            both = f"{pair['first']}-{pair['second']}"
            found[both] = _of_pair(store, names, pair, result["split"])
        return found

    return workbench.once(store, alignment_key(store, name), compute)


def alignment_key(store: Store, name: str) -> str:
    """Return under what ladder and hubs are kept."""
    return "|".join(["extras", "2", *map(store.held, [name, *workbench.controls_of(store, name)])])


def geometry(store: Store, name: str) -> dict[str, Any]:
    """Return the geometry of every layer by modality, as JSON."""
    key = geometry_key(store, name)
    return workbench.once(store, key, lambda: measure_geometry(store.read(name)))


def geometry_key(store: Store, name: str) -> str:
    """Return under what the geometry of layers is kept."""
    return f"geometry|2|{store.held(name)}"


def _of_pair(store: Store, names: list[str], pair: Mapping[str, Any], part: Part) -> dict[str, Any]:
    """Climb the ladder with a run and its controls, and look for the run's hubs."""
    both = (pair["first"], pair["second"])
    ladders = []
    for name, measured in zip(names, [pair["run"], *pair["controls"]], strict=True):
        tap = measured["tap"]
        data = store.read(name, taps=(tap,))
        found = {"encoder": measured["encoder"], "role": measured["role"], "tap": tap}
        ladders.append(found | climb_ladder(data, both, tap))
    tap = pair["run"]["tap"]
    run = store.read(names[0], taps=(tap,))
    hubs, corrected = find_hubs(run, both, tap, part), correct_hubs(run, both, tap, part)
    return {"ladders": ladders, "hubs": {"tap": tap, **hubs}, "csls": {"tap": tap, **corrected}}


def _low_level(store: Store, name: str) -> str | None:
    """Return the low-level features of the same data; None if there are none, or these are they."""
    own = store.recipe(name)
    found = [
        other
        for other, recipe in store.recipes().items()
        if recipe.role == LOW_LEVEL and recipe.data_fingerprint == own.data_fingerprint
    ]
    return found[0] if found and own.role != LOW_LEVEL else None


def _same_rows(features: Representation, part: Representation) -> np.ndarray | None:
    """Return the features of the items of a part, in its order; None if one is missing."""
    of = features.items.reset_index().set_index(["id", "modality"])["index"]
    rows = of.reindex(list(zip(part.items["id"], part.items["modality"], strict=True)))
    if rows.isna().any():
        return None
    (x,) = list(features.layers.values())[:1]
    return x[rows.to_numpy(int)]
