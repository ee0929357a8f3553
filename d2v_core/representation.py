"""A representation: what one encoder makes of one data folder, and the recipe that says how."""

import dataclasses
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

_NOT_HASHED = (
    "encoder",
    "role",
    "data",
    "versions",
    "precision",
    "imported",
    "splits_made",
    "pairs_seen",
)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a representation was made; the same recipe gives the same table."""

    encoder: str
    """What the user named."""

    encoder_hash: str
    """Of settings and weights."""

    role: str
    """What the encoder is to a claim: trained, or one of the controls."""

    data: str
    """The data folder; media are relative to it."""

    data_fingerprint: str
    """Changes when the data change."""

    taps: tuple[str, ...]
    """Where in the model each layer was taken; `layer_00` is the first."""

    widths: tuple[int, ...]
    """Channels of each layer."""

    pooling: str
    """How tokens became one vector."""

    versions: dict[str, str]
    """Of the libraries that computed it."""

    precision: str = "float16"
    """How numbers are kept: float16 or float32."""

    imported: bool = False
    """The vectors were made elsewhere: nothing here can encode a further item, and the items that
    belong together are named by the column `pair`."""

    pairs_seen: bool | None = None
    """Whether the encoder was trained on pairs, so that a claim needs the control of shuffled ones;
    None if nobody knows."""

    splits_made: bool = False
    """No split was given with imported vectors: the splits were made here, and what was trained
    elsewhere knew nothing of them."""

    @property
    def hash(self) -> str:
        """Of everything that determines the numbers (so not of where the data lie)."""
        values = dataclasses.asdict(self)
        for name in _NOT_HASHED:
            del values[name]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def name(self) -> str:
        """The table's name: what the user called the encoder, and the hash."""
        slug = re.sub(r"[^A-Za-z0-9]+", "-", Path(self.encoder).name).strip("-") or "encoder"
        return f"{slug}-{self.hash}"

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as plain JSON values."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Representation:
    """One table, read.

    Attributes:
        recipe: how it was made.
        items: a row an item: id, modality, label, split, group, text, media and further columns.
        layers: embeddings (items, width) by tap, in the order of the recipe; rows as in `items`.
    """

    recipe: Recipe
    items: pd.DataFrame
    layers: dict[str, Float[np.ndarray, "items _"]]

    def partner_keys(self) -> pd.Series:
        """Return a name for every item that those belonging together share; missing if alone.

        The items of a row of a data folder share its id. Of imported vectors the column `pair`
        says who belongs together, if there is one.
        """
        is_named = self.recipe.imported and "pair" in self.items
        return self.items["pair" if is_named else "id"]

    def of(self, modality: str) -> "Representation":
        """Return the rows of one modality."""
        keep = (self.items["modality"] == modality).to_numpy()
        return Representation(
            self.recipe,
            self.items[keep].reset_index(drop=True),
            {tap: x[keep] for tap, x in self.layers.items()},
        )
