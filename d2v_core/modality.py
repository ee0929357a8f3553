"""The three senses, by the names that are used everywhere."""

from typing import Literal

Modality = Literal["image", "audio", "text"]
MODALITIES: tuple[Modality, ...] = ("image", "audio", "text")
