"""Annotated pictures and videos of a run."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, repeat
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tfzoo.batch.finished import Found, read_back
from tfzoo.batch.inputs import Input
from tfzoo.batch.job import Job
from tfzoo.batch.names import VIDEO_ENDINGS, earlier_picture, on_disk
from tfzoo.batch.output import write_of_image
from tfzoo.detecting import DrawOptions
from tfzoo.detections.types import Detections
from tfzoo.errors import ImageError, OutputError
from tfzoo.files import hidden_name
from tfzoo.images.image import Image
from tfzoo.images.video import VideoInfo, open_cv, read_frames, video_info
from tfzoo.outside import printable
from tfzoo.runtimes.runtime import reason_of

_log = logging.getLogger("tfzoo.batch")

#: Of a video that doesn't say its own.
_USUAL_FRAMES_PER_S = 25.0

#: The longest side that a format can hold, in pixels: libjpeg's limit and WebP's.
_LONGEST = {".jpg": 65_500, ".jpeg": 65_500, ".webp": 16_383}

#: An annotated video of a source whose frames come at any time has no more than these.
_MOST_FRAMES_PER_S = 60.0


def write_picture(path: Path, image: Image, mark: str = "") -> None:
    """Writes a picture, uint8 [H, W, 3] RGB, in the format that its name says.

    One that is too long or too high for that format becomes a PNG, with `.png` after its name.

    Args:
        path: Where to.
        image: The picture.
        mark: Of the run, for the name of a file that is not whole yet.

    Raises:
        OutputError: The disk can't be written.
        OSError: This one can't be written, others can.
    """
    import cv2

    if max(image.shape[:2]) > _LONGEST.get(path.suffix.lower(), math.inf):
        path = path.with_name(f"{path.name}.png")
    encoded = cv2.imencode(path.suffix.lower(), np.ascontiguousarray(image[:, :, ::-1]))[1]
    write_of_image(path, cast(Any, encoded).tobytes(), mark)


@dataclass(frozen=True)
class Pace:
    """How a video of a constant rate shows pictures that have times of their own.

    Attributes:
        frames_per_s: The rate.
        shown: How many frames each picture lasts, in order; 0 leaves it out.
    """

    frames_per_s: float
    shown: NDArray[np.int64]


def pace(times_s: Sequence[float], info: VideoInfo) -> Pace:
    """The pace that keeps every picture within half a frame of its time.

    Where the times are about equally far apart, each picture is a frame. Else the rate is that of
    the closest (but for the odd one), and pictures are repeated until the next is due; the last
    one until the video ends.

    Args:
        times_s: Of the pictures, in seconds.
        info: What the video says of itself; it knows how long the last picture lasts.
    """
    times = np.maximum.accumulate(np.asarray(times_s, dtype=np.float64))
    gaps = np.diff(times)
    once = np.ones(len(times), dtype=np.int64)
    rate = info.frames_per_s or _USUAL_FRAMES_PER_S
    if not gaps.any():
        return Pace(rate, once)
    typical, longest = float(np.median(gaps)), float(gaps.max())
    claimed = info.frames / info.frames_per_s if info.frames_per_s else 0.0
    end = claimed if times[-1] < claimed <= times[-1] + 2 * longest else times[-1] + typical
    if longest < 1.5 * typical and abs(end - times[-1] - typical) < typical / 2:
        # Stamps are rounded: a constant rate is what the file says, if they agree.
        stamped = len(gaps) / (times[-1] - times[0])
        return Pace(rate if abs(stamped - rate) < rate / 50 else stamped, once)
    closest = float(np.percentile(gaps[gaps > 0], 10))
    rate = min(1 / min(closest, end - times[-1]), _MOST_FRAMES_PER_S)
    due = np.rint((np.append(times, end) - times[0]) * rate).astype(np.int64)
    return Pace(rate, np.diff(due))


def write_video(path: Path, pictures: Iterable[Image], pace: Pace, mark: str = "") -> None:
    """Writes pictures, uint8 [H, W, 3] RGB of one size, as an MP4 video, holding one.

    Args:
        path: Where to.
        pictures: In order.
        pace: How long each is shown.
        mark: Of the run, for the name of a file that is not whole yet.

    Raises:
        OutputError: It can't be written.
    """
    cv2 = open_cv()
    temporary = hidden_name(path, mark, ending=".mp4")
    writer = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        shown = chain(pace.shown.tolist(), repeat(1))
        for picture, count in zip(pictures, shown, strict=False):
            height, width = picture.shape[:2]
            if writer is None:
                code = cv2.VideoWriter_fourcc(*"mp4v")
                writer = cv2.VideoWriter(str(temporary), code, pace.frames_per_s, (width, height))
                if not writer.isOpened():
                    raise OutputError(f"video {path} can't be written: OpenCV could not start it")
            frame = np.ascontiguousarray(picture[:, :, ::-1])
            for _ in range(count):
                writer.write(frame)
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


def annotate_videos(job: Job, whole: Callable[[str], str] = str) -> None:
    """Writes each video of a run with its detections drawn, streamed from the parts.

    The frames are read a second time: a video can't be appended to, and so a run that was stopped
    and resumed ends with whole ones all the same.

    Args:
        job: The finished run.
        whole: Gives what is to be opened for a path in the parts.

    Raises:
        OutputError: A video can't be written.
    """
    videos = zip(_videos(job), _videos(job, detections=False), strict=True)
    for (one, frames), (_, again) in videos:
        times_s = [found.image["timestamp_s"] for found in again]
        name = one.picture or earlier_picture(one.name, VIDEO_ENDINGS)
        try:
            video = whole(printable(one.path))
            found_pace = pace(times_s, video_info(video))
            drawn = _drawn(video, frames, job.settings)
            write_video(job.pictures / on_disk(name), drawn, found_pace, job.mark)
        except OutputError:
            raise
        except Exception as error:  # Such as one gone since it was detected; the rows stay.
            _log.warning("%s can't be drawn: %s", one.name, reason_of(error))


def _videos(job: Job, *, detections: bool = True) -> Iterator[tuple[Input, Iterator[Found]]]:
    """The videos of a run, each with what was found in its frames, in order."""
    frames = (
        found for found in read_back(job, detections=detections) if found.image["frame"] is not None
    )
    for (_, one), of_one in groupby(frames, key=lambda found: (found.position, found.input)):
        yield one, of_one


def _drawn(path: str, rows: Iterator[Found], options: DrawOptions) -> Iterator[Image]:
    row = next(rows, None)
    try:
        for frame in read_frames(path):
            while row is not None and row.image["frame"] < frame.index:
                row = next(rows, None)
            same = row is not None and row.image["frame"] == frame.index
            found = row.detections if row is not None and same else []
            yield _detections(found, frame.image).draw(frame.image, options)
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
        masks = np.stack([box_mask(row) for row in rows])
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


def box_mask(row: dict[str, Any], side: int = 200) -> NDArray[np.float32]:
    """A stored mask relative to its box: float32 [side, side]."""
    from pycocotools import mask as coco_mask

    whole = coco_mask.decode(row["segmentation"])
    x0, y0, x1, y1 = (round(row[name]) for name in ("x0", "y0", "x1", "y1"))
    inside = whole[max(y0, 0) : max(y1, y0 + 1), max(x0, 0) : max(x1, x0 + 1)]
    if inside.size == 0:
        return np.zeros((side, side), dtype=np.float32)
    resized = open_cv().resize(inside.astype(np.float32), (side, side))
    return np.asarray(resized, dtype=np.float32)
