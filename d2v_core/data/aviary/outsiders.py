"""Draw the four that are no birds: frog, dog, cricket, bell.

All look to the right and are about 1 high; the bell hangs from the origin.
"""

from d2v_core.data.aviary.sketch import Colour, Pen, darker
from d2v_core.data.aviary.songbirds import BLACK, POSES, WHITE, draw_eye
from d2v_core.data.aviary.world import Mood

GREEN: Colour = (86, 176, 52)
TAN: Colour = (196, 140, 82)
GOLD: Colour = (236, 178, 40)


def draw_frog(pen: Pen, mood: Mood) -> None:
    """Draw a frog that squats, its throat blown up when it calls."""
    pose = POSES[mood]
    pad: Colour = (60, 130, 74)
    pen.oval((0.0, 0.0), (0.62, 0.12), pad)
    pen.stroke([(0.0, 0.0), (0.52, -0.05)], 0.03, darker(pad, 0.6), is_mark=True)
    body = pen.turned({"calm": -12, "alert": 8, "excited": 30}[mood], about=(-0.3, 0.1))
    dark = darker(GREEN, 0.7)
    body.blob(
        [
            (-0.5, 0.14),
            (-0.34, 0.5),
            (0.04, 0.68),
            (0.42, 0.62),
            (0.52, 0.4),
            (0.34, 0.14),
            (-0.1, 0.04),
        ],
        GREEN,
    )
    body.blob(
        [(0.0, 0.1), (0.16, 0.34), (0.48, 0.4), (0.36, 0.14), (0.1, 0.05)],
        (226, 236, 170),
        is_mark=True,
    )
    if pose.gape:
        throat = 0.13 + 0.08 * pose.gape
        body.oval((0.42, 0.24), (throat + 0.02, throat), (248, 240, 170))
    pen.blob([(-0.58, 0.02), (-0.56, 0.3), (-0.3, 0.42), (-0.06, 0.22), (-0.12, 0.02)], dark)
    pen.blob(
        [(-0.5, 0.05), (-0.48, 0.27), (-0.3, 0.35), (-0.14, 0.2), (-0.2, 0.05)], GREEN, is_mark=True
    )
    pen.stroke([(-0.42, 0.03), (0.0, 0.02)], 0.075, dark)
    pen.stroke([(0.2, 0.26), (0.18, 0.03), (0.34, 0.02)], 0.08, dark)
    body.stroke([(0.12, 0.4), (0.34, 0.42), (0.52, 0.46)], 0.035, darker(GREEN, 0.35), is_mark=True)
    for x, y in ((-0.24, 0.46), (-0.1, 0.56), (-0.06, 0.42)):
        body.dot((x, y), 0.045, dark, is_mark=True)
    for x, y in ((0.36, 0.7), (0.14, 0.73)):
        body.dot((x, y), 0.13, GREEN)
        if pose.eye:
            body.dot((x + 0.02, y + 0.01), 0.09, (252, 224, 90), is_mark=True)
        draw_eye(body, (x + 0.03, y + 0.01), ring=(252, 224, 90), open_share=pose.eye, radius=0.05)


def draw_dog(pen: Pen, mood: Mood) -> None:
    """Draw a dog: lying when calm, standing stiff when alert, leaping up when excited."""
    pose = POSES[mood]
    dark = darker(TAN, 0.62)
    drop = 0.2 if mood == "calm" else 0.0
    body = pen.turned(20 if mood == "excited" else 0, about=(-0.3, 0.1))
    tail = {"calm": (-0.72, 0.3), "alert": (-0.56, 0.9), "excited": (-0.74, 0.76)}[mood]
    body.stroke(
        [
            (-0.36, 0.5 - drop),
            ((-0.36 + tail[0]) / 2 - 0.06, (0.5 + tail[1] - drop) / 2),
            (tail[0], tail[1] - drop),
        ],
        0.09,
        TAN,
    )
    if mood == "calm":
        for x in (-0.34, 0.3):
            pen.stroke([(x, 0.12), (x + 0.24, 0.05)], 0.1, dark)
    else:
        for x, tone in ((-0.24, dark), (0.16, dark), (-0.36, TAN), (0.26, TAN)):
            swing = 0.16 if mood == "excited" and x > 0 else 0.0
            body.stroke([(x, 0.4), (x + swing, 0.05), (x + swing + 0.05, 0.05)], 0.11, tone)
    body.blob(
        [
            (-0.44, 0.5 - drop),
            (-0.2, 0.62 - drop),
            (0.14, 0.6 - drop),
            (0.36, 0.62 - drop),
            (0.36, 0.34 - drop),
            (0.0, 0.28 - drop),
            (-0.4, 0.3 - drop),
        ],
        TAN,
    )
    body.oval((0.06, 0.33 - drop), (0.3, 0.06), (240, 220, 190), is_mark=True)
    x, y = 0.38, 0.78 - drop + pose.lift
    body.stroke([(0.28, 0.52 - drop), (x - 0.02, y - 0.1)], 0.24, TAN)
    body.stroke([(0.2, 0.63 - drop), (0.44, 0.56 - drop)], 0.06, (214, 36, 44), is_mark=True)
    head = body.turned({"calm": -10, "alert": 4, "excited": 8}[mood], about=(x, y))
    jaw = head.turned(-24 * pose.gape, about=(x + 0.1, y - 0.06))
    jaw.blob(
        [(x + 0.06, y - 0.06), (x + 0.34, y - 0.08), (x + 0.3, y - 0.15), (x + 0.06, y - 0.14)],
        dark,
    )
    if pose.gape == 1:
        jaw.oval((x + 0.26, y - 0.1), (0.09, 0.045), (240, 110, 120), is_mark=True)
    head.blob(
        [
            (x - 0.16, y + 0.1),
            (x + 0.06, y + 0.18),
            (x + 0.18, y + 0.06),
            (x + 0.4, y + 0.02),
            (x + 0.4, y - 0.09),
            (x + 0.1, y - 0.12),
            (x - 0.14, y - 0.1),
        ],
        TAN,
    )
    head.blob(
        [(x + 0.2, y + 0.03), (x + 0.4, y + 0.01), (x + 0.39, y - 0.08), (x + 0.16, y - 0.09)],
        (244, 226, 200),
        is_mark=True,
    )
    head.oval((x + 0.4, y), (0.06, 0.05), BLACK)
    if mood == "alert":
        head.polygon([(x - 0.14, y + 0.08), (x - 0.1, y + 0.36), (x + 0.06, y + 0.14)], dark)
    else:
        head.blob(
            [
                (x - 0.06, y + 0.14),
                (x - 0.2, y + 0.1),
                (x - 0.24, y - 0.16),
                (x - 0.1, y - 0.18),
                (x - 0.02, y),
            ],
            dark,
        )
    draw_eye(head, (x + 0.12, y + 0.06), ring=WHITE, open_share=pose.eye, radius=0.045)


def draw_cricket(pen: Pen, mood: Mood) -> None:
    """Draw a field cricket: long antennae, folded hind leg, wings raised when it sings loudest."""
    pose = POSES[mood]
    brown: Colour = (120, 74, 36)
    dark = darker(brown, 0.55)
    body = pen.turned(0.4 * pose.lean, about=(0.0, 0.2))
    for x in (0.06, 0.24):
        pen.stroke([(x, 0.28), (x + 0.12, 0.16), (x + 0.1, 0.0)], 0.04, dark)
    body.stroke([(-0.4, 0.3), (-0.66, 0.4)], 0.03, dark)
    body.stroke([(-0.4, 0.26), (-0.66, 0.2)], 0.03, dark)
    body.oval((-0.06, 0.3), (0.42, 0.13), (164, 108, 54), turn=4)
    for step in range(4):
        x = -0.34 + 0.13 * step
        body.stroke([(x, 0.18), (x + 0.02, 0.3)], 0.025, dark, is_mark=True)
    wing = body.turned({"calm": 0, "alert": -10, "excited": -42}[mood], about=(0.16, 0.4))
    wing.blob([(0.2, 0.42), (-0.1, 0.48), (-0.46, 0.36), (-0.3, 0.29), (0.12, 0.3)], (206, 152, 80))
    for step in range(3):
        wing.stroke(
            [(0.1 - 0.14 * step, 0.44), (-0.06 - 0.14 * step, 0.33)], 0.02, brown, is_mark=True
        )
    body.oval((0.25, 0.34), (0.12, 0.15), brown)
    body.oval((0.42, 0.36), (0.13, 0.15), brown)
    raise_by = {"calm": -0.2, "alert": 0.18, "excited": 0.04}[mood]
    for spread in (0.0, 0.14):
        body.stroke(
            [
                (0.46, 0.48),
                (0.62, 0.72 + raise_by - spread),
                (0.86 - spread, 0.86 + raise_by - spread),
            ],
            0.035,
            dark,
            is_mark=True,
        )
    pen.blob(
        [(0.02, 0.22), (-0.2, 0.56), (-0.36, 0.72), (-0.4, 0.64), (-0.22, 0.34), (-0.06, 0.18)],
        (150, 94, 44),
    )
    pen.stroke([(-0.37, 0.67), (-0.54, 0.02), (-0.4, 0.0)], 0.05, dark)
    draw_eye(body, (0.46, 0.4), ring=(250, 230, 150), open_share=pose.eye, radius=0.05)


def draw_bell(pen: Pen, mood: Mood) -> None:
    """Draw a bell that hangs still, tilts, or swings high; the origin is where it hangs."""
    angle = {"calm": 0, "alert": 14, "excited": 32}[mood]
    swung = pen.turned(angle)
    clapper = pen.turned(0.3 * angle)
    dark = darker(GOLD, 0.62)
    swung.stroke([(0.0, 0.0), (0.0, -0.14)], 0.1, (110, 84, 60))
    clapper.stroke([(0.0, -0.4), (0.0, -0.92)], 0.05, (90, 70, 60))
    clapper.dot((0.0, -0.93), 0.09, (110, 84, 60))
    left = [(-0.1, -0.12), (-0.22, -0.26), (-0.25, -0.52), (-0.32, -0.72), (-0.42, -0.86)]
    swung.polygon([*left, *[(-x, y) for x, y in reversed(left)]], GOLD)
    swung.polygon(
        [
            (0.1, -0.12),
            (0.22, -0.26),
            (0.25, -0.52),
            (0.32, -0.72),
            (0.42, -0.86),
            (0.22, -0.86),
            (0.1, -0.5),
        ],
        dark,
        is_mark=True,
    )
    swung.stroke(
        [(-0.14, -0.3), (-0.17, -0.56), (-0.25, -0.76)], 0.07, (255, 236, 150), is_mark=True
    )
    swung.stroke([(-0.4, -0.84), (0.4, -0.84)], 0.08, GOLD)
    swung.stroke([(-0.25, -0.6), (0.25, -0.6)], 0.035, dark, is_mark=True)
    if mood == "excited":
        for reach in (0.0, 0.16):  # traces of the way it came
            arc = [(-0.36 - reach, -0.36), (-0.42 - reach, -0.56), (-0.55 - reach, -0.74)]
            swung.stroke(arc, 0.035, (255, 244, 190), is_mark=True)
