"""Images in: reading one as RGB, and walking files, folders and globs for more.

Pillow reads the files: unlike OpenCV's decoder it knows the size before decoding, refuses a
truncated file instead of filling it with gray, and tells palettes, CMYK and 16 bits apart. The
pixels of a JPEG are the same.
"""

from __future__ import annotations

import glob
import io
import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.errors import ImageError, UsageError

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

    from tfzoo.detections import Image

#: What a caller may hand over as one image.
ImageLike = Any

#: Files that count as images when a folder is walked; a file named outright is always tried.
EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
)

#: Larger images are refused unless asked for: a small file can unpack to any size.
MAX_PIXELS = 200_000_000


def read_image(source: ImageLike, max_pixels: int = MAX_PIXELS) -> Image:
    """Reads one image as RGB, its EXIF orientation applied.

    Args:
        source: A path, the bytes of a file, a PIL image, or an array: uint8 [H, W, 3] RGB;
            [H, W] and [H, W, 1] (gray), [H, W, 4] (RGBA, alpha dropped) and uint16 are converted.
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
        try:
            data = Path(source).read_bytes()
        except OSError as error:
            raise ImageError(f"{name}: can't be read: {error.strerror}") from None
        return _from_bytes(data, name, max_pixels)
    if isinstance(source, bytes | bytearray | memoryview):
        return _from_bytes(bytes(source), "the bytes given", max_pixels)
    if hasattr(source, "convert") and hasattr(source, "getexif"):
        return _from_pillow(source)
    raise ImageError(
        f"an image is a path, bytes, a PIL image or an array, not {type(source).__name__}"
    )


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


def _from_bytes(data: bytes, name: str, max_pixels: int) -> Image:
    from PIL import Image as pillow
    from PIL import UnidentifiedImageError

    if not data:
        raise ImageError(f"{name}: the file is empty")
    try:
        with warnings.catch_warnings():
            # Our own limit decides, with our own message.
            warnings.simplefilter("ignore")
            with pillow.open(io.BytesIO(data)) as image:
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
        raise ImageError(f"{name}: not an image that can be read (JPEG, PNG, WebP, ...)") from None
    except MemoryError:
        raise ImageError(f"{name}: too large for this machine's memory") from None
    except Exception as error:  # Damaged files raise nearly anything from Pillow's parsers.
        raise ImageError(f"{name}: damaged image: {error}") from None


def _from_pillow(image: PillowImage) -> Image:
    from PIL import ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        # 16-bit gray keeps its high byte; Pillow's own conversion would clip at 255.
        values = np.asarray(image).astype(np.float64)
        scaled = values / 256 if values.max(initial=0) > 255 else values
        return _from_array(np.clip(scaled, 0, 255).astype(np.uint8))
    if image.mode != "RGB":
        # By way of RGBA, so that a palette's transparency raises no warning.
        image = image.convert("RGBA" if "transparency" in image.info else "RGB").convert("RGB")
    return np.array(image)


@dataclass(frozen=True)
class ImageFile:
    """An image to detect: where it lies and the name its results go by.

    Attributes:
        path: The file.
        name: Path relative to the folder it was found in; unique within a run over one folder.
    """

    path: Path
    name: str


def find_images(sources: Iterable[str | Path], recursive: bool = False) -> Iterator[ImageFile]:
    """Walks files, folders and globs, one image at a time, each folder in order of names.

    Names are relative to the source folder where there is one source, else as the source was
    given, so that two files of one name in different folders stay two.

    Args:
        sources: Files, folders, or glob patterns.
        recursive: Whether folders are searched to any depth.

    Raises:
        UsageError: A source does not exist, or no image was found at all.
    """
    given = [os.fspath(source) for source in sources]
    found = False
    for source in given:
        for image in _find(source, recursive, len(given) == 1):
            found = True
            yield image
    if not found:
        listed = ", ".join(given) or "no source"
        hint = "" if recursive else "; look into subfolders with --recursive"
        raise UsageError(
            f"no image found in {listed}: expected files ending in "
            f"{' '.join(sorted(EXTENSIONS))}{hint}"
        )


def _find(source: str, recursive: bool, single: bool) -> Iterator[ImageFile]:
    path = Path(source)
    if path.is_dir():
        for file in _walk(path, recursive):
            yield ImageFile(file, (file.relative_to(path) if single else file).as_posix())
    elif path.exists() or path.is_symlink():
        yield ImageFile(path, path.name if single else path.as_posix())
    elif glob.has_magic(source):
        for match in sorted(glob.glob(source, recursive=True)):  # noqa: PTH207 - absolute too
            if not Path(match).is_dir():
                yield ImageFile(Path(match), Path(match).as_posix())
    else:
        raise UsageError(f"source {source} does not exist; expected a file, a folder or a glob")


def _walk(folder: Path, recursive: bool) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise UsageError(f"folder {folder} can't be read: {error.strerror}") from None
    for entry in entries:
        # Folders behind links are not entered: they may lead back up.
        if entry.is_dir(follow_symlinks=False):
            if recursive:
                yield from _walk(Path(entry.path), recursive)
        elif Path(entry.name).suffix.lower() in EXTENSIONS:
            yield Path(entry.path)
