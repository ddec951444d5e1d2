"""What every engine does to one image: read it, detect it, keep what was asked for, draw it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tfzoo.batch.parts import (
    Columns,
    ImageResult,
    Parts,
    Position,
    picture_path,
    write_picture,
)
from tfzoo.detections.types import Detections
from tfzoo.detector import Detector, Prepared, load
from tfzoo.errors import ImageError
from tfzoo.images.image import Image
from tfzoo.images.reading import read_image


@dataclass(frozen=True)
class Job:
    """All that an engine needs to know of a run; plain data, so that it can travel.

    Attributes:
        model: Name or path of the model.
        devices: One detector is opened on each.
        runtime: What runs the model.
        labels: Category names by id, where they are not the model's own.
        min_score: Scores below it are dropped (0 to 1).
        class_ids: Categories kept, or None for all.
        max_detections: Kept of one image, best first, or None for all.
        max_pixels: Larger images fail.
        pictures: Whether annotated pictures are written.
        batch: Images detected in one call, where the model takes several.
        out: The output folder.
        part_images: Images in a part.
        columns: Columns of the parts.
    """

    model: str
    out: Path
    devices: tuple[str, ...]
    runtime: str
    labels: Mapping[int, str] | None
    min_score: float
    class_ids: tuple[int, ...] | None
    max_detections: int | None
    max_pixels: int
    pictures: bool
    batch: int
    part_images: int
    columns: Columns

    @property
    def parts(self) -> Parts:
        """The run's parts."""
        return Parts(self.out / "parts", self.part_images, self.columns)

    @property
    def inputs(self) -> Path:
        """The run's list of inputs."""
        return self.out / "inputs.parquet"

    def open_detector(self, device: str) -> Detector:
        """A detector for this job on a device."""
        return load(
            self.model, device=device, runtime=self.runtime, labels=self.labels, throughput=True
        )


@dataclass(frozen=True, eq=False)
class Item:
    """One image or frame on its way.

    Attributes:
        row: Its number within the run, from 0.
        result: What its result will name; an error here says that it can't be read.
        following: The position after it.
        image: uint8 [H, W, 3] RGB, once it was read and as long as it is needed.
        input: The same as the model takes it, until it was detected.
    """

    row: int
    result: ImageResult
    following: Position
    image: Image | None = None
    input: Prepared | None = None


def read(detector: Detector, item: Item, job: Job) -> Item:
    """The item with its image prepared for the detector, or with the reason why it has none."""
    if item.result.error is not None:
        return item
    try:
        image = read_image(item.result.path, job.max_pixels) if item.image is None else item.image
        # Only a picture still needs it.
        return replace(item, image=image if job.pictures else None, input=detector.prepare(image))
    except ImageError as error:
        return _failed(item, error)


def detect(detector: Detector, items: Sequence[Item], job: Job) -> list[Item]:
    """The items with what was found in them, or with the reason why the model fails on one.

    Where a batch fails as a whole, its images are detected one by one: a bad one stops no other.
    """
    inputs = [item.input for item in items if item.input is not None]
    try:
        several = iter(detector.detect_prepared(inputs, job.min_score)) if inputs else iter(())
        return [item if item.input is None else _found(item, next(several), job) for item in items]
    except Exception as error:  # Runtimes raise what they like on an image they can't take.
        if len(items) > 1:
            return [one for item in items for one in detect(detector, [item], job)]
        return [_failed(items[0], error)]


def _found(item: Item, found: Detections, job: Job) -> Item:
    return replace(item, input=None, result=replace(item.result, found=kept(found, job)))


def _failed(item: Item, error: Exception) -> Item:
    text = str(error).strip() or type(error).__name__
    if not isinstance(error, ImageError):
        text = f"{item.result.path}: the model failed on it: {text.splitlines()[0][:500]}"
    return replace(item, image=None, input=None, result=replace(item.result, error=text))


def kept(found: Detections, job: Job) -> Detections:
    """The detections of the categories asked for, as many as asked for."""
    if job.class_ids is not None:
        found = found.of(job.class_ids)
    return found[: job.max_detections] if job.max_detections is not None else found


def draw(item: Item, out: Path) -> None:
    """Writes the annotated picture of an image."""
    if item.image is not None and item.result.found is not None and item.result.frame is None:
        path = picture_path(out / "annotated", item.result.file_name)
        write_picture(path, item.result.found.draw(item.image))
