"""Everything a report needs, from stores to one JSON document."""

import importlib.metadata
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from app import deeper, workbench
from app.map_chart import MOST_CATEGORIES
from app.report.schema import check
from d2v_core.data.splits import SPLITS
from d2v_core.errors import D2VError, InputError
from d2v_core.store import Recipe, Store

FORMAT, VERSION = "d2v report", 2
MOST_POINTS = 20_000  # of a map
COLOURS = 4  # columns that a map can be coloured by, beside the modality
NOT_COLOURS = {"id", "modality", "split", "group", "text", "media", "pair"}
TEXT_CHARACTERS = 80
Report = Callable[[int, int], None]


def gather(
    places: Sequence[str | Store],
    *,
    labels: Sequence[str] = (),
    names: Sequence[str] = (),
    method: str = "umap",
    deep: bool = True,
    report: Report = lambda _done, _of: None,
) -> dict[str, Any]:
    """Measure all representations of some stores, or take what was measured before.

    Args:
        places: of the stores, or these themselves.
        labels: columns that are to be told from the vectors; `label` if none is given.
        names: of the representations; all if none is given.
        method: of the maps, "umap" or "pca".
        deep: measure also what takes longer: few-shot, control, bits, ladder, geometry.
        report: called with representations done and representations in all.

    Returns:
        Plain JSON from which the report is made, as `schema.json` describes it.

    Raises:
        InputError: if there is nothing to report on.
        StoreError: if a store or a representation is not there.
    """
    stores = [p if isinstance(p, Store) else Store(p) for p in dict.fromkeys(places)]
    chosen = [
        (store, choice)
        for store in stores
        for choice in workbench.choices(store)
        if not names or choice.name in {_full(store, name) for name in names}
    ]
    if not chosen:
        raise InputError(f"{', '.join(s.place for s in stores)}: no representation to report on")
    called = _called([(store.place, c.name, c.recipe.encoder) for store, c in chosen])
    data = _data_sets(chosen)
    runs = []
    for number, (store, choice) in enumerate(chosen):
        report(number, len(chosen))
        run = _run(store, choice.name, labels or ("label",), method=method, deep=deep)
        runs.append(
            {
                "called": called[store.place, choice.name],
                "name": choice.name,
                "store": store.place,
                "data": data[choice.recipe.data_fingerprint],
                "role": choice.recipe.role,
                "recipe": _recipe(choice.recipe),
                **run,
            }
        )
    report(len(chosen), len(chosen))
    return {
        "format": FORMAT,
        "version": VERSION,
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "software": importlib.metadata.version("data2vec-workbench"),
        "stores": [store.place for store in stores],
        "labels": list(labels or ("label",)),
        "method": method,
        "deep": deep,
        "data": [
            {"called": name, "counts": next(r["counts"] for r in runs if r["data"] == name)}
            for name in data.values()
        ],
        "runs": runs,
    }


def read_results(path: Path, *, is_ours: bool = False) -> dict[str, Any]:
    """Read what `gather` found from the file it was written to.

    Args:
        path: of the file.
        is_ours: it lies where this software alone writes, so only its version is looked at.

    Raises:
        InputError: if it is no such file.
    """
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(results, dict) or results.get("format") != FORMAT:
        raise InputError(f"{path} is not the JSON of a report; d2v report STORE writes one")
    if results.get("version") != VERSION:
        raise InputError(
            f"{path} is of version {results.get('version')!r} of the report, this software makes "
            f"{VERSION}; make it anew from the store"
        )
    if not is_ours:
        check(results, str(path))
    return results


def _full(store: Store, name: str) -> str:
    try:
        return workbench.name_of(store, name)
    except D2VError:
        return name  # it may be in another store


def _called(found: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str], str]:
    """Return what each representation is called: as its encoder where that is enough to tell it."""
    counts = Counter(Path(encoder).name for _, _, encoder in found)
    by_name = Counter(name for _, name, _ in found)
    called = {}
    for place, name, encoder in found:
        short = Path(encoder).name
        full = name if by_name[name] == 1 else f"{name} in {Path(place).name}"
        called[place, name] = short if counts[short] == 1 else full
    return called


def _data_sets(chosen: Sequence[tuple[Store, workbench.Choice]]) -> dict[str, str]:
    """Return what the data are called, by their fingerprint."""
    folders: dict[str, str] = {}
    for _, choice in chosen:
        folders.setdefault(choice.recipe.data_fingerprint, Path(choice.recipe.data).name)
    counts = Counter(folders.values())
    return {
        print_: folder if counts[folder] == 1 else f"{folder} {print_[:6]}"
        for print_, folder in folders.items()
    }


def _run(
    store: Store, name: str, labels: Sequence[str], *, method: str, deep: bool
) -> dict[str, Any]:
    """Return everything about one representation."""
    recipe = store.recipe(name)
    items = store.read(name, taps=()).items
    found: dict[str, Any] = {
        "counts": counts_of(items),
        "probe": {},
        "deeper": {},
        "extras": {},
        "geometry": deeper.geometry(store, name) if deep else {},
        "align": None,
        "align_reason": "it is a control",
        "likeness": [],
        "map": None,
        "map_reason": "it is a control",
    }
    for label in (label for label in labels if label in items and items[label].notna().any()):
        probed = workbench.probe(store, name, label=label)
        found["probe"][label] = {m: _slim(t) for m, t in probed["modalities"].items()}
        if deep:
            found["deeper"][label] = deeper.probes(store, name, label=label)
    if recipe.role != "trained":
        return found
    try:
        found["align"], found["align_reason"] = workbench.align(store, name), ""
        found["likeness"] = workbench.compare_modalities(store, name)
        found["extras"] = deeper.alignment(store, name) if deep else {}
    except D2VError as error:
        found["align_reason"] = str(error)
    try:
        found["map"], found["map_reason"] = _map(store, name, items, method), ""
    except D2VError as error:
        found["map_reason"] = str(error)
    return json.loads(json.dumps(found, default=str), parse_float=float)


def _recipe(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe without where on this machine the data lie."""
    values = {**recipe.to_json(), "hash": recipe.hash, "data": Path(recipe.data).name}
    return json.loads(json.dumps({**values, "encoder": Path(recipe.encoder).name}))


def counts_of(items: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Return how many items there are, by modality and split."""
    table = items.groupby(["modality", "split"], observed=True).size()
    found: dict[str, dict[str, int]] = {}
    for (modality, split), count in table.items():  # pyright: ignore[reportGeneralTypeIssues]
        counts = found.setdefault(str(modality), dict.fromkeys(SPLITS, 0))
        counts[str(split)] = int(count)
    return found


def _slim(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a probe's table without what only a browser looks up."""
    if "rows" not in table:
        return dict(table)
    rows = [{key: value for key, value in row.items() if key != "detail"} for row in table["rows"]]
    return {**table, "rows": rows}


def _map(store: Store, name: str, items: pd.DataFrame, method: str) -> dict[str, Any]:
    """Return the map of the last layer: places, what they say, and what can colour them."""
    tap = store.recipe(name).taps[-1]
    points, about = workbench.make_map(store, name, tap=tap, method=method)
    step = max(1, -(-len(points) // MOST_POINTS))  # every step-th item, so that a browser can cope
    shown, items = points.iloc[::step], items.iloc[::step]
    columns: dict[str, list[Any]] = {
        "x": [round(float(x), 4) for x in shown["x"]],
        "y": [round(float(y), 4) for y in shown["y"]],
        "trust": [None if pd.isna(t) else round(float(t), 4) for t in shown["trust"]],
    }
    for column in ("id", "modality", "label", "text"):
        values = [None if pd.isna(v) else str(v)[:TEXT_CHARACTERS] for v in items[column]]
        columns[column] = values
    kinds = [
        str(c)
        for c in items
        if c not in NOT_COLOURS and 2 <= items[c].nunique() <= MOST_CATEGORIES and c != "label"
    ]
    if 2 <= items["label"].nunique() <= MOST_CATEGORIES:
        kinds = ["label", *kinds]
    for column in kinds[:COLOURS]:
        columns[column] = [None if pd.isna(v) else str(v) for v in items[column]]
    return {
        "tap": tap,
        "about": about,
        "items": len(points),
        "colours": ["modality", *kinds[:COLOURS]],
        "columns": columns,
    }
