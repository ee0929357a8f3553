"""Draw the birds that perch: one body plan, and the plumage that tells the species apart.

All look to the right, stand on the origin and are about 1 high.
"""

from dataclasses import dataclass
from typing import Literal

from d2v_core.data.aviary.sketch import Colour, Number, Pen, Point, darker
from d2v_core.data.aviary.world import Mood, Species

BLACK: Colour = (24, 24, 28)
WHITE: Colour = (250, 250, 246)


@dataclass(frozen=True, kw_only=True)
class Plumage:
    """Colours and build of a perching bird; lengths in heights of the bird."""

    back: Colour
    belly: Colour
    wing: Colour
    tail: Colour
    head: Colour
    beak: Colour
    leg: Colour = (120, 90, 70)
    bib: Colour | None = None
    """Patch from the face down the breast."""

    cap: Colour | None = None
    """Crown."""

    cheek: Colour | None = None
    """Side of the face."""

    mask: Colour | None = None
    """Around eye and beak."""

    eye_stripe: Colour | None = None
    eye_ring: Colour = WHITE
    wing_bar: Colour | None = None
    bars: Colour | None = None
    """Stripes across the belly."""

    beak_length: Number = 0.15
    beak_depth: Number = 0.09
    beak_kind: Literal["straight", "hooked"] = "straight"
    tail_length: Number = 0.42
    head_radius: Number = 0.2
    girth: Number = 0.25
    lean: Number = 0.0
    """Degrees by which the body stands more upright than a robin's."""


PLUMAGES: dict[Species, Plumage] = {
    "robin": Plumage(
        back=(133, 105, 75),
        belly=(236, 228, 214),
        wing=(112, 86, 60),
        tail=(105, 80, 56),
        head=(133, 105, 75),
        bib=(232, 96, 28),
        beak=(60, 50, 45),
        girth=0.28,
        tail_length=0.36,
        eye_ring=(232, 96, 28),
    ),
    "blackbird": Plumage(
        back=(38, 38, 44),
        belly=(52, 52, 60),
        wing=(26, 26, 32),
        tail=(24, 24, 30),
        head=(38, 38, 44),
        beak=(250, 176, 20),
        beak_length=0.2,
        leg=(90, 60, 40),
        tail_length=0.58,
        eye_ring=(250, 190, 40),
    ),
    "blue tit": Plumage(
        back=(120, 160, 110),
        belly=(250, 220, 70),
        wing=(52, 112, 196),
        tail=(58, 116, 196),
        head=WHITE,
        cap=(48, 118, 214),
        eye_stripe=(30, 40, 80),
        beak=(50, 50, 60),
        beak_length=0.1,
        leg=(70, 80, 110),
        wing_bar=WHITE,
        head_radius=0.23,
        girth=0.27,
        tail_length=0.36,
    ),
    "goldfinch": Plumage(
        back=(190, 148, 96),
        belly=(246, 238, 226),
        wing=(28, 26, 28),
        tail=(28, 26, 28),
        head=WHITE,
        cap=(26, 24, 26),
        mask=(214, 24, 36),
        beak=(236, 214, 180),
        beak_depth=0.13,
        wing_bar=(255, 212, 0),
        tail_length=0.4,
    ),
    "cuckoo": Plumage(
        back=(124, 138, 156),
        belly=(244, 244, 240),
        wing=(98, 110, 128),
        tail=(70, 78, 92),
        head=(136, 150, 168),
        bib=(136, 150, 168),
        bars=(84, 92, 104),
        beak=(70, 66, 56),
        eye_ring=(255, 208, 40),
        leg=(240, 190, 50),
        tail_length=0.72,
        head_radius=0.17,
        girth=0.2,
        lean=-10,
    ),
    "parrot": Plumage(
        back=(44, 168, 62),
        belly=(120, 206, 70),
        wing=(22, 128, 64),
        tail=(28, 92, 190),
        head=(44, 176, 62),
        cap=(252, 210, 50),
        cheek=(248, 236, 214),
        beak=(66, 60, 62),
        beak_kind="hooked",
        beak_length=0.2,
        beak_depth=0.2,
        wing_bar=(222, 38, 44),
        leg=(130, 120, 120),
        head_radius=0.23,
        girth=0.23,
        tail_length=0.75,
        lean=32,
    ),
}


@dataclass(frozen=True)
class Pose:
    """How a mood looks: degrees of lean and tail, lift of the head, how far beak and wing open."""

    lean: Number
    cock: Number
    lift: Number
    gape: Number
    eye: Number


POSES: dict[Mood, Pose] = {
    "calm": Pose(lean=-10, cock=-8, lift=-0.05, gape=0.0, eye=0.0),
    "alert": Pose(lean=20, cock=26, lift=0.07, gape=0.25, eye=1.25),
    "excited": Pose(lean=6, cock=4, lift=0.03, gape=1.0, eye=1.0),
}


def draw_songbird(pen: Pen, plumage: Plumage, mood: Mood) -> None:
    """Draw one perching bird: legs, tail, body, wing, head."""
    pose = POSES[mood]
    for x in (-0.07, 0.09):
        pen.stroke([(x * 0.6, 0.24), (x, 0.0)], 0.045, plumage.leg)
        pen.stroke([(x - 0.05, 0.0), (x + 0.08, 0.0)], 0.04, plumage.leg)
    body = pen.turned(pose.lean + plumage.lean, about=(0.0, 0.25))
    _draw_tail(body.turned(-pose.cock, about=(-0.26, 0.34)), plumage)
    body.oval((0.0, 0.42), (0.37, plumage.girth), plumage.back, turn=20)
    body.oval((0.07, 0.37), (0.28, plumage.girth * 0.76), plumage.belly, turn=26, is_mark=True)
    if plumage.bars is not None:
        for step in range(5):
            x, y = 0.2 - 0.1 * step, 0.34 - 0.045 * step
            body.stroke(
                [(x - 0.03, y + 0.08), (x + 0.05, y - 0.07)], 0.03, plumage.bars, is_mark=True
            )
    # The head keeps looking ahead while the body leans.
    level = body.turned(-0.8 * (pose.lean + plumage.lean), about=(0.22, 0.6))
    if plumage.bib is not None:
        body.oval((0.23, 0.5), (0.19, 0.15), plumage.bib, turn=60, is_mark=True)
    if mood == "excited":
        _draw_raised_wing(body, plumage)
    else:
        _draw_folded_wing(body, plumage)
    _draw_head(level, plumage, pose)


def _draw_tail(pen: Pen, plumage: Plumage) -> None:
    end = -0.26 - plumage.tail_length
    points = [(-0.2, 0.42), (end, 0.3), (end - 0.03, 0.17), (-0.2, 0.24)]
    pen.polygon(points, plumage.tail)
    pen.stroke([(-0.24, 0.32), (end, 0.235)], 0.02, darker(plumage.tail, 0.6), is_mark=True)


def _draw_folded_wing(pen: Pen, plumage: Plumage) -> None:
    points = [(0.12, 0.52), (0.0, 0.6), (-0.22, 0.5), (-0.5, 0.24), (-0.22, 0.26), (0.04, 0.36)]
    pen.blob(points, darker(plumage.wing, 0.55), is_mark=True)
    inner = [(0.09, 0.52), (0.0, 0.575), (-0.2, 0.47), (-0.44, 0.26), (-0.2, 0.29), (0.03, 0.39)]
    pen.blob(inner, plumage.wing, is_mark=True)
    if plumage.wing_bar is not None:
        pen.stroke([(0.03, 0.44), (-0.24, 0.34)], 0.08, plumage.wing_bar, is_mark=True)


def _draw_raised_wing(pen: Pen, plumage: Plumage) -> None:
    points = [(0.1, 0.5), (0.06, 0.8), (-0.14, 1.04), (-0.5, 1.08), (-0.46, 0.84), (-0.22, 0.44)]
    pen.blob(points, plumage.wing)
    for step in range(3):
        tip = (-0.4 + 0.1 * step, 0.82 + 0.08 * step)
        pen.stroke([(-0.1, 0.5), tip], 0.03, darker(plumage.wing, 0.6), is_mark=True)
    if plumage.wing_bar is not None:
        pen.stroke([(-0.24, 0.66), (0.04, 0.76)], 0.1, plumage.wing_bar, is_mark=True)


def _draw_head(pen: Pen, plumage: Plumage, pose: Pose) -> None:
    x, y, r = 0.27, 0.7 + pose.lift, plumage.head_radius
    pen.oval((x - 0.07, y - 0.14), (0.2, 0.15), plumage.bib or plumage.head, turn=50, is_mark=True)
    _draw_beak(pen, plumage, (x + 0.85 * r, y - 0.01), pose.gape)
    pen.dot((x, y), r, plumage.head)
    if plumage.cap is not None:
        cap = [
            (x - r, y + 0.02),
            (x - 0.75 * r, y + 0.7 * r),
            (x, y + r),
            (x + 0.75 * r, y + 0.66 * r),
        ]
        pen.blob(
            [*cap, (x + 0.4 * r, y + 0.42 * r), (x - 0.4 * r, y + 0.5 * r)],
            plumage.cap,
            is_mark=True,
        )
    if plumage.bib is not None:
        pen.oval((x + 0.35 * r, y - 0.35 * r), (0.72 * r, 0.6 * r), plumage.bib, is_mark=True)
    if plumage.cheek is not None:
        pen.oval((x + 0.3 * r, y - 0.05 * r), (0.55 * r, 0.5 * r), plumage.cheek, is_mark=True)
    if plumage.mask is not None:
        pen.oval((x + 0.5 * r, y - 0.02 * r), (0.5 * r, 0.82 * r), plumage.mask, is_mark=True)
    eye = (x + 0.35 * r, y + 0.18 * r)
    if plumage.eye_stripe is not None:
        pen.stroke(
            [(x - r, y), (x + 0.95 * r, y + 0.1 * r)], 0.055, plumage.eye_stripe, is_mark=True
        )
    draw_eye(pen, eye, ring=plumage.eye_ring, open_share=pose.eye)


def _draw_beak(pen: Pen, plumage: Plumage, root: Point, gape: Number) -> None:
    x, y = root
    length, half = plumage.beak_length + 0.05, plumage.beak_depth / 2
    up, down = pen.turned(22 * gape, about=root), pen.turned(-26 * gape, about=root)
    if plumage.beak_kind == "hooked":
        down.polygon(
            [(x - 0.05, y - 0.02), (x + 0.1, y - 0.07), (x + 0.02, y - half - 0.08)], plumage.beak
        )
        hook = [(x - 0.05, y + half), (x + 0.08, y + half), (x + length, y - 0.02)]
        up.blob(
            [*hook, (x + 0.15, y - half - 0.06), (x + 0.07, y - 0.04), (x - 0.05, y - 0.04)],
            plumage.beak,
        )
        return
    down.polygon(
        [(x - 0.06, y), (x + length * 0.92, y), (x - 0.06, y - half)], darker(plumage.beak, 0.8)
    )
    up.polygon([(x - 0.06, y + half), (x + length, y), (x - 0.06, y)], plumage.beak)


def draw_eye(
    pen: Pen,
    centre: Point,
    *,
    ring: Colour,
    open_share: Number,
    radius: Number = 0.055,
) -> None:
    """Draw an eye with a ring and a glint; with `open_share` 0 it is shut."""
    x, y = centre
    if open_share == 0:
        pen.stroke([(x - radius, y), (x + radius, y - 0.01)], 0.06, ring, is_mark=True)
        pen.stroke([(x - radius, y - 0.01), (x + radius, y - 0.02)], 0.04, BLACK, is_mark=True)
        return
    pen.dot(centre, radius * open_share * 1.45, ring, is_mark=True)
    pen.dot(centre, radius * open_share, BLACK, is_mark=True)
    pen.dot((x + 0.02, y + 0.02), radius * 0.36, WHITE, is_mark=True)
