"""The lessons' door to the libraries: imported when first used, kept under plain text."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from app import cached

if TYPE_CHECKING:
    from d2v_core.data.items import Item
    from d2v_core.modality import Modality
    from d2v_core.teaching.collapse import Moment
    from d2v_core.teaching.layer_parts import LayerPart
    from d2v_core.teaching.masked import MaskedViews
    from d2v_core.teaching.parts import PartCount
    from d2v_core.teaching.two_targets import TwoTargets
    from probes.anchoring import AnchorCurve
    from probes.maps import Map
    from probes.rungs import Rung
    from probes.turning import Fit, Puzzle

PICTURES = 240
"""As many take part in the small training."""

OFFERED = 24
"""Items to choose from in a lesson."""

LOOKED_AT = 16
"""Items that the layers of a target are compared on."""

MOST = 600
"""Rows of a large store that a lesson looks at; more would only take longer."""


@st.cache_resource(max_entries=4, show_spinner=False)
def _items(data: str) -> "dict[tuple[str, str], Item]":
    from d2v_core.data.folder import read_folder
    from d2v_core.modality import MODALITIES

    folder = read_folder(Path(data))
    return {(m, item.id): item for m in MODALITIES for item in folder.of(m)}


@st.cache_data(max_entries=16, show_spinner=False)
def offered(data: str, modality: "Modality") -> dict[str, str]:
    """Return some items to choose from: id and what they are called, test items of new kinds first.

    Raises:
        InputError: if the folder cannot be used.
    """
    found = [item for (m, _), item in _items(data).items() if m == modality]
    found.sort(key=lambda item: (item.split != "test", item.id))
    seen: dict[str, int] = {}
    order = []
    for item in found:
        seen[item.label or ""] = seen.get(item.label or "", 0) + 1
        order.append((seen[item.label or ""], item))
    order.sort(key=lambda entry: entry[0])  # stable: one of each kind, then the second of each
    return {item.id: item.label or item.id for _, item in order[:OFFERED]}


@st.cache_data(max_entries=256, show_spinner=False)
def masked(
    run: str, data: str, item: "tuple[Modality, str]", settings: tuple[float, int, int, int]
) -> "MaskedViews":
    """Mask an item.

    Args:
        run: folder of the run whose patches are taken.
        data: folder of the item.
        item: its modality and id.
        settings: share that is hidden, side of a block, views, number of the draw.
    """
    from d2v_core.teaching.masked import masked_views

    ratio, length, views, draw = settings
    return masked_views(
        Path(run), _items(data)[item], ratio=ratio, length=length, views=views, draw=draw
    )


@st.cache_data(max_entries=128, show_spinner=False)
def targets(
    run: str, data: str, item: "tuple[Modality, str]", change: tuple[float, float]
) -> "TwoTargets":
    """Return both targets of an item before and after a change: noise and gain."""
    from d2v_core.teaching.two_targets import two_targets

    return two_targets(Path(run), _items(data)[item], noise=change[0], gain=change[1])


@st.cache_data(max_entries=16, show_spinner=False)
def layer_parts(run: str, data: str, modality: "Modality") -> "list[LayerPart]":
    """Return what each of the last layers has in the target."""
    from d2v_core.teaching.layer_parts import layer_parts as compare

    chosen = [_items(data)[modality, name] for name in offered(data, modality)]
    return compare(Path(run), chosen[:LOOKED_AT])


@st.cache_data(max_entries=16, show_spinner=False)
def parts(run: str) -> "list[PartCount]":
    """Count the weights of a run."""
    from d2v_core.teaching.parts import count_parts

    return count_parts(Path(run))


@st.cache_resource(show_spinner=False)
def trainings() -> "dict[tuple[str, bool, float], list[Moment]]":
    """Return the small trainings that came to their end, whoever watched them."""
    return {}


def train(data: str, *, normalise: bool, decay: float) -> "Iterator[Moment]":
    """Train for some seconds, or return what was kept of the same training.

    Raises:
        InputError: if there are too few pictures.
    """
    kept, key = trainings(), (data, normalise, decay)
    if key in kept:
        yield from kept[key]
        return
    from d2v_core.teaching.collapse import watch_training

    pictures = [item for (m, _), item in sorted(_items(data).items()) if m == "image"]
    moments = []
    for moment in watch_training(pictures[:PICTURES], normalise=normalise, decay=decay):
        moments.append(moment)
        yield moment
    kept[key] = moments


def went(moments: "list[Moment]") -> str:
    """Return how a training went: healthy, collapsed or unstable."""
    from d2v_core.teaching.collapse import state_of

    return state_of(moments)


@dataclass(frozen=True)
class Paired:
    """Rows that have both of two modalities.

    Attributes:
        x: embeddings of the first.
        y: of the second.
        labels: of the rows; None if some have none.
        held_out: True for test rows.
    """

    x: np.ndarray
    y: np.ndarray
    labels: np.ndarray | None
    held_out: np.ndarray


def _some(count: int) -> np.ndarray:
    """Return the places of at most `MOST` of so many rows, always the same, in their order."""
    chosen = np.random.default_rng(0).permutation(count)[:MOST]
    return np.sort(chosen)


@st.cache_data(max_entries=16, show_spinner=False)
def paired(place: str, name: str, between: "tuple[Modality, Modality]") -> Paired | None:
    """Return the pairs of two modalities at the last layer of the trunk; None if there are few."""
    recipe = cached.store(place).recipe(name)
    tap = [tap for tap in recipe.taps if tap != "joint"][-1]
    data = cached.representation(place, name, tap)
    keys, modalities = data.partner_keys().astype(str), data.items["modality"].to_numpy()
    rows = []
    for modality in between:
        here = np.flatnonzero(modalities == modality)
        rows.append(dict(zip(keys.iloc[here], here, strict=True)))
    common = sorted((set(rows[0]) & set(rows[1])) - {"nan", "None"})
    common = [common[n] for n in _some(len(common))]
    first = data.items.iloc[[rows[0][i] for i in common]]
    held_out = (first["split"] == "test").to_numpy()
    if min(held_out.sum(), (~held_out).sum()) < 2:
        return None
    x, y = (data.layers[tap][[r[i] for i in common]] for r in rows)
    labels = None if first["label"].isna().any() else first["label"].to_numpy().astype(str)
    return Paired(x.astype(np.float64), y.astype(np.float64), labels, held_out)


@st.cache_data(max_entries=16, show_spinner=False)
def anchor_curve(
    place: str, name: str, between: "tuple[Modality, Modality]"
) -> "AnchorCurve | None":
    """Return retrieval after rotations from more and more pairs; None without enough pairs."""
    from probes.anchoring import anchor_curve as measure

    data = paired(place, name, between)
    if data is None:
        return None
    rng = np.random.default_rng(0)
    return measure(data.x, data.y, held_out=data.held_out, classes=data.labels, rng=rng)


@st.cache_data(max_entries=16, show_spinner=False)
def puzzle(place: str, name: str, modality: "Modality", number: int) -> "Puzzle":
    """Return a flat cloud of real items and the same cloud turned by a hidden angle."""
    from probes.principal import principal
    from probes.turning import make_puzzle

    recipe = cached.store(place).recipe(name)
    data = cached.representation(place, name, recipe.taps[-1]).of(modality)
    x = data.layers[recipe.taps[-1]].astype(np.float64)
    rng = np.random.default_rng([1966, number])
    rows = rng.choice(len(x), size=min(len(x), 14), replace=False)
    return make_puzzle(principal(x[rows])[0], noise=0.03, rng=rng)


@st.cache_data(max_entries=64, show_spinner=False)
def contrast(
    place: str, name: str, between: "tuple[Modality, Modality]", settings: tuple[int, bool]
) -> "tuple[Rung, int, np.ndarray, np.ndarray] | None":
    """Teach two towers on a share of the pairs; return how held-out items find their partners.

    Args:
        place: of the store.
        name: of the representation.
        between: the two modalities.
        settings: percent of the pairs, and whether partners are mixed up.

    Returns:
        Scores, how many pairs were used, and where the held-out items land; None without pairs.
    """
    from d2v_core.teaching.two_towers import two_towers
    from probes.linear_map import Means
    from probes.rungs import Reported, climb_rung

    data = paired(place, name, between)
    if data is None:
        return None
    percent, is_mixed = settings
    rng = np.random.default_rng(0)
    known = rng.permutation(np.flatnonzero(~data.held_out))
    used = known[: max(2, round(len(known) * percent / 100))] if percent else known[:0]
    partners = rng.permutation(used) if is_mixed else used
    asked = (data.x[data.held_out], data.y[data.held_out])
    towers = two_towers((data.x[used], data.y[partners]), asked)
    labels = None if data.labels is None else data.labels[data.held_out]
    reported = Reported(x=towers.x, y=towers.y, classes=labels, groups=None, permutations=99)
    means = Means.of(towers.x, towers.y)
    none = [(towers.x[:0], towers.y[:0])]
    rung = climb_rung("direct", none, reported, means=means, rng=rng)
    return rung, len(used), towers.x, towers.y


@st.cache_data(max_entries=64, show_spinner=False)
def flat(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both clouds on the two widest axes of both together."""
    from probes.principal import principal

    both, _ = principal(np.concatenate([x, y]))
    return both[: len(x)], both[len(x) :]


@st.cache_data(max_entries=64, show_spinner=False)
def drawn(place: str, name: str, modality: str, settings: tuple[int, int]) -> "Map":
    """Draw a UMAP of one modality of a store, or of numbers without any structure.

    Args:
        place: of the store.
        name: of the representation.
        modality: whose items; "noise" draws normal random numbers instead, of the same shape.
        settings: neighbours and seed.
    """
    from probes.maps import umap_map

    neighbours, seed = settings
    x = noise_like(place, name) if modality == "noise" else _cloud(place, name, modality)[0]
    return umap_map(x, n_neighbors=neighbours, min_dist=0.0, seed=seed)


def _cloud(place: str, name: str, modality: str) -> tuple[np.ndarray, list[str]]:
    """Return the last layer of at most `MOST` items of one modality, and their labels."""
    recipe = cached.store(place).recipe(name)
    data = cached.representation(place, name, recipe.taps[-1]).of(modality)
    rows = _some(len(data.items))
    labels = data.items["label"].astype(object).iloc[rows].fillna("no label")
    return data.layers[recipe.taps[-1]][rows], labels.astype(str).tolist()


def labels_of(place: str, name: str, modality: str) -> list[str]:
    """Return the labels of the items of one modality, in the order that they are drawn in."""
    return _cloud(place, name, modality)[1]


def noise_like(place: str, name: str) -> np.ndarray:
    """Return normal random numbers, as many as there are items of one modality and channels."""
    recipe = cached.store(place).recipe(name)
    data = cached.representation(place, name, recipe.taps[-1])
    count = min(MOST, int(data.items["modality"].value_counts().max()))
    return np.random.default_rng(0).normal(size=(count, data.layers[recipe.taps[-1]].shape[1]))


def turned(puzzle: "Puzzle", degrees: float) -> "tuple[np.ndarray, Fit]":
    """Return the second cloud of a puzzle turned back by an angle, and how well it fits then."""
    from probes.turning import fit_of, turn

    moved = turn(puzzle.turned, degrees)
    return moved, fit_of(moved, puzzle.fixed)


@st.cache_data(max_entries=16, show_spinner=False)
def recipe_table(run: str) -> pd.DataFrame:
    """Return what the settings of a run say for each modality, a row a setting."""
    from d2v_core.checkpoint import read_run
    from d2v_core.teaching.recipe import settings_of

    config, _ = read_run(Path(run))
    return pd.DataFrame({m: settings_of(config, m) for m in config.modalities})
