"""What the exporter does before the network, in numpy: resize, normalise, pad.

An exported graph does it in a loop over the batch, op by op and channel by channel, which takes a
third of a small model's time and pins the batch to one. Cut after that, a graph takes images of
the network's own size, as many as one likes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tfzoo.images.image import Image

Floats = NDArray[np.float32]
Channels = tuple[float, float, float]

#: Most that a graph's own input may differ, as a part of its range. OpenVINO's resize is off by
#: 7e-5; another way of sampling is off by more than a hundredth.
TOLERANCE = 1e-3

# Values that are worked on together: few enough to stay in a processor's own cache.
_BLOCK = 2**17

# Enlarged and reduced, wide, high and square; both sides of a picture have something to round.
_TRIAL_SIZES = ((97, 161), (161, 97), (128, 128), (701, 1013), (1013, 701))


@dataclass(frozen=True)
class Resizer:
    """How an image comes to the size of a network's input.

    Attributes:
        size: Height and width of the input in pixels.
        min_dimension: The shorter side in pixels that a resizer which keeps the aspect aims at
            (the longer one being at most `size`); what is left of the input is padding at the
            bottom and right. None for one that stretches the image over the whole input.
        pad: Whether there is such padding; without, the input is as large as the image has become.
    """

    size: tuple[int, int]
    min_dimension: int | None = None
    pad: bool = True

    @property
    def input_size(self) -> tuple[int | None, int | None]:
        """Height and width of the network's input, None where they go with the image."""
        return self.size if self.pad else (None, None)

    def content_size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """Height and width in pixels that an image fills of the input.

        As `tf.image.resize(preserve_aspect_ratio=True)` has it: float32, half to even.

        Args:
            image_size: Height and width of the image in pixels.
        """
        if self.min_dimension is None:
            return self.size
        height, width = image_size
        target = (self.min_dimension, self.size[1])
        if height >= width:
            target = (self.size[0], self.min_dimension)
        scale = min(np.float32(target[0] / height), np.float32(target[1] / width))
        rows, columns = np.round(scale * np.array([height, width], dtype=np.float32))
        return int(rows), int(columns)


@dataclass(frozen=True)
class Preprocessing:
    """From an image to a network's input.

    Attributes:
        half_pixel: Whether pixels are sampled by their centres (`tf.image.resize`), not by their
            corners (TensorFlow 1, and all of the zoo's exports).
        order: Which of red, green and blue (0, 1, 2) each channel of the input is.
        scale: What the pixels of each channel are multiplied by,
        offset: and what is then added.
        padding: The value of each channel where there is no image.
        min_side: Height and width in pixels that the network's input must have at least.
    """

    resizer: Resizer
    half_pixel: bool
    order: tuple[int, int, int]
    scale: Channels
    offset: Channels
    padding: Channels
    min_side: int = 0

    def __call__(self, image: Image) -> Floats:
        """The network's input for an image.

        Args:
            image: uint8 [H, W, 3] RGB.

        Returns:
            float32 [h, w, 3].

        Raises:
            ValueError: The image is so narrow that nothing is left of it, or less than the
                network takes.
        """
        content = self.resizer.content_size((image.shape[0], image.shape[1]))
        if 0 in content:
            raise ValueError(f"output dimensions must be positive, got {list(content)}")
        if not self.resizer.pad and min(content) < self.min_side:
            raise ValueError(
                f"it is {content[1]}x{content[0]} pixels when resized, and the network takes "
                f"{self.min_side} or more in both height and width"
            )
        resized = resize_bilinear(image, content, self.half_pixel, self.order)
        # Row by row: numpy is slow at repeating three values over and over.
        rows = resized.reshape(content[0], -1)
        if self.scale != (1, 1, 1):
            rows *= np.tile(np.array(self.scale, np.float32), content[1])
        if self.offset != (0, 0, 0):
            rows += np.tile(np.array(self.offset, np.float32), content[1])
        if content == self.resizer.size or not self.resizer.pad:
            return resized
        canvas = np.empty((*self.resizer.size, 3), dtype=np.float32)
        canvas[:] = np.array(self.padding, dtype=np.float32)
        canvas[: content[0], : content[1]] = resized
        return canvas

    def true_shape(self, image: Image) -> NDArray[np.int32]:
        """Height and width of the part of the input that an image fills, and its channels: [3]."""
        content = self.resizer.content_size((image.shape[0], image.shape[1]))
        return np.array([*content, 3], dtype=np.int32)


def resize_bilinear(
    image: Image,
    size: tuple[int, int],
    half_pixel: bool,
    order: tuple[int, int, int] = (0, 1, 2),
) -> Floats:
    """Resizes as TensorFlow's `ResizeBilinear` does, without antialiasing.

    The formula is that of tensorflow/core/kernels/image/resize_bilinear_op.cc; rows are mixed
    before columns here, which differs in the last digit.

    Args:
        image: uint8 [H, W, 3].
        size: Height and width of the result in pixels.
        half_pixel: Whether pixels are sampled by their centres.
        order: Which channel of the image each of the result's is.

    Returns:
        float32 [h, w, 3], 0 to 255.
    """
    height, width = size
    above, below, down = _taps(image.shape[0], height, half_pixel)
    left, right, across = _taps(image.shape[1], width, half_pixel, order)
    flat = image.reshape(image.shape[0], -1)
    resized = np.empty((height, 3 * width), dtype=np.float32)
    step = max(1, _BLOCK // flat.shape[1])
    for rows in (slice(start, start + step) for start in range(0, height, step)):
        upper = flat[above[rows]].astype(np.float32)
        mixed = flat[below[rows]].astype(np.float32)
        mixed -= upper
        mixed *= down[rows, None]
        mixed += upper
        # mode="clip" lets numpy copy without looking at each index for being out of range.
        lefts = np.take(mixed, left, axis=1, mode="clip")
        block = np.take(mixed, right, axis=1, mode="clip", out=resized[rows])
        block -= lefts
        block *= across
        block += lefts
    return resized.reshape(height, width, 3)


@lru_cache(maxsize=256)
def _taps(
    source: int, target: int, half_pixel: bool, channels: tuple[int, ...] = (0,)
) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """For each value of a side: the two of the source that it lies between, and how far along."""
    scale = np.float32(source) / np.float32(target)
    places = np.arange(target, dtype=np.float32)
    shift = np.float32(0.5 if half_pixel else 0)
    places = (places + shift) * scale - shift
    floor = np.floor(places)
    lower = np.maximum(floor, 0).astype(np.intp)
    upper = np.minimum(np.ceil(places), source - 1).astype(np.intp)
    lower, upper = (
        (len(channels) * pixels[:, None] + np.array(channels)).ravel() for pixels in (lower, upper)
    )
    return lower, upper, np.repeat(places - floor, len(channels))


def least_side(model: Path) -> int:
    """Height and width in pixels that the input of a network must have at least.

    The exporter asserts it in graphs whose size goes with the image, in these words. A graph that
    is cut or converted has lost its assertions.

    Args:
        model: The SavedModel folder.
    """
    words = rb"image size must be >= (\d+) in both height and width"
    found = re.findall(words, (model / "saved_model.pb").read_bytes())
    return max(map(int, found), default=0)


def find_preprocessing(
    resizer: Resizer, graph: Callable[[Image], Floats], min_side: int = 0
) -> tuple[Preprocessing | None, str]:
    """What a graph does before its network, told from what comes of pictures.

    A black picture and one of each colour tell the normalisation, the channels' order and the
    padding; pictures of noise then prove them, and tell how it samples.

    Args:
        resizer: As the model's config has it.
        graph: The graph up to its network: uint8 [H, W, 3] RGB to float32 [h, w, 3].
        min_side: Height and width in pixels that the network's input must have at least.

    Returns:
        The same in numpy, or None; and in a sentence why not.
    """
    high, wide = resizer.size
    black, *colours = (
        graph(np.full((high, 2 * wide, 3), colour, dtype=np.uint8))
        for colour in ((0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255))
    )
    expected = (*(resizer.size if resizer.pad else resizer.content_size((high, 2 * wide))), 3)
    if black.shape != expected:
        return (
            None,
            f"its network takes {list(black.shape)}, not {expected[0]}x{expected[1]} pixels",
        )
    # What each colour (a row) adds to each channel.
    added = np.array([colour[0, 0] - black[0, 0] for colour in colours])
    first, second, third = (int(colour) for colour in np.abs(added).argmax(axis=0))
    order = (first, second, third)
    # Seven digits are what single precision tells.
    scale, offset, padding = (
        (float(f"{x:.7g}"), float(f"{y:.7g}"), float(f"{z:.7g}"))
        for x, y, z in (added[order, range(3)] / 255, black[0, 0], black[-1, -1])
    )
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in _TRIAL_SIZES]
    wanted = [graph(picture) for picture in pictures]
    limit = TOLERANCE * 255 * float(np.abs(scale).max())
    for half_pixel in (False, True):
        found = Preprocessing(resizer, half_pixel, order, scale, offset, padding)
        if all(
            (got := found(picture)).shape == expected.shape
            and np.abs(got - expected).max() <= limit
            for picture, expected in zip(pictures, wanted, strict=True)
        ):
            return replace(found, min_side=min_side), "its images are resized outside"
    return None, "it resizes its images in a way of its own"
