"""A picture that remembers which thing every pixel belongs to."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

Colour = tuple[int, int, int]
"""Red, green, blue, each 0..255."""

SUPERSAMPLE = 2
"""Everything is drawn this many times larger and averaged down, which smooths the edges."""

_FRACTION_BITS = 4  # OpenCV takes fixed-point coordinates; sixteenths of a pixel are enough


def shade(colour: Colour, factor: float) -> Colour:
    """Make a colour darker (``factor`` below 1) or lighter (above 1)."""
    red, green, blue = (int(np.clip(channel * factor, 0, 255)) for channel in colour)
    return red, green, blue


class Canvas:
    """The picture under the brush.

    Attributes:
        image: uint8 [S*H, S*W, 3], RGB, where S is ``SUPERSAMPLE``.
        owners: uint8 [S*H, S*W], the number of the thing seen at each pixel; 0 is scenery.
        owner: the number that the next strokes are drawn under; None leaves ``owners`` alone.
    """

    def __init__(self, height: int, width: int) -> None:
        """Make an empty canvas.

        Args:
            height: height of the finished picture, pixels.
            width: width of the finished picture, pixels.
        """
        self.height = height
        self.width = width
        self.image = np.zeros((height * SUPERSAMPLE, width * SUPERSAMPLE, 3), np.uint8)
        self.owners = np.zeros((height * SUPERSAMPLE, width * SUPERSAMPLE), np.uint8)
        self.owner: int | None = 0

    def fill(self, points: npt.NDArray[np.float64], colour: Colour) -> None:
        """Fill a polygon; ``points`` are float [N, 2], x and y in finished pixels."""
        corners = [_fixed_point(points)]
        cv2.fillPoly(self.image, corners, colour, shift=_FRACTION_BITS)
        if self.owner is not None:
            cv2.fillPoly(self.owners, corners, self.owner, shift=_FRACTION_BITS)

    def stroke(self, points: npt.NDArray[np.float64], width: float, colour: Colour) -> None:
        """Draw a round-ended line along ``points`` (as in ``fill``), ``width`` finished pixels."""
        path = [_fixed_point(points)]
        thickness = max(1, round(width * SUPERSAMPLE))
        cv2.polylines(self.image, path, False, colour, thickness, shift=_FRACTION_BITS)
        if self.owner is not None:
            cv2.polylines(self.owners, path, False, self.owner, thickness, shift=_FRACTION_BITS)

    def darken(self, x: float, y: float, radii: tuple[float, float], factor: float) -> None:
        """Lay a flat shadow: multiply the ellipse around (x, y) by ``factor``."""
        left, top = int((x - radii[0]) * SUPERSAMPLE), int((y - radii[1]) * SUPERSAMPLE)
        right, bottom = int((x + radii[0]) * SUPERSAMPLE), int((y + radii[1]) * SUPERSAMPLE)
        left, top = max(left, 0), max(top, 0)
        patch = self.image[top : max(bottom, 0), left : max(right, 0)]
        rows = (np.arange(patch.shape[0]) + top + 0.5) / SUPERSAMPLE - y
        columns = (np.arange(patch.shape[1]) + left + 0.5) / SUPERSAMPLE - x
        inside = (rows[:, None] / radii[1]) ** 2 + (columns[None] / radii[0]) ** 2 < 1
        patch[inside] = (patch[inside] * factor).astype(np.uint8)

    def finished(self) -> npt.NDArray[np.uint8]:
        """The picture at its true size, uint8 [H, W, 3]."""
        picture = cv2.resize(self.image, (self.width, self.height), interpolation=cv2.INTER_AREA)
        return np.asarray(picture, np.uint8)


def _fixed_point(points: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
    return np.round(points * (SUPERSAMPLE << _FRACTION_BITS)).astype(np.int32)


@dataclass(frozen=True)
class Pen:
    """Draws in a thing's own frame: x to the right, y down, the foot at (0, 0), height 1.

    Attributes:
        canvas: where the strokes go.
        x: where the foot stands, pixels from the left.
        y: where the foot stands, pixels from the top.
        scale: pixels per unit of the thing's frame.
        angle: tilt about the foot, radians, clockwise on the picture.
        mirrored: whether left and right change places.
    """

    canvas: Canvas
    x: float
    y: float
    scale: float
    angle: float = 0.0
    mirrored: bool = False

    def to_pixels(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Move points [N, 2] from the thing's frame to the picture's."""
        local = np.asarray(points, float).reshape(-1, 2) * self.scale
        if self.mirrored:
            local = local * (-1.0, 1.0)
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        turned = local @ np.array([[cosine, sine], [-sine, cosine]])
        return np.asarray(turned + np.array([self.x, self.y]))

    def moved(self, x: float, y: float, scale: float = 1.0, angle: float = 0.0) -> Pen:
        """A pen for a part: its foot at (x, y) of this frame, ``scale`` times as large."""
        ((pixel_x, pixel_y),) = self.to_pixels([(x, y)])
        turn = -angle if self.mirrored else angle
        return replace(
            self, x=pixel_x, y=pixel_y, scale=self.scale * scale, angle=self.angle + turn
        )

    def fill(self, points: npt.ArrayLike, colour: Colour) -> None:
        """Fill a polygon."""
        self.canvas.fill(self.to_pixels(points), colour)

    def stroke(self, points: npt.ArrayLike, width: float, colour: Colour) -> None:
        """Draw a round-ended line of ``width`` units."""
        self.canvas.stroke(self.to_pixels(points), width * self.scale, colour)

    def ellipse(
        self,
        centre: npt.ArrayLike,
        radii: tuple[float, float],
        colour: Colour,
        *,
        start: float = 0.0,
        stop: float = 360.0,
        tilt: float = 0.0,
    ) -> None:
        """Fill an ellipse or a slice of one; degrees run clockwise from the right."""
        self.fill(arc(centre, radii, start=start, stop=stop, tilt=tilt), colour)

    def circle(self, centre: npt.ArrayLike, radius: float, colour: Colour) -> None:
        """Fill a circle."""
        self.ellipse(centre, (radius, radius), colour)


def arc(
    centre: npt.ArrayLike,
    radii: tuple[float, float],
    *,
    start: float = 0.0,
    stop: float = 360.0,
    tilt: float = 0.0,
) -> npt.NDArray[np.float64]:
    """Points [N, 2] along an ellipse; degrees run clockwise from the right."""
    angles = np.radians(np.linspace(start, stop, max(8, int(abs(stop - start) / 12)) + 1))
    points = np.stack([np.cos(angles) * radii[0], np.sin(angles) * radii[1]], axis=1)
    cosine, sine = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    return np.asarray(points @ np.array([[cosine, sine], [-sine, cosine]]) + np.asarray(centre))
