"""Videos in, frame by frame, through OpenCV."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import numpy as np

from tfzoo import settings
from tfzoo.detecting import MAX_PIXELS
from tfzoo.errors import ImageError
from tfzoo.files import LFS_ADVICE, is_lfs_pointer
from tfzoo.images.addresses import is_address, open_regular
from tfzoo.images.image import Image, image_errors
from tfzoo.threads import within

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a video.

    Attributes:
        index: Its number, from 0.
        timestamp_s: Its time from the start in seconds.
        image: uint8 [H, W, 3] RGB.
    """

    index: int
    timestamp_s: float
    image: Image


@dataclass(frozen=True)
class VideoInfo:
    """What a video file says of itself.

    Attributes:
        frames: Number of frames it claims to hold; 0 where it does not say.
        frames_per_s: Its rate; 0 where it does not say.
    """

    frames: int
    frames_per_s: float


def read_frames(
    path: str, first: int = 0, max_pixels: int = MAX_PIXELS
) -> Generator[Frame, None, None]:
    """Reads the frames of a video one after the other, holding one.

    Args:
        path: A video file, or its address.
        first: Frames before this one are passed over (counted, so that the numbers are true).
        max_pixels: Refuse larger frames.

    Raises:
        ImageError: It is no video that can be read; or, after the last frame that could be read,
            it ended before the time that it claims.
    """
    with _opened(path) as capture:
        info = _info(capture)
        index = 0
        time_s = longest_s = 0.0
        while index < first and _patiently(path, capture.grab):
            index += 1
        while True:
            good, picture = _patiently(path, capture.read)
            if not good:
                break
            if picture.shape[0] * picture.shape[1] > max_pixels:
                raise ImageError(
                    f"{path}: frames of {picture.shape[1]}x{picture.shape[0]} are over the limit "
                    f"of {max_pixels} pixels; raise it with --max-pixels"
                )
            before_s = time_s
            time_s = capture.get(open_cv().CAP_PROP_POS_MSEC) / 1000
            if not time_s and info.frames_per_s:  # Some files carry no time stamps.
                time_s = index / info.frames_per_s
            longest_s = max(longest_s, time_s - before_s) if index > first else longest_s
            yield Frame(index, time_s, np.ascontiguousarray(picture[:, :, ::-1]))
            index += 1
        if _ends_early(info, index, time_s, longest_s):
            raise ImageError(
                f"{path}: the video ends after {index} of the {info.frames} frames it claims; it "
                "is truncated or damaged. The frames before are detected"
            )


def _ends_early(info: VideoInfo, frames: int, last_s: float, longest_s: float) -> bool:
    """Whether a video lacks frames that it claims.

    Many formats know only how long they last: the number of frames is that times a rate, which is
    wrong where the rate varies. Such a video is whole where its last frame, lasting twice as long
    as any other at most, reaches the end.

    Args:
        info: What it claims.
        frames: How many there were.
        last_s: The last one's time in seconds.
        longest_s: The longest time between two that were seen, in seconds.
    """
    # The claim is an estimate in some formats, so that a hundredth less is no damage.
    if frames >= info.frames - max(1, info.frames // 100):
        return False
    return not info.frames_per_s or info.frames / info.frames_per_s > last_s + 2 * longest_s


def opens_as_video(path: str) -> bool:
    """Whether FFmpeg, by way of OpenCV, finds a frame in a file."""
    cv2 = open_cv()
    try:
        path.encode()  # OpenCV, told to take FFmpeg, crashes on a name that is not UTF-8.
        open_regular(path).close()
        capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG)
        try:
            return bool(capture.isOpened() and capture.grab())
        finally:
            capture.release()
    except Exception:  # As an image, it will be told of what it is not.
        return False


def video_info(path: str) -> VideoInfo:
    """What a video file says of itself.

    Raises:
        ImageError: It is no video that can be read.
    """
    with _opened(path) as capture:
        return _info(capture)


def open_cv() -> Any:
    """OpenCV's module, told to keep quiet."""
    # A damaged file is told of by an error of ours, not by FFmpeg on the terminal.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    import cv2

    return cv2


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    """A video, open; whatever is raised while it is read becomes an `ImageError`."""
    with image_errors(path):
        capture = _open(path)
        try:
            yield capture
        finally:
            # Of an address, a frame may still be waited for: it goes when nothing needs it.
            if not is_address(path):
                capture.release()


def _patiently(path: str, function: Callable[..., Result], *arguments: Any) -> Result:
    """A call of OpenCV's; one that waits for a server is waited for where a signal is felt."""
    if not is_address(path):
        return function(*arguments)
    limit_s = settings.image_time_s()
    try:
        return within(limit_s, function, *arguments)
    except TimeoutError:
        raise ImageError(f"{path}: can't be read: took longer than {limit_s:g} s") from None


def _open(path: str) -> Any:
    start = b""
    if not is_address(path) or urlsplit(path).scheme.lower() == "file":
        with open_regular(unquote(urlsplit(path).path) if is_address(path) else path) as file:
            start = file.read(64)
    try:
        capture = _patiently(path, open_cv().VideoCapture, path)
    except UnicodeEncodeError:
        raise ImageError(f"{path}: OpenCV opens no video whose name is not UTF-8") from None
    if not capture.isOpened():
        if is_lfs_pointer(start):
            raise ImageError(f"{path} {LFS_ADVICE}")
        raise ImageError(f"{path}: not a video that can be read (MP4, AVI, MKV, WebM, ...)")
    return capture


def _info(capture: Any) -> VideoInfo:
    cv2 = open_cv()
    frames = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    rate = capture.get(cv2.CAP_PROP_FPS)
    # Where a file does not say, OpenCV gives nonsense, negative numbers included.
    return VideoInfo(
        int(frames) if 0 < frames < 1e9 else 0, float(rate) if 0 < rate < 1000 else 0.0
    )
