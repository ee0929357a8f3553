"""What the map asks for item by item: a card, a picture, a sound, its nearest neighbours.

Everything is decoded and written anew before it is served, so a browser never gets a file of the
data as it is.
"""

import io
import json
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from app import cached, cached_map
from app.routes import ASSETS
from app.wishes import SpaceWish
from app.words import SINGULAR

CARD_CHARACTERS = 280
NEAR_EACH = 3
"""Neighbours of each modality that a line leads to."""

THUMBNAIL_PIXELS = 224
JSON = "application/json"


@dataclass(frozen=True)
class MediaShelf:
    """Cards, pictures and sounds of the items of a representation.

    Attributes:
        place: of the store.
        name: of the representation.
        tap: of any layer; it is only read for its items.
    """

    place: str
    name: str
    tap: str

    @property
    def items(self) -> pd.DataFrame:
        """Return the items."""
        return cached.representation(self.place, self.name, self.tap).items

    def __len__(self) -> int:
        """Return how many items there are."""
        return len(self.items)

    def get(self, row: int, kind: str) -> tuple[bytes, str] | None:
        """Return a card, the picture of a picture or of a sound, or a sound."""
        item = self.items.iloc[row]
        match kind, item["modality"]:
            case "card", _:
                return json.dumps(card(item)).encode(), JSON
            case "picture", "image":
                pixels = cached.picture(self.place, self.name, item["media"])
                return webp_of(pixels, THUMBNAIL_PIXELS), "image/webp"
            case "picture", "audio":
                pixels = cached.sound_picture(self.place, self.name, item["media"])
                return webp_of(pixels, None), "image/webp"
            case "sound", "audio":
                return cached.playback(self.place, self.name, item["media"]).wav, "audio/wav"
            case "axes", "audio":
                sound = cached.playback(self.place, self.name, item["media"])
                axes = {"seconds": sound.seconds, "khz": sound.khz}
                return json.dumps(axes).encode(), JSON
            case _:
                return None


@dataclass(frozen=True)
class NearShelf:
    """The nearest items of every item, in one layer itself and not on a map.

    Attributes:
        place: of the store.
        name: of the representation.
        tap: which layer.
        space: whether its senses were brought together, and how.
    """

    place: str
    name: str
    tap: str
    space: SpaceWish = field(default_factory=SpaceWish)

    def __len__(self) -> int:
        """Return how many items there are."""
        return len(cached.representation(self.place, self.name, self.tap).items)

    def get(self, row: int, kind: str) -> tuple[bytes, str] | None:
        """Return rows and cosines of the nearest items of every modality, nearest first."""
        if kind != "near":
            return None
        from app.neighbourhood import neighbours

        data = cached_map.seen(self.place, self.name, self.tap, self.space)
        found = neighbours(data, row, tap=self.tap, k=NEAR_EACH)
        near = [
            {"row": int(r), "cosine": float(c)}
            for table in found.values()
            for r, c in zip(table["row"], table["cosine"], strict=True)
        ]
        near.sort(key=lambda item: -item["cosine"])
        return json.dumps(near).encode(), JSON


def put_up(place: str, name: str, tap: str, space: SpaceWish | None = None) -> tuple[str, str]:
    """Put up both shelves of a layer; return their hashes.

    What they are named after follows from data and model, not from where the store lies, but for
    `place` itself: two stores may hold the same items and have their media in other folders.
    """
    recipe = cached.representation(place, name, tap).recipe
    count = len(cached.representation(place, name, tap).items)
    what = json.dumps([place, recipe.data, recipe.data_fingerprint, name, count])
    media = ASSETS.put_shelf(f"media 1 {what}", lambda: MediaShelf(place, name, tap))
    space = space or SpaceWish()
    near = ASSETS.put_shelf(
        f"near 2 {what} {tap} {space}", lambda: NearShelf(place, name, tap, space)
    )
    return media, near


def card(item: pd.Series) -> dict[str, Any]:
    """Return what a card says of an item, as plain text: data may hold anything."""
    text = None if pd.isna(item["text"]) else str(item["text"])
    if text and len(text) > CARD_CHARACTERS:
        text = text[: CARD_CHARACTERS - 1] + "…"
    return {
        "id": str(item["id"]),
        "kind": item["modality"],
        "title": SINGULAR[item["modality"]],
        "label": None if pd.isna(item["label"]) else str(item["label"]),
        "split": None if pd.isna(item["split"]) else str(item["split"]),
        "text": text,
    }


def webp_of(pixels: Any, side: int | None) -> bytes:  # noqa: ANN401  # an array (rows, columns, 3)
    """Return pixels as a WebP, made smaller if a side is longer than `side`."""
    from PIL import Image

    image = Image.fromarray(pixels)
    if side is not None:
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, format="WEBP", quality=88)
    return file.getvalue()
