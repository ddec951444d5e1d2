"""Reading one image as RGB.

Pillow reads the files: unlike OpenCV's decoder it knows the size before decoding, refuses a
truncated file instead of filling it with gray, and tells palettes, CMYK and 16 bits apart. The
pixels of a JPEG are the same.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.detecting import MAX_PIXELS
from tfzoo.errors import ImageError
from tfzoo.files import LFS_ADVICE, is_lfs_pointer
from tfzoo.images.addresses import is_address, open_image, opened
from tfzoo.images.formats import HEIF_HINT, formats_of, is_heif, pillow
from tfzoo.images.image import Image, ImageLike, image_errors
from tfzoo.images.memory import BYTES_A_PIXEL, DECODING
from tfzoo.images.ranges import (
    IN_PLANES,
    decoded,
    deep_colour,
    in_planes,
    stated_by,
    stated_by_tags,
    to_8_bits,
)
from tfzoo.images.unended import ended
from tfzoo.outside import bare

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

#: EXIF's number of the tag that says how a camera was held.
_ORIENTATION = 0x0112

#: TIFF's numbers of the tags that say how large an image is, and of what.
_WIDTH, _HEIGHT, _BITS, _CHANNELS = 256, 257, 258, 277
_TILE_WIDTH, _TILE_HEIGHT = 322, 323

_BYTES = "the bytes given"
_ARRAY = "the array given"


def read_image(source: ImageLike, max_pixels: int = MAX_PIXELS) -> Image:
    """Reads one image as RGB, its EXIF orientation applied.

    More than 8 bits are brought to 8 by the range that the file states, or else by the largest
    value: 10, 12 or 14 bits in 16 are known by it, and floats of 0 to 1 or 0 to 255.

    Args:
        source: A path or address; a file, open or as its bytes; a PIL image; or an array, or what
            numpy takes for one (a tensor): uint8 [H, W, 3] RGB; [H, W] and [H, W, 1] (gray),
            [H, W, 4] (RGBA, alpha dropped) and uint16 are converted. An animation gives its first
            frame.
        max_pixels: Refuse files of more pixels than this.

    Returns:
        uint8 [H, W, 3] RGB.

    Raises:
        ImageError: Not an image, damaged, too large, or of a shape or type that is no image;
            or whatever else a library fails with.
    """
    with image_errors(_name(source)):
        return _pixels(source, max_pixels)


def size_of(source: ImageLike) -> tuple[int, int]:
    """Width and height of an image file as `read_image` gives it, mostly from its head alone.

    Args:
        source: A path, or a file's bytes.

    Raises:
        ImageError: It is no image.
    """
    from PIL import UnidentifiedImageError

    name = _name(source)
    with image_errors(name):
        try:
            file = io.BytesIO(source) if isinstance(source, bytes) else source
            with pillow().open(file, formats=formats_of(name)) as image:
                width, height = image.size
                turned = image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
        except UnidentifiedImageError:
            # Damaged, or one of the TIFFs that others than Pillow read.
            height, width = read_image(source).shape[:2]
            turned = False
    return (height, width) if turned else (width, height)


def _name(source: Any) -> str:
    """What an image is called in an error."""
    if isinstance(source, str | os.PathLike):
        return os.fsdecode(source)
    if isinstance(source, bytes | bytearray | memoryview):
        return _BYTES
    kind = "file" if hasattr(source, "read") else type(source).__name__
    return str(getattr(source, "name", f"the {kind} given"))


def _pixels(source: ImageLike, max_pixels: int) -> Image:
    """See `read_image`."""
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, str | os.PathLike):
        name = os.fspath(source)
        with opened(name) as file:
            return _from_file(file, bare(name) if is_address(name) else name, max_pixels)
    if isinstance(source, memoryview) and source.ndim > 1:
        return _from_array(np.asarray(source))
    if isinstance(source, bytes | bytearray | memoryview):
        return _from_file(io.BytesIO(bytes(source)), _BYTES, max_pixels)
    if _is_pillow(source):
        return _from_pillow(source, "the PIL image given")
    if hasattr(source, "read"):
        return _from_file(*_whole(source), max_pixels)
    if hasattr(source, "__array__"):
        return _from_tensor(source, max_pixels)
    raise ImageError(
        "an image is a path, bytes, an open file, a PIL image or an array, not "
        f"{type(source).__name__}"
    )


def is_one_image(source: Any) -> bool:
    """Whether something is meant as one image, though it could be walked like many."""
    if isinstance(source, str | os.PathLike | bytes | bytearray | memoryview):
        return True
    if isinstance(source, np.ndarray) or hasattr(source, "__array__"):
        # An array of names, or of images of several sizes, holds objects.
        return len(getattr(source, "shape", ())) in (2, 3) or _is_pillow(source)
    return _is_pillow(source) or hasattr(source, "read")


def opens_as_image(path: str) -> bool:
    """Whether a file is recognised as an image, if perhaps a damaged one or one that needs more."""
    try:
        with open_image(path) as file:
            if is_heif(file.read(12)):
                return True
            file.seek(0)
            with pillow().open(file, formats=formats_of(path)):
                return True
    except Exception:  # Damaged files raise nearly anything from Pillow's parsers.
        return False


def _is_pillow(source: Any) -> bool:
    return hasattr(source, "convert") and hasattr(source, "getexif")


def _whole(file: Any) -> tuple[IO[bytes], str]:
    """All of an open file, from its start where it can be gone back to, and its name."""
    name = _name(file)
    if hasattr(file, "seek") and (not hasattr(file, "seekable") or file.seekable()):
        file.seek(0)
    data = file.read()
    if not isinstance(data, bytes | bytearray | memoryview):
        raise ImageError(f"{name}: opened as text; open an image file in binary, with mode 'rb'")
    return io.BytesIO(data), name


def _from_tensor(tensor: Any, max_pixels: int) -> Image:
    try:
        array = np.asarray(tensor)
    except Exception as error:  # Tensors on a GPU, or with gradients, have their own.
        raise ImageError(
            f"the {type(tensor).__name__} given can't be had as an array: {error}"
        ) from None
    if array.dtype == object and array.ndim == 0 and isinstance(array.item(), bytes):
        return read_image(array.item(), max_pixels)  # What TensorFlow read of a file.
    return _from_array(array)


def _from_array(array: NDArray[Any]) -> Image:
    if array.ndim == 2:
        array = array[:, :, None]
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    channels = array.shape[2] if array.ndim == 3 else 0
    if channels not in (1, 3, 4) or array.dtype not in (np.uint8, np.uint16):
        raise ImageError(
            f"expected uint8 [height, width, 3] RGB (or gray, RGBA, uint16), got "
            f"{array.dtype.name} {list(array.shape)}; pass {_advice(array)}"
        )
    if 0 in array.shape:
        raise ImageError(f"the image is empty: {list(array.shape)}")
    colours = to_8_bits(array[:, :, :3], _ARRAY)
    if colours.shape[2] == 1:
        colours = np.repeat(colours, 3, axis=2)
    return np.ascontiguousarray(colours)


def _advice(array: NDArray[Any]) -> str:
    """What to pass in place of an array that is no image."""
    if array.ndim == 4:
        return "a batch as a list of images"
    if array.ndim == 3 and array.shape[0] in (1, 3, 4) and array.shape[2] not in (1, 3, 4):
        return "the channels last: image.transpose(1, 2, 0)"
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        return "one image, or a batch as a list of images"
    if array.dtype.kind == "b":
        return "booleans as (255 * image.astype('uint8'))"
    if array.dtype.kind not in "fiu" or not array.size:
        return "pixels from 0 to 255 as uint8"
    low, peak = np.nanmin(array), np.nanmax(array)
    if array.dtype.kind == "f" and low >= 0 and peak <= 1:
        return "floats from 0 to 1 as (255 * image).round().astype('uint8')"
    if low >= 0 and peak <= 255:
        return "values from 0 to 255 as image.round().astype('uint8')"
    return (
        f"values from {low:.6g} to {peak:.6g} as uint8, brought to 0 to 255: "
        "(255 * (image - low) / (high - low)).round().astype('uint8')"
    )


def _from_file(file: IO[bytes], name: str, max_pixels: int) -> Image:
    # Memory is held until all that took it is gone, and not only its context has ended.
    with ExitStack() as held:
        return _from_open_file(file, name, max_pixels, held)


def _from_open_file(file: IO[bytes], name: str, max_pixels: int, held: ExitStack) -> Image:
    from PIL import UnidentifiedImageError

    library = pillow()
    if library.MAX_IMAGE_PIXELS and max_pixels > 2 * library.MAX_IMAGE_PIXELS:
        # Pillow refuses files of twice its own limit before ours can be asked.
        library.MAX_IMAGE_PIXELS = max_pixels
    try:
        start = file.read(64)
        if not start:
            raise ImageError(f"{name}: the file is empty")
        file.seek(0)
        with library.open(file, formats=formats_of(name)) as image:
            pixels = _check_size(image.width, image.height, name, max_pixels)
            if image.format == "TIFF":
                pixels = max(pixels, _check_tiles(image.tag_v2, name, max_pixels))
            held.enter_context(DECODING.share(BYTES_A_PIXEL * pixels))
            return _decoded(image, file, name)
    except ImageError:
        raise
    except UnidentifiedImageError:
        if start[:2] in (b"II", b"MM"):
            return _other_tiff(file, name, max_pixels, held)
        raise ImageError(_not_an_image(start, name)) from None
    except library.DecompressionBombError:
        raise ImageError(
            f"{name}: unpacks to far more pixels than the limit of {max_pixels}; raise it with "
            "--max-pixels if the file is trusted"
        ) from None
    except MemoryError:
        raise
    except Exception as error:  # Damaged files raise nearly anything from Pillow's parsers.
        raise ImageError(f"{name}: damaged image: {error or type(error).__name__}") from None


def _decoded(image: PillowImage, file: IO[bytes], name: str) -> Image:
    """The pixels of an image that Pillow opened, uint8 [H, W, 3]; its end mark may be missing."""
    try:
        return _from_pillow(image, name)
    except OSError:
        if image.format not in ("JPEG", "MPO"):
            raise
        file.seek(0)
        whole = ended(file.read())
        if whole is None:
            raise
    with pillow().open(io.BytesIO(whole), formats=("JPEG",)) as image:
        return _from_pillow(image, name)


def _check_size(width: int, height: int, name: str, max_pixels: int) -> int:
    """How many pixels there are, if they are not too many."""
    if width * height > max_pixels:
        raise ImageError(
            f"{name}: {width}x{height} is {width * height} pixels, over the limit of {max_pixels}; "
            "raise it with --max-pixels if the file is trusted"
        )
    return width * height


def _check_tiles(tags: Mapping[int, Any], name: str, max_pixels: int) -> int:
    """How many pixels a TIFF's tile has: it is unpacked whole, however small the image is."""
    try:
        width, height = (int(tags.get(tag, 0)) for tag in (_TILE_WIDTH, _TILE_HEIGHT))
    except (TypeError, ValueError, ZeroDivisionError):
        raise ImageError(f"{name}: damaged image: its tiles have no size") from None
    return _check_size(width, height, f"{name}: a tile", max_pixels)


def _not_an_image(start: bytes, name: str) -> str:
    if is_lfs_pointer(start):
        return f"{name} {LFS_ADVICE}"
    if is_heif(start) and "HEIF" not in pillow().OPEN:
        return f"{name}: a HEIC photo; to read such, {HEIF_HINT}"
    return f"{name}: not an image that can be read (JPEG, PNG, WebP, ...)"


def _other_tiff(file: IO[bytes], name: str, max_pixels: int, held: ExitStack) -> Image:
    """A TIFF file of values that Pillow has no mode for, such as colours as floats."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    try:
        file.seek(0)
        tags = ImageFileDirectory_v2(file.read(8))
        file.seek(tags.next)
        tags.load(file)
        width, height = int(tags[_WIDTH]), int(tags[_HEIGHT])
    except Exception:  # As above.
        raise ImageError(_not_an_image(b"", name)) from None
    pixels = _check_size(width, height, name, max_pixels)
    pixels = max(pixels, _check_tiles(tags, name, max_pixels))
    if in_planes(tags):
        raise ImageError(f"{name}: {IN_PLANES}")
    file.seek(0)
    bits, channels = tags.get(_BITS, (1,)), tags.get(_CHANNELS, 1)
    held.enter_context(DECODING.share(2 * BYTES_A_PIXEL * pixels))
    values = decoded(file.read(), bits[0], channels)
    if values is None or values.shape[0] * values.shape[1] != width * height:
        raise ImageError(
            f"{name}: a TIFF that can't be read: damaged, or its {channels} channels of {bits[0]} "
            "bits are of a rare kind; save it as RGB of 8 or 16 bits"
        )
    return _as_rgb(to_8_bits(values, name, stated_by_tags(tags)))


def _from_pillow(image: PillowImage, name: str) -> Image:
    stated = stated_by(image)
    deep = deep_colour(image, name)
    if deep is None and image.mode.startswith(("I", "F")):
        deep = np.asarray(image)
        if deep.dtype == np.int32 and stated.full == 2**32 - 1:
            deep = deep.view(np.uint32)
    if deep is not None:
        # A TIFF was turned when it was loaded, and says so no more.
        return _upright(_as_rgb(to_8_bits(deep, name, stated)), image)
    # Where there is nothing to turn, turning would copy.
    if image.getexif().get(_ORIENTATION, 1) != 1:
        from PIL import ImageOps

        image = ImageOps.exif_transpose(image)
    if image.mode in ("La", "RGBa"):
        image = image.convert(image.mode.upper())
    if image.mode == "LAB":
        image = _from_lab(image)
    if image.mode != "RGB":
        # By way of RGBA, so that a palette's transparency raises no warning.
        image = image.convert("RGBA" if "transparency" in image.info else "RGB").convert("RGB")
    return np.array(image)


def _from_lab(image: PillowImage) -> PillowImage:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    changed = ImageCms.buildTransform(lab, srgb, "LAB", "RGB")
    return changed.apply(image)


def _as_rgb(image: NDArray[np.uint8]) -> Image:
    return np.repeat(image[:, :, None], 3, axis=2) if image.ndim == 2 else image


def _upright(pixels: Image, image: PillowImage) -> Image:
    """Pixels, uint8 [H, W, 3], turned as the image that they are of says."""
    from PIL import ImageOps

    orientation = image.getexif().get(_ORIENTATION, 1)
    if orientation == 1:
        return np.ascontiguousarray(pixels)
    turned = pillow().fromarray(np.ascontiguousarray(pixels))
    turned.getexif()[_ORIENTATION] = orientation
    return np.array(ImageOps.exif_transpose(turned))
