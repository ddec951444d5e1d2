"""The colour of each category: always the same, and as unlike its neighbours' as can be."""

from __future__ import annotations

import colorsys
from functools import cache

#: Red, green and blue, 0 to 255 each.
Color = tuple[int, int, int]

#: Steps of the golden ratio around the colour wheel: any few ids in a row lie far apart on it.
_STEP = 0.618033988749895

#: Saturation and value of the ids in turn, so that hues that come close again differ in these.
_TONES = ((0.85, 0.95), (0.60, 1.00), (0.95, 0.68))

#: From sRGB to relative luminance, by WCAG 2.2 (https://www.w3.org/TR/WCAG22/#dfn-relative-luminance).
_WEIGHTS = (0.2126, 0.7152, 0.0722)

#: The luminance at which black and white contrast alike, with 4.58 to 1.
_MIDDLE = 0.179


@cache
def color_of(class_id: int) -> Color:
    """The colour of a category, whatever else is in the picture."""
    saturation, value = _TONES[class_id % len(_TONES)]
    red, green, blue = colorsys.hsv_to_rgb(class_id * _STEP % 1, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


@cache
def readable_on(color: Color) -> Color:
    """Black or white, whichever contrasts more with a colour: at least 4.5 to 1, as WCAG asks."""
    return (0, 0, 0) if luminance(color) > _MIDDLE else (255, 255, 255)


def luminance(color: Color) -> float:
    """Relative luminance of a colour, 0 (black) to 1 (white), by WCAG 2.2."""
    linear = [_linear(channel / 255) for channel in color]
    return sum(weight * part for weight, part in zip(_WEIGHTS, linear, strict=True))


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)


def as_hex(color: Color) -> str:
    """A colour as pages write it, such as `#ff4d4d`."""
    return "#{:02x}{:02x}{:02x}".format(*color)
