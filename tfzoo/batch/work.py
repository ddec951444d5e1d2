"""What every engine does to one image: read it, detect it, keep what was asked for, draw it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tfzoo.batch.crops import write_crops
from tfzoo.batch.formats import frame_name
from tfzoo.batch.inputs import Input
from tfzoo.batch.job import Job
from tfzoo.batch.names import earlier_picture, on_disk
from tfzoo.batch.parts import Position
from tfzoo.batch.pictures import write_picture
from tfzoo.batch.rows import ImageResult
from tfzoo.detecting import least_score
from tfzoo.detections.kept import keep
from tfzoo.detections.types import Detections
from tfzoo.detector import Detector, Prepared
from tfzoo.errors import ImageError, OutputError
from tfzoo.images.image import Image
from tfzoo.images.reading import read_image
from tfzoo.runtimes.runtime import reason_of
from tfzoo.tiles.detect import OnTile


@dataclass(frozen=True, eq=False)
class Item:
    """One image or frame on its way.

    Attributes:
        row: Its number within the run, from 0.
        result: What its result will name; an error here says that it can't be read.
        following: The position after it.
        image: uint8 [H, W, 3] RGB, once it was read and as long as it is needed.
        input: The same as the model takes it, until it was detected.
        names: Of its files.
    """

    row: int
    result: ImageResult
    following: Position
    image: Image | None = None
    input: Prepared | None = None
    names: Input | None = None


def read(detector: Detector, item: Item, job: Job) -> Item:
    """The item with its image prepared for the detector, or with the reason why it has none."""
    if item.result.error is not None:
        return item
    try:
        if item.image is None:
            image, prepared = detector.read(item.result.path, job.settings.max_pixels)
        else:
            image, prepared = item.image, detector.prepare(item.image)
        return replace(item, image=_still_needed(image, job), input=prepared)
    except Exception as error:  # Whatever it is, it is this image's row.
        return _failed(item, error)


def read_whole(item: Item, job: Job) -> Item:
    """The item with its image alone, for `detect_whole`, or with the reason why it has none."""
    if item.result.error is not None:
        return item
    try:
        if item.image is not None:
            return item
        return replace(item, image=read_image(item.result.path, job.settings.max_pixels))
    except Exception as error:  # As above.
        return _failed(item, error)


def _still_needed(image: Image, job: Job) -> Image | None:
    """The image, if a picture or a crop still needs it."""
    return image if job.settings.pictures or job.settings.crops else None


def detect_whole(detector: Detector, item: Item, job: Job, on_tile: OnTile) -> Item:
    """The item with what was found in its image, in tiles where it is larger than one.

    Tiles are made of the image when the runtime takes them: it is prepared no earlier.
    """
    if item.image is None:
        return item
    try:
        floor = least_score(job.settings.min_score)
        found = detector.detect(item.image, floor, job.settings, on_tile)
        return _found(replace(item, image=_still_needed(item.image, job)), found, job)
    except Exception as error:  # As in `detect`; of a tile too.
        return _failed(item, error)


def detect(detector: Detector, items: Sequence[Item], job: Job) -> list[Item]:
    """The items with what was found in them, or with the reason why the model fails on one.

    Where a batch fails as a whole, its images are detected one by one: a bad one stops no other.
    """
    inputs = [item.input for item in items if item.input is not None]
    try:
        floor = least_score(job.settings.min_score)
        several = iter(detector.detect_prepared(inputs, floor) if inputs else ())
        return [item if item.input is None else _found(item, next(several), job) for item in items]
    except Exception as error:  # Runtimes raise what they like on an image they can't take.
        if len(items) > 1:
            return [one for item in items for one in detect(detector, [item], job)]
        return [_failed(items[0], error)]


def _found(item: Item, found: Detections, job: Job) -> Item:
    return replace(item, input=None, result=replace(item.result, found=keep(found, job.settings)))


def _failed(item: Item, error: Exception) -> Item:
    text = str(error)
    if not isinstance(error, ImageError):
        text = f"{item.result.path}: the model failed on it: {reason_of(error)}"
    return replace(item, image=None, input=None, result=replace(item.result, error=text))


def draw(item: Item, job: Job) -> Item:
    """Writes the annotated picture of an image, and its crops; the item without it, or why not.

    Raises:
        OutputError: The disk can't be written, so that no picture can.
    """
    result = item.result
    if item.image is None or result.found is None:
        return replace(item, image=None)
    what = "its picture can't be drawn"
    try:
        if job.settings.pictures and result.frame is None:
            named = item.names.picture if item.names else None
            path = job.pictures / on_disk(named or earlier_picture(result.file_name))
            write_picture(path, result.found.draw(item.image, job.settings), job.mark)
        what = "it can't be cut out"
        if job.settings.crops and item.names and item.names.stem:
            stem = item.names.stem
            named = stem if result.frame is None else f"{stem}/{frame_name(result.frame)}"
            write_crops(job, item.image, result.found, named)
    except OutputError:
        raise
    except Exception as error:  # What was found is kept all the same.
        text = f"{result.path}: detected, but {what}: {reason_of(error)}"
        result = replace(result, error=text)
    return replace(item, image=None, result=result)
