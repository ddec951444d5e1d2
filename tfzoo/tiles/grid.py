"""Where the tiles of an image lie."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tfzoo.images.image import Image

#: 0.1 of 30 pixels is 3, whatever binary fractions make of it.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Tile:
    """A part of an image, in pixels.

    Attributes:
        top: Its first row.
        left: Its first column.
        height: Its rows.
        width: Its columns.
    """

    top: int
    left: int
    height: int
    width: int

    def of(self, image: Image) -> Image:
        """The pixels there, uint8 [height, width, 3]: a view, no copy."""
        return image[self.top : self.top + self.height, self.left : self.left + self.width]

    def __str__(self) -> str:
        return f"the tile of {self.width}x{self.height} pixels at {self.left}, {self.top}"


def grid(image_size: tuple[int, int], tile: tuple[int, int], overlap: float) -> list[Tile]:
    """The tiles of an image, row by row: all of one size, covering every pixel.

    Neighbours share at least `overlap` of a tile's side; the last of a row or column is moved
    inwards to the border, where it shares more: nothing is padded. A side of the image that is no
    longer than the tile's is taken whole.

    Args:
        image_size: Height and width of the image in pixels.
        tile: Height and width of a tile in pixels.
        overlap: Share of a tile's side, from 0 to less than 1.
    """
    height, width = (min(side, length) for side, length in zip(tile, image_size, strict=True))
    return [
        Tile(top, left, height, width)
        for top in _starts(image_size[0], height, overlap)
        for left in _starts(image_size[1], width, overlap)
    ]


def _starts(length: int, side: int, overlap: float) -> list[int]:
    """First pixels of the tiles along one axis."""
    step = max(1, side - math.ceil(side * overlap - _ROUNDING))
    return [*range(0, length - side, step), length - side]
