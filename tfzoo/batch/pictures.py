"""Annotated pictures and videos of a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tfzoo.batch.parts import Parts
from tfzoo.batch.rows import printable
from tfzoo.detections.types import Detections
from tfzoo.errors import ImageError, OutputError
from tfzoo.files import write_whole
from tfzoo.images.image import Image
from tfzoo.images.video import open_cv, read_frames, video_info


def picture_path(
    folder: Path,
    name: str,
    formats: tuple[str, ...] = (".jpg", ".jpeg", ".png", ".webp"),
) -> Path:
    """Where the annotated picture of an image goes: its name below the folder.

    Args:
        folder: Of all pictures.
        name: The image's name, perhaps with folders, perhaps absolute or an address.
        formats: Endings that may stay; any other has the first of them appended.
    """
    parts = [
        "__" if part == ".." else part.replace(":", "_")
        for part in printable(name).split("/")
        if part not in ("", ".")
    ]
    path = folder.joinpath(*parts)
    return path if path.suffix.lower() in formats else path.with_name(path.name + formats[0])


def write_picture(path: Path, image: Image) -> None:
    """Writes a picture, uint8 [H, W, 3] RGB, in the format that its name says.

    Raises:
        OutputError: It can't be written.
    """
    import cv2

    encoded = cv2.imencode(path.suffix.lower(), np.ascontiguousarray(image[:, :, ::-1]))[1]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, cast(Any, encoded).tobytes())
    except OSError as error:
        raise OutputError(f"picture {path} can't be written: {error.strerror}") from None


def write_video(path: Path, pictures: Iterable[Image], frames_per_s: float) -> None:
    """Writes pictures, uint8 [H, W, 3] RGB of one size, as an MP4 video, holding one.

    Raises:
        OutputError: It can't be written.
    """
    cv2 = open_cv()
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
    resized = open_cv().resize(inside.astype(np.float32), (side, side))
    return np.asarray(resized, dtype=np.float32)
