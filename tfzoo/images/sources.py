"""Images in: reading one as RGB, and walking files, folders, globs, lists and addresses for more.

Pillow reads the files: unlike OpenCV's decoder it knows the size before decoding, refuses a
truncated file instead of filling it with gray, and tells palettes, CMYK and 16 bits apart. The
pixels of a JPEG are the same.
"""

from __future__ import annotations

import glob
import heapq
import io
import json
import os
import re
import stat
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import numpy as np
from numpy.typing import NDArray

from tfzoo.errors import ImageError, UsageError

if TYPE_CHECKING:
    import httpx
    from PIL.Image import Image as PillowImage

    from tfzoo.detections.types import Image

#: What a caller may hand over as one image.
ImageLike = Any

#: Files that count as images when a folder is walked; a file named outright is always tried.
EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
)

#: Files read as a video, frame by frame, where they are named outright.
VIDEO_EXTENSIONS = frozenset({".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg"})

#: Formats that Pillow may try. Its others are rarely photographs, and one (EPS) starts a program.
#: MPO is opened as a JPEG; naming it would end the search for every other format.
FORMATS = (
    "JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000",
)  # fmt: skip

#: Larger images are refused unless asked for: a small file can unpack to any size.
MAX_PIXELS = 150_000_000

#: What is fetched from an address is held in memory before it is decoded.
MAX_FETCHED_BYTES = 512 * 2**20

#: EXIF's number of the tag that says how a camera was held.
_ORIENTATION = 0x0112

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


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
            return _from_file(io.BytesIO(_fetch(name)), name, max_pixels)
        with _open_regular(name) as file:
            return _from_file(file, name, max_pixels)
    if isinstance(source, bytes | bytearray | memoryview):
        return _from_file(io.BytesIO(source), "the bytes given", max_pixels)
    if hasattr(source, "convert") and hasattr(source, "getexif"):
        return _from_pillow(source)
    raise ImageError(
        f"an image is a path, bytes, a PIL image or an array, not {type(source).__name__}"
    )


def is_address(source: str) -> bool:
    """Whether a source is an address (`https://...`, `s3://...`) and no path."""
    return _ADDRESS.match(source) is not None


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


def _fetch(address: str) -> bytes:
    """The bytes behind an address: http and https, or a file system that pyarrow knows."""
    too_large = ImageError(f"{address}: larger than {MAX_FETCHED_BYTES >> 20} MiB")
    if urlsplit(address).scheme.lower() in ("http", "https"):
        import httpx

        gathered = bytearray()
        try:
            with _client().stream("GET", address) as response:
                response.raise_for_status()
                for chunk in response.iter_bytes():
                    gathered += chunk
                    if len(gathered) > MAX_FETCHED_BYTES:
                        raise too_large
        except httpx.HTTPStatusError as error:
            raise ImageError(
                f"{address}: the server answered {error.response.status_code}"
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ImageError(f"{address}: can't be fetched: {error}") from None
        return bytes(gathered)
    try:
        system, path = _file_system(address)
        with system.open_input_file(path) as file:
            if file.size() > MAX_FETCHED_BYTES:
                raise too_large
            return bytes(file.read())
    except (OSError, ValueError) as error:  # pyarrow's own errors are among these.
        raise ImageError(f"{address}: can't be read: {error}") from None


@lru_cache(maxsize=1)
def _client() -> httpx.Client:
    import httpx

    return httpx.Client(follow_redirects=True, timeout=30)


def _file_system(address: str) -> tuple[Any, str]:
    from pyarrow.fs import FileSystem

    system, path = FileSystem.from_uri(address)
    return system, path


@dataclass(frozen=True)
class ImageFile:
    """An image (or video) to detect: where it lies and the name its results go by.

    Attributes:
        path: Path of the file, or its address.
        name: Path relative to the folder it was found in where there is one source, else the
            path as given; unique within a run unless a file is given twice.
    """

    path: str
    name: str

    @property
    def is_video(self) -> bool:
        """Whether its name says that it is a video."""
        path = urlsplit(self.path).path if is_address(self.path) else self.path
        return os.path.splitext(path)[1].lower() in VIDEO_EXTENSIONS  # noqa: PTH122 - often


def find_images(
    sources: Iterable[str | os.PathLike[str]], recursive: bool = False
) -> Iterator[ImageFile]:
    """Walks files, folders, globs, lists and addresses: one image at a time, with bounded memory.

    A folder gives its images in order of their names; a text file (`.txt`) the path or address
    on each of its lines, relative to the folder it lies in. Videos count only where they are
    named. Links to folders are not followed: they may lead back up.

    Args:
        sources: Files, folders, glob patterns, text files of paths, or addresses (`https://`, or
            a file or folder at `s3://`, `gs://` and what else pyarrow reads).
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
    if is_address(source):
        yield from _find_remote(source, recursive, single)
        return
    path = Path(source)
    if path.is_dir():
        for file in _walk(source, recursive):
            name = os.path.relpath(file, source) if single else file
            yield ImageFile(file, Path(name).as_posix())
    elif path.suffix.lower() == ".txt" and path.is_file():
        yield from _listed(path)
    elif path.exists() or path.is_symlink():
        yield ImageFile(source, path.name if single else path.as_posix())
    elif glob.has_magic(source):
        matches = ((match, False) for match in glob.iglob(source, recursive=True))  # noqa: PTH207
        for match, _ in _sorted(matches):
            if not Path(match).is_dir():
                yield ImageFile(match, Path(match).as_posix())
    else:
        raise UsageError(
            f"source {source} does not exist; expected a file, a folder, a glob, a text file of "
            "paths, or an address"
        )


def _walk(folder: str, recursive: bool, root: bool = True) -> Iterator[str]:
    try:
        scan = os.scandir(folder)
    except OSError as error:
        if root:
            raise UsageError(f"folder {folder} can't be read: {error.strerror}") from None
        yield folder  # Reading it will fail, and be told of like any image that can't be read.
        return
    with scan:
        entries = ((entry.name, entry.is_dir(follow_symlinks=False)) for entry in scan)
        ordered = _sorted(entries)
        for name, is_folder in ordered:
            path = os.path.join(folder, name)  # noqa: PTH118 - a million times
            if is_folder:
                if recursive:
                    yield from _walk(path, recursive, root=False)
            elif os.path.splitext(name)[1].lower() in EXTENSIONS:  # noqa: PTH122
                yield path


def _sorted(entries: Iterator[tuple[str, bool]], held: int = 100_000) -> Iterator[tuple[str, bool]]:
    """Sorts any number of entries while holding `held` in memory: the rest waits in files."""
    first = sorted(islice(entries, held))
    following = next(entries, None)
    if following is None:
        yield from first
        return
    entries = chain([following], entries)
    with ExitStack() as files:
        runs = []
        run = first
        while run:
            file = files.enter_context(TemporaryFile("w+", encoding="ascii"))
            file.writelines(json.dumps(entry) + "\n" for entry in run)
            file.seek(0)
            runs.append(map(json.loads, file))
            run = sorted(islice(entries, held))
        yield from heapq.merge(*runs)


def _listed(path: Path) -> Iterator[ImageFile]:
    # Not UTF-8 in a name on a line stays what it is.
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as lines:
        for line in lines:
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            if is_address(text):
                yield ImageFile(text, text)
            else:
                yield ImageFile(os.fspath(path.parent / text), Path(text).as_posix())


def _find_remote(source: str, recursive: bool, single: bool) -> Iterator[ImageFile]:
    parts = urlsplit(source)
    if parts.scheme.lower() in ("http", "https"):
        yield ImageFile(source, source)
        return
    from pyarrow.fs import FileSelector, FileType

    try:
        system, root = _file_system(source)
        kind = system.get_file_info(root).type
        if kind == FileType.File:
            yield ImageFile(source, source)
            return
        if kind == FileType.NotFound:
            raise UsageError(f"nothing lies at {source}; expected a file or a folder")
        entries = system.get_file_info(FileSelector(root, recursive=recursive))
    except (OSError, ValueError) as error:
        raise UsageError(f"{source} can't be read: {error}") from None
    query = f"?{parts.query}" if parts.query else ""
    for entry in sorted(entries, key=lambda entry: entry.path):
        if entry.type == FileType.File and f".{entry.extension.lower()}" in EXTENSIONS:
            address = f"{parts.scheme}://{quote(entry.path)}{query}"
            below = entry.path.removeprefix(root.rstrip("/") + "/")
            yield ImageFile(address, below if single else address)
