"""Which image formats can be read, and how the files of each end."""

from __future__ import annotations

import warnings
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from pathlib import PurePath
from typing import Any

#: Formats that any file may turn out to be, whatever its name says. MPO is opened as a JPEG;
#: naming it would end the search for every other format.
FORMATS = (
    "JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000", "HEIF",
)  # fmt: skip

#: Pillow's modules that read them. All forty take a tenth of a second to import.
_READERS = ("Avif", "Bmp", "Gif", "Jpeg", "Jpeg2K", "Mpo", "Png", "Ppm", "Tiff", "WebP")

#: Formats that Pillow recognises and does not decode by itself: one (EPS) starts a program.
_NOT_DECODED = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "PALM", "PDF", "WMF"})

#: How the photos of most phones end; they take a library of their own.
HEIF_ENDINGS = frozenset({".heic", ".heics", ".heif", ".heifs", ".hif"})

#: What lets them be read.
HEIF_HINT = "pip install 'tfzoo[heif]'"

_HEIF_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
)


@lru_cache(maxsize=1)
def pillow() -> Any:
    """Pillow's module, set up with `FORMATS`; with HEIC where that is installed."""
    from PIL import Image

    # Its warnings tell of odd metadata and of sizes, which our own limit judges. Silenced once:
    # switching filters for the time of a call is not safe among threads.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    for reader in _READERS:
        with suppress(ImportError):  # AVIF came with Pillow 11.3.
            import_module(f"PIL.{reader}ImagePlugin")
    try:
        import pillow_heif
    except ImportError:
        return Image
    pillow_heif.register_heif_opener()
    return Image


@lru_cache(maxsize=1)
def _whole_pillow() -> Any:
    """Pillow's module, set up with all of its formats."""
    image = pillow()
    image.init()
    return image


def formats_of(name: str) -> tuple[str, ...]:
    """The formats that a file may have: those of any file, then the one that its name says.

    Some formats are known by their endings alone: tried on every file, they would take text and
    damaged photographs for theirs.
    """
    image = pillow()
    known = tuple(one for one in FORMATS if one in image.OPEN)
    ending = PurePath(name).suffix.lower()
    named = image.EXTENSION.get(ending) or _whole_pillow().EXTENSION.get(ending)
    fits = named in image.OPEN and named not in known and named not in _NOT_DECODED
    return (*known, named) if fits else known


def ends_as_image(ending: str) -> bool:
    """Whether files that end so, such as `.jpg`, count as images when a folder is walked."""
    image = pillow()
    named = image.EXTENSION.get(ending)
    return (named in FORMATS and named in image.OPEN) or ending in image_endings()


@lru_cache(maxsize=1)
def image_endings() -> frozenset[str]:
    """How files end that count as images: all that Pillow decodes."""
    image = _whole_pillow()
    return frozenset(
        ending
        for ending, named in image.EXTENSION.items()
        if named not in _NOT_DECODED and (named in image.OPEN or named == "MPO")
    )


def is_heif(start: bytes) -> bool:
    """Whether a file that starts so is a HEIC or HEIF image."""
    return start[4:8] == b"ftyp" and start[8:12] in _HEIF_BRANDS
