"""Draw the birds whose build is their own: woodpecker, owl, duck, heron, penguin, swift.

All look to the right and are about 1 high; the origin is where they touch what carries them.
"""

from d2v_core.data.aviary.sketch import Colour, Pen, darker
from d2v_core.data.aviary.songbirds import BLACK, POSES, WHITE, draw_eye
from d2v_core.data.aviary.world import Mood

BROWN: Colour = (146, 104, 62)
GREY: Colour = (142, 156, 176)
ORANGE: Colour = (250, 150, 30)
YELLOW: Colour = (250, 196, 40)


def draw_woodpecker(pen: Pen, mood: Mood) -> None:
    """Draw a great spotted woodpecker that clings to a trunk in front of it, at x = 0.3."""
    pose = POSES[mood]
    red: Colour = (220, 30, 40)
    for y in (0.3, 0.42):
        pen.stroke([(0.08, y), (0.3, y + 0.03)], 0.05, (90, 90, 100))
    body = pen.turned(-12 + 0.5 * pose.lean, about=(0.0, 0.2))
    body.polygon([(-0.16, 0.24), (0.02, 0.18), (0.2, -0.12), (0.13, -0.16)], BLACK)
    body.blob(
        [(-0.16, 0.2), (-0.26, 0.5), (-0.1, 0.84), (0.1, 0.8), (0.16, 0.46), (0.04, 0.14)], BLACK
    )
    body.blob(
        [(0.04, 0.76), (0.13, 0.6), (0.13, 0.4), (0.02, 0.24), (-0.02, 0.5)],
        (238, 230, 212),
        is_mark=True,
    )
    body.blob([(0.1, 0.36), (0.05, 0.18), (-0.08, 0.16), (-0.04, 0.32)], red, is_mark=True)
    if mood == "excited":
        wing = [(-0.02, 0.7), (-0.34, 0.98), (-0.72, 0.96), (-0.6, 0.72), (-0.18, 0.4)]
        body.blob(wing, BLACK)
        for x, y in ((-0.3, 0.8), (-0.46, 0.82), (-0.6, 0.86), (-0.3, 0.64)):
            body.dot((x, y), 0.04, WHITE, is_mark=True)
    body.blob([(-0.04, 0.7), (-0.14, 0.66), (-0.16, 0.46), (-0.07, 0.5)], WHITE, is_mark=True)
    for step in range(2):
        y = 0.36 - 0.1 * step
        body.stroke([(-0.2, y), (-0.06, y - 0.02)], 0.035, WHITE, is_mark=True)
    head = pen.turned({"calm": -8, "alert": 6, "excited": 26}[mood], about=(0.0, 0.76))
    x, y = 0.04, 0.86 + 0.4 * pose.lift
    up, down = head.turned(8 * pose.gape, about=(x, y)), head.turned(-10 * pose.gape, about=(x, y))
    up.polygon([(x + 0.1, y + 0.06), (x + 0.42, y), (x + 0.1, y)], (80, 80, 90))
    down.polygon([(x + 0.1, y), (x + 0.4, y), (x + 0.1, y - 0.05)], (60, 60, 70))
    head.dot((x, y), 0.17, WHITE)
    head.blob(
        [
            (x - 0.17, y),
            (x - 0.1, y + 0.15),
            (x + 0.06, y + 0.18),
            (x + 0.15, y + 0.07),
            (x, y + 0.08),
        ],
        BLACK,
        is_mark=True,
    )
    head.blob(
        [(x - 0.18, y - 0.06), (x - 0.18, y + 0.09), (x - 0.06, y + 0.13), (x - 0.08, y - 0.04)],
        red,
        is_mark=True,
    )
    head.stroke([(x + 0.14, y - 0.05), (x - 0.06, y - 0.13)], 0.05, BLACK, is_mark=True)
    draw_eye(head, (x + 0.06, y + 0.04), ring=WHITE, open_share=pose.eye, radius=0.04)


def draw_owl(pen: Pen, mood: Mood) -> None:
    """Draw an eagle owl from the front, its face turned a little."""
    slim = {"calm": 1.12, "alert": 0.84, "excited": 1.0}[mood]
    for x in (-0.12, 0.12):
        pen.oval((x, 0.03), (0.09, 0.05), YELLOW)
    dark = darker(BROWN, 0.62)
    if mood == "excited":
        _draw_owl_wings(pen)
    pen.oval((0.0, 0.4), (0.31 * slim, 0.38), BROWN)
    pen.oval((0.0, 0.34), (0.22 * slim, 0.28), (226, 194, 146), is_mark=True)
    for row, y in enumerate((0.2, 0.3, 0.4)):
        for column in range(-1, 2):
            x = 0.12 * (column + 0.5 * (row % 2) - 0.25) * slim
            pen.stroke([(x, y + 0.03), (x, y - 0.03)], 0.04, dark, is_mark=True)
    if mood != "excited":
        for side in (-1, 1):
            pen.oval((side * 0.27 * slim, 0.4), (0.08, 0.28), dark, turn=side * 6)
    _draw_owl_face(pen, mood)


def _draw_owl_wings(pen: Pen) -> None:
    dark = darker(BROWN, 0.62)
    for side in (-1, 1):
        wing = [(0.2, 0.62), (0.5, 0.86), (0.76, 0.78), (0.7, 0.5), (0.5, 0.36), (0.22, 0.3)]
        pen.blob([(side * x, y) for x, y in wing], dark)
        for x, y in ((0.66, 0.52), (0.54, 0.42), (0.4, 0.36)):
            pen.stroke([(side * x, y), (side * (x * 0.7), y + 0.22)], 0.035, BROWN, is_mark=True)


def _draw_owl_face(pen: Pen, mood: Mood) -> None:
    pose = POSES[mood]
    dark = darker(BROWN, 0.62)
    lift = pose.lift * 1.3
    face = pen.turned({"calm": 0, "alert": -4, "excited": 10}[mood], about=(0.0, 0.7))
    tuft = 0.17 if mood == "alert" else 0.1
    for side in (-1, 1):
        ear = [
            (side * 0.08, 0.86 + lift),
            (side * 0.26, 0.92 + tuft + lift),
            (side * 0.28, 0.74 + lift),
        ]
        face.polygon(ear, dark)
    face.oval((0.0, 0.74 + lift), (0.31, 0.23), BROWN)
    for side in (-1, 1):
        centre = (side * 0.13 + 0.075, 0.75 + lift)
        face.dot(centre, 0.15, (240, 220, 184), is_mark=True)
        if pose.eye == 0:
            face.stroke(
                [(centre[0] - 0.09, centre[1]), (centre[0] + 0.09, centre[1])],
                0.05,
                BLACK,
                is_mark=True,
            )
            continue
        face.dot(centre, 0.105 * pose.eye, BLACK, is_mark=True)
        face.dot(centre, 0.085 * pose.eye, (255, 190, 20), is_mark=True)
        face.dot((centre[0] + 0.025, centre[1]), 0.045 * pose.eye, BLACK, is_mark=True)
    depth = 0.6 - 0.06 * pose.gape
    face.polygon(
        [(0.02, 0.73 + lift), (0.15, 0.73 + lift), (0.1, depth + lift)], (70, 60, 50), is_mark=True
    )
    if pose.gape == 1:
        face.dot((0.095, 0.585 + lift), 0.045, (200, 60, 60), is_mark=True)


def draw_duck(pen: Pen, mood: Mood) -> None:
    """Draw a drake mallard that swims; the origin is at the waterline."""
    pose = POSES[mood]
    grey: Colour = (204, 204, 200)
    pen.polygon([(-0.5, 0.3), (-0.78, 0.44), (-0.62, 0.14)], WHITE)
    pen.blob(
        [
            (-0.6, 0.26),
            (-0.3, 0.42),
            (0.1, 0.4),
            (0.42, 0.34),
            (0.44, 0.06),
            (0.2, -0.06),
            (-0.3, -0.06),
            (-0.56, 0.08),
        ],
        grey,
    )
    pen.blob(
        [(0.12, 0.4), (0.44, 0.34), (0.45, 0.06), (0.22, -0.05), (0.12, 0.12)],
        (116, 62, 40),
        is_mark=True,
    )
    pen.blob([(-0.62, 0.28), (-0.44, 0.38), (-0.42, 0.14), (-0.56, 0.1)], BLACK, is_mark=True)
    if mood == "excited":
        pen.blob(
            [(0.1, 0.32), (0.06, 0.66), (-0.16, 0.92), (-0.5, 0.96), (-0.44, 0.66), (-0.3, 0.3)],
            (150, 140, 130),
        )
        pen.stroke([(-0.36, 0.62), (0.02, 0.56)], 0.09, (60, 80, 200), is_mark=True)
    else:
        pen.blob(
            [(0.1, 0.36), (-0.1, 0.4), (-0.46, 0.3), (-0.3, 0.12), (0.0, 0.14)],
            (150, 140, 130),
            is_mark=True,
        )
        pen.stroke([(-0.12, 0.2), (-0.32, 0.2)], 0.08, (60, 80, 200), is_mark=True)
    lift = {"calm": -0.14, "alert": 0.12, "excited": 0.06}[mood]
    x, y = 0.42, 0.72 + lift
    green: Colour = (10, 120, 70)
    pen.stroke([(0.32, 0.3), (x - 0.04, y - 0.02)], 0.22, green)
    pen.stroke([(0.2, 0.36), (0.47, 0.36)], 0.05, WHITE, is_mark=True)
    root = (x + 0.12, y - 0.03)
    up, down = pen.turned(16 * pose.gape, about=root), pen.turned(-20 * pose.gape, about=root)
    down.blob(
        [(x + 0.1, y - 0.03), (x + 0.34, y - 0.05), (x + 0.3, y - 0.11), (x + 0.1, y - 0.1)],
        darker(YELLOW, 0.8),
    )
    up.blob(
        [
            (x + 0.1, y + 0.06),
            (x + 0.24, y),
            (x + 0.4, y + 0.01),
            (x + 0.38, y - 0.06),
            (x + 0.1, y - 0.07),
        ],
        YELLOW,
    )
    pen.oval((x, y), (0.2, 0.17), green)
    draw_eye(pen, (x + 0.06, y + 0.05), ring=(200, 230, 200), open_share=pose.eye, radius=0.045)


def draw_heron(pen: Pen, mood: Mood) -> None:
    """Draw a grey heron on long legs; the origin is where they enter the water."""
    pose = POSES[mood]
    for x in (-0.1, 0.04):
        pen.stroke([(x + 0.02, 0.42), (x - 0.01, 0.2), (x + 0.03, 0.0)], 0.035, (150, 130, 70))
    body = pen.turned(0.3 * pose.lean, about=(0.0, 0.42))
    body.polygon([(-0.26, 0.5), (-0.46, 0.32), (-0.38, 0.28), (-0.14, 0.38)], (70, 80, 100))
    body.blob(
        [(-0.36, 0.36), (-0.24, 0.58), (0.04, 0.64), (0.2, 0.54), (0.08, 0.4), (-0.16, 0.36)], GREY
    )
    if mood == "excited":
        wing = [
            (0.04, 0.58),
            (-0.08, 0.82),
            (-0.34, 1.02),
            (-0.64, 1.0),
            (-0.5, 0.74),
            (-0.24, 0.46),
        ]
        body.blob(wing, darker(GREY, 0.85))
        body.blob(
            [(-0.3, 0.98), (-0.64, 1.0), (-0.52, 0.76), (-0.38, 0.76)], (50, 56, 72), is_mark=True
        )
    else:
        body.blob(
            [(0.0, 0.56), (-0.2, 0.54), (-0.4, 0.34), (-0.14, 0.42)], (92, 106, 128), is_mark=True
        )
    neck = {
        "calm": [(0.14, 0.54), (0.24, 0.62), (0.12, 0.72), (0.2, 0.82)],
        "alert": [(0.13, 0.54), (0.2, 0.72), (0.16, 0.92), (0.22, 1.06)],
        "excited": [(0.13, 0.54), (0.27, 0.68), (0.24, 0.82), (0.32, 0.94)],
    }[mood]
    pen.stroke(neck, 0.1, (226, 228, 232))
    pen.stroke([(x + 0.02, y) for x, y in neck[:3]], 0.025, (60, 60, 70), is_mark=True)
    x, y = neck[-1]
    root = (x + 0.08, y)
    up, down = pen.turned(14 * pose.gape, about=root), pen.turned(-14 * pose.gape, about=root)
    down.polygon([(x + 0.04, y), (x + 0.38, y - 0.01), (x + 0.04, y - 0.06)], darker(YELLOW, 0.85))
    up.polygon([(x + 0.04, y + 0.05), (x + 0.4, y), (x + 0.04, y)], YELLOW)
    pen.polygon(
        [(x, y + 0.08), (x - 0.3, y + (0.16 if mood == "alert" else 0.0)), (x - 0.06, y - 0.01)],
        BLACK,
    )
    pen.oval((x, y + 0.01), (0.13, 0.085), WHITE)
    pen.blob(
        [(x - 0.13, y + 0.03), (x - 0.04, y + 0.09), (x + 0.07, y + 0.07), (x - 0.02, y + 0.04)],
        BLACK,
        is_mark=True,
    )
    draw_eye(pen, (x + 0.05, y + 0.02), ring=YELLOW, open_share=pose.eye, radius=0.028)


def draw_penguin(pen: Pen, mood: Mood) -> None:
    """Draw a king penguin that stands upright."""
    pose = POSES[mood]
    for x in (-0.1, 0.14):
        pen.oval((x, 0.03), (0.13, 0.045), (60, 58, 66))
    body = pen.turned(-0.35 * pose.lean, about=(0.0, 0.0))
    dark: Colour = (44, 54, 76)
    body.polygon([(-0.16, 0.14), (-0.34, 0.02), (-0.06, 0.06)], dark)
    body.blob(
        [
            (-0.22, 0.12),
            (-0.26, 0.42),
            (-0.14, 0.72),
            (0.12, 0.74),
            (0.26, 0.42),
            (0.2, 0.1),
            (0.0, 0.04),
        ],
        dark,
    )
    body.blob(
        [(-0.06, 0.1), (-0.04, 0.42), (0.04, 0.7), (0.17, 0.66), (0.245, 0.4), (0.18, 0.12)],
        WHITE,
        is_mark=True,
    )
    body.blob([(0.0, 0.6), (0.03, 0.72), (0.18, 0.7), (0.2, 0.58)], (255, 206, 70), is_mark=True)
    turn = {"calm": 8, "alert": -14, "excited": -74}[mood]
    flipper = body.turned(turn, about=(-0.08, 0.62))
    flipper.blob(
        [(-0.03, 0.66), (-0.14, 0.6), (-0.24, 0.22), (-0.12, 0.28), (-0.02, 0.5)], darker(dark, 0.8)
    )
    if mood == "excited":
        body.blob(
            [(0.17, 0.66), (0.44, 0.72), (0.56, 0.84), (0.4, 0.6), (0.22, 0.54)], darker(dark, 0.8)
        )
    x, y = 0.04, 0.84 + pose.lift
    head = body.turned({"calm": -10, "alert": 8, "excited": 42}[mood], about=(x, y))
    root = (x + 0.12, y)
    up, down = head.turned(8 * pose.gape, about=root), head.turned(-22 * pose.gape, about=root)
    down.polygon([(x + 0.1, y), (x + 0.34, y - 0.05), (x + 0.1, y - 0.05)], ORANGE)
    up.polygon([(x + 0.1, y + 0.05), (x + 0.36, y - 0.04), (x + 0.1, y - 0.02)], (50, 46, 56))
    head.oval((x, y), (0.19, 0.155), (34, 36, 48))
    head.oval((x - 0.06, y - 0.06), (0.09, 0.075), ORANGE, turn=-30, is_mark=True)
    draw_eye(head, (x + 0.07, y + 0.04), ring=WHITE, open_share=pose.eye, radius=0.036)


def draw_swift(pen: Pen, mood: Mood) -> None:
    """Draw a swift in flight: two sickles for wings and a forked tail; the origin is below it."""
    pose = POSES[mood]
    dark: Colour = (82, 66, 62)
    body = pen.turned({"calm": 0, "alert": 14, "excited": 28}[mood], about=(0.0, 0.4))
    body.polygon([(-0.36, 0.45), (-0.78, 0.56), (-0.58, 0.42), (-0.8, 0.3), (-0.36, 0.36)], dark)
    near, far = {"calm": (4, -4), "alert": (-14, 12), "excited": (30, -26)}[mood]
    back_wing = body.turned(far, about=(0.06, 0.44))
    back_wing.blob(
        [(0.14, 0.44), (0.1, 0.66), (-0.1, 0.92), (-0.46, 1.08), (-0.26, 0.8), (-0.1, 0.46)],
        darker(dark, 0.75),
    )
    body.blob(
        [(-0.4, 0.4), (-0.1, 0.5), (0.24, 0.5), (0.36, 0.42), (0.22, 0.33), (-0.1, 0.32)], dark
    )
    root = (0.32, 0.42)
    up, down = body.turned(20 * pose.gape, about=root), body.turned(-26 * pose.gape, about=root)
    up.polygon([(0.3, 0.46), (0.44, 0.42), (0.3, 0.41)], (30, 26, 26))
    down.polygon([(0.3, 0.42), (0.43, 0.41), (0.3, 0.37)], (30, 26, 26))
    body.oval((0.27, 0.37), (0.1, 0.05), (232, 226, 214), is_mark=True)
    front_wing = body.turned(near, about=(0.06, 0.4))
    front_wing.blob(
        [(0.16, 0.42), (0.14, 0.18), (-0.04, -0.08), (-0.4, -0.26), (-0.2, 0.06), (-0.08, 0.4)],
        (112, 92, 84),
    )
    draw_eye(body, (0.25, 0.45), ring=(200, 190, 180), open_share=max(pose.eye, 0.6), radius=0.034)
