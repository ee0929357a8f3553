"""Watch it learn: the same items at every checkpoint of a run, on maps that go on from each other.

`python -m app.learning RUN DATA` embeds and draws; what it finds is kept in a store in the run
folder, under the checkpoints and the data that it depends on.
"""

import argparse
import dataclasses
import hashlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from app.looking import spread
from app.noting import Notes
from d2v_core.errors import D2VError, InputError

if TYPE_CHECKING:
    from d2v_core.data.folder import DataFolder, Item
    from d2v_core.encoders.encoder import Encoder
    from d2v_core.store import Store

MOST_POINTS = 2000
"""On one map: more do not move smoothly in a browser."""

FEWEST_CHECKPOINTS = 2
STORE = "learning"
Report = Callable[[int, int, str], None]
"""Called with how many of how many are done, and what is being done."""


def _key(checkpoints: Sequence[Path], data: Path) -> str:
    """Return under what the maps are kept: other checkpoints or other data, another key."""
    steps = ",".join(path.name for path in checkpoints)
    return f"learning|1|{steps}|{MOST_POINTS}|{data.resolve()}"


def complete_checkpoints(run: Path) -> list[Path]:
    """Return the complete checkpoints of a run, oldest first."""
    return sorted(path.parent for path in (run / "checkpoints").glob("step_*/state.json"))


def newest(run: Path, data: Path) -> tuple[pd.DataFrame, dict[str, Any]] | None:
    """Return the maps that were drawn last, of all checkpoints or the first of them; see `watch`.

    A training that goes on writes another checkpoint while those before it are being drawn.
    """
    if not (run / STORE).is_dir():
        return None
    from d2v_core.store import Store  # seconds to import, and most pages do without

    places, store = complete_checkpoints(run), Store(run / STORE)
    for count in range(len(places), FEWEST_CHECKPOINTS - 1, -1):
        made = store.kept(_key(places[:count], data))
        if made is not None:
            return made
    return None


def watch(
    run: Path, data: Path, *, method: str = "umap", report: Report = lambda _done, _of, _what: None
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Embed items at every checkpoint, and lay them out on maps that go on from each other.

    Args:
        run: the run folder.
        data: the data folder. Held-out rows come first, then others, to MOST_POINTS items.
        method: "umap" or "pca".
        report: told how far it is.

    Returns:
        A row an item and checkpoint: step, id, modality, label, split, x, y, trust; and how the
        maps were made, by step.

    Raises:
        InputError: if there are too few checkpoints or items.
    """
    from d2v_core.data.folder import read_folder
    from d2v_core.embed import embed
    from d2v_core.encoders import open_encoder
    from d2v_core.store import Store

    places = complete_checkpoints(run)
    if len(places) < FEWEST_CHECKPOINTS:
        raise InputError(
            f"{run.name} has {len(places)} checkpoint{'s' * (len(places) != 1)}; to watch it learn "
            f"takes {FEWEST_CHECKPOINTS} or more, which a training writes as it goes on"
        )
    store = Store(run / STORE, create=True)
    done = store.kept(_key(places, data))
    if done is not None:
        return done
    folder = read_folder(data)
    names = []
    for number, place in enumerate(places):
        words = f"embedding at step {step_of(place)}, {number + 1} of {len(places)}"
        encoder = open_encoder(str(place))
        part = some_of(folder, encoder, MOST_POINTS)
        count = len(part.items)

        def note(at: int, of: int, number: int = number, words: str = words) -> None:
            report(number * of + at, of * (len(places) + 1), words)

        note(0, count)
        names.append(embed(encoder, part, store, report=note).name)
    report(len(places), len(places) + 1, "drawing the maps")
    points, about = draw(store, names, [step_of(p) for p in places], method=method)
    store.keep(_key(places, data), points, about)
    return points, about


def step_of(checkpoint: Path) -> int:
    """Return the steps that were done at a checkpoint."""
    return int(checkpoint.name.removeprefix("step_"))


def some_of(folder: "DataFolder", encoder: "Encoder", most: int) -> "DataFolder":
    """Return a folder with at most `most` of the items that an encoder can encode.

    Rows are kept whole. Those that are held out from training come first.
    """
    items = [item for item in folder.items if item.modality in encoder.modalities]
    rows: dict[str, list[Item]] = {}
    for item in items:
        rows.setdefault(item.id, []).append(item)
    held_out = [row for row in rows.values() if row[0].split != "train"]
    others = [row for row in rows.values() if row[0].split == "train"]
    widest = max((len(row) for row in rows.values()), default=1)
    count = max(1, most // widest)
    chosen = spread(held_out, count)
    chosen += spread(others, count - len(chosen)) if len(chosen) < count else []
    ids = {row[0].id for row in chosen}
    kept_items = tuple(item for item in items if item.id in ids)
    digest = hashlib.sha256("|".join([folder.fingerprint, *sorted(ids)]).encode()).hexdigest()
    return dataclasses.replace(folder, items=kept_items, problems=(), fingerprint=digest)


def draw(
    store: "Store", names: Sequence[str], steps: Sequence[int], *, method: str
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Draw the last layer of several representations of the same items.

    Args:
        store: where they are.
        names: of the representations, in the order of the steps.
        steps: of the checkpoints.
        method: "umap" or "pca".

    Raises:
        InputError: if they cannot be drawn.
    """
    from probes.aligned_maps import aligned_maps

    tables, stack = [], {}
    for name, step in zip(names, steps, strict=True):
        tap = store.recipe(name).taps[-1]
        part = store.read(name, taps=(tap,))
        table = part.items[["id", "modality", "label", "split"]].reset_index(drop=True)
        order = table.sort_values(["modality", "id"], kind="stable").index.to_numpy()
        tables.append(table.iloc[order].reset_index(drop=True))
        stack[str(step)] = part.layers[tap][order]
    if any(not t[["id", "modality"]].equals(tables[0][["id", "modality"]]) for t in tables):
        raise InputError("the checkpoints could not be embedded on the same items; try again")
    last = str(steps[-1])
    try:
        made = aligned_maps(stack, method="pca" if method == "pca" else "umap", start=last)
    except ValueError as error:
        raise InputError(f"these items have no map: {error}") from error
    parts = []
    for step, table, drawn in zip(steps, tables, made.maps, strict=True):
        at = np.asarray(drawn.coordinates)
        places = {"step": step, "x": at[:, 0], "y": at[:, 1], "trust": drawn.item_trust}
        parts.append(table.assign(**places))
    about = {
        "method": method,
        "start": int(last),
        "items": len(tables[0]),
        "tap": store.recipe(names[-1]).taps[-1],
        "trust": {
            str(s): m.to_json()["trustworthiness"] for s, m in zip(steps, made.maps, strict=True)
        },
        "moves": [
            {"before": m.before, "after": m.after, "median": m.median, "changed": m.changed}
            for m in made.steps
        ],
    }
    return pd.concat(parts, ignore_index=True), about


def main() -> None:
    """Do it for the run and the data that are named on the command line."""
    parser = argparse.ArgumentParser(description="Draw a run's items at all of its checkpoints.")
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    given = parser.parse_args()
    notes = Notes.wanted()
    try:
        watch(
            given.run,
            given.data,
            report=lambda done, of, what: notes.note(done, of, stage=what),
        )
    except D2VError as error:
        sys.stderr.write(f"d2v: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
