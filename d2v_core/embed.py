"""A data folder through an encoder into a store: all layers in one pass, resumable."""

import contextlib
import importlib.metadata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from torch import Tensor

from d2v_core.data.decoded import Window, windows
from d2v_core.data.folder import DataFolder, Item, Problem
from d2v_core.data.workers import naming_killed_workers
from d2v_core.encoders.encoder import Encoder
from d2v_core.encoders.huggingface import HuggingFaceEncoder
from d2v_core.errors import InputError
from d2v_core.modality import Modality
from d2v_core.rows import COLUMNS, rows_table
from d2v_core.shards import WHOLE, Shard, tell_first
from d2v_core.store import Recipe, Store

CHUNK, CHUNK_BYTES = 512, 1 << 28
"""Items decoded together, then batched by length: so many, or those of a quarter of a GiB."""

NUMBERS = 1 << 23
"""The most numbers in a batch, padding among them: 32 recordings of 16 s, or 8 of a minute."""

STRETCH, FEWEST = 1.25, 4
"""No item of a batch is filled up to more than so many times its length, of batches that have so
many items: padding costs as much as what is heard."""

GO_ON = "what is in the store stays there: go on with the same command, and fewer --workers"


@dataclass(frozen=True)
class Embedded:
    """What an embedding did.

    Attributes:
        name: of the representation in the store.
        added: items embedded now.
        already: items of this shard that were there before.
        skipped: items that could not be decoded, with the reason.
        shard: which of the items it was about.
        heard: how many processes these numbers are of.
    """

    name: str
    added: int
    already: int
    skipped: tuple[Problem, ...]
    shard: Shard = WHOLE
    heard: int = 1


def of_all(done: Embedded) -> Embedded:
    """Return in the first process what all have done together, in the others what they did."""
    told = tell_first(
        done.shard,
        {
            "added": done.added,
            "already": done.already,
            "skipped": [[problem.file, problem.reason] for problem in done.skipped],
        },
    )
    return replace(
        done,
        added=sum(each["added"] for each in told),
        already=sum(each["already"] for each in told),
        skipped=tuple(Problem(*problem) for each in told for problem in each["skipped"]),
        heard=len(told),
    )


def recipe_of(encoder: Encoder, folder: DataFolder, precision: str = "float16") -> Recipe:
    """Return how this encoder's representation of this folder is made."""
    return Recipe(
        encoder=encoder.name,
        encoder_hash=encoder.hash,
        role=encoder.role,
        pairs_seen=encoder.pairs_seen,
        data=str(folder.root.resolve()),
        data_fingerprint=folder.fingerprint,
        taps=encoder.taps,
        widths=encoder.widths,
        pooling=encoder.pooling,
        precision=precision,
        versions={name: importlib.metadata.version(name) for name in _libraries(encoder)},
    )


def _libraries(encoder: Encoder) -> tuple[str, ...]:
    """Return the libraries that compute an encoder's numbers."""
    theirs = ("transformers",) if isinstance(encoder, HuggingFaceEncoder) else ()
    return ("torch", "numpy", *theirs)


def embed(
    encoder: Encoder,
    folder: DataFolder,
    store: Store,
    *,
    report: Callable[[int, int], None] = lambda _done, _of: None,
    shard: Shard = WHOLE,
    workers: int = 0,
) -> Embedded:
    """Embed what is not in the store yet.

    Items that cannot be decoded are left out and named in the result. Processes that have a shard
    each write into one table; a shard that was broken off is embedded again, and only what is
    missing of it.

    Args:
        encoder: what encodes.
        folder: what is encoded; modalities that the encoder does not have are left out.
        store: where it goes.
        report: called with items done and items in all.
        shard: which of the items.
        workers: processes that decode, while this one encodes; 0 decodes in this one.

    Raises:
        InputError: if the folder has nothing that the encoder can encode, or a process that decodes
            is killed.
        StoreError: if the store cannot take the vectors.
    """
    recipe = recipe_of(encoder, folder, store.precision)
    items, rows = _share(encoder, folder, shard)
    done = store.done(recipe) & {(item.id, item.modality) for item in items}
    missing = [n for n, item in enumerate(items) if (item.id, item.modality) not in done]
    if shard.of > 1:
        store.share(recipe, rows.schema, first=shard.rank == 0)
    skipped = list(folder.problems) if shard.rank == 0 else []
    added = 0
    report(len(done), len(items))
    waiting = [items[n] for n in missing]
    made = windows(waiting, encoder.load, most=CHUNK, most_bytes=CHUNK_BYTES, workers=workers)
    with naming_killed_workers(InputError, GO_ON), contextlib.closing(made):
        for window in made:
            skipped += [Problem(name_of(waiting[n]), x) for n, x in window if isinstance(x, str)]
            order, layers = _encoded(encoder, waiting, window)
            if order:
                added += store.append(recipe, rows.take([missing[n] for n in order]), layers)
            report(len(done) + window[-1][0] + 1, len(items))
    return Embedded(recipe.name, added, len(done), tuple(skipped), shard)


def _share(encoder: Encoder, folder: DataFolder, shard: Shard) -> tuple[list[Item], pa.Table]:
    """Return a process's share of what an encoder can encode, and a row for each."""
    items = [item for item in folder.items if item.modality in encoder.modalities]
    if not items:
        raise InputError(
            f"{folder.root} has {', '.join(folder.modalities)}; "
            f"{encoder.name} encodes {', '.join(encoder.modalities)}"
        )
    every = range(shard.rank, len(items), shard.of)
    rows = item_table(items, folder.root).take(list(every))  # of all items: one schema for all
    return [items[n] for n in every], rows


def _encoded(
    encoder: Encoder, items: Sequence[Item], window: Window
) -> tuple[list[int], list[np.ndarray]]:
    """Return the numbers of the items of a window that were decoded, and their layers."""
    order: list[int] = []
    parts: list[tuple[Tensor, ...]] = []
    for modality, batch in _batches(encoder, items, window):
        parts.append(encoder.encode(modality, list(batch.values())).pooled)
        order += batch
    return order, [torch.cat(layer).cpu().numpy() for layer in zip(*parts, strict=True)]


def item_table(items: list[Item], root: Path) -> pa.Table:
    """Return a row an item: the fixed columns of a store, then the further ones of the data."""
    fixed = pd.DataFrame(
        {
            "id": [item.id for item in items],
            "modality": [item.modality for item in items],
            "label": [item.label for item in items],
            "split": [item.split for item in items],
            "group": [item.group for item in items],
            "text": [item.source if isinstance(item.source, str) else None for item in items],
            "media": [
                None if isinstance(item.source, str) else str(item.source.relative_to(root))
                for item in items
            ],
        },
        columns=list(COLUMNS),
        dtype="string",
    )
    return rows_table(fixed, pd.DataFrame([dict(item.columns) for item in items]))


def _batches(
    encoder: Encoder, items: Sequence[Item], window: Window
) -> Iterator[tuple[Modality, dict[int, Tensor]]]:
    """Give batches of one modality and of about one length, by the items' numbers."""
    loaded = {number: x for number, x in window if not isinstance(x, str)}
    for modality in encoder.modalities:
        same = sorted(
            (n for n in loaded if items[n].modality == modality), key=lambda n: len(loaded[n])
        )
        batch: dict[int, Tensor] = {}
        for number in same:  # the longest comes last: the others are padded to it
            if batch and _is_full(batch, loaded[number], encoder.batch):
                yield modality, batch
                batch = {}
            batch[number] = loaded[number]
        if batch:
            yield modality, batch


def _is_full(batch: dict[int, Tensor], longer: Tensor, most: int) -> bool:
    """Say whether a longer item has to begin a batch of its own."""
    shortest = len(next(iter(batch.values())))
    is_stretched = len(batch) >= FEWEST and len(longer) > STRETCH * shortest
    return len(batch) == most or is_stretched or (len(batch) + 1) * longer.numel() > NUMBERS


def name_of(item: Item) -> str:
    """Return how an item is named to a person: its file, or whose text it is."""
    return f"text of {item.id}" if isinstance(item.source, str) else item.source.name
