"""What a measurement is taken from: annotations, and what was detected in the same images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfzoo.accuracy.fields import Id, Record
from tfzoo.accuracy.settings import MOST_DETECTIONS
from tfzoo.accuracy.truth import GroundTruth, Kind, Stored


@dataclass(frozen=True, eq=False)
class Evidence:
    """Annotations and detections of the same images.

    Attributes:
        truths: The annotations by kind, for what both the detections and the annotations hold.
        rows: COCO results rows, with ids as the annotations have them.
        image_set: What the images are (see `tfzoo.accuracy.coco.name_of`).
        files: The images by id; empty where only a results file is known.
        sizes: Height and width of the images as they were read, in pixels, by id.
        sized_by_box: Whether keypoints and masks are as large as their rows' boxes.
        most: How many detections of an image are scored: COCO's 100, or more where that was told.
    """

    truths: Mapping[Kind, GroundTruth]
    rows: Sequence[Record]
    image_set: str
    files: Mapping[Id, Path | Stored]
    sizes: Mapping[Id, tuple[int, int]]
    sized_by_box: bool = False
    most: int = MOST_DETECTIONS
