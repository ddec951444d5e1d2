"""Reading one image as RGB.

Pillow reads the files: unlike OpenCV's decoder it knows the size before decoding, refuses a
truncated file instead of filling it with gray, and tells palettes, CMYK and 16 bits apart. The
pixels of a JPEG are the same.
"""

from __future__ import annotations

import io
import os
import stat
import warnings
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.errors import ImageError
from tfzoo.files import LFS_ADVICE, is_lfs_pointer
from tfzoo.images.addresses import fetch, is_address
from tfzoo.images.image import Image, ImageLike
from tfzoo.options import MAX_PIXELS

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

#: Formats that Pillow may try. Its others are rarely photographs, and one (EPS) starts a program.
#: MPO is opened as a JPEG; naming it would end the search for every other format.
FORMATS = (
    "JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000",
)  # fmt: skip

#: EXIF's number of the tag that says how a camera was held.
_ORIENTATION = 0x0112


def read_image(source: ImageLike, max_pixels: int = MAX_PIXELS) -> Image:
    """Reads one image as RGB, its EXIF orientation applied.

    Args:
        source: A path or address, the bytes of a file, a PIL image, or an array: uint8 [H, W, 3]
            RGB; [H, W] and [H, W, 1] (gray), [H, W, 4] (RGBA, alpha dropped) and uint16 are
            converted. An animation gives its first frame.
        max_pixels: Refuse files of more pixels than this.

    Returns:
        uint8 [H, W, 3] RGB.

    Raises:
        ImageError: Not an image, damaged, too large, or of a shape or type that is no image.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, str | os.PathLike):
        name = os.fspath(source)
        if is_address(name):
            return _from_file(io.BytesIO(fetch(name)), name, max_pixels)
        with _open_regular(name) as file:
            return _from_file(file, name, max_pixels)
    if isinstance(source, bytes | bytearray | memoryview):
        return _from_file(io.BytesIO(source), "the bytes given", max_pixels)
    if hasattr(source, "convert") and hasattr(source, "getexif"):
        return _from_pillow(source)
    raise ImageError(
        f"an image is a path, bytes, a PIL image or an array, not {type(source).__name__}"
    )


def _open_regular(name: str) -> IO[bytes]:
    try:
        # Looked at before it is opened: opening a pipe would wait for a writer.
        mode = Path(name).stat().st_mode
        if stat.S_ISDIR(mode):
            os.scandir(name).close()
            raise ImageError(f"{name}: a folder, not an image")
        if not stat.S_ISREG(mode):
            raise ImageError(f"{name}: a pipe or device, not an image file")
        return Path(name).open("rb")
    except ValueError as error:  # A NUL character in the name.
        raise ImageError(f"{name!r}: no file can be called so: {error}") from None
    except OSError as error:
        raise ImageError(f"{name}: can't be read: {error.strerror}") from None


def _from_array(array: NDArray[Any]) -> Image:
    if array.dtype == np.uint16:
        array = (array >> 8).astype(np.uint8)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise ImageError(
            f"expected uint8 [height, width, 3] RGB (or gray, RGBA, uint16), got "
            f"{array.dtype.name} {list(array.shape)}; pass a batch as a list of images, and "
            "float pixels as (255 * image).astype('uint8')"
        )
    if 0 in array.shape:
        raise ImageError(f"the image is empty: {list(array.shape)}")
    if array.shape[2] == 1:
        array = np.repeat(array, 3, axis=2)
    return np.ascontiguousarray(array[:, :, :3])


def _from_file(file: IO[bytes], name: str, max_pixels: int) -> Image:
    from PIL import UnidentifiedImageError

    pillow, formats = _pillow()
    if pillow.MAX_IMAGE_PIXELS and max_pixels > 2 * pillow.MAX_IMAGE_PIXELS:
        # Pillow refuses files of twice its own limit before ours can be asked.
        pillow.MAX_IMAGE_PIXELS = max_pixels
    try:
        if not file.read(1):
            raise ImageError(f"{name}: the file is empty")
        file.seek(0)
        with pillow.open(file, formats=formats) as image:
            pixels = image.width * image.height
            if pixels > max_pixels:
                raise ImageError(
                    f"{name}: {image.width}x{image.height} is {pixels} pixels, over the limit "
                    f"of {max_pixels}; raise it with --max-pixels if the file is trusted"
                )
            return _from_pillow(image)
    except ImageError:
        raise
    except UnidentifiedImageError:
        file.seek(0)
        if is_lfs_pointer(file.read(64)):
            raise ImageError(f"{name} {LFS_ADVICE}") from None
        raise ImageError(f"{name}: not an image that can be read (JPEG, PNG, WebP, ...)") from None
    except pillow.DecompressionBombError:
        raise ImageError(
            f"{name}: unpacks to far more pixels than the limit of {max_pixels}; raise it with "
            "--max-pixels if the file is trusted"
        ) from None
    except MemoryError:
        raise ImageError(f"{name}: too large for this machine's memory") from None
    except Exception as error:  # Damaged files raise nearly anything from Pillow's parsers.
        raise ImageError(f"{name}: damaged image: {error or type(error).__name__}") from None


@lru_cache(maxsize=1)
def _pillow() -> tuple[Any, tuple[str, ...]]:
    """Pillow's module, set up, and the formats of ours that it was built with."""
    from PIL import Image

    # Its warnings tell of odd metadata and of sizes, which our own limit judges. Silenced once:
    # switching filters for the time of a call is not safe among threads.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    Image.init()
    return Image, tuple(name for name in FORMATS if name in Image.OPEN)


def _from_pillow(image: PillowImage) -> Image:
    from PIL import ImageOps

    # Where there is nothing to turn, turning would copy.
    if image.getexif().get(_ORIENTATION, 1) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        # Gray of 16 bits keeps its high byte; Pillow's own conversion would clip at 255.
        return _from_array(np.asarray(image).astype(np.uint16))
    if image.mode in ("I", "F"):
        # Nothing says what is white here: values beyond 8 bits are taken as 16.
        values = np.nan_to_num(np.asarray(image, dtype=np.float32))
        scaled = values / 256 if values.max(initial=0) > 255 else values
        return _from_array(np.clip(scaled, 0, 255).astype(np.uint8))
    if image.mode != "RGB":
        # By way of RGBA, so that a palette's transparency raises no warning.
        image = image.convert("RGBA" if "transparency" in image.info else "RGB").convert("RGB")
    return np.array(image)
