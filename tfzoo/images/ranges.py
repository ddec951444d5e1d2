"""Values of more than 8 bits, as 8 bits by the range that they really have.

Pillow takes the high byte of 16 bits of colour, and opens no float colour at all; OpenCV's decoder
gives such values as they are.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from tfzoo.errors import ImageError
from tfzoo.images.video import open_cv

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

#: Bits that cameras and scanners have, kept in files of 16 or 32.
_DEPTHS = (8, 10, 12, 14, 16)

#: Resampling leaves values a little outside of their range.
_OVERSHOOT = 1 / 8

# Tags of TIFF files.
_BITS, _PHOTOMETRIC, _MAXIMUM, _SIGNED_MINIMUM, _SIGNED_MAXIMUM = 258, 262, 281, 340, 341
_PLANES, _SAMPLE_FORMAT = 284, 339
_WHITE_IS_ZERO = 0


IN_PLANES = (
    "its colours lie in separate planes of more than 8 bits; save them pixel by pixel (TIFF's "
    "PlanarConfiguration 1)"
)


@dataclass(frozen=True)
class Stated:
    """What a file says of its values.

    Attributes:
        white: The value of white, or None.
        black: The value of black.
        full: The largest value that it could hold.
        inverted: Whether small values are bright.
    """

    white: float | None = None
    black: float = 0
    full: int = 65535
    inverted: bool = False


def to_8_bits(values: NDArray[Any], name: str, stated: Stated | None = None) -> NDArray[np.uint8]:
    """Values of any type by the range they have: uint8 of the same shape.

    The range is what the file states. Where it states none, the largest value has the last word:
    integers have 8, 10, 12, 14 or 16 bits, the fewest that hold it; floats are 0 to 1, 0 to 255 or
    such integers. So a dark picture of 16 bits that uses 12 of them comes out brighter. An image
    of one small value shows no range: its 16 bits are taken to be all used.

    Args:
        values: Numbers of any type and shape; what is no number is black.
        name: What errors call the image.
        stated: What the file says of them.

    Raises:
        ImageError: Nothing says which value is black and which is white.
    """
    if values.dtype == np.uint8:
        return cast(NDArray[np.uint8], values)
    if values.dtype.kind == "f":
        finite = values[np.isfinite(values)]
        if not finite.size:
            raise ImageError(f"{name}: none of its values is a number")
        values = np.nan_to_num(values, posinf=np.inf, neginf=-np.inf)
    else:
        finite = values
        stated = stated or Stated(full=np.iinfo(values.dtype).max)
    stated = stated or Stated()
    found = _range(float(finite.min()), float(finite.max()), values.dtype.kind == "f", stated)
    if found is None:
        raise ImageError(
            f"{name}: values from {finite.min():.6g} to {finite.max():.6g}, and nothing says which "
            "is black and which white; save it as 8 or 16 bits, as floats of 0 to 1, or with the "
            "TIFF tags SMinSampleValue and SMaxSampleValue"
        )
    black, white = found
    bits = int(white).bit_length()
    if values.dtype.kind != "f" and black == 0 and white + 1 == 1 << bits:
        # The high byte. Rarely, a single value lies beyond what the file states.
        scaled = np.minimum(values >> (bits - 8), 255).astype(np.uint8)
    else:
        scale = np.float32(255 / (white - black))
        shifted = values.astype(np.float32) - np.float32(black)
        scaled = np.clip(shifted * scale + np.float32(0.5), 0, 255).astype(np.uint8)
    return 255 - cast(NDArray[np.uint8], scaled) if stated.inverted else scaled


def _range(low: float, peak: float, floats: bool, stated: Stated) -> tuple[float, float] | None:
    """Which values are black and white, or None where nothing says so."""
    if stated.white is not None and stated.black <= low and peak <= stated.white:
        return stated.black, stated.white
    if floats:
        if low >= -_OVERSHOOT and peak <= 1 + _OVERSHOOT:
            return 0, 1
        if peak < 16 or low < -_OVERSHOOT * peak:
            return None
        if peak <= 255 * (1 + _OVERSHOOT):
            return 0, 255
    elif low < 0:
        return None
    elif low == peak < 256 and stated.full == 65535:
        return 0, stated.full
    for bits in _DEPTHS:
        if peak < 1 << bits <= stated.full + 1:
            return 0, (1 << bits) - 1
    return (0, stated.full) if not floats and peak >= stated.full / 16 else None


def stated_by(image: PillowImage) -> Stated:
    """What a file that Pillow opened says of the range of its values."""
    if image.format == "TIFF":
        return stated_by_tags(cast(Any, image).tag_v2)
    if image.format == "PNG":
        bits = _significant_bits(cast(Any, image).fp)
        return Stated(None if bits is None else (1 << bits) - 1)
    if image.format == "PPM" and image.mode != "F":
        return Stated(65535)  # Pillow has scaled them by the largest value that the file states.
    return Stated(full=2**31 - 1 if image.mode == "I" else 65535)


def stated_by_tags(tags: Mapping[int, Any]) -> Stated:
    """What the tags of a TIFF file say of the range of its values."""
    bits = _largest(tags.get(_BITS)) or 1
    signed = _largest(tags.get(_SAMPLE_FORMAT)) == 2
    white, black = _largest(tags.get(_SIGNED_MAXIMUM)), _largest(tags.get(_SIGNED_MINIMUM), min)
    if white is None or black is None or not black < white:
        white, black = _largest(tags.get(_MAXIMUM)), 0.0
    if white is None and bits not in (8, 16, 32, 64):
        white = (1 << int(bits)) - 1
    full = (1 << int(bits) - signed) - 1
    return Stated(white or None, black, full, tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO)


def in_planes(tags: Mapping[int, Any]) -> bool:
    """Whether the colours of a TIFF file lie apart."""
    return tags.get(_PLANES) == 2 and len(tags.get(_BITS, ())) > 1


def _largest(value: Any, which: Any = max) -> float | None:
    try:
        number = float(which(value)) if isinstance(value, tuple) else float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if np.isfinite(number) else None


def _significant_bits(file: IO[bytes] | None) -> int | None:
    """What a PNG file's `sBIT` chunk says of its colours, or None where there is none."""
    if file is None or file.closed:
        return None
    here = file.tell()
    try:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind == b"sBIT":
                return max(file.read(length)[:3], default=None)
            if kind == b"IDAT":
                return None
            file.seek(length + 4, 1)
        return None
    finally:
        file.seek(here)


def deep_colour(image: PillowImage, name: str) -> NDArray[Any] | None:
    """The values of a file of 16 bits a colour, [H, W, 3] RGB; None where it has no more than 8.

    Args:
        name: What errors call it.
        image: As Pillow opened it. It is loaded by this, since Pillow tells of damage that OpenCV
            fills.
    """
    file = getattr(image, "fp", None)
    tiles = getattr(image, "tile", None)
    if image.format not in ("PNG", "TIFF") or image.mode not in ("RGB", "RGBA", "LA"):
        return None
    if file is None or file.closed or not tiles:
        return None
    planes = image.format == "TIFF" and in_planes(cast(Any, image).tag_v2)
    if planes and tiles[0][0] == "raw" and cast(Any, image).tag_v2[_BITS][0] == 16:
        raise ImageError(f"{name}: {IN_PLANES}")  # Pillow takes each byte for a value.
    if ";16" not in str(tiles[0][3]):
        return None
    file.seek(0)
    data = file.read()
    image.load()
    if planes:
        # OpenCV mixes such up; Pillow has their high bytes, which will do where they are used.
        if max(high for _, high in cast(Any, image.getextrema())) < 1 << 6:
            raise ImageError(f"{name}: {IN_PLANES}")
        return None
    return decoded(data, 16)


def decoded(data: bytes, bits: int, channels: int | None = None) -> NDArray[Any] | None:
    """A file's values as they are, [H, W] or [H, W, 3] RGB; None where OpenCV can't read them.

    Args:
        data: The file.
        bits: Of a value.
        channels: How many a pixel has, where that is known.
    """
    cv2 = open_cv()
    # OpenCV raises only what it calls an error: most of the time it gives nothing.
    try:
        values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if values is None or values.dtype.itemsize * 8 != bits:
        return None
    found = 1 if values.ndim == 2 else values.shape[2]
    if found not in (1, 3, 4) or found != (channels or found):
        return None
    return cast(NDArray[Any], values if found == 1 else values[:, :, 2::-1])
