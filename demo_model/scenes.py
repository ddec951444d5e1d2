"""Draws the synthetic scenes, each from a seed, with what a COCO annotation would say of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt

from demo_model import things
from demo_model.canvas import SUPERSAMPLE, Canvas, Colour, Pen, shade
from demo_model.things import Random
from tfzoo.detections.labels import KEYPOINTS

PERSON, STOP_SIGN, BIRD, UMBRELLA, KITE = 1, 13, 16, 28, 38
_MIN_VISIBLE_SHARE = 0.45
"""A thing that others hide further than this is not drawn over any more."""
_MIN_VISIBLE_PIXELS = 60.0


@dataclass(frozen=True)
class Scene:
    """A picture and what is in it.

    Attributes:
        image: uint8 [H, W, 3], RGB.
        category_ids: int32 [N], COCO category ids.
        boxes: float32 [N, 4], x0, y0, x1, y1 of the visible part, pixels.
        areas: float32 [N], visible square pixels.
        keypoints: float32 [N, 17, 3], x, y and COCO's visibility (0 not labelled, 1 hidden,
            2 visible), pixels; zeros for what is not a person.
    """

    image: npt.NDArray[np.uint8]
    category_ids: npt.NDArray[np.int32]
    boxes: npt.NDArray[np.float32]
    areas: npt.NDArray[np.float32]
    keypoints: npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Place:
    """Where things may stand: the zones of a theme, heights in pixels from the top.

    Attributes:
        sky: how far down flying and hanging things may reach.
        water: top and bottom of the water, or None.
        ground: top of the ground; the picture's lower edge is its other end.
        flying, floating, standing: category ids that fit each zone.
        clutter: what stands about without being annotated.
    """

    sky: float
    water: tuple[float, float] | None
    ground: float
    flying: tuple[int, ...]
    floating: tuple[int, ...]
    standing: tuple[int, ...]
    clutter: tuple[Callable[[Pen, Random], None], ...]


_SIZES: dict[int, tuple[float, float]] = {
    1: (0.48, 0.72),
    3: (0.42, 0.66),
    9: (0.16, 0.42),
    10: (0.16, 0.30),
    13: (0.12, 0.22),
    16: (0.14, 0.24),
    28: (0.30, 0.46),
    37: (0.11, 0.2),
    38: (0.24, 0.44),
    53: (0.11, 0.19),
    64: (0.20, 0.36),
    85: (0.12, 0.24),
}
"""Range of a thing's unit (see its drawer) in the foreground, as a share of the shorter side."""
_ON_POLES = {10: 0.36, 13: 0.36, 85: 0.4}
"""Things on a pole when they stand on the ground, and the pole's height, same shares."""


def draw_scene(*seed: int) -> Scene:
    """Draw one scene.

    Args:
        seed: whole numbers; the same ones give the same scene, bit by bit.

    Returns:
        The scene; sides of 240 to 400 pixels, never square.
    """
    random = np.random.default_rng(seed)
    width, height = (int(side) for side in random.integers(240, 401, 2))
    if abs(width - height) < 16:
        width = 400 if width >= 320 else 240
        height = 300 if height == width else height
    canvas = Canvas(height, width)
    theme = _THEMES[random.choice(len(_THEMES), p=(0.3, 0.3, 0.25, 0.15))]
    place = theme(canvas, random)
    _texture(canvas.image, random, random.uniform(1, 7))
    stage = _Stage(canvas, random)
    stage.fill(place)
    image = _photograph(canvas.finished(), random)
    return _annotate(image, stage)


class _Stage:
    """The things drawn so far, from back to front.

    Attributes:
        canvas: where they are drawn.
        random: the source of every choice.
        categories: category id of each thing; thing n has owner number n + 1.
        keypoints: of each thing, None where it is not a person.
    """

    def __init__(self, canvas: Canvas, random: Random) -> None:
        self.canvas = canvas
        self.random = random
        self.categories: list[int] = []
        self.keypoints: list[things.Keypoints | None] = []
        self._full_sizes: list[int] = []
        self._feet: list[tuple[float, float]] = []
        self._kite_end: npt.NDArray[np.float64] | None = None

    @property
    def shorter(self) -> int:
        """The shorter side of the picture, pixels."""
        return min(self.canvas.height, self.canvas.width)

    def fill(self, place: _Place) -> None:
        """Put things into every zone of the place."""
        random, canvas = self.random, self.canvas
        for _ in range(random.integers(1, 4) if place.flying else 0):
            self._hang(int(random.choice(place.flying)), place.sky)
        if place.water is not None:
            top, bottom = place.water
            for foot in np.sort(random.uniform(top, bottom, random.integers(1, 4))):
                category = int(random.choice(place.floating))
                scale = self._unit(category) * (0.6 + 0.6 * (foot - top) / (bottom - top))
                self._attempt(category, self._draw_with(category, self._pen(foot, scale)))
        bottom = canvas.height * 1.04
        weights = np.array([3.5 if category == PERSON else 1.0 for category in place.standing])
        for foot in np.sort(random.uniform(place.ground, bottom, random.integers(5, 11))):
            nearness = 0.52 + 0.6 * (foot - place.ground) / (bottom - place.ground)
            if random.random() < 0.2:
                clutter = place.clutter[random.integers(len(place.clutter))]
                pen = self._pen(foot, nearness * self.shorter * 0.3)
                self._attempt(None, partial(clutter, pen, random))
                continue
            category = int(random.choice(place.standing, p=weights / weights.sum()))
            self._stand(category, foot, nearness)

    def _attempt(self, category: int | None, draw: Callable[[], object]) -> bool:
        """Draw one thing (None: clutter); undo it if it is unseen or hides others too much."""
        canvas = self.canvas
        image, owners = canvas.image.copy(), canvas.owners.copy()
        number = len(self.categories) + 1
        canvas.owner = number if category is not None else 0
        points = draw()
        canvas.owner = 0
        counts = cv2.calcHist([canvas.owners], [0], None, [256], [0, 256]).ravel()
        least = _MIN_VISIBLE_PIXELS * SUPERSAMPLE**2 if category is not None else 0
        hidden = any(
            counts[other + 1] < _MIN_VISIBLE_SHARE * full
            for other, full in enumerate(self._full_sizes)
        )
        if hidden or counts[number] < least:
            canvas.image, canvas.owners = image, owners
            return False
        if category is not None:
            self.categories.append(category)
            self.keypoints.append(points if isinstance(points, np.ndarray) else None)
            self._full_sizes.append(int(counts[number]))
        return True

    def _unit(self, category: int) -> float:
        return float(self.random.uniform(*_SIZES[category]) * self.shorter)

    def _pen(self, foot: float, scale: float, tilt: float = 0.06) -> Pen:
        """A pen at the given height, where there is still most room from left to right."""
        choices = self.random.uniform(0.03, 0.97, 3) * self.canvas.width
        room = [
            min((abs(x - other) + abs(foot - y) for other, y in self._feet), default=0.0)
            for x in choices
        ]
        x = float(choices[int(np.argmax(room))])
        self._feet.append((x, foot))
        angle = float(np.clip(self.random.normal(0, tilt), -0.3, 0.3))
        return Pen(self.canvas, x, foot, scale, angle, bool(self.random.random() < 0.5))

    def _draw_with(self, category: int, pen: Pen) -> Callable[[], object]:
        return lambda: things.DRAWERS[category](pen, self.random)

    def _hang(self, category: int, lowest: float) -> None:
        """Put a thing into the sky or onto the wall."""
        scale = self._unit(category)
        foot = self.random.uniform(min(scale * 0.9, lowest), max(lowest, scale))
        pen = self._pen(foot, scale, tilt=0.25 if category == KITE else 0.05)
        draw = self._draw_with(category, pen)
        if category == BIRD:
            draw = partial(things.bird, pen, self.random, flying=True)
        if self._attempt(category, draw) and category == KITE:
            self._kite_end = pen.to_pixels([(0.0, -0.4)])[0]

    def _stand(self, category: int, foot: float, nearness: float) -> None:
        """Put a thing on the ground, with its shadow, its pole, or what a person holds up."""
        canvas, random = self.canvas, self.random
        pen = self._pen(foot, self._unit(category) * nearness)
        if category in (PERSON, STOP_SIGN):  # a mirror would swap left and right, and letters
            pen = replace(pen, mirrored=False)
        height = _ON_POLES.get(category, 0.0) * self.shorter * nearness * random.uniform(0.7, 1.1)
        holds = category == PERSON and random.random() < 0.4

        def draw() -> object:
            canvas.darken(pen.x, pen.y, (pen.scale * 0.2 + 3, pen.scale * 0.04 + 1), 0.78)
            if category == PERSON:
                return things.person(pen, random, raised_arm=holds)
            if not height:
                return things.DRAWERS[category](pen, random)
            number, canvas.owner = canvas.owner, 0
            things.pole(pen, height / pen.scale, 0.02 * self.shorter / pen.scale)
            canvas.owner = number
            return things.DRAWERS[category](pen.moved(0.0, -height / pen.scale), random)

        if not self._attempt(category, draw) or not holds:
            return
        points = self.keypoints[-1]
        assert points is not None
        wrist = points[KEYPOINTS.index("left_wrist"), :2]
        if self._kite_end is not None:
            canvas.owner = None
            canvas.stroke(np.stack([wrist, self._kite_end]), 0.7, (90, 84, 84))
            canvas.owner = 0
        else:
            hand = Pen(canvas, wrist[0], wrist[1], pen.scale * 0.62, random.normal(0, 0.12))
            self._attempt(UMBRELLA, self._draw_with(UMBRELLA, hand.moved(0.0, 0.12)))


def _annotate(image: npt.NDArray[np.uint8], stage: _Stage) -> Scene:
    """Read the visible part of every thing off the canvas."""
    owners = stage.canvas.owners
    height, width = image.shape[:2]
    boxes, areas, all_keypoints = [], [], []
    for number, points in enumerate(stage.keypoints, start=1):
        visible = (owners == number).astype(np.uint8)
        x, y, box_width, box_height = cv2.boundingRect(visible)
        keypoints = np.zeros((17, 3), np.float32)
        if points is not None:
            inside = (points[:, 2] > 0) & (points[:, :2] >= 0).all(axis=1)
            inside &= (points[:, :2] < (width, height)).all(axis=1)
            at = (points[inside, :2] * SUPERSAMPLE).astype(int)
            keypoints[inside, :2] = points[inside, :2]
            keypoints[inside, 2] = 1 + visible[at[:, 1], at[:, 0]]
        boxes.append(np.array([x, y, x + box_width, y + box_height]) / SUPERSAMPLE)
        areas.append(cv2.countNonZero(visible) / SUPERSAMPLE**2)
        all_keypoints.append(keypoints)
    return Scene(
        image,
        np.array(stage.categories, np.int32),
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(areas, np.float32),
        np.array(all_keypoints, np.float32).reshape(-1, 17, 3),
    )


# ---- light and camera -------------------------------------------------------------------------


def _texture(image: npt.NDArray[np.uint8], random: Random, strength: float) -> None:
    """Add soft blotches of two sizes, so that no background is flat."""
    height, width = image.shape[:2]
    blotches = np.zeros((height, width), np.float32)
    for cell in (8, 40):
        coarse = random.normal(0, strength, (height // cell + 2, width // cell + 2))
        blotches += cv2.resize(
            coarse.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
        )
    lifted = cv2.add(image, cv2.merge([blotches] * 3), dtype=cv2.CV_8U)
    image[:] = lifted


def _photograph(image: npt.NDArray[np.uint8], random: Random) -> npt.NDArray[np.uint8]:
    """Light of some time of day, from some side; a little blur and noise."""
    height, width = image.shape[:2]
    tints = ((1.0, 1.0, 1.0), (1.06, 1.0, 0.9), (0.92, 0.96, 1.04), (1.08, 0.92, 0.82))
    dusk = (0.62, 0.68, 0.86)
    tint = np.array(dusk if random.random() < 0.1 else tints[random.integers(len(tints))])
    gain = tint * random.uniform(0.82, 1.1)
    slope_x, slope_y = random.uniform(-0.14, 0.14, 2)
    across = np.linspace(-slope_x, slope_x, width, dtype=np.float32)[None]
    down = np.linspace(-slope_y, slope_y, height, dtype=np.float32)[:, None]
    light = cv2.multiply(image, cv2.merge([1 + across + down] * 3), dtype=cv2.CV_32F)
    lit = cv2.multiply(light, np.array([*gain, 1.0]))
    if random.random() < 0.3:
        lit = cv2.GaussianBlur(lit, (0, 0), random.uniform(0.4, 0.9))
    grain = random.standard_normal((height, width), np.float32) * np.float32(random.uniform(0, 4))
    return np.asarray(cv2.add(lit, cv2.merge([grain] * 3), dtype=cv2.CV_8U), np.uint8)


# ---- scenery ----------------------------------------------------------------------------------


def _gradient(canvas: Canvas, top: float, bottom: float, first: Colour, last: Colour) -> None:
    """Paint rows ``top`` to ``bottom`` (pixels) from one colour to another."""
    start, stop = max(int(top * SUPERSAMPLE), 0), int(bottom * SUPERSAMPLE)
    steps = np.linspace(0, 1, max(stop - start, 1))[:, None]
    colours = np.array(first) * (1 - steps) + np.array(last) * steps
    rows = canvas.image[start:stop]
    rows[:] = colours[: rows.shape[0], None].astype(np.uint8)


def _sky(canvas: Canvas, random: Random, horizon: float) -> None:
    high, low = (
        ((104, 170, 226), (206, 230, 242)),
        ((138, 192, 232), (240, 236, 220)),
        ((244, 172, 120), (250, 224, 178)),
        ((176, 186, 200), (218, 222, 226)),
    )[random.choice(4, p=(0.4, 0.25, 0.2, 0.15))]
    _gradient(canvas, 0, horizon + 2, high, low)
    if random.random() < 0.4:
        pen = Pen(canvas, random.uniform(0, 1) * canvas.width, horizon * 0.35, horizon * 0.22)
        pen.circle((0, 0), 0.5, (255, 238, 170))
    for _ in range(random.integers(0, 5)):
        cloud = Pen(
            canvas,
            random.uniform(0, 1) * canvas.width,
            random.uniform(0.05, 0.7) * horizon,
            random.uniform(0.12, 0.3) * canvas.width,
        )
        for x, y, radius in (
            (-0.24, 0.0, 0.14),
            (0.0, -0.06, 0.2),
            (0.24, 0.0, 0.15),
            (0, 0.05, 0.14),
        ):
            cloud.ellipse((x, y), (radius * 1.3, radius * 0.8), (250, 250, 252))


def _hills(canvas: Canvas, random: Random, horizon: float, colour: Colour) -> None:
    xs = np.linspace(0, canvas.width, 24)
    for layer in range(2):
        waves = np.sin(xs / canvas.width * random.uniform(4, 9) + random.uniform(0, 4))
        ys = horizon - canvas.height * (0.09 - 0.05 * layer) * (1.1 + waves)
        outline = [*zip(xs, ys, strict=True), (canvas.width, horizon + 3), (0, horizon + 3)]
        canvas.fill(np.array(outline), shade(colour, 1.15 - 0.2 * layer))


def _scatter(
    canvas: Canvas,
    random: Random,
    top: float,
    count: int,
    draw: Callable[[Pen, Random], None],
    size: float,
) -> None:
    """Small scenery over the ground, larger towards the front."""
    feet = np.sort(random.uniform(top, canvas.height, count))
    for foot in feet:
        nearness = 0.4 + (foot - top) / (canvas.height - top)
        pen = Pen(
            canvas, random.uniform(0, 1) * canvas.width, foot, size * canvas.height * nearness
        )
        draw(pen, random)


def _tuft(pen: Pen, random: Random) -> None:
    green = (78 + int(random.integers(30)), 140, 66)
    for lean in (-0.5, 0.0, 0.5):
        pen.stroke([(lean * 0.3, 0), (lean, -1)], 0.16, green)


def _flower(pen: Pen, random: Random) -> None:
    colour = things.pick(random)
    pen.stroke([(0, 0), (0, -1)], 0.14, (78, 132, 62))
    pen.circle((0, -1), 0.34, colour)
    pen.circle((0, -1), 0.13, (250, 220, 90))


def _pebble(pen: Pen, random: Random) -> None:
    pen.ellipse((0, -0.2), (0.6, 0.3), shade((200, 184, 160), random.uniform(0.7, 1.1)))


def _tree(pen: Pen, random: Random) -> None:
    pen.stroke([(0, 0), (0, -0.7)], 0.16, (112, 78, 52))
    green = shade((76, 140, 72), random.uniform(0.75, 1.15))
    if random.random() < 0.5:
        for x, y, radius in ((-0.28, -0.85, 0.32), (0.28, -0.85, 0.32), (0, -1.2, 0.4)):
            pen.circle((x, y), radius, green)
        pen.circle((-0.1, -1.3), 0.2, shade(green, 1.15))
    else:
        for y in (-0.35, -0.7, -1.05):
            pen.fill([(-0.48, y), (0.48, y), (0, y - 0.62)], shade(green, 0.9))


def _palm(pen: Pen, random: Random) -> None:
    pen.stroke([(0, 0), (0.06, -0.6), (0.18, -1.2)], 0.11, (150, 112, 74))
    for degrees in range(0, 360, 51):
        direction = np.array([np.cos(np.radians(degrees)), 0.6 * np.sin(np.radians(degrees))])
        leaf = np.array([0.18, -1.22]) + direction * 0.3
        pen.ellipse(
            leaf, (0.32, 0.07), (70, 140, 80), tilt=-degrees * 0.8 if degrees < 180 else degrees
        )


def _bush(pen: Pen, random: Random) -> None:
    green = shade((92, 150, 80), random.uniform(0.75, 1.1))
    for x, y, radius in ((-0.35, -0.2, 0.26), (0.35, -0.2, 0.26), (0, -0.3, 0.36)):
        pen.circle((x, y), radius, green)
    for x in (-0.3, 0.05, 0.3):
        pen.circle((x, -0.3), 0.05, shade(green, 1.25))


def _crate(pen: Pen, random: Random) -> None:
    wood = shade((186, 140, 92), random.uniform(0.8, 1.1))
    pen.fill([(-0.3, 0), (-0.3, -0.55), (0.3, -0.55), (0.3, 0)], wood)
    for y in (-0.04, -0.28, -0.51):
        pen.stroke([(-0.28, y), (0.28, y)], 0.05, shade(wood, 0.72))


def _fence(pen: Pen, random: Random) -> None:
    paint = shade((236, 230, 218), random.uniform(0.7, 1.0))
    for y in (-0.14, -0.34):
        pen.stroke([(-0.7, y), (0.7, y)], 0.06, shade(paint, 0.86))
    for x in np.linspace(-0.65, 0.65, 6):
        pen.stroke([(x, 0), (x, -0.48)], 0.08, paint)


def _lamp(pen: Pen, random: Random) -> None:
    things.pole(pen, 1.9, 0.07)
    pen.circle((0, -1.95), 0.15, (255, 240, 190))


def _bin(pen: Pen, random: Random) -> None:
    paint = things.pick(random)
    pen.fill([(-0.2, -0.5), (0.2, -0.5), (0.16, 0), (-0.16, 0)], paint)
    pen.stroke([(-0.22, -0.5), (0.22, -0.5)], 0.07, shade(paint, 0.75))


def _triangle_sign(pen: Pen, random: Random) -> None:
    things.pole(pen, 1.0, 0.06)
    pen.fill([(-0.32, -0.9), (0.32, -0.9), (0, -1.45)], (206, 50, 46))
    pen.fill([(-0.18, -0.98), (0.18, -0.98), (0, -1.29)], (250, 248, 240))


def _chair(pen: Pen, random: Random) -> None:
    wood = shade((158, 106, 70), random.uniform(0.7, 1.2))
    for x in (-0.25, 0.25):
        pen.stroke([(x, 0), (x, -0.45)], 0.06, shade(wood, 0.8))
    pen.stroke([(-0.27, -0.46), (0.27, -0.46)], 0.09, wood)
    pen.fill([(0.2, -0.46), (0.3, -0.46), (0.3, -1.1), (0.2, -1.1)], wood)


def _meadow(canvas: Canvas, random: Random) -> _Place:
    horizon = random.uniform(0.34, 0.52) * canvas.height
    _sky(canvas, random, horizon)
    green = things.pick(random, ((122, 176, 92), (146, 180, 96), (186, 180, 104)))
    _hills(canvas, random, horizon, shade(green, 0.8))
    _gradient(canvas, horizon, canvas.height, green, shade(green, 0.82))
    water = None
    ground = horizon + 0.05 * canvas.height
    if random.random() < 0.4:
        water = (horizon + 3, horizon + 0.14 * canvas.height)
        _gradient(canvas, horizon + 1, water[1] + 4, (150, 200, 220), (96, 160, 196))
        ground = water[1] + 8
    _scatter(canvas, random, ground, int(random.integers(8, 26)), _tuft, 0.025)
    _scatter(canvas, random, ground, int(random.integers(0, 12)), _flower, 0.035)
    for _ in range(random.integers(0, 5)):
        _tree(Pen(canvas, random.uniform(0, 1) * canvas.width, horizon + 4, horizon * 0.28), random)
    return _Place(
        sky=horizon,
        water=(water[0] + 4, water[1]) if water else None,
        ground=ground + 0.04 * canvas.height,
        flying=(16, 38),
        floating=(9,),
        standing=(1, 37, 53, 64, 85, 28, 13, 3),
        clutter=(_tree, _bush, _crate, _fence),
    )


def _beach(canvas: Canvas, random: Random) -> _Place:
    horizon = random.uniform(0.26, 0.42) * canvas.height
    shore = horizon + random.uniform(0.14, 0.24) * canvas.height
    _sky(canvas, random, horizon)
    sea = things.pick(random, ((70, 150, 190), (64, 168, 176), (84, 128, 178)))
    _gradient(canvas, horizon, shore, shade(sea, 0.9), shade(sea, 1.3))
    sand = things.pick(random, ((236, 208, 158), (226, 196, 150)))
    _gradient(canvas, shore, canvas.height, shade(sand, 0.92), sand)
    xs = np.linspace(0, canvas.width, 30)
    foam = np.stack([xs, shore + 2.5 * np.sin(xs / 17 + random.uniform(0, 4))], axis=1)
    canvas.stroke(foam, 4.0, (246, 250, 250))
    for _ in range(random.integers(4, 14)):
        x, y = random.uniform(0, 1) * canvas.width, random.uniform(horizon + 4, shore - 4)
        wave = Pen(canvas, x, y, random.uniform(6, 18))
        wave.stroke([(-0.5, 0), (-0.2, -0.12), (0.1, 0), (0.5, -0.1)], 0.09, shade(sea, 1.4))
    _scatter(canvas, random, shore + 8, int(random.integers(4, 18)), _pebble, 0.016)
    return _Place(
        sky=horizon,
        water=(horizon + 5, shore - 1),
        ground=shore + 0.06 * canvas.height,
        flying=(16, 38),
        floating=(9,),
        standing=(1, 37, 28, 53, 64, 16),
        clutter=(_palm, _crate, _bush, _bin),
    )


def _street(canvas: Canvas, random: Random) -> _Place:
    pavement = random.uniform(0.46, 0.6) * canvas.height
    _sky(canvas, random, pavement)
    x = -random.uniform(0, 40)
    while x < canvas.width:
        width = random.uniform(0.16, 0.3) * canvas.width
        _house(Pen(canvas, x + width / 2, pavement, width), random, pavement / width)
        x += width
    stone = shade((192, 186, 178), random.uniform(0.85, 1.1))
    _gradient(canvas, pavement, canvas.height, stone, shade(stone, 0.9))
    road = pavement + random.uniform(0.08, 0.2) * canvas.height
    edge = road + random.uniform(0.18, 0.26) * canvas.height
    _gradient(canvas, road, edge, (104, 106, 114), (92, 94, 102))
    for left in np.arange(-10, canvas.width, 46):
        middle = (road + edge) / 2
        canvas.stroke(np.array([(left, middle), (left + 20, middle)]), 3.0, (236, 232, 220))
    for y in (road, edge):
        canvas.stroke(np.array([(0, y), (canvas.width, y)]), 2.5, (214, 210, 202))
    return _Place(
        sky=pavement * 0.5,
        water=None,
        ground=pavement + 0.05 * canvas.height,
        flying=(16,),
        floating=(),
        standing=(1, 3, 10, 13, 85, 64, 3, 10, 13, 37),
        clutter=(_lamp, _bin, _triangle_sign, _tree, _crate),
    )


def _house(pen: Pen, random: Random, room: float) -> None:
    """A house front; one unit is its width, ``room`` the height up to the picture's top."""
    wall = shade(things.pick(random), random.uniform(0.75, 1.1))
    wall = shade(((wall[0] + 200) // 2, (wall[1] + 196) // 2, (wall[2] + 186) // 2), 1.0)
    height = room * random.uniform(0.5, 0.85)
    pen.fill([(-0.5, 0), (-0.5, -height), (0.5, -height), (0.5, 0)], wall)
    roof = shade(wall, 0.6)
    if random.random() < 0.6:
        pen.fill([(-0.54, -height), (0.54, -height), (0.0, -height - 0.4)], roof)
    else:
        pen.stroke([(-0.5, -height), (0.5, -height)], 0.07, roof)
    for y in np.arange(-height + 0.2, -0.5, 0.38):
        for x in (-0.28, 0.0, 0.28):
            pen.fill(
                [(x - 0.09, y), (x + 0.09, y), (x + 0.09, y + 0.22), (x - 0.09, y + 0.22)],
                (250, 226, 150) if random.random() < 0.2 else (120, 150, 172),
            )
    pen.fill([(-0.1, 0), (-0.1, -0.36), (0.1, -0.36), (0.1, 0)], shade(roof, 0.8))


def _room(canvas: Canvas, random: Random) -> _Place:
    floor = random.uniform(0.55, 0.7) * canvas.height
    wall = things.pick(random, ((226, 214, 190), (190, 206, 196), (206, 190, 196), (184, 200, 216)))
    _gradient(canvas, 0, floor, wall, shade(wall, 0.94))
    if random.random() < 0.6:
        for x in np.arange(0, canvas.width, random.uniform(14, 34)):
            canvas.stroke(np.array([(x, 0), (x, floor)]), 3.0, shade(wall, 0.93))
    wood = things.pick(random, ((176, 128, 86), (150, 104, 74), (196, 160, 120)))
    _gradient(canvas, floor, canvas.height, shade(wood, 0.9), wood)
    for y in floor + (canvas.height - floor) * np.linspace(0, 1, 6)[1:] ** 1.5:
        canvas.stroke(np.array([(0, y), (canvas.width, y)]), 1.0, shade(wood, 0.75))
    canvas.stroke(np.array([(0, floor), (canvas.width, floor)]), 6.0, (240, 236, 228))
    for _ in range(random.integers(0, 4)):
        frame = Pen(
            canvas,
            random.uniform(0.05, 0.95) * canvas.width,
            random.uniform(0.35, 0.75) * floor,
            random.uniform(0.14, 0.3) * canvas.width,
        )
        for size, colour in ((1.0, things.pick(random)), (0.8, (210, 224, 232))):
            half, top = 0.5 * size, -0.35 - 0.35 * size
            pane = [(-half, top), (half, top), (half, -0.7 - top), (-half, -0.7 - top)]
            frame.fill(pane, colour)
        frame.fill([(-0.4, -0.1), (0.0, -0.4), (0.4, -0.1)], things.pick(random))
    return _Place(
        sky=floor * 0.6,
        water=None,
        ground=floor + 0.06 * canvas.height,
        flying=(85,),
        floating=(),
        standing=(1, 64, 37, 53, 28, 64),
        clutter=(_chair, _crate, _lamp, _bin),
    )


_THEMES = (_meadow, _beach, _street, _room)
