"""Small pictures of a run's images: read on several threads, kept until the next time."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from tfzoo.batch.inputs import read_inputs
from tfzoo.batch.job import INPUTS
from tfzoo.batch.output import told_of
from tfzoo.batch.owned import gallery_mark, is_of_gallery
from tfzoo.batch.parts import mark_of
from tfzoo.errors import ImageError, OutputError
from tfzoo.files import whole_file
from tfzoo.gallery.contents import Picture
from tfzoo.gallery.films import Films
from tfzoo.images.addresses import is_address
from tfzoo.images.image import Image
from tfzoo.images.reading import read_image
from tfzoo.outside import HIDDEN, keyed, printable

_QUALITY = 80

#: Gives an image, uint8 [H, W, 3] RGB, or raises an `ImageError`.
Read = Callable[[], Image]

#: What a whole JPEG ends with.
_END = b"\xff\xd9"


@dataclass(frozen=True)
class Thumbnail:
    """The small picture of an image.

    Attributes:
        jpeg: Its bytes; None where it lies in the folder, or there is none.
        gone: Why there is none, or None.
        source: The image's own file as an address of the browser's (file://...), or empty.
    """

    jpeg: bytes | None = None
    gone: str | None = None
    source: str = ""


class Thumbnails:
    """Makes the small pictures of a run.

    Args:
        out: The run's folder.
        run: Its id, which each holds.
        size: Their longest side in pixels.
        max_pixels: Images of more are not read.
        folder: Where they go, or None to have their bytes.
    """

    def __init__(
        self, out: Path, run: str, size: int, max_pixels: int, folder: Path | None
    ) -> None:
        self._out, self._run, self._size, self._max_pixels = out, run, size, max_pixels
        self._folder = folder
        self._paths = dict(_unlike_text(out / INPUTS))
        self._mark = gallery_mark(run) + f" size {size}".encode()

    def read(self, pictures: Iterable[Picture]) -> Iterator[tuple[Picture, Read]]:
        """Pictures with how to read each: an image when asked, a frame here and now.

        A video is decoded once, in the order of its frames, from the first one that has no small
        picture yet.
        """
        films = Films(self._max_pixels)
        for picture in pictures:
            path = self._path(picture)
            if picture.frame is None or self._is_made(picture) or not self._is_there(path):
                yield picture, partial(read_image, path, self._max_pixels)
            else:
                yield picture, films.frame(path, picture.frame)

    def of(self, asked: tuple[Picture, Read]) -> Thumbnail:
        """The small picture of one image; safe to be called by several threads.

        Args:
            asked: As `read` gives it.

        Raises:
            OutputError: It can't be written.
        """
        picture, read = asked
        if picture.error is not None and not picture.width:
            return Thumbnail()  # It couldn't be read when it was its turn.
        path = self._path(picture)
        # A browser shows no frame of a video.
        shows = not is_address(path) and picture.frame is None and Path(path).exists()
        source = Path(path).as_uri() if shows else ""
        if self._is_made(picture):
            return Thumbnail(source=source)
        if is_address(path) and HIDDEN in path:
            return Thumbnail(gone="what its address hides was written down nowhere")
        if not self._is_there(path):
            return Thumbnail(gone=f"{printable(path)} is gone")
        try:
            image = read()
        except ImageError as error:
            return Thumbnail(gone=printable(str(error)))
        if image.shape[:2] != (picture.height, picture.width):
            return Thumbnail(gone=f"{printable(path)} is another picture than the one detected")
        jpeg = small(image, self._size, self._mark)
        if self._folder is None:
            return Thumbnail(jpeg, source=source)
        self._write(self._folder / name_of(picture.index), jpeg)
        return Thumbnail(source=source)

    def _path(self, picture: Picture) -> str:
        return self._paths.get(picture.path, picture.path)

    def _is_there(self, path: str) -> bool:
        return HIDDEN not in path if is_address(path) else Path(path).exists()

    def _is_made(self, picture: Picture) -> bool:
        return self._folder is not None and self._is_whole(self._folder / name_of(picture.index))

    def _write(self, target: Path, jpeg: bytes) -> None:
        # Not waited for until it is on the disk: one that a power cut leaves empty is made again.
        mark = mark_of(self._run)
        with told_of(target), whole_file(target, sync=False, mark=mark, ours=self._ours) as file:
            file.write(jpeg)

    def _ours(self, path: Path) -> bool:
        return is_of_gallery(path, self._run) or path.stat().st_size == 0

    def _is_whole(self, path: Path) -> bool:
        if not is_of_gallery(path, self._run, self._mark):
            return False
        with path.open("rb") as file:
            file.seek(-len(_END), io.SEEK_END)
            return file.read() == _END


def name_of(index: int) -> str:
    """The file name of an image's small picture."""
    return f"{index:06d}.jpg"


def small(image: Image, size: int, mark: bytes) -> bytes:
    """A JPEG of an image, uint8 [H, W, 3] RGB, no side longer than `size`, with a mark in it."""
    import cv2
    from PIL import Image as pillow

    height, width = image.shape[:2]
    scale = min(1.0, size / max(height, width))
    sides = (max(1, round(width * scale)), max(1, round(height * scale)))
    if scale < 1:
        image = cv2.resize(image, sides, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    file = io.BytesIO()
    pillow.fromarray(image).save(file, "JPEG", quality=_QUALITY, comment=mark)
    return file.getvalue()


def _unlike_text(inputs: Path) -> Iterator[tuple[str, str]]:
    """Paths that a run's rows can't hold as they are, since they are no UTF-8: by what they hold.

    Where the list of inputs is gone or damaged, those can't be opened; all others can.
    """
    try:
        for _, one in read_inputs(inputs):
            if (held := printable(keyed(one.path))) != one.path and not is_address(one.path):
                yield held, one.path
    except OutputError:
        return
