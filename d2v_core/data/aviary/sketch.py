"""Draw smooth, outlined shapes in the coordinates of one animal, much larger than needed.

A pen records shapes with x to the front and y up, in units of the animal's height. The shapes are
then painted twice: first all of them dark and a little too large, then all in their colours. What
is left of the dark is one outline around the whole animal.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Float
from PIL import ImageDraw

Colour = tuple[int, int, int]
Number = int | float
"""A coordinate, length or angle; many are written without a point."""

Point = tuple[Number, Number]
Points = Sequence[Point]

OUTLINE_SHADE = 0.38  # how dark the outline of a colour is
CURVE_STEPS = 5  # straight pieces between two corners of a blob
OVAL_STEPS = 24


def _curve_weights() -> Float[np.ndarray, "steps 4"]:
    """Weights of the four corners around each point of a Catmull-Rom curve."""
    t = np.arange(CURVE_STEPS)[:, None] / CURVE_STEPS
    powers = np.hstack([np.ones_like(t), t, t**2, t**3])
    basis = np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]])
    return powers @ basis / 2


CURVE = _curve_weights()
TURNS = np.linspace(0, 2 * math.pi, OVAL_STEPS, endpoint=False)
CIRCLE = np.stack([np.cos(TURNS), np.sin(TURNS)], axis=1)


@dataclass(frozen=True)
class Shape:
    """One filled outline in pixels of the large canvas."""

    points: Float[np.ndarray, "points 2"]
    colour: Colour
    is_mark: bool
    """A mark lies inside of another shape and has no outline."""


class Pen:
    """Collects the shapes of one animal.

    Args:
        matrix: from the animal's coordinates (x, y, 1) to pixels of the large canvas.
        shapes: where to collect; shared by a pen and those turned from it.
    """

    def __init__(
        self, matrix: Float[np.ndarray, "3 3"], *, shapes: list[Shape] | None = None
    ) -> None:
        self.matrix = matrix
        self.shapes: list[Shape] = [] if shapes is None else shapes

    def turned(self, degrees: Number, about: Point = (0.0, 0.0)) -> "Pen":
        """Return a pen for a part that is turned, beak up, about a point of the animal."""
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        x, y = about
        turn = np.array(
            [[cos, -sin, x - cos * x + sin * y], [sin, cos, y - sin * x - cos * y], [0, 0, 1]]
        )
        return Pen(self.matrix @ turn, shapes=self.shapes)

    def polygon(self, points: Points, colour: Colour, *, is_mark: bool = False) -> None:
        """Fill a polygon with straight sides."""
        self._add(np.asarray(points, dtype=float), colour, is_mark)

    def blob(self, points: Points, colour: Colour, *, is_mark: bool = False) -> None:
        """Fill a smooth closed curve through the points."""
        corners = np.asarray(points, dtype=float)
        around = np.stack([np.roll(corners, shift, axis=0) for shift in (1, 0, -1, -2)], axis=1)
        curve = np.einsum("sk,pkc->psc", CURVE, around).reshape(-1, 2)
        self._add(curve, colour, is_mark)

    def oval(
        self,
        centre: Point,
        radii: Point,
        colour: Colour,
        *,
        turn: Number = 0.0,
        is_mark: bool = False,
    ) -> None:
        """Fill an ellipse, its first radius turned by `turn` degrees from the x axis."""
        cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        axes = np.array([[cos, sin], [-sin, cos]]) * np.array(radii)[:, None]
        self._add(CIRCLE @ axes + np.array(centre), colour, is_mark)

    def dot(self, centre: Point, radius: Number, colour: Colour, *, is_mark: bool = False) -> None:
        """Fill a circle."""
        self._add(CIRCLE * radius + np.array(centre), colour, is_mark)

    def stroke(
        self, points: Points, width: Number, colour: Colour, *, is_mark: bool = False
    ) -> None:
        """Draw a line of even width through the points, with round ends."""
        path = np.asarray(points, dtype=float)
        for start, end in pairwise(path):
            along = (end - start) / max(float(np.hypot(*(end - start))), 1e-9)
            side = np.array([-along[1], along[0]]) * width / 2
            half = CIRCLE[: OVAL_STEPS // 2 + 1] * width / 2
            frame = np.stack([-side * 2 / width, along])  # x of the half circle to the left of us
            cap = half * np.array([-1, 1]) @ frame
            self._add(np.vstack([end + cap, start - cap]), colour, is_mark)

    def centre(self, column: Number, *, width: int) -> None:
        """Move all that was drawn sideways: its middle to a column, but not out of the canvas."""
        across = np.concatenate([shape.points[:, 0] for shape in self.shapes])
        half = min(0.45 * (across.max() - across.min()), width / 2)
        middle = (across.min() + across.max()) / 2
        move = np.array([min(max(column, half), width - half) - middle, 0.0])
        self.matrix[:2, 2] += move
        self.shapes[:] = [replace(shape, points=shape.points + move) for shape in self.shapes]

    def _add(self, points: Float[np.ndarray, "points 2"], colour: Colour, is_mark: bool) -> None:
        pixels = points @ self.matrix[:2, :2].T + self.matrix[:2, 2]
        self.shapes.append(Shape(points=pixels, colour=colour, is_mark=is_mark))


def make_pen(x: Number, y: Number, *, height: Number, facing_left: bool) -> Pen:
    """Return a pen whose origin, between the feet, lies at pixel (x, y), y counted downwards.

    Args:
        x: column of the origin.
        y: row of the origin.
        height: pixels that an animal of height 1 takes.
        facing_left: mirror it; animals are drawn looking to the right.
    """
    across = -height if facing_left else height
    return Pen(np.array([[across, 0.0, x], [0.0, -height, y], [0.0, 0.0, 1.0]]))


def paint(
    draw: ImageDraw.ImageDraw, shapes: list[Shape], *, outline: Number, rim: Colour | None
) -> None:
    """Paint the shapes of one animal, with an outline around them all.

    Args:
        draw: where to paint.
        shapes: from back to front.
        outline: width of the outline in pixels of the large canvas.
        rim: colour of the outline, for light that comes from behind; None for a dark shade of
            what it surrounds.
    """
    for shape in shapes:
        if not shape.is_mark and outline > 0:
            corners = [tuple(point) for point in shape.points.tolist()]
            dark = rim or darker(shape.colour, OUTLINE_SHADE)
            draw.polygon(corners, fill=dark)
            draw.line([*corners, *corners[:2]], fill=dark, width=round(2 * outline), joint="curve")
    for shape in shapes:
        draw.polygon([tuple(point) for point in shape.points.tolist()], fill=shape.colour)


def darker(colour: Colour, share: Number) -> Colour:
    """Return the colour with `share` of its light."""
    red, green, blue = (min(255, round(channel * share)) for channel in colour)
    return red, green, blue
