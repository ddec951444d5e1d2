"""Boxes of annotations and detections in columns, image by image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.accuracy.fields import Id, Record
from tfzoo.accuracy.truth import GroundTruth
from tfzoo.explain.overlaps import box_overlaps


@dataclass(frozen=True)
class Boxes:
    """Boxes in the order of their images, those of an image next to each other.

    Attributes:
        boxes: float [N, 4], x, y, width, height in pixels.
        categories: int [N], places of their categories in the annotations' order.
        scores: float [N]; 1 for annotations.
        crowd: bool [N], which are crowds.
        starts: int [I + 1], where each image's begin.
    """

    boxes: NDArray[np.float64]
    categories: NDArray[np.intp]
    scores: NDArray[np.float64]
    crowd: NDArray[np.bool_]
    starts: NDArray[np.intp]


@dataclass(frozen=True)
class ImageBoxes:
    """What is there and what was found in an image, the best score first.

    Attributes:
        image: Place of the image in the annotations' order.
        found: Places of the detections in the columns of all.
        truth: Places of the objects in theirs, crowds left out.
        found_as: int [D], categories of the detections.
        truth_as: int [G], categories of the objects.
        overlaps: float [D, G], their IoU.
        on_crowd: bool [D], whether at least half of a detection lies on a crowd of its category.
    """

    image: int
    found: NDArray[np.intp]
    truth: NDArray[np.intp]
    found_as: NDArray[np.intp]
    truth_as: NDArray[np.intp]
    overlaps: NDArray[np.float64]
    on_crowd: NDArray[np.bool_]


def in_columns(truth: GroundTruth, rows: Sequence[Record]) -> Boxes:
    """Rows with boxes as columns; those of categories that are not listed are left out.

    Args:
        truth: The annotations, for the order of images and categories.
        rows: Annotations or COCO results rows.
    """
    images: dict[Id, int] = {identity: i for i, identity in enumerate(truth.images)}
    categories: dict[Id, int] = {identity: i for i, identity in enumerate(truth.categories)}
    rows = [row for row in rows if row["category_id"] in categories and row.get("bbox")]
    places = np.array([images[row["image_id"]] for row in rows], dtype=np.intp)
    scores = np.array([row.get("score", 1.0) for row in rows], dtype=float)
    order = np.lexsort((-scores, places))
    boxes = np.array([row["bbox"] for row in rows], dtype=float).reshape(len(rows), 4)
    listed = np.array([categories[row["category_id"]] for row in rows], dtype=np.intp)
    crowd = np.array([bool(row.get("iscrowd")) for row in rows], dtype=bool)
    starts = np.searchsorted(places[order], np.arange(len(images) + 1))
    return Boxes(boxes[order], listed[order], scores[order], crowd[order], starts)


def by_image(found: Boxes, truth: Boxes, most: int | None = None) -> Iterator[ImageBoxes]:
    """Each image's boxes with their overlaps.

    Args:
        found: Detections.
        truth: Annotations of the same images.
        most: How many detections of an image count, the best.
    """
    for image in range(len(found.starts) - 1):
        first, end = found.starts[image : image + 2].tolist()
        rows = np.arange(first, end if most is None else min(end, first + most))
        objects = np.arange(*truth.starts[image : image + 2].tolist())
        crowds = objects[truth.crowd[objects]]
        objects = objects[~truth.crowd[objects]]
        found_as = found.categories[rows]
        on_crowd = np.zeros(len(rows), dtype=bool)
        if len(crowds):
            share = box_overlaps(
                found.boxes[rows], truth.boxes[crowds], np.ones(len(crowds), dtype=bool)
            )
            same = found_as[:, None] == truth.categories[crowds][None, :]
            on_crowd = ((share > 0.5) & same).any(axis=1)
        overlaps = box_overlaps(
            found.boxes[rows], truth.boxes[objects], np.zeros(len(objects), dtype=bool)
        )
        yield ImageBoxes(
            image, rows, objects, found_as, truth.categories[objects], overlaps, on_crowd
        )


def taken(overlaps: NDArray[Any], least: float) -> NDArray[np.intp]:
    """Which object each detection takes, best first, or -1: the free one that it overlaps most.

    Args:
        overlaps: float [D, G]; 0 where the two may not be joined.
        least: The least overlap.
    """
    taken = np.full(len(overlaps), -1)
    if not overlaps.size:
        return taken
    free = overlaps.copy()
    for detection in np.flatnonzero(overlaps.max(axis=1) >= least):
        best = int(free[detection].argmax())
        if free[detection, best] >= least:
            taken[detection] = best
            free[:, best] = 0
    return taken
