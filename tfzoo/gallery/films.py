"""Frames of videos, each video decoded once."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial

from tfzoo.errors import ImageError
from tfzoo.images.image import Image
from tfzoo.images.video import Frame, read_frames


class Films:
    """Hands out frames of videos, one video after the other, in ascending order.

    Args:
        max_pixels: Frames of more are not read.
    """

    def __init__(self, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._path = ""
        self._frames: Generator[Frame, None, None] | None = None
        self._failure: ImageError | None = None

    def frame(self, path: str, number: int) -> Callable[[], Image]:
        """A frame of a video, decoded now; what went wrong is raised by whoever calls for it.

        Args:
            path: The video, or its address.
            number: From 0, and more than the one before of this video.
        """
        try:
            image = self._frame(path, number)
        except ImageError as error:
            self._failure = error
            return partial(_fail, error)
        return lambda: image

    def _frame(self, path: str, number: int) -> Image:
        if path != self._path:
            if self._frames is not None:
                self._frames.close()
            self._frames = read_frames(path, number, self._max_pixels)
            self._path, self._failure = path, None
        if self._failure is not None:
            raise self._failure
        assert self._frames is not None  # Opened with the path.
        for frame in self._frames:
            if frame.index == number:
                return frame.image
        raise ImageError(f"{path}: the video has no frame {number} any more")


def _fail(error: ImageError) -> Image:
    raise error
