"""The things in the scenes, each drawn by one function in its own frame (see ``canvas.Pen``)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from demo_model.canvas import Colour, Pen, arc, shade
from tfzoo.detections.labels import KEYPOINTS

Random = np.random.Generator
Keypoints = npt.NDArray[np.float64]
"""float64 [17, 3]: x and y in pixels, and 1 where the point is drawn, else 0."""

CATEGORIES: dict[int, str] = {
    1: "person",
    3: "car",
    9: "boat",
    10: "traffic light",
    13: "stop sign",
    16: "bird",
    28: "umbrella",
    37: "sports ball",
    38: "kite",
    53: "apple",
    64: "potted plant",
    85: "clock",
}
"""What can be detected: COCO category id to COCO name."""

_BRIGHT: tuple[Colour, ...] = (
    (214, 64, 54),
    (236, 132, 48),
    (244, 196, 64),
    (96, 168, 82),
    (54, 150, 160),
    (58, 110, 190),
    (122, 84, 172),
    (222, 108, 150),
    (240, 238, 230),
    (70, 76, 92),
)
_SKIN: tuple[Colour, ...] = (
    (248, 214, 186),
    (232, 184, 148),
    (204, 150, 110),
    (160, 108, 74),
    (112, 72, 50),
)
_HAIR: tuple[Colour, ...] = (
    (40, 32, 30),
    (86, 54, 34),
    (140, 90, 46),
    (206, 164, 92),
    (176, 78, 40),
    (168, 168, 172),
)
_POLE: Colour = (112, 116, 122)
_INK: Colour = (38, 36, 42)
_PAPER: Colour = (250, 248, 240)


def pick(random: Random, choices: tuple[Colour, ...] = _BRIGHT) -> Colour:
    """One of the colours, slightly varied."""
    colour = np.array(choices[random.integers(len(choices))]) + random.integers(-14, 15, 3)
    red, green, blue = (int(channel) for channel in np.clip(colour, 0, 255))
    return red, green, blue


def two_colours(random: Random) -> tuple[Colour, Colour]:
    """Two bright colours that can be told apart."""
    first, second = random.choice(len(_BRIGHT), 2, replace=False)
    return pick(random, (_BRIGHT[first],)), pick(random, (_BRIGHT[second],))


def person(pen: Pen, random: Random, raised_arm: bool = False) -> Keypoints:
    """Draw a figure seen from any side.

    The figure turns about its upright axis by ``yaw``: a part at azimuth a (0 in front, 90 to
    the figure's left) lies sin(a + yaw) to the right and faces us while cos(a + yaw) > 0. So
    left and right come out true from the front and from behind.

    Args:
        pen: where and how large; one unit is the figure's height.
        random: the source of the pose and the clothes.
        raised_arm: lift the left hand, to hold something up.

    Returns:
        The 17 COCO keypoints.
    """
    facing = random.choice([0.0, 0.0, 0.0, 0.0, 180.0, random.choice([90.0, -90.0])])
    yaw = np.radians(facing + random.uniform(-40, 40))
    skin, hair = pick(random, _SKIN), pick(random, _HAIR)
    shirt, trousers = two_colours(random)
    shoes = shade(pick(random), 0.6)
    long_sleeves, long_trousers, skirt = random.random(3) < (0.5, 0.65, 0.25)

    def across(azimuth: float, radius: float) -> float:
        return float(radius * np.sin(np.radians(azimuth) + yaw))

    def nearness(azimuth: float) -> float:
        return float(np.cos(np.radians(azimuth) + yaw))

    shoulders = {side: np.array([across(side * 90, 0.115), -0.765]) for side in (1, -1)}
    hips = {side: np.array([across(side * 90, 0.062), -0.46]) for side in (1, -1)}
    arms, legs = {}, {}
    running = random.random() < 0.35
    for side in (1, -1):
        outward = 1.0 if shoulders[side][0] >= 0 else -1.0
        if abs(np.cos(yaw)) < 0.45:  # seen from the side, a limb swings either way
            outward = random.choice([-1.0, 1.0])
        upper = random.choice([random.uniform(8, 40), random.uniform(40, 110)])
        bend = random.uniform(-15, 100)
        if (raised_arm and side == 1) or random.random() < 0.12:
            upper, bend = random.uniform(95, 140), random.uniform(10, 60)
        arms[side] = _limb(shoulders[side], (0.155, 0.145), upper, upper + bend, outward)
        swing = random.uniform(15, 50) if running else random.uniform(0, 16)
        fold = random.uniform(-70, 0) if running else random.uniform(-16, 4)
        outward = 1.0 if side * np.cos(yaw) >= 0 else -1.0
        legs[side] = _limb(hips[side], (0.215, 0.205), swing, swing + fold, outward)

    def draw_arm(side: int) -> None:
        shoulder, elbow, wrist = arms[side]
        pen.stroke([shoulder, elbow], 0.066, shirt if long_sleeves else shade(shirt, 0.95))
        pen.stroke([elbow, wrist], 0.052, shade(shirt, 0.92) if long_sleeves else skin)
        pen.circle(wrist, 0.034, skin)

    def draw_leg(side: int) -> None:
        hip, knee, ankle = legs[side]
        thigh = skin if skirt else trousers
        pen.stroke([hip, knee], 0.085, thigh)
        pen.stroke([knee, ankle], 0.062, trousers if long_trousers and not skirt else skin)
        toe = _beside(ankle, across(0, 0.045), 0.026)
        pen.stroke([_beside(ankle, 0, 0.012), toe], 0.05, shoes)

    far, near = sorted((1, -1), key=lambda side: nearness(side * 90))
    draw_arm(far)
    draw_leg(far)
    draw_leg(near)
    half_shoulder = max(abs(shoulders[1][0]), 0.07)
    half_hip = max(abs(hips[1][0]) + 0.035, 0.065)
    torso = [
        (-half_shoulder, -0.775),
        (half_shoulder, -0.775),
        (half_hip, -0.44),
        (-half_hip, -0.44),
    ]
    pen.stroke([(0, -0.8), (0, -0.76)], 0.07, shade(skin, 0.9))
    pen.fill(torso, shirt)
    pen.stroke([torso[0], torso[1]], 0.05, shirt)
    if random.random() < 0.4:
        band = pick(random)
        for height in (-0.7, -0.62, -0.54):
            pen.stroke([(-half_hip * 0.95, height), (half_hip * 0.95, height)], 0.028, band)
    if skirt:
        flare = half_hip + 0.06
        pen.fill([(-half_hip, -0.47), (half_hip, -0.47), (flare, -0.29), (-flare, -0.29)], trousers)
    else:
        pen.stroke([(-half_hip + 0.02, -0.44), (half_hip - 0.02, -0.44)], 0.06, trousers)

    centre, radius = np.array([0.0, -0.89]), 0.11
    points: dict[str, tuple[npt.NDArray[np.float64], bool]] = {}
    for name, azimuth, height, distance in (
        ("nose", 0, 0.012, 1.0),
        ("left_eye", 34, -0.02, 0.95),
        ("right_eye", -34, -0.02, 0.95),
        ("left_ear", 90, 0.0, 1.0),
        ("right_ear", -90, 0.0, 1.0),
    ):
        position = _beside(centre, across(azimuth, radius * distance), height)
        points[name] = (position, nearness(azimuth) > (-0.75 if "ear" in name else 0.05))
    for name in ("left_ear", "right_ear"):
        if points[name][1]:
            pen.circle(points[name][0], 0.024, shade(skin, 0.88))
    pen.circle(centre, radius, skin)
    _hair_and_hat(pen, random, centre, radius, hair, across(180, 1.0), nearness(0))
    for name in ("left_ear", "right_ear"):  # an ear turned towards us lies on the head
        if nearness(90 if name == "left_ear" else -90) > 0.2:
            pen.circle(points[name][0], 0.024, shade(skin, 0.84))
    for name in ("left_eye", "right_eye"):
        if points[name][1]:
            pen.circle(points[name][0], 0.026, _PAPER)
            pen.circle(points[name][0], 0.016, _INK)
    if points["nose"][1]:
        pen.circle(points["nose"][0], 0.018, shade(skin, 0.72))
        mouth = _beside(centre, across(0, radius * 0.8), 0.04)
        pen.stroke(arc(mouth, (0.034, 0.02), start=10, stop=170), 0.012, (150, 52, 50))
    draw_arm(near)

    for name, limbs in (("shoulder elbow wrist", arms), ("hip knee ankle", legs)):
        for joint, index in zip(name.split(), range(3), strict=True):
            points[f"left_{joint}"] = (limbs[1][index], True)
            points[f"right_{joint}"] = (limbs[-1][index], True)
    pixels = pen.to_pixels([points[name][0] for name in KEYPOINTS])
    seen = np.array([[float(points[name][1])] for name in KEYPOINTS])
    return np.concatenate([pixels, seen], axis=1)


def _beside(points: npt.NDArray[np.float64], x: float, y: float) -> npt.NDArray[np.float64]:
    return np.asarray(points + np.array([x, y]))


def _limb(
    start: npt.NDArray[np.float64],
    lengths: tuple[float, float],
    first: float,
    second: float,
    outward: float,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Three joints of a limb; its two angles are degrees away from hanging straight down."""
    middle = start + lengths[0] * _direction(first, outward)
    return start, middle, middle + lengths[1] * _direction(second, outward)


def _direction(degrees: float, outward: float) -> npt.NDArray[np.float64]:
    return np.array([outward * np.sin(np.radians(degrees)), np.cos(np.radians(degrees))])


def _hair_and_hat(
    pen: Pen,
    random: Random,
    centre: npt.NDArray[np.float64],
    radius: float,
    hair: Colour,
    behind: float,
    facing: float,
) -> None:
    """Cover the head: a fringe seen from the front, all of it from behind, perhaps a hat."""
    grown = radius * 1.06
    if facing < -0.2:
        pen.circle(centre, grown, hair)
    else:
        pen.ellipse(centre, (grown, grown), hair, start=195 + 40 * behind, stop=345 + 40 * behind)
        if abs(behind) > 0.5:
            back = _beside(centre, behind * radius * 0.6, 0.0)
            pen.ellipse(back, (radius * 0.5, radius * 0.95), hair)
    if random.random() < 0.3:
        hat = pick(random)
        top = _beside(centre, 0, -0.035)
        pen.ellipse(top, (grown, grown * 0.85), hat, start=180, stop=360)
        pen.stroke([_beside(top, -0.14, 0.0), _beside(top, 0.14, 0.0)], 0.022, shade(hat, 0.8))


def car(pen: Pen, random: Random) -> None:
    """A car from the side; one unit is its length."""
    paint = pick(random)
    glass = (176, 212, 226)
    roof = random.uniform(0.40, 0.5)
    front, back = random.choice([0.16, 0.26]), random.choice([0.34, 0.46])
    pen.fill(
        [(-back, -0.25), (-back + 0.09, -roof), (front - 0.06, -roof), (front + 0.06, -0.25)],
        shade(paint, 0.9),
    )
    pen.fill(
        [
            (-back + 0.045, -0.265),
            (-back + 0.105, -roof + 0.03),
            (-0.08, -roof + 0.03),
            (-0.08, -0.265),
        ],
        glass,
    )
    pen.fill(
        [
            (-0.05, -0.265),
            (-0.05, -roof + 0.03),
            (front - 0.08, -roof + 0.03),
            (front + 0.015, -0.265),
        ],
        glass,
    )
    pen.fill(
        [
            (-0.5, -0.23),
            (-0.46, -0.28),
            (0.32, -0.28),
            (0.47, -0.22),
            (0.5, -0.16),
            (0.5, -0.07),
            (-0.5, -0.07),
        ],
        paint,
    )
    pen.stroke([(-0.48, -0.085), (0.48, -0.085)], 0.03, shade(paint, 0.7))
    pen.stroke([(-0.065, -0.27), (-0.065, -0.09)], 0.008, shade(paint, 0.65))
    pen.stroke([(-0.03, -0.22), (0.03, -0.22)], 0.014, shade(paint, 0.6))
    pen.ellipse((0.465, -0.185), (0.03, 0.024), (255, 240, 170))
    pen.ellipse((-0.48, -0.19), (0.018, 0.03), (190, 40, 40))
    for x in (-0.28, 0.28):
        pen.circle((x, -0.09), 0.092, _INK)
        pen.circle((x, -0.09), 0.05, (190, 194, 200))
        pen.circle((x, -0.09), 0.018, (90, 92, 98))


def boat(pen: Pen, random: Random) -> None:
    """A sailing boat or a small steamer; one unit is its height."""
    paint, second = two_colours(random)
    hull = [(-0.42, -0.24), (0.46, -0.24), (0.3, 0.0), (-0.32, 0.0)]
    if random.random() < 0.65:
        pen.stroke([(0, -0.24), (0, -0.98)], 0.025, (120, 82, 52))
        sail = second if random.random() < 0.5 else _PAPER
        pen.fill([(0.03, -0.96), (0.03, -0.3), (0.4, -0.3)], sail)
        pen.fill([(-0.03, -0.88), (-0.03, -0.3), (-0.32, -0.3)], shade(sail, 0.86))
        pen.fill([(0.0, -1.0), (0.0, -0.93), (-0.13, -0.965)], paint)
    else:
        pen.fill([(-0.26, -0.24), (-0.26, -0.5), (0.2, -0.5), (0.2, -0.24)], _PAPER)
        pen.fill([(-0.02, -0.5), (-0.02, -0.78), (0.13, -0.78), (0.13, -0.5)], second)
        pen.fill([(-0.02, -0.78), (-0.02, -0.72), (0.13, -0.72), (0.13, -0.78)], _INK)
        for x in (-0.17, -0.02, 0.12):
            pen.circle((x, -0.37), 0.045, (96, 150, 180))
    pen.fill(hull, paint)
    pen.fill([(-0.42, -0.24), (0.46, -0.24), (0.44, -0.19), (-0.4, -0.19)], shade(paint, 1.3))
    pen.stroke([(-0.34, -0.035), (0.33, -0.035)], 0.04, shade(paint, 0.65))


def traffic_light(pen: Pen, random: Random) -> None:
    """The housing of a traffic light without its pole; one unit is its height."""
    housing: Colour = pick(random, ((44, 46, 50), (58, 64, 60), (226, 178, 48)))
    pen.fill([(-0.21, 0.0), (-0.21, -1.0), (0.21, -1.0), (0.21, 0.0)], housing)
    pen.stroke(
        [(-0.2, -0.01), (-0.2, -0.99), (0.2, -0.99), (0.2, -0.01), (-0.2, -0.01)],
        0.03,
        shade(housing, 0.7),
    )
    lamps: tuple[Colour, ...] = ((240, 58, 46), (250, 196, 50), (70, 214, 110))
    lit = int(random.integers(3))
    for index, lamp in enumerate(lamps):
        centre = (0.0, -0.82 + 0.32 * index)
        pen.ellipse((0, centre[1] - 0.02), (0.165, 0.165), shade(housing, 0.5))
        pen.circle(centre, 0.135, lamp if index == lit else shade(lamp, 0.34))
        if index == lit:
            pen.circle((-0.04, centre[1] - 0.04), 0.045, shade(lamp, 1.35))


def stop_sign(pen: Pen, random: Random) -> None:
    """The octagon without its pole; one unit is its height."""
    red = pick(random, ((204, 36, 40),))
    middle = np.array([0.0, -0.5])
    corners = np.radians(np.arange(22.5, 360, 45))
    octagon = np.stack([np.cos(corners), np.sin(corners)], axis=1)
    pen.fill(middle + octagon * 0.54, _PAPER)
    pen.fill(middle + octagon * 0.48, red)
    letters = (
        [(0.9, 0.1), (0.2, 0.0), (0.1, 0.4), (0.9, 0.6), (0.8, 1.0), (0.1, 0.9)],
        [(0.0, 0.0), (1.0, 0.0), (0.5, 0.0), (0.5, 1.0)],
        [(0.5, 0.0), (0.95, 0.3), (0.95, 0.7), (0.5, 1.0), (0.05, 0.7), (0.05, 0.3), (0.5, 0.0)],
        [(0.1, 1.0), (0.1, 0.0), (0.9, 0.05), (0.9, 0.5), (0.1, 0.55)],
    )
    for index, letter in enumerate(letters):
        corner = (-0.37 + 0.2 * index, -0.64)
        pen.stroke(np.array(letter) * (0.14, 0.28) + corner, 0.05, _PAPER)


def bird(pen: Pen, random: Random, flying: bool = False) -> None:
    """A bird standing or in flight; one unit is about its length."""
    body = pick(random)
    wing = shade(body, 0.68)
    if not flying:
        for x in (-0.03, 0.06):
            pen.stroke([(x, -0.25), (x, 0.0)], 0.025, (214, 140, 50))
    middle = -0.42
    pen.fill([(-0.2, middle + 0.05), (-0.5, middle - 0.13), (-0.46, middle + 0.06)], wing)
    if flying:
        pen.fill(
            [(-0.12, middle), (0.12, middle), (0.0, middle - 0.2), (-0.24, middle - 0.52)],
            shade(wing, 0.8),
        )
    pen.ellipse((0.0, middle), (0.28, 0.185), body, tilt=-12)
    pen.ellipse((0.04, middle + 0.06), (0.19, 0.11), shade(body, 1.35), tilt=-12)
    pen.circle((0.25, middle - 0.15), 0.13, body)
    pen.fill([(0.35, middle - 0.2), (0.5, middle - 0.13), (0.35, middle - 0.09)], (240, 170, 50))
    pen.circle((0.285, middle - 0.18), 0.032, _PAPER)
    pen.circle((0.292, middle - 0.18), 0.02, _INK)
    if flying:
        up = random.choice([-1.0, 1.0])
        pen.fill(
            [
                (-0.14, middle - 0.02),
                (0.14, middle - 0.02),
                (0.02, middle - 0.24 * up),
                (-0.22, middle - 0.5 * up),
            ],
            wing,
        )
    else:
        pen.ellipse((-0.06, middle - 0.01), (0.18, 0.11), wing, tilt=10)


def umbrella(pen: Pen, random: Random) -> None:
    """An open umbrella on its stick; one unit is its height."""
    first, second = two_colours(random)
    pen.stroke([(0, 0), (0, -0.95)], 0.035, (126, 88, 56))
    if random.random() < 0.5:
        pen.stroke(arc((0.06, 0.0), (0.06, 0.06), start=0, stop=180), 0.035, (126, 88, 56))
    radius, rim = random.uniform(0.52, 0.62), -0.52
    pen.stroke([(0, -0.94), (0, -1.0)], 0.03, _INK)
    edges = np.cos(np.radians(np.linspace(180, 0, 6))) * radius
    for index in range(5):
        left, right = edges[index], edges[index + 1]
        colour = first if index % 2 == 0 else second
        outline = [arc((0, rim), (x, 0.43), start=0, stop=-90) for x in (left, right)]
        scallop = arc(((left + right) / 2, rim), ((right - left) / 2, 0.05), start=0, stop=-180)
        pen.fill(np.concatenate([outline[0], outline[1][::-1], scallop]), colour)


def sports_ball(pen: Pen, random: Random) -> None:
    """A football, basketball, tennis ball, beach ball or volleyball; one unit is its diameter."""
    middle, radius = np.array([0.0, -0.5]), 0.5
    turn = random.uniform(0, 360)
    kind = random.choice(["football", "basketball", "tennis", "beach", "volley"])
    if kind == "football":
        pen.circle(middle, radius, (244, 244, 240))
        corners = np.radians(np.arange(0, 360, 72) + turn)
        star = np.stack([np.cos(corners), np.sin(corners)], axis=1)
        pen.fill(middle + star * 0.19, _INK)
        for point, angle in zip(star, np.degrees(corners), strict=True):
            pen.stroke([middle + point * 0.17, middle + point * 0.36], 0.035, _INK)
            patch = arc(middle, (radius, radius), start=angle - 17, stop=angle + 17)
            pen.fill(np.concatenate([patch, [middle + point * 0.34]]), _INK)
    elif kind == "beach":
        first, second = two_colours(random)
        for index, start in enumerate(np.arange(0, 360, 60) + turn):
            colour = (first, _PAPER, second)[index % 3]
            wedge = arc(middle, (radius, radius), start=start, stop=start + 60)
            pen.fill(np.concatenate([wedge, [_beside(middle, -0.1, -0.08)]]), colour)
        pen.circle(_beside(middle, -0.1, -0.08), 0.08, _PAPER)
    else:
        ball, seam = {
            "basketball": ((222, 116, 44), (74, 44, 30)),
            "tennis": ((204, 222, 62), (250, 250, 240)),
            "volley": ((240, 214, 92), (52, 92, 160)),
        }[str(kind)]
        pen.circle(middle, radius, ball)
        round_pen = pen.moved(0.0, -0.5, angle=float(np.radians(turn)))
        if kind != "tennis":
            round_pen.stroke([(-0.48, 0), (0.48, 0)], 0.04, seam)
            round_pen.stroke([(0, -0.48), (0, 0.48)], 0.04, seam)
        width = 0.06 if kind == "tennis" else 0.04
        for side, start in ((-1, -52), (1, 128)):
            curve = arc((0.62 * side, 0), (0.45, 0.45), start=start, stop=start + 104)
            round_pen.stroke(curve, width, seam)
    pen.circle(_beside(middle, -0.2, -0.22), 0.055, (255, 255, 250))


def kite(pen: Pen, random: Random) -> None:
    """A diamond with a tail of bows; one unit is its height with the tail."""
    first, second = two_colours(random)
    width, sway = random.uniform(0.24, 0.32), random.uniform(-0.16, 0.16)
    steps = np.linspace(0, 1, 9)
    tail = np.stack([sway * np.sin(steps * 6), -0.4 + 0.4 * steps], axis=1)
    pen.stroke(tail, 0.02, shade(first, 0.7))
    for index in (2, 5, 8):
        x, y = tail[index]
        bow = [(-0.06, -0.04), (0.06, 0.04), (0.06, -0.04), (-0.06, 0.04)]
        pen.fill(_beside(np.array(bow), x, y), first if index == 5 else second)
    top, bottom, middle = (0.0, -1.0), (0.0, -0.38), -0.76
    pen.fill([top, (-width, middle), (0, middle)], first)
    pen.fill([top, (width, middle), (0, middle)], second)
    pen.fill([bottom, (-width, middle), (0, middle)], second)
    pen.fill([bottom, (width, middle), (0, middle)], first)
    pen.stroke([(-width, middle), (width, middle)], 0.016, shade(first, 0.55))
    pen.stroke([top, bottom], 0.016, shade(first, 0.55))


def apple(pen: Pen, random: Random) -> None:
    """An apple with stem and leaf; one unit is its height."""
    skin = pick(random, ((206, 44, 44), (206, 44, 44), (140, 184, 62), (226, 190, 72)))
    for x in (-0.16, 0.16):
        pen.ellipse((x, -0.42), (0.3, 0.38), skin)
    pen.ellipse((0, -0.36), (0.3, 0.34), skin)
    pen.ellipse((0.2, -0.36), (0.2, 0.3), shade(skin, 0.86))
    pen.ellipse((0.0, -0.76), (0.1, 0.035), shade(skin, 0.6))
    pen.stroke([(0, -0.75), (0.04, -0.95)], 0.05, (104, 70, 42))
    pen.ellipse((0.2, -0.9), (0.17, 0.075), (86, 150, 66), tilt=-18)
    pen.ellipse((-0.22, -0.55), (0.06, 0.1), shade(skin, 1.5), tilt=20)


def potted_plant(pen: Pen, random: Random) -> None:
    """A plant, a cactus or flowers in a pot; one unit is its height."""
    clay = pick(random, ((190, 100, 62), (190, 100, 62), (220, 212, 200), (74, 120, 160)))
    green = pick(random, ((70, 140, 70), (104, 164, 74), (50, 112, 84)))
    kind = random.choice(["leaves", "cactus", "flowers"])
    if kind == "cactus":
        pen.stroke([(0, -0.35), (0, -0.9)], 0.2, green)
        for side, height in ((-1, -0.56), (1, -0.66)):
            elbow = (0.19 * side, height)
            pen.stroke([(0, height), elbow, (0.19 * side, height - 0.15)], 0.11, green)
        pen.stroke([(-0.03, -0.4), (-0.03, -0.9)], 0.02, shade(green, 1.4))
    else:
        petals = pick(random)
        for index, degrees in enumerate(np.linspace(-58, 58, 6 if kind == "leaves" else 5)):
            length = random.uniform(0.4, 0.58)
            tip = np.array([0.0, -0.36]) + length * _direction(180 - degrees, 1.0)
            if kind == "leaves":
                middle = _beside(tip, 0.0, -0.36) / 2
                colour = shade(green, 0.82 if index % 2 else 1.1)
                pen.ellipse(middle, (length / 2 + 0.03, 0.085), colour, tilt=degrees - 90)
            else:
                pen.stroke([(0.0, -0.36), tuple(tip)], 0.025, green)
                pen.ellipse(_beside(tip, 0.0, -0.36) / 2, (0.09, 0.04), green, tilt=degrees)
                for petal in np.radians(np.arange(0, 360, 72)):
                    leaf = tip + 0.065 * np.array([np.cos(petal), np.sin(petal)])
                    pen.circle(leaf, 0.05, petals)
                pen.circle(tip, 0.045, (250, 214, 80))
    pen.fill([(-0.24, -0.34), (0.24, -0.34), (0.17, 0.0), (-0.17, 0.0)], clay)
    pen.fill([(0.08, -0.34), (0.24, -0.34), (0.17, 0.0), (0.05, 0.0)], shade(clay, 0.85))
    pen.fill([(-0.28, -0.4), (0.28, -0.4), (0.28, -0.32), (-0.28, -0.32)], shade(clay, 1.12))


def clock(pen: Pen, random: Random) -> None:
    """A clock face; one unit is its height."""
    rim = pick(random)
    face = pick(random, (_PAPER, _PAPER, (236, 224, 196), (214, 230, 236)))
    middle = np.array([0.0, -0.5])
    if random.random() < 0.75:
        pen.circle(middle, 0.5, rim)
        pen.circle(middle, 0.42, face)
    else:
        pen.fill([(-0.5, 0), (-0.5, -1), (0.5, -1), (0.5, 0)], rim)
        pen.fill([(-0.42, -0.08), (-0.42, -0.92), (0.42, -0.92), (0.42, -0.08)], face)
    for hour in range(12):
        outward = _direction(30.0 * hour, 1.0)
        inner = 0.3 if hour % 3 == 0 else 0.34
        pen.stroke([middle + outward * inner, middle + outward * 0.37], 0.035, _INK)
    for length, width in ((0.2, 0.06), (0.31, 0.04)):
        hand = _direction(random.uniform(0, 360), 1.0)
        pen.stroke([middle, middle + hand * length], width, _INK)
    pen.circle(middle, 0.045, shade(rim, 0.8))


def pole(pen: Pen, height: float, width: float) -> None:
    """A post from the foot up; sizes in units of the pen."""
    pen.stroke([(0, 0), (0, -height)], width, _POLE)
    pen.stroke([(width * 0.22, 0), (width * 0.22, -height)], width * 0.3, shade(_POLE, 0.75))


DRAWERS: dict[int, Callable[[Pen, Random], object]] = {
    1: person,
    3: car,
    9: boat,
    10: traffic_light,
    13: stop_sign,
    16: bird,
    28: umbrella,
    37: sports_ball,
    38: kite,
    53: apple,
    64: potted_plant,
    85: clock,
}
"""COCO category id to the function that draws one."""
