"""The use cases, for both faces: make data, train, embed, probe, align, map.

Nothing here prints or draws. Results are plain JSON values, or tables; what is dear to compute is
kept in the store under everything it depends on.
"""

import importlib.metadata
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from app.alignment import align as measure_alignment
from app.likeness import compare_modalities as measure_likeness
from app.probing import probe_modality
from d2v_core.errors import InputError, StoreError
from d2v_core.store import Recipe, Store
from probes.maps import pca_map, umap_map

if TYPE_CHECKING:
    from d2v_core.embed import Embedded

ROOT = Path(__file__).parent.parent
SAMPLE_DATA = ROOT / "sample_data" / "aviary"
SAMPLE_RUNS = ROOT / "sample_data" / "runs"
SAMPLE_STORE = ROOT / ".cache" / "sample_store"
CONTROLS = ("lowlevel",)
Report = Callable[[int, int], None]


def quiet(_done: int, _of: int) -> None:
    """Report nothing."""


class Tokens(NamedTuple):
    """What is taken of an encoder's tokens, see `open_encoder`, and how it is kept."""

    pooling: str = "mean"
    ffn: bool = False
    precision: str = "float16"


def embed(
    encoder: str,
    data: Path,
    store: Path | str,
    *,
    tokens: Tokens = Tokens(),  # noqa: B008  # never changes
    workers: int | None = None,
    report: Report = quiet,
) -> "Embedded":
    """Embed a data folder, or this process's share; see `open_encoder` and `d2v_core.embed`.

    Without a number of workers there are as many as the device needs. The first of many processes
    returns what all of them did.
    """
    from d2v_core.data.folder import read_folder  # torch takes seconds to import
    from d2v_core.data.workers import usual_workers
    from d2v_core.embed import embed as run_embed
    from d2v_core.embed import of_all
    from d2v_core.encoders import open_encoder
    from d2v_core.shards import Shard, device_of_this_process

    shard = Shard.of_this_process()
    opened = open_encoder(encoder, pooling=tokens.pooling, ffn=tokens.ffn)
    folder = read_folder(data)
    into = Store(store, create=True, precision=tokens.precision)
    if workers is None:
        workers = usual_workers(device_of_this_process())
    done = run_embed(opened, folder, into, report=report, shard=shard, workers=workers)
    if shard.rank == 0:
        into.keep(_encoder_key(done.name), pd.DataFrame({"encoder": [absolute(encoder)]}), {})
    return of_all(done)


def _encoder_key(name: str) -> str:
    return f"encoder|1|{name}"


def absolute(encoder: str) -> str:
    """Return the name of an encoder so that it can be opened from any folder."""
    kind, colon, rest = encoder.partition(":")
    if Path(encoder).exists():
        return str(Path(encoder).resolve())
    return f"{kind}:{Path(rest).resolve()}" if colon and Path(rest).exists() else encoder


def encoder_places(store: Store, name: str) -> list[str]:
    """Return where the encoder of a representation may be, the likeliest place first."""
    called = store.recipe(name).encoder
    kept = store.kept(_encoder_key(name))
    known = [] if kept is None else [str(kept[0]["encoder"].iloc[0])]
    return [*known, called, str(SAMPLE_RUNS / called)]


def can_be_opened(encoder: str) -> bool:
    """Tell whether an encoder is where its name says: a folder, a file, or no place at all."""
    kind, colon, rest = encoder.partition(":")
    is_named = bool(colon) and (kind.partition("-")[0] in ("random", "hf") or Path(rest).exists())
    return is_named or Path(encoder).is_dir()


def name_of(store: Store, name: str | None) -> str:
    """Return the full name of a representation.

    Args:
        store: where it is.
        name: of its table, or of its encoder if that is enough to tell it; if None, the only one
            is meant, or the only one that is no control.

    Raises:
        StoreError: if there is none, or more than one to choose from.
    """
    recipes = store.recipes()
    if name is None:
        trained = [n for n, recipe in recipes.items() if recipe.role == "trained"]
        return trained[0] if len(trained) == 1 else store.only()
    if name in recipes:
        return name
    called = [n for n, recipe in recipes.items() if Path(recipe.encoder).name == name]
    if len(called) > 1:
        raise StoreError(f"{name!r} may be {' or '.join(called)}; give the full name")
    return called[0] if called else store.recipe(name).name  # which says what there is


def sample_encoders() -> list[str]:
    """Return the encoders that the sample is shown with: the shipped runs and the controls."""
    runs = sorted(path.parent for path in SAMPLE_RUNS.glob("*/config.json"))
    return [*(str(run) for run in runs), *CONTROLS]


def prepare_sample(*, report: Report = quiet) -> Store:
    """Embed the sample with every shipped run, unless that is done, and return the store."""
    store = Store(SAMPLE_STORE, create=True)
    done_name, encoders = "sample", sample_encoders()
    stamp = _sample_stamp(encoders)
    kept = store.kept(done_name)
    if kept is not None and kept[1] == {"stamp": stamp} and "name" in kept[0]:
        return store
    names = []
    for number, encoder in enumerate(encoders):
        report(number, len(encoders))
        names.append(embed(encoder, SAMPLE_DATA, SAMPLE_STORE).name)
    for stale in set(store.names()) - set(names):  # of runs as they were before
        store.drop(stale)
    store.keep(done_name, pd.DataFrame({"encoder": encoders, "name": names}), {"stamp": stamp})
    report(len(encoders), len(encoders))
    return store


def _sample_stamp(encoders: list[str]) -> str:
    """Return what changes when the shipped runs or the sample change: names, sizes and times."""
    files = [SAMPLE_DATA / "metadata.csv"]
    files += [f for e in encoders if e not in CONTROLS for f in sorted(Path(e).rglob("*.*"))]
    return json.dumps([[f.name, f.stat().st_size, f.stat().st_mtime_ns] for f in files])


@dataclass(frozen=True)
class Choice:
    """A representation that a user can choose.

    Attributes:
        place: of its store.
        name: of its table.
        recipe: how it was made.
    """

    place: str
    name: str
    recipe: Recipe


def choices(store: Store) -> list[Choice]:
    """Return the representations of a store: trained ones first, then the controls."""
    order = ("trained", "shuffled pairs", "random twin", "low-level features")
    found = [Choice(store.place, name, recipe) for name, recipe in store.recipes().items()]
    return sorted(found, key=lambda c: (order.index(c.recipe.role), c.name))


def probe(
    store: Store, name: str, *, label: str = "label", report: Report = quiet
) -> dict[str, Any]:
    """Run kNN and linear probe on every layer of every modality, or regression for numbers.

    Args:
        store: where the representation is.
        name: of the representation.
        label: column that is to be told from the embeddings.
        report: called with modalities done and modalities in all.

    Returns:
        By modality a layer table as JSON; a modality that cannot be probed has a `reason` instead.

    Raises:
        StoreError: if no item has that column.
    """

    def compute() -> dict[str, Any]:
        whole = store.read(name)
        if label not in whole.items:
            columns = ", ".join(str(c) for c in whole.items.columns)
            raise StoreError(f"{name} has no column {label!r}; it has {columns}")
        tables, senses = {}, list(dict.fromkeys(whole.items["modality"]))
        for number, modality in enumerate(senses):
            report(number, len(senses))
            try:
                tables[modality] = probe_modality(whole.of(modality), label)
            except ValueError as error:
                tables[modality] = {"reason": str(error)}
        return {"representation": name, "label": label, "modalities": tables}

    return once(store, probe_key(store, name, label), compute)


def probe_key(store: Store, name: str, label: str) -> str:
    """Return under what a probe is kept."""
    return f"probe|4|{store.held(name)}|{label}"


def align(store: Store, name: str, *, controls: list[str] | None = None) -> dict[str, Any]:
    """Tell whether the modalities of a representation are aligned, against its controls.

    Args:
        store: where the representation is.
        name: of the representation.
        controls: names of control representations of the same data in the same store; those that
            are controls by their role if None.

    Returns:
        An alignment as JSON, `modality_gap` by pair of modalities at its top.

    Raises:
        StoreError: if there are no two modalities to compare.
    """
    if controls is None:
        controls = controls_of(store, name)

    def compute() -> dict[str, Any]:
        others = [store.read(control) for control in controls]
        try:
            return measure_alignment(store.read(name), others).to_json()
        except ValueError as error:
            raise StoreError(str(error)) from error

    return once(store, align_key(store, name, controls), compute)


def align_key(store: Store, name: str, controls: list[str]) -> str:
    """Return under what an alignment is kept."""
    return "|".join(["align", "4", *map(store.held, [name, *controls])])


def controls_of(store: Store, name: str) -> list[str]:
    """Return the controls of a representation: of the same data, one a role."""
    recipes, run = store.recipes(), store.recipe(name)
    found = [
        other
        for other, recipe in recipes.items()
        if recipe.role not in ("trained", run.role)
        and recipe.data_fingerprint == run.data_fingerprint
    ]
    return _one_a_role(found, recipes, run)


def compare_modalities(store: Store, name: str) -> list[dict[str, Any]]:
    """Compare every layer of one modality with every layer of another; see `app.likeness`."""

    def compute() -> dict[str, Any]:
        return {"pairs": measure_likeness(store.read(name))}

    return once(store, likeness_key(store, name), compute)["pairs"]


def likeness_key(store: Store, name: str) -> str:
    """Return under what the likeness of the modalities of a representation is kept."""
    return f"likeness|1|{store.held(name)}"


def _one_a_role(names: list[str], recipes: dict[str, Recipe], run: Recipe) -> list[str]:
    """Return one control of each role, that with the run's own taps if there are several."""
    chosen: dict[str, str] = {}
    for name in sorted(names, key=lambda n: recipes[n].taps[-1] != run.taps[-1]):
        chosen.setdefault(recipes[name].role, name)
    return list(chosen.values())


def map_key(store: Store, name: str, tap: str, method: str) -> str:
    """Return under what a map is kept."""
    version = importlib.metadata.version("umap-learn")
    return f"map|1|{store.held(name)}|{tap}|{method}|{version}"


def make_map(
    store: Store, name: str, *, tap: str, method: str = "umap"
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return a map of all modalities of a representation in one picture.

    Args:
        store: where the representation is.
        name: of the representation.
        tap: which layer.
        method: "umap" or "pca".

    Returns:
        id, modality, x, y and trust of every item, ordered as the representation is; and how the
        map was made, with its trustworthiness.

    Raises:
        InputError: if there is no such method.
        StoreError: if there are too few items for a map.
    """
    if method not in ("umap", "pca"):
        raise InputError(f"there is no map {method!r}; choose umap or pca")
    key = map_key(store, name, tap, method)
    kept = store.kept(key)
    if kept is not None:
        return kept
    data = store.read(name, taps=(tap,))
    try:
        made = (umap_map if method == "umap" else pca_map)(data.layers[tap])
    except ValueError as error:
        raise StoreError(f"no map of {name} at {tap}: {error}") from error
    points = data.items[["id", "modality"]].copy()
    points["x"], points["y"] = made.coordinates[:, 0], made.coordinates[:, 1]
    points["trust"] = made.item_trust
    about = made.to_json()
    for name_ in ("coordinates", "item_trust"):
        del about[name_]
    store.keep(key, points, about)
    return points, about


def media_path(recipe: Recipe, media: object) -> Path:
    """Return the file of an item.

    Raises:
        InputError: if none is known, or it is not inside the data folder, or not there.
    """
    if not isinstance(media, str):
        raise InputError("no file was named for it in the metadata of the imported vectors")
    root = Path(recipe.data).resolve()
    path = (root / media).resolve()
    if not path.is_relative_to(root):
        raise InputError(f"{media} lies outside the data folder {root}")
    if not path.is_file():
        raise InputError(f"{path} is not there; were the data moved since they were embedded?")
    return path


def once(store: Store, key: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return a kept result, or compute it and keep it."""
    kept = store.kept(key)
    if kept is None:
        store.keep(key, pd.DataFrame({"key": [key]}), compute())
        kept = store.kept(key)
    assert kept is not None  # just kept
    return kept[1]
