"""What one modality's layers know of one column: the quick probes, and those that take longer."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pandas as pd

from app.map_chart import MOST_CATEGORIES
from d2v_core.store import Representation
from probes.clusters import cluster_layers
from probes.control import linear_control, raw_types
from probes.description_length import online_codes
from probes.few_shot import few_shot_probe
from probes.layers import probe_layers
from probes.regression import regression_probe
from probes.result import Plain
from probes.splits import Splits
from probes.supports import draw_supports
from probes.weighted_sum import weighted_sum_probe

MOST_TYPES = 50
ITEMS_A_TYPE = 8  # on average: few enough to tell types apart, enough for types to recur


def is_numeric(column: pd.Series) -> bool:
    """Tell whether a column holds numbers to be predicted, rather than a few kinds."""
    is_number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    return bool(is_number) and column.nunique() > MOST_CATEGORIES


def probe_modality(part: Representation, label: str) -> Plain:
    """Probe every layer: kNN, linear and clusters for kinds, ridge regression for numbers.

    Args:
        part: the items of one modality; those without a value are left out.
        label: the column.

    Returns:
        The rows of a layer table and the layer that was best on val, as JSON; `clusters` has a
        `reason` instead if there are none to be found.

    Raises:
        ValueError: if there are no values, or a split is empty.
    """
    layers, items, splits = _known(part, label)
    if is_numeric(part.items[label]):
        return _regress(layers, items[label].to_numpy(np.float64), splits)
    labels = items[label].astype(str).to_numpy(str)
    found = probe_layers(layers, labels, splits, rng=np.random.default_rng(0)).to_json()

    def clusters() -> Plain:
        rng = np.random.default_rng(0)
        return cluster_layers(layers, labels, rng=rng, groups=splits.groups).to_json()

    return {**found, "clusters": _tried(clusters)}


def probe_deeper(
    part: Representation, label: str, best: str, raw: np.ndarray | None
) -> dict[str, Plain]:
    """Run the probes that take longer; each has a `reason` instead if it cannot be run.

    Args:
        part: the items of one modality.
        label: the column, of few kinds.
        best: the layer that was best on val, for few-shot and control.
        raw: low-level features of the same items in the same order, whose clusters are the types of
            the control task; if None every item is a type of its own.

    Returns:
        Results as JSON: `weighted_sum`, `few_shot`, `control`, `description_length`.

    Raises:
        ValueError: if there are no values, or a split is empty.
    """
    layers, items, splits = _known(part, label)
    labels = items[label].astype(str).to_numpy(str)
    known = None if raw is None else raw[part.items[label].notna().to_numpy()]
    width = Counter(x.shape[1] for x in layers.values()).most_common(1)[0][0]
    equal = {tap: x for tap, x in layers.items() if x.shape[1] == width}
    supports = draw_supports(labels, splits, rng=np.random.default_rng(0))

    def few_shot() -> Plain:
        rng = np.random.default_rng(0)
        return few_shot_probe(layers[best], labels, splits, supports=supports, rng=rng).to_json()

    def control() -> Plain:
        rng = np.random.default_rng(0)
        types, kind = np.arange(len(labels)), "items"
        if known is not None:
            clusters = max(2, min(MOST_TYPES, len(splits.fit_and_val) // ITEMS_A_TYPE))
            types = raw_types(known, splits.fit_and_val, clusters=clusters, rng=rng)
            kind = "clusters of low-level features"
        found = linear_control(layers[best], labels, splits, types=types, rng=rng).to_json()
        return {**found, "kind_of_types": kind}

    def weighted_sum() -> Plain:
        if len(equal) < 2:
            raise ValueError("one layer needs no weights")
        rng = np.random.default_rng(0)
        return weighted_sum_probe(equal, labels, splits, rng=rng).to_json()

    measures: dict[str, Callable[[], Plain]] = {
        "weighted_sum": weighted_sum,
        "few_shot": few_shot,
        "control": control,
        "description_length": lambda: online_codes(
            layers, labels, rng=np.random.default_rng(0), groups=splits.groups
        ).to_json(),
    }
    return {name: {"tap": best, **_tried(measure)} for name, measure in measures.items()}


def _known(part: Representation, label: str) -> tuple[dict[str, np.ndarray], pd.DataFrame, Splits]:
    """Return the items that have a value, and their splits."""
    known = part.items[label].notna().to_numpy()
    if not known.any():
        raise ValueError(f"no item has a value in {label}")
    items = part.items[known]
    groups = items["group"].fillna(items["id"]).to_numpy(str)
    splits = Splits.from_column(items["split"].to_numpy(str), groups)
    return {tap: x[known] for tap, x in part.layers.items()}, items, splits


def _regress(layers: dict[str, np.ndarray], target: np.ndarray, splits: Splits) -> Plain:
    """Return a layer table whose score is R²."""
    rows, reasons = [], []
    for tap, x in layers.items():
        try:
            found = regression_probe(x, target, splits, rng=np.random.default_rng(0)).to_json()
        except ValueError as error:
            reasons.append(str(error))
            continue
        on_val = max(found["val_r2"])
        rows.append(
            {"tap": tap, "probe": "ridge", "score": found["r2"], "val_r2": on_val, "detail": found}
        )
    if not rows:
        raise ValueError(reasons[0])
    top = max(rows, key=lambda row: row["val_r2"])  # the first of several
    best = {"probe": "ridge", "tap": top["tap"], "score": top["score"], "searched": len(rows)}
    counts = {name: len(getattr(splits, name)) for name in ("train", "val", "test")}
    return {"rows": rows, "best": [best], "counts": counts}


def _tried(measure: Callable[[], Plain]) -> Plain:
    try:
        return measure()
    except ValueError as error:
        return {"reason": str(error)}
