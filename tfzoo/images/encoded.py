"""Images as files, for exports that decode them in their graph.

`encoded_image_string_tensor` takes an image's file, `tf_example` a serialised `tf.train.Example`
with that file in it. Both decode it with TensorFlow, which knows fewer formats than Pillow, turns
no photo by its EXIF, and drops or refuses what is not 8 bits of gray or RGB. So an image's own file
is handed over where both read the same from it; else the image is encoded without loss.
"""

from __future__ import annotations

import io
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.images.addresses import is_address
from tfzoo.images.formats import pillow
from tfzoo.images.image import Image, ImageLike
from tfzoo.messages import written

_PNG = b"\x89PNG"
_ORIENTATION = 0x0112
# Marks of a JPEG: what follows a picture, and what each of its scans begins with.
_END, _SCAN = b"\xff\xd9", b"\xff\xda"
# JPEGs that are coded by arithmetic, which few decoders read.
_ARITHMETIC = (b"\xff\xc9", b"\xff\xca", b"\xff\xcb", b"\xff\xcd", b"\xff\xce", b"\xff\xcf")


def own_file(source: ImageLike) -> bytes | None:
    """The bytes of an image's file, where TensorFlow's decoders read the same image from them.

    Args:
        source: What `tfzoo.images.reading.read_image` read without an error.

    Returns:
        The bytes; None of what is no file at hand (an array, an address), or of another format
        than JPEG, PNG and BMP, with alpha, a palette, more or less than 8 bits or CMYK, turned by
        its EXIF, or without its end.
    """
    if isinstance(source, bytes | bytearray) or (
        isinstance(source, memoryview) and source.ndim == 1
    ):
        data = bytes(source)
    elif isinstance(source, str | os.PathLike) and not is_address(os.fspath(source)):
        data = Path(source).read_bytes()
    else:
        return None
    from PIL import UnidentifiedImageError

    with suppress(UnidentifiedImageError):
        if _read_alike(data):
            return data
    return None


def _read_alike(data: bytes) -> bool:
    with pillow().open(io.BytesIO(data), formats=("JPEG", "PNG", "BMP")) as image:
        if image.mode not in ("RGB", "L") or "transparency" in image.info:
            return False
        if image.getexif().get(_ORIENTATION, 1) != 1:
            return False
        if image.format == "PNG":
            # Pillow calls 16 bits of RGB by the name of 8; the head says which (RFC 2083, 4.1.1).
            return data[24] == 8
        if image.format == "BMP":
            # 24 bits a pixel, not packed: so far as TensorFlow goes.
            return data[14] == 40 and data[28:30] == b"\x18\0" and data[30:34] == bytes(4)
        # Within a scan's own bytes, no mark can stand.
        scan = data.rfind(_SCAN)
        plain = not any(mark in data[:scan] for mark in _ARITHMETIC)
        return image.format == "JPEG" and plain and data.rfind(_END) > scan


def as_string(image: Image, file: bytes | None, example: bool) -> NDArray[Any]:
    """What such a model takes for an image: a batch of one.

    Args:
        image: uint8 [H, W, 3] RGB.
        file: The bytes of its own file, where TensorFlow reads the same from them; without, the
            image is encoded without loss.
        example: Whether the model takes a `tf.train.Example`.

    Returns:
        An array [1] of bytes.
    """
    encoded = encode(image) if file is None else file
    batch = np.empty(1, dtype=object)
    batch[0] = as_example(encoded, image.shape[0], image.shape[1]) if example else encoded
    return batch


def encode(image: Image) -> bytes:
    """An image as PNG, packed for speed and not for size.

    Args:
        image: uint8 [H, W, 3] RGB.
    """
    file = io.BytesIO()
    pillow().fromarray(image).save(file, "PNG", compress_level=1)
    return file.getvalue()


def as_example(encoded: bytes, height: int, width: int) -> bytes:
    """A `tf.train.Example` of an image, as the API's own tools write them.

    Field numbers: tensorflow/core/example/{example,feature}.proto; names: the Object Detection
    API's core/standard_fields.py (`TfExampleFields`).

    Args:
        encoded: Its file: PNG, or another that the API calls `jpeg`.
        height: In pixels.
        width: In pixels.
    """
    name = b"png" if encoded.startswith(_PNG) else b"jpeg"
    features = {
        b"image/encoded": written((1, written((1, encoded)))),
        b"image/format": written((1, written((1, name)))),
        b"image/height": written((3, written((1, height)))),
        b"image/width": written((3, written((1, width)))),
    }
    entries = [(1, written((1, key), (2, feature))) for key, feature in features.items()]
    return written((1, written(*entries)))
