"""Draw the picture of an item: background, what carries the animals, the animals, the light."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw

from d2v_core.data.aviary.other_birds import (
    draw_duck,
    draw_heron,
    draw_owl,
    draw_penguin,
    draw_swift,
    draw_woodpecker,
)
from d2v_core.data.aviary.outsiders import draw_bell, draw_cricket, draw_dog, draw_frog
from d2v_core.data.aviary.scenery import (
    LIGHTS,
    SIDE,
    STAGE_OF,
    Light,
    Stage,
    draw_background,
)
from d2v_core.data.aviary.sketch import Pen, darker, make_pen, paint
from d2v_core.data.aviary.songbirds import PLUMAGES, draw_songbird
from d2v_core.data.aviary.world import Factors, Mood, Size, Species

OVERSAMPLING = 6
HEIGHTS: dict[int, dict[Size, float]] = {
    1: {"small": 22, "medium": 32, "large": 44},
    2: {"small": 19, "medium": 26, "large": 34},
    3: {"small": 16, "medium": 21, "large": 26},
}
"""Pixels of an animal of height 1, by count and size: three large ones would not fit otherwise."""

FEET: dict[Stage, float] = {
    "branch": 54, "trunk": 54, "water": 54, "ice": 58, "grass": 58, "sky": 36, "beam": 9,
}  # fmt: skip
BREADTH: dict[Species, float] = {
    "blackbird": 0.92,
    "cuckoo": 0.84,
    "parrot": 0.9,
    "duck": 0.76,
    "swift": 0.82,
    "frog": 0.82,
    "dog": 0.76,
    "cricket": 0.78,
    "heron": 1.02,
    "penguin": 1.1,
}
"""Long species are drawn lower and slender ones taller, so that all of a size fill as much."""

COLUMNS = {1: (32.0,), 2: (18.0, 46.0), 3: (12.0, 32.0, 52.0)}

DRAWERS: dict[Species, Callable[[Pen, Mood], None]] = {
    "woodpecker": draw_woodpecker,
    "owl": draw_owl,
    "duck": draw_duck,
    "heron": draw_heron,
    "penguin": draw_penguin,
    "swift": draw_swift,
    "frog": draw_frog,
    "dog": draw_dog,
    "cricket": draw_cricket,
    "bell": draw_bell,
}


class Layers(NamedTuple):
    """A picture before its parts are put together, values 0 to 1."""

    background: Float[np.ndarray, "64 64 3"]
    animals: Float[np.ndarray, "64 64 3"]
    coverage: Float[np.ndarray, "64 64"]
    """Share of each pixel that an animal covers."""


def draw_picture(factors: Factors, rng: np.random.Generator) -> UInt8[np.ndarray, "64 64 3"]:
    """Return the picture of an item as RGB."""
    layers = draw_layers(factors, rng)
    share = layers.coverage[..., None]
    mixed = layers.background * (1 - share) + layers.animals * share
    return np.round(mixed.clip(0, 1) * 255).astype(np.uint8)


def draw_layers(factors: Factors, rng: np.random.Generator) -> Layers:
    """Draw the place and the animals apart, six times too large, then shrink and light them."""
    stage = STAGE_OF[factors.species]
    light = LIGHTS[factors.time]
    place = draw_background(factors.time, factors.scenery, stage, rng=rng, scale=OVERSAMPLING)
    pens = _draw_animals(factors, stage, rng)
    _draw_stage(ImageDraw.Draw(place), stage, pens, light)
    animals = Image.new("RGBA", place.size)
    draw = ImageDraw.Draw(animals)
    for pen in pens:
        paint(draw, pen.shapes, outline=0.45 * OVERSAMPLING, rim=light.rim)
    background = np.asarray(place.reduce(OVERSAMPLING), dtype=float) / 255
    shrunk = np.asarray(animals.reduce(OVERSAMPLING), dtype=float) / 255
    coverage = shrunk[..., 3]
    lit = (shrunk[..., :3] @ _hue_rotation(factors.hue_shift).T).clip(0, 1) * light.warmth
    return Layers(
        background=background, animals=lit * _shading(coverage)[..., None], coverage=coverage
    )


def _draw_animals(factors: Factors, stage: Stage, rng: np.random.Generator) -> list[Pen]:
    """Place the animals, a little irregularly, from left to right."""
    height = HEIGHTS[factors.count][factors.size] * BREADTH.get(factors.species, 1.0)
    pens = []
    for column in COLUMNS[factors.count]:
        x = column + rng.uniform(-2, 2)
        y = FEET[stage] + rng.uniform(-1.5, 1.5) - (0.35 * height if stage == "sky" else 0)
        if stage == "sky":
            y += rng.uniform(-6, 6) + 0.8 * height
        pen = make_pen(
            x * OVERSAMPLING,
            y * OVERSAMPLING,
            height=height * OVERSAMPLING,
            facing_left=factors.facing == "left",
        )
        _draw_animal(pen, factors)
        pen.centre(x * OVERSAMPLING, width=SIDE * OVERSAMPLING)
        pens.append(pen)
    return pens


def _draw_animal(pen: Pen, factors: Factors) -> None:
    if factors.species in PLUMAGES:
        draw_songbird(pen, PLUMAGES[factors.species], factors.mood)
    else:
        DRAWERS[factors.species](pen, factors.mood)


def _draw_stage(draw: ImageDraw.ImageDraw, stage: Stage, pens: list[Pen], light: Light) -> None:
    wood = darker((122, 86, 56), 0.4 + 0.6 * light.land)
    bark = darker(wood, 0.7)
    side = SIDE * OVERSAMPLING
    if stage == "branch":
        y = (FEET["branch"] + 1) * OVERSAMPLING
        draw.line([(0, y + 12), (side, y)], fill=bark, width=5 * OVERSAMPLING)
        draw.line([(0, y + 8), (side, y - 4)], fill=wood, width=3 * OVERSAMPLING)
    elif stage == "beam":
        draw.rectangle((0, 3 * OVERSAMPLING, side, 10 * OVERSAMPLING), fill=bark)
        draw.rectangle((0, 3 * OVERSAMPLING, side, 8 * OVERSAMPLING), fill=wood)
    elif stage == "trunk":
        for pen in pens:
            x = float((pen.matrix @ np.array([0.3, 0, 1]))[0])
            across = float(np.sign(pen.matrix[0, 0]))
            width = 6 * OVERSAMPLING
            left, right = sorted((x, x + across * width))
            draw.rectangle((left, 0, right, side), fill=wood)
            draw.rectangle((left + width * 0.6, 0, right, side), fill=bark)


def _shading(
    coverage: Float[np.ndarray, "rows columns"],
) -> Float[np.ndarray, "rows columns"]:
    """Light from above: how bright each pixel is by how much of its column lies above it."""
    above = np.cumsum(coverage, axis=0)
    return 1.1 - 0.3 * above / np.maximum(above[-1], 1.0)


def _hue_rotation(degrees: float) -> Float[np.ndarray, "3 3"]:
    """Return the matrix that turns colours about the grey axis; greys stay as they are."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    return cos * np.eye(3) + (1 - cos) / 3 + sin * cross
