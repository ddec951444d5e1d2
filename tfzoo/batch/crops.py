"""What was found, cut out of its image: a JPEG for each box, in a folder for each category."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path

from tfzoo.batch.finished import read_back
from tfzoo.batch.job import CROPS, Job
from tfzoo.batch.names import file_of, fitting_folder
from tfzoo.batch.output import write_of_image
from tfzoo.detections.types import Detections
from tfzoo.images.image import Image

_QUALITY = 95


def crop_box(
    box: Sequence[float], image_size: tuple[int, int], padding: float = 0.0
) -> tuple[int, int, int, int] | None:
    """The whole pixels that a box covers, or None where it covers none.

    Args:
        box: x0, y0, x1, y1 in pixels.
        image_size: Height and width of the image in pixels.
        padding: How much is added on each side, as a share of the box's width and height.

    Returns:
        x0, y0, x1, y1, within the image; x1 and y1 are the first that are not in it.
    """
    height, width = image_size
    x0, y0, x1, y1 = map(float, box)
    if not all(map(math.isfinite, (x0, y0, x1, y1))):
        return None
    if min(x1, width) <= max(x0, 0.0) or min(y1, height) <= max(y0, 0.0):
        return None
    wider, higher = padding * (x1 - x0), padding * (y1 - y0)
    return (
        max(math.floor(x0 - wider), 0),
        max(math.floor(y0 - higher), 0),
        min(math.ceil(x1 + wider), width),
        min(math.ceil(y1 + higher), height),
    )


def write_crops(job: Job, image: Image, found: Detections, stem: str) -> None:
    """Writes a JPEG for each detection: `crops/person/a/x_0.87_1.jpg`, numbered by score.

    Args:
        job: The run.
        image: uint8 [H, W, 3] RGB.
        found: What was found in it.
        stem: What the names of the image's files begin with.

    Raises:
        OutputError: The disk can't be written.
        OSError: A crop can't be written, others can.
    """
    import PIL.Image

    for number, one in enumerate(found, 1):
        place = crop_box(one.box.tolist(), found.image_size, job.settings.crop_padding)
        if place is None:
            continue
        x0, y0, x1, y1 = place
        folder = job.out / CROPS / fitting_folder(one.category)
        path = file_of(folder, stem, f"_{one.score:.2f}_{number}.jpg")
        encoded = io.BytesIO()
        crop = PIL.Image.fromarray(image[y0:y1, x0:x1])
        crop.save(encoded, "JPEG", quality=_QUALITY, comment=_mark(job.run))
        write_of_image(path, encoded.getvalue(), job.mark, lambda path: is_crop_of(path, job.run))


def is_crop_of(path: Path, run: str) -> bool:
    """Whether a file is a crop of a run, whose id stands in it."""
    try:
        with path.open("rb") as file:
            return bool(run) and _mark(run) in file.read(128)
    except OSError:
        return False


def _mark(run: str) -> bytes:
    return f"tfzoo run {run}".encode()


def without_crop(job: Job) -> int:
    """How many of a run's detections have no crop, since their boxes cover no pixel."""
    missing = 0
    for found in read_back(job):
        size = (found.image["height"] or 0, found.image["width"] or 0)
        for row in found.detections:
            box = [row[name] for name in ("x0", "y0", "x1", "y1")]
            missing += crop_box(box, size) is None
    return missing
