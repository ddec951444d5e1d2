"""From an image's pixels to the numbers that a model takes, by what it says of them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.decode.frame import Frame
from tfzoo.images.image import Image
from tfzoo.prepare.preprocess import Preprocessing, Resizer
from tfzoo.runtimes.runtime import Levels, Pixels, Signature, TensorInfo

RAW = Pixels((0.0,), (1.0,))
UNIT = Pixels((0.0,), (255.0,))
SIGNED = Pixels((127.5,), (127.5,))

#: What images are usually turned into, and how that is told. The last two are those of the Object
#: Detection API's EfficientNets and ResNets (`preprocess` of its feature extractors).
_USUAL = {
    RAW: "0..255",
    UNIT: "0..1",
    SIGNED: "-1..1",
    Pixels((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)): "ImageNet's mean and deviation",
    Pixels((123.68, 116.779, 103.939), (1.0, 1.0, 1.0)): "ImageNet's mean subtracted",
}
#: Ranges that differ by a smaller part are taken for the same.
_NEAR = 0.2


def takes_fixed_images(signature: Signature) -> bool:
    """Whether a model takes one image of a fixed size, its channels last, as float32 or 8 bits."""
    if len(signature.inputs) != 1:
        return False
    entry = signature.inputs[0]
    return (
        entry.dtype in ("float32", "uint8", "int8")
        and len(entry.shape) == 4
        and None not in entry.shape
        and entry.shape[0] == 1
        and entry.shape[3] == 3
    )


def pixels_of(entry: TensorInfo, usual: Pixels) -> tuple[Pixels, str]:
    """What becomes of pixels for an input, and in words how that is known; empty for the usual.

    Args:
        entry: float32, or uint8 or int8.
        usual: What such a model takes where the file does not say.
    """
    if entry.levels is None and entry.dtype != "float32":
        return RAW, "as its 8-bit integers"
    # Levels span what the network was shown when it was quantised.
    span = None if entry.levels is None else _span(entry.levels, entry.dtype)
    if entry.pixels is not None and (span is None or _distance(entry.pixels, span) < _NEAR):
        return entry.pixels, "by its metadata"
    if span is None:
        return usual, ""
    return min(_USUAL, key=lambda one: _distance(one, span)), "by the range of its 8-bit integers"


def in_words(pixels: Pixels) -> str:
    """What pixels are turned into."""
    mean, std = (", ".join(f"{n:g}" for n in numbers) for numbers in (pixels.mean, pixels.std))
    return _USUAL.get(pixels) or f"(pixel - [{mean}]) / [{std}]"


def placed(image: Image, entry: TensorInfo, keeps_aspect: bool) -> tuple[NDArray[Any], Frame]:
    """An image in an input of one size: stretched, or its aspect kept, in the upper left corner.

    Args:
        image: uint8 [H, W, 3] RGB.
        entry: The input.
        keeps_aspect: What is usual, where the file does not say.

    Returns:
        [h, w, 3] RGB of 0 to 255: float32 where the file says how it is resized, else uint8.
    """
    height, width = entry.shape[1:3]
    assert height is not None and width is not None  # `takes_fixed_images`
    size = (image.shape[0], image.shape[1])
    if (told := entry.resizing) is not None:
        resizer = Resizer((height, width), told.min_dimension)
        resize = Preprocessing(
            resizer, told.half_pixel, (0, 1, 2), (1, 1, 1), (0, 0, 0), told.padding
        )
        return resize(image), Frame(size, (height, width), resizer.content_size(size))
    frame = (
        Frame.fitted(size, (height, width), centred=False)
        if keeps_aspect
        else Frame.stretched(size, (height, width))
    )
    return frame.place(image, fill=0), frame


def fed(image: NDArray[Any], entry: TensorInfo, usual: Pixels) -> NDArray[Any]:
    """An image as an input takes it, [1, H, W, 3] of its dtype.

    Args:
        image: uint8 or float32 [H, W, 3] RGB of 0 to 255, of the input's size.
        entry: The input.
        usual: What such a model takes where the file does not say.
    """
    import cv2

    pixels = pixels_of(entry, usual)[0]
    if image.dtype != np.uint8:
        if entry.dtype == "float32":
            numbers = (image - np.array(pixels.mean)) / np.array(pixels.std)
            return np.asarray(numbers[None], np.float32)
        image = image.round().astype(np.uint8)
    return cv2.LUT(image, _table(pixels, entry.levels, entry.dtype))[None]


@lru_cache(maxsize=16)
def _table(pixels: Pixels, levels: Levels | None, dtype: str) -> NDArray[Any]:
    """What each of the 256 values becomes, by channel: [1, 256, 3]."""
    values = np.arange(256, dtype=np.float64)[None, :, None]
    numbers = np.broadcast_to((values - pixels.mean) / np.array(pixels.std), (1, 256, 3))
    if dtype == "float32":
        return np.ascontiguousarray(numbers, np.float32)
    kept = np.iinfo(dtype)
    if levels is None:
        return np.ascontiguousarray(numbers + kept.min, dtype)
    held = np.rint(numbers / levels.scale) + levels.zero
    return np.ascontiguousarray(np.clip(held, kept.min, kept.max), dtype)


def _span(levels: Levels, dtype: str) -> tuple[float, float]:
    kept = np.iinfo(dtype)
    return levels.scale * (kept.min - levels.zero), levels.scale * (kept.max - levels.zero)


def _distance(pixels: Pixels, span: tuple[float, float]) -> float:
    """How far a range lies from that of pixels, as a part of the latter."""
    mean, std = np.array(pixels.mean), np.array(pixels.std)
    low, high = float((-mean / std).min()), float(((255 - mean) / std).max())
    return (abs(low - span[0]) + abs(high - span[1])) / abs(high - low)
