"""One image through a detector in tiles."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tfzoo.detecting import TileOptions
from tfzoo.detections.types import Detections
from tfzoo.errors import ImageError
from tfzoo.images.image import Image
from tfzoo.tiles.grid import Tile, grid
from tfzoo.tiles.merge import merged

#: The whole image is detected at this length of its longer side in pixels at most, more than any
#: of the zoo's models takes: its input takes no memory beside the image.
LONGEST_WHOLE = 2048

#: A box that ends so many pixels from a border of its tile, or nearer, may go on behind it.
BORDER = 3

#: Images that are in memory at once where tiles are asked for: one is read, one detected, one
#: drawn. What keeps a device busy is the tiles of one.
AT_ONCE = 3

#: Told how many tiles of an image are detected, and how many it has.
OnTile = Callable[[int, int], None]


def in_tiles(image_size: tuple[int, int], options: TileOptions | None) -> bool:
    """Whether an image of this height and width in pixels takes more than one tile."""
    if options is None or options.tile is None:
        return False
    return any(length > side for length, side in zip(image_size, options.tile, strict=True))


def detect_tiles(
    image: Image,
    options: TileOptions,
    detect_many: Callable[[Iterable[Image]], Generator[Detections]],
    on_tile: OnTile = lambda done, tiles: None,
) -> Detections:
    """Detects an image in tiles, and as a whole where that is asked for.

    Args:
        image: uint8 [H, W, 3] RGB, for which one tile is too small (see `in_tiles`).
        options: How it is cut, and how what is found is merged.
        detect_many: Detects images in order, several at once, taking few of them ahead.
        on_tile: Told how far it is.

    Raises:
        ImageError: The model fails on a tile; says which.
    """
    size = (image.shape[0], image.shape[1])
    assert options.tile is not None
    tiles = grid(size, options.tile, options.overlap)
    whole = [_reduced(image)] if options.whole_image else []
    # The whole image last: the tiles before it are of one size, and so go through in batches.
    pictures = (*tiles, *whole)
    passes: list[Detections] = []
    try:
        with closing(detect_many(_pixels(image, tiles, whole))) as several:
            for found in several:
                tile = tiles[len(passes)] if len(passes) < len(tiles) else None
                passes.append(_in_image(found, size, tile))
                on_tile(len(passes), len(pictures))
    except ImageError as error:
        where = tiles[len(passes)] if len(passes) < len(tiles) else "the whole image, made smaller"
        raise ImageError(f"{where}: {error}") from None
    cut = [_cut(found, tile, size) for found, tile in zip(passes, tiles, strict=False)]
    cut += [np.zeros(len(found), dtype=bool) for found in passes[len(tiles) :]]
    return merged(passes, cut, options.merge)


def _pixels(image: Image, tiles: list[Tile], whole: list[Image]) -> Iterator[Image]:
    yield from (tile.of(image) for tile in tiles)
    yield from whole


def _reduced(image: Image) -> Image:
    """The image, made smaller where it is larger than any model takes."""
    longest = max(image.shape[:2])
    if longest <= LONGEST_WHOLE:
        return image
    import cv2

    height, width = (max(1, round(s * LONGEST_WHOLE / longest)) for s in image.shape[:2])
    reduced = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(reduced, dtype=np.uint8)


def _in_image(found: Detections, size: tuple[int, int], tile: Tile | None) -> Detections:
    """What was found in a tile, or in the whole image at another size, in pixels of the image."""
    height, width = found.image_size
    scale = np.ones(2) if tile else np.array(size[::-1]) / (width, height)
    offset = np.array([tile.left, tile.top] if tile else [0, 0])
    boxes = (found.boxes * np.tile(scale, 2) + np.tile(offset, 2)).astype(np.float32)
    keypoints = found.keypoints
    if keypoints is not None and found.keypoint_scores is not None:
        # Objects without keypoints hold zeros in their place.
        without = np.isnan(found.keypoint_scores).all(axis=1)
        keypoints = (keypoints * scale + offset).astype(np.float32)
        keypoints[without] = 0
    return replace(found, boxes=boxes, keypoints=keypoints, image_size=size)


def _cut(found: Detections, tile: Tile, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Which detections, in pixels of the image, a border of their tile within the image cuts."""
    x0, y0, x1, y1 = found.boxes.T
    right, bottom = tile.left + tile.width, tile.top + tile.height
    cut = (x0 <= tile.left + BORDER) & (tile.left > 0)
    cut |= (y0 <= tile.top + BORDER) & (tile.top > 0)
    cut |= (x1 >= right - BORDER) & (right < size[1])
    cut |= (y1 >= bottom - BORDER) & (bottom < size[0])
    return np.asarray(cut)
