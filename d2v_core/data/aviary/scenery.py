"""Draw the place: sky and light of the time of day, the horizon, and what carries the animals."""

from typing import Literal, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from d2v_core.data.aviary.sketch import Colour, Number, darker
from d2v_core.data.aviary.world import Scenery, Species, Time

SIDE = 64
HORIZON = 42  # rows from the top

Stage = Literal["branch", "trunk", "water", "ice", "grass", "sky", "beam"]

STAGE_OF: dict[Species, Stage] = {
    "robin": "branch",
    "blackbird": "branch",
    "blue tit": "branch",
    "goldfinch": "branch",
    "cuckoo": "branch",
    "parrot": "branch",
    "owl": "branch",
    "woodpecker": "trunk",
    "duck": "water",
    "heron": "water",
    "penguin": "ice",
    "swift": "sky",
    "frog": "water",
    "dog": "grass",
    "cricket": "grass",
    "bell": "beam",
}


class Light(NamedTuple):
    """Colours of one time of day: sky from top to horizon, land, and the light on animals."""

    top: Colour
    horizon: Colour
    land: float
    """Share of the light of day that falls on land and water."""

    warmth: tuple[float, float, float]
    """Factors of red, green and blue on the animals."""

    rim: Colour | None
    """Outline of the animals where the light comes from behind them."""


LIGHTS: dict[Time, Light] = {
    "dawn": Light((150, 180, 226), (255, 214, 190), 0.82, (1.0, 0.95, 0.93), None),
    "day": Light((84, 166, 244), (206, 234, 252), 1.0, (1.0, 1.0, 1.0), None),
    "dusk": Light((86, 58, 122), (250, 122, 54), 0.55, (1.0, 0.85, 0.8), (255, 178, 120)),
    "night": Light((10, 14, 44), (36, 48, 96), 0.34, (0.74, 0.8, 0.96), (150, 168, 226)),
}
GROUND: dict[Stage, Colour] = {
    "branch": (122, 178, 84),
    "trunk": (104, 160, 80),
    "water": (76, 148, 196),
    "ice": (232, 242, 250),
    "grass": (110, 182, 66),
    "sky": (132, 176, 100),
    "beam": (150, 170, 110),
}


def draw_background(
    time: Time, scenery: Scenery, stage: Stage, *, rng: np.random.Generator, scale: int
) -> Image.Image:
    """Return the place without animals and without what carries them, `scale` times too large."""
    light = LIGHTS[time]
    image = _sky(light, scale)
    draw = ImageDraw.Draw(image)
    _draw_lights_of_the_sky(draw, time, rng, scale)
    ground = _blend(darker(GROUND[stage], light.land), light.horizon, 0.12)
    far = _blend(darker(GROUND[stage], light.land * 0.8), light.horizon, 0.45)
    top = HORIZON + (12 if stage == "sky" else 0)
    _draw_horizon(draw, scenery, far, top, rng, scale)
    draw.rectangle((0, top * scale, SIDE * scale, SIDE * scale), fill=ground)
    _draw_ground(draw, stage, ground, top, rng, scale)
    return image


def _sky(light: Light, scale: int) -> Image.Image:
    down = np.clip(np.arange(SIDE * scale) / (HORIZON * scale), 0, 1)[:, None] ** 1.4
    rows = (1 - down) * np.array(light.top) + down * np.array(light.horizon)
    column = np.round(rows).astype(np.uint8)[:, None, :]
    return Image.fromarray(np.repeat(column, SIDE * scale, axis=1))


def _disc(draw: ImageDraw.ImageDraw, x: Number, y: Number, radius: Number, colour: Colour) -> None:
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _draw_lights_of_the_sky(
    draw: ImageDraw.ImageDraw, time: Time, rng: np.random.Generator, scale: int
) -> None:
    """Sun low on the left, sun high with clouds, red sun low on the right, moon with stars."""
    jitter = rng.uniform(-3, 3)
    light = LIGHTS[time]
    if time == "night":
        for x, y in rng.uniform((1, 1), (SIDE - 1, HORIZON - 6), size=(26, 2)) * scale:
            _disc(draw, x, y, scale * rng.uniform(0.3, 0.65), (236, 238, 255))
        x, y = (50 + jitter) * scale, 10 * scale
        _disc(draw, x, y, 6 * scale, (246, 240, 206))
        _disc(draw, x - 3 * scale, y - 1.5 * scale, 5.2 * scale, light.top)
        return
    if time == "day":
        x, y = (52 + jitter) * scale, 9 * scale
        _disc(draw, x, y, 7 * scale, (196, 226, 232))
        _disc(draw, x, y, 5 * scale, (255, 246, 170))
        for _ in range(2):
            x, y = rng.uniform((4, 5), (40, 24)) * scale
            for step, radius in enumerate((2.2, 3.2, 2.4)):
                _disc(draw, x + step * 3 * scale, y, radius * scale, (250, 252, 255))
        return
    x = ((12 if time == "dawn" else 52) + jitter) * scale
    glow: Colour = (255, 230, 184) if time == "dawn" else (255, 150, 70)
    core: Colour = (255, 246, 200) if time == "dawn" else (255, 84, 40)
    _disc(draw, x, HORIZON * scale, 14 * scale, _blend(glow, light.horizon, 0.5))
    _disc(draw, x, HORIZON * scale, 10 * scale, glow)
    _disc(draw, x, HORIZON * scale, 7 * scale, core)
    for row in (12, 18, 25):  # long flat clouds
        left = rng.uniform(-10, 40) * scale
        cloud = _blend(glow, light.top, 0.5)
        draw.ellipse((left, row * scale, left + 26 * scale, (row + 2) * scale), fill=cloud)


def _blend(one: Colour, other: Colour, share: float) -> Colour:
    """Mix `share` of the other colour into the first."""
    red, green, blue = (round(a * (1 - share) + b * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _draw_horizon(
    draw: ImageDraw.ImageDraw,
    scenery: Scenery,
    far: Colour,
    top: int,
    rng: np.random.Generator,
    scale: int,
) -> None:
    base, shift = (top + 13) * scale, rng.uniform(0, 20)
    crest = top * scale
    if scenery == "hills":
        for x, rise in ((-6, 9), (20, 6), (46, 11), (72, 8)):
            centre = (x + shift - 10) * scale
            draw.ellipse(
                (centre - 20 * scale, crest - rise * scale, centre + 20 * scale, base), fill=far
            )
    elif scenery == "mountains":
        for x, rise in ((-4, 15), (18, 20), (40, 13), (60, 18), (80, 12)):
            tip, peak = (x + shift - 10) * scale, crest - rise * scale
            draw.polygon(
                [(tip - 16 * scale, base), (tip, peak), (tip + 16 * scale, base)], fill=far
            )
            snow = [
                (tip - 4 * scale, peak + 5 * scale),
                (tip, peak),
                (tip + 4 * scale, peak + 5 * scale),
            ]
            draw.polygon(snow, fill=_blend(far, (255, 255, 255), 0.6))
    elif scenery == "forest":
        for x in range(-4, SIDE + 8, 6):
            tip, rise = (x + shift % 6) * scale, rng.uniform(8, 14) * scale
            draw.polygon(
                [(tip - 4 * scale, base), (tip, crest - rise), (tip + 4 * scale, base)], fill=far
            )
    else:
        for x in range(-8, SIDE + 8, 12):
            left, rise = (x + shift % 12) * scale, rng.uniform(5, 9) * scale
            right, eaves = left + 9 * scale, crest - rise
            draw.rectangle((left, eaves, right, base), fill=far)
            roof = [
                (left - scale, eaves),
                ((left + right) / 2, eaves - 4 * scale),
                (right + scale, eaves),
            ]
            draw.polygon(roof, fill=_blend(far, (170, 70, 50), 0.45))
            window = (left + 3 * scale, eaves + 2 * scale, left + 5 * scale, eaves + 4 * scale)
            draw.rectangle(window, fill=_blend(far, (255, 230, 130), 0.6))


def _draw_ground(
    draw: ImageDraw.ImageDraw,
    stage: Stage,
    ground: Colour,
    top: int,
    rng: np.random.Generator,
    scale: int,
) -> None:
    lighter, dimmer = _blend(ground, (255, 255, 255), 0.22), darker(ground, 0.86)
    for x, y in rng.uniform((0, top + 1), (SIDE, SIDE), size=(22, 2)) * scale:
        if stage in ("water", "ice"):
            length, colour = rng.uniform(3, 8) * scale, lighter if stage == "water" else dimmer
            draw.line([(x, y), (x + length, y)], fill=colour, width=scale // 2 + 1)
        else:
            draw.line([(x, y), (x + scale, y - 2.5 * scale)], fill=dimmer, width=scale // 2 + 1)
