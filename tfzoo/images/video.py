"""Videos in and out, frame by frame, through OpenCV."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.batch.parts import Parts, picture_path
from tfzoo.detections.types import Detections
from tfzoo.errors import ImageError, OutputError
from tfzoo.images.image import Image
from tfzoo.images.reading import MAX_PIXELS


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


def read_frames(path: str, first: int = 0, max_pixels: int = MAX_PIXELS) -> Iterator[Frame]:
    """Reads the frames of a video one after the other, holding one.

    Args:
        path: A video file, or its address.
        first: Frames before this one are passed over (counted, so that the numbers are true).
        max_pixels: Refuse larger frames.

    Raises:
        ImageError: It is no video that can be read; or, after the last frame that could be read,
            it ended before the number of frames that it claims.
    """
    capture = _open(path)
    try:
        info = _info(capture)
        index = 0
        while index < first and capture.grab():
            index += 1
        while True:
            good, picture = capture.read()
            if not good:
                break
            if picture.shape[0] * picture.shape[1] > max_pixels:
                raise ImageError(
                    f"{path}: frames of {picture.shape[1]}x{picture.shape[0]} are over the limit "
                    f"of {max_pixels} pixels; raise it with --max-pixels"
                )
            time_s = capture.get(_cv2().CAP_PROP_POS_MSEC) / 1000
            if not time_s and info.frames_per_s:  # Some files carry no time stamps.
                time_s = index / info.frames_per_s
            yield Frame(index, time_s, np.ascontiguousarray(picture[:, :, ::-1]))
            index += 1
        # The claim is an estimate in some formats, so that a hundredth less is no damage.
        if index < info.frames - max(1, info.frames // 100):
            raise ImageError(
                f"{path}: the video ends after {index} of the {info.frames} frames it claims; it "
                "is truncated or damaged. The frames before are detected"
            )
    finally:
        capture.release()


def video_info(path: str) -> VideoInfo:
    """What a video file says of itself.

    Raises:
        ImageError: It is no video that can be read.
    """
    capture = _open(path)
    try:
        return _info(capture)
    finally:
        capture.release()


def write_video(path: Path, pictures: Iterable[Image], frames_per_s: float) -> None:
    """Writes pictures, uint8 [H, W, 3] RGB of one size, as an MP4 video, holding one.

    Raises:
        OutputError: It can't be written.
    """
    cv2 = _cv2()
    temporary = path.with_name(f".{path.stem}.tmp.mp4")
    writer = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for picture in pictures:
            height, width = picture.shape[:2]
            if writer is None:
                code = cv2.VideoWriter_fourcc(*"mp4v")
                writer = cv2.VideoWriter(str(temporary), code, frames_per_s or 25, (width, height))
                if not writer.isOpened():
                    raise OutputError(f"video {path} can't be written: OpenCV could not start it")
            writer.write(np.ascontiguousarray(picture[:, :, ::-1]))
        if writer is not None:
            writer.release()
            writer = None
            temporary.replace(path)
    except OSError as error:
        raise OutputError(f"video {path} can't be written: {error.strerror}") from None
    finally:
        if writer is not None:
            writer.release()
            temporary.unlink(missing_ok=True)


def annotate_videos(parts: Parts, folder: Path) -> None:
    """Writes each video of a run with its detections drawn, streamed from the parts.

    The frames are read a second time: a video can't be appended to, and so a run that was stopped
    and resumed ends with whole ones all the same.

    Args:
        parts: The finished run's.
        folder: Of all pictures.

    Raises:
        OutputError: A video can't be written.
    """
    for (path, name), rows in groupby(_frame_rows(parts), key=lambda row: (row.path, row.name)):
        target = picture_path(folder, name, formats=(".mp4",))
        try:
            write_video(target, _drawn(path, rows), video_info(path).frames_per_s)
        except ImageError:
            continue  # Gone since it was detected; the rows stay.


@dataclass(frozen=True)
class _FrameRows:
    path: str
    name: str
    frame: int
    detections: list[dict[str, Any]]


def _frame_rows(parts: Parts) -> Iterator[_FrameRows]:
    """What was found in each frame, in order; one part in memory."""
    for number in parts.sealed():
        detections, images = parts.read(number)
        first = 0
        for image in images.to_pylist():
            count = image["detections"] or 0
            if image["frame"] is not None:
                rows = detections.slice(first, count).to_pylist()
                yield _FrameRows(image["path"], image["file_name"], image["frame"], rows)
            first += count


def _drawn(path: str, rows: Iterator[_FrameRows]) -> Iterator[Image]:
    row = next(rows, None)
    try:
        for frame in read_frames(path):
            while row is not None and row.frame < frame.index:
                row = next(rows, None)
            found = row.detections if row is not None and row.frame == frame.index else []
            yield _detections(found, frame.image).draw(frame.image)
    except ImageError:
        pass  # It ends early, which its rows say already.


def _detections(rows: list[dict[str, Any]], image: Image) -> Detections:
    """Detections of one frame from their rows on disk."""
    boxes = np.array([[row[name] for name in ("x0", "y0", "x1", "y1")] for row in rows])
    keypoints = keypoint_scores = masks = None
    points = max((len(row.get("keypoints") or ()) for row in rows), default=0) // 3
    if points:
        # Objects without keypoints are marked by scores that are no number.
        empty = [0.0, 0.0, np.nan] * points
        triples = np.array([row["keypoints"] or empty for row in rows], dtype=np.float32)
        triples = triples.reshape(len(rows), points, 3)
        keypoints, keypoint_scores = triples[:, :, :2].copy(), triples[:, :, 2].copy()
    if any(row.get("segmentation") for row in rows):
        masks = np.stack([_box_mask(row) for row in rows])
    return Detections(
        boxes.astype(np.float32).reshape(len(rows), 4),
        np.array([row["score"] for row in rows], dtype=np.float32),
        np.array([row["category_id"] for row in rows], dtype=np.int32),
        (image.shape[0], image.shape[1]),
        keypoints=keypoints,
        keypoint_scores=keypoint_scores,
        masks=masks,
        labels={row["category_id"]: row["category"] for row in rows},
    )


def _box_mask(row: dict[str, Any], side: int = 200) -> NDArray[np.float32]:
    """A stored mask relative to its box: float32 [side, side]."""
    from pycocotools import mask as coco_mask

    whole = coco_mask.decode(row["segmentation"])
    x0, y0, x1, y1 = (round(row[name]) for name in ("x0", "y0", "x1", "y1"))
    inside = whole[max(y0, 0) : max(y1, y0 + 1), max(x0, 0) : max(x1, x0 + 1)]
    if inside.size == 0:
        return np.zeros((side, side), dtype=np.float32)
    resized = _cv2().resize(inside.astype(np.float32), (side, side))
    return np.asarray(resized, dtype=np.float32)


def _cv2() -> Any:
    # A damaged file is told of by an error of ours, not by FFmpeg on the terminal.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    import cv2

    return cv2


def _open(path: str) -> Any:
    try:
        capture = _cv2().VideoCapture(path)
    except UnicodeEncodeError:
        raise ImageError(f"{path}: OpenCV opens no video whose name is not UTF-8") from None
    if not capture.isOpened():
        raise ImageError(f"{path}: not a video that can be read (MP4, AVI, MKV, WebM, ...)")
    return capture


def _info(capture: Any) -> VideoInfo:
    cv2 = _cv2()
    frames = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    rate = capture.get(cv2.CAP_PROP_FPS)
    # Where a file does not say, OpenCV gives nonsense, negative numbers included.
    return VideoInfo(
        int(frames) if 0 < frames < 1e9 else 0, float(rate) if 0 < rate < 1000 else 0.0
    )
