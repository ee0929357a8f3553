"""Ask a representation: what lies nearest to a sentence, a picture or a sound of one's own?"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from app import workbench
from app.words import PLURAL, SINGULAR
from d2v_core.errors import D2VError, InputError, StoreError
from d2v_core.modality import MODALITIES, Modality
from d2v_core.store import Recipe, Representation, Store
from probes.drawn_by_lot import largest_count
from probes.linear_map import procrustes_space
from probes.neighbours import nearest

if TYPE_CHECKING:
    from d2v_core.encoders.encoder import Encoder

TURNED = (
    "The two spaces were turned onto each other by pairs that are known to belong together: what "
    "is found shows what the pairs taught, not what the run knew."
)
FEWEST_PAIRS = 8
SHOWN = ("id", "label", "split", "text", "media")


class Query(NamedTuple):
    """What is searched for."""

    modality: Modality
    source: Path | str
    """A file, or the sentence itself."""

    turned: bool = False
    """Turn the space of its modality onto each other one first, by the pairs that are not held out
    (orthogonal Procrustes). Items of its own modality are searched as they are."""


def query_of(text: str | None, image: Path | None, audio: Path | None) -> Query:
    """Return the one query that was given.

    Raises:
        InputError: if none was, or several were, or there is no such file.
    """
    given: dict[Modality, Path | str | None] = {"text": text, "image": image, "audio": audio}
    found = [Query(m, source) for m, source in given.items() if source is not None]
    if len(found) != 1:
        raise InputError("ask with one of --text SENTENCE, --image FILE and --audio FILE")
    if isinstance(found[0].source, Path) and not found[0].source.is_file():
        raise InputError(f"there is no file {found[0].source}")
    return found[0]


def ask(
    store: Store,
    name: str,
    query: Query,
    *,
    k: int = 5,
    tap: str | None = None,
    encoder: str | None = None,
) -> dict[str, Any]:
    """Return the nearest items of every modality, and what may be concluded from them.

    The query goes through the encoder that made the representation. Items of another modality are
    searched at the layer where alignment with the query's modality was measured, those of its own
    at the last layer.

    Args:
        store: where the representation is.
        name: of the representation.
        query: what is searched for.
        k: how many items of each modality.
        tap: one layer for all modalities.
        encoder: where the encoder is now, if it is no more where it was.

    Returns:
        By modality the tap, how many items there are, the hits (`cosine`; `chance`, the share of
        random orders that bring an item as far up), the cosine of the average item, the most
        frequent label of the hits beside what items drawn by lot share, and a note on alignment.

    Raises:
        InputError: if k or the query cannot be used.
        StoreError: if the representation cannot be asked: its vectors were imported, or come from
            no model, or the encoder is gone or another one.
    """
    if k < 1:
        raise InputError(f"-k {k}: at least 1 item is wanted")
    recipe = store.recipe(name)
    vectors = vectors_of(store, name, query, encoder)
    if tap is not None and tap not in recipe.taps:
        raise StoreError(f"{name} has no tap {tap}; it has {', '.join(recipe.taps)}")
    pairs, problem = _alignment(store, name)
    present = {modality for _, modality in store.done(recipe)}
    taps = {m: tap or _measured_at(pairs, query.modality, m, recipe) for m in MODALITIES}
    data = store.read(name, taps=tuple(dict.fromkeys(taps[m] for m in MODALITIES if m in present)))
    found = {}
    for modality in (m for m in MODALITIES if m in present):
        part, vector, at = data.of(modality), vectors[taps[modality]], taps[modality]
        pair = pairs.get(frozenset((query.modality, modality)))
        names = (query.modality, modality)
        note = _note(recipe, pair, names, at, problem)
        if modality != query.modality and query.turned:
            vector, part, anchors = _turned(vector, data, names, at)
            note = {"claimed": False, "anchors": anchors, "words": TURNED}
        found[modality] = _hits(part, vector, at, k)
        if modality != query.modality:
            found[modality]["alignment"] = note
    source = query.source if isinstance(query.source, str) else str(query.source)
    return {
        "representation": name,
        "encoder": recipe.encoder,
        "role": recipe.role,
        "query": {"modality": query.modality, "source": source},
        "modalities": found,
    }


def vectors_of(
    store: Store, name: str, query: Query, encoder: str | None = None
) -> dict[str, np.ndarray]:
    """Return a query's vector (1, width) at every tap, by the encoder of a representation.

    Raises:
        StoreError: if the representation cannot be asked, or not with that.
    """
    recipe = store.recipe(name)
    _check_can_be_asked(name, recipe)
    opened = open_again(store, name, encoder)
    if query.modality not in opened.modalities:
        able = ", ".join(opened.modalities)
        raise StoreError(f"{recipe.encoder} encodes {able}, but the query is {query.modality}")
    return _encode(opened, query)


def open_again(store: Store, name: str, encoder: str | None) -> "Encoder":
    """Open the encoder that made a representation.

    Raises:
        StoreError: if it is not where it was, or has other weights now.
    """
    from d2v_core.encoders import open_encoder  # torch takes seconds to import

    recipe = store.recipe(name)
    places = [encoder] if encoder else workbench.encoder_places(store, name)
    there = [place for place in places if encoder or workbench.can_be_opened(place)]
    if not there:
        raise StoreError(
            f"the encoder {recipe.encoder} of {name} is not known to be anywhere any more; say "
            "where it is with --encoder"
        )
    has_ffn = any(tap.endswith(".ffn") for tap in recipe.taps)
    opened = open_encoder(there[0], pooling=recipe.pooling, ffn=has_ffn)
    if opened.hash != recipe.encoder_hash:
        raise StoreError(
            f"{there[0]} has other weights than those that made {name}; embed again, or say with "
            "--encoder where the right ones are"
        )
    return opened


def _check_can_be_asked(name: str, recipe: Recipe) -> None:
    if recipe.imported:
        raise StoreError(
            f"{name} was imported: its vectors were made elsewhere, and nothing here can encode "
            "a query in the same way"
        )
    if recipe.role == "low-level features":
        raise StoreError(
            f"{name} holds low-level features, which are no model: pixels, mel bins and letter "
            "counts cannot be compared; ask a run"
        )


def _encode(encoder: "Encoder", query: Query) -> dict[str, np.ndarray]:
    """Return the query's vector (1, width) at every tap."""
    from d2v_core.data.items import Item

    item = Item("query", query.modality, query.source, None, "test", None, {})
    states = encoder.encode(query.modality, [encoder.load(item)])
    return {
        tap: x.float().cpu().numpy() for tap, x in zip(encoder.taps, states.pooled, strict=True)
    }


def _alignment(store: Store, name: str) -> tuple[dict[frozenset[str], Mapping[str, Any]], str]:
    """Return what was found of every pair of modalities, or else why nothing was."""
    try:
        result = workbench.align(store, name)
    except D2VError as error:
        return {}, str(error)
    return {frozenset((pair["first"], pair["second"])): pair for pair in result["pairs"]}, ""


def _measured_at(
    pairs: Mapping[frozenset[str], Mapping[str, Any]], query: str, gallery: str, recipe: Recipe
) -> str:
    pair = pairs.get(frozenset((query, gallery)))
    return recipe.taps[-1] if pair is None else pair["run"]["tap"]


def _turned(
    vector: np.ndarray, data: Representation, names: tuple[str, str], tap: str
) -> tuple[np.ndarray, Representation, int]:
    """Return the query, and the other modality's items, in a common space, and the pairs behind it.

    Raises:
        StoreError: if there are too few pairs.
    """
    x, y = (data.of(name) for name in names)
    known = pd.Series(range(len(y.items)), index=y.partner_keys().to_numpy())
    at = known[~known.index.duplicated()].reindex(x.partner_keys().to_numpy()).to_numpy()
    rows = np.flatnonzero(~np.isnan(at) & (x.items["split"] != "test").to_numpy())
    if len(rows) < FEWEST_PAIRS:
        raise StoreError(
            f"{len(rows)} pairs of {PLURAL[names[0]]} and {PLURAL[names[1]]} are not held out; to "
            f"turn one space onto the other takes {FEWEST_PAIRS}"
        )
    partners = y.layers[tap][at[rows].astype(int)]
    try:
        space = procrustes_space(x.layers[tap][rows], partners)
    except ValueError as error:
        raise StoreError(f"the spaces cannot be turned onto each other: {error}") from error
    turned = space.of_y(y.layers[tap]).astype(np.float32)
    found = Representation(y.recipe, y.items, {tap: turned})
    return space.of_x(vector).astype(np.float32), found, len(rows)


def _hits(part: Representation, vector: np.ndarray, tap: str, k: int) -> dict[str, Any]:
    """Return the nearest items of one modality."""
    x = part.layers[tap]
    near = nearest(vector, x, len(x))
    ids, cosines = near.ids[0], near.cosines[0]
    rows = part.items.iloc[ids[:k]]
    hits = [
        {
            "rank": rank,
            **{c: None if pd.isna(row[c]) else str(row[c]) for c in SHOWN},
            "cosine": float(cosine),
            "chance": rank / len(x),
        }
        for rank, ((_, row), cosine) in enumerate(zip(rows.iterrows(), cosines, strict=False), 1)
    ]
    return {
        "tap": tap,
        "items": len(x),
        "average_cosine": float(cosines.mean()),
        "hits": hits,
        "label": _most_frequent(rows["label"], part.items["label"]),
    }


def _most_frequent(hits: pd.Series, everything: pd.Series) -> dict[str, Any] | None:
    """Return the most frequent label of the hits, beside what as many drawn by lot would share."""
    counts = hits.value_counts()
    if not len(counts):
        return None
    labelled = everything.value_counts().to_numpy(np.int64)
    rng = np.random.default_rng(0)
    by_lot = largest_count(labelled, int(counts.sum()), rng=rng)
    return {"label": str(counts.index[0]), "hits": int(counts.iloc[0]), "by_lot": asdict(by_lot)}


def _note(
    recipe: Recipe,
    pair: Mapping[str, Any] | None,
    names: tuple[str, str],
    tap: str,
    problem: str,
) -> dict[str, Any]:
    """Return what is claimed of the two modalities in this direction, in words."""
    query, gallery = SINGULAR[names[0]].split()[-1], PLURAL[names[1]]
    if pair is None:
        why = problem or "there are too few of them in test"
        said = f"Whether a {query} lands near the right {gallery} was not measured: {why}"
        return {"claimed": False, "words": said}
    way = 0 if pair["first"] == names[0] else 1
    of_level = [[c for c in pair["claims"] if c["level"] == one] for one in ("class", "instance")]
    claims = [claims[way] for claims in of_level if claims]
    aligned = [claim["sentence"] for claim in claims if claim["verdict"] == "aligned"]
    measured = pair["run"]["tap"]
    if aligned and tap == measured:
        return {"claimed": True, "words": " ".join(aligned)}
    if aligned:
        said = f"Alignment is claimed at {measured}, which is another layer than {tap}."
        return {"claimed": False, "words": said}
    return {
        "claimed": False,
        "words": f"No alignment is claimed for {recipe.encoder}: that a {query} lands near the "
        f"right {gallery} was not shown against its controls. Take these for what they may be, "
        "an accident.",
    }
