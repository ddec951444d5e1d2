"""Which categories are taken for which: a confusion matrix of boxes, with the background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tfzoo.explain.boxes import Boxes, ImageBoxes, by_image, taken
from tfzoo.explain.overlaps import FOUND


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix.

    Attributes:
        counts: int [K + 1, K + 1]: a row is what is there, a column what was found; the last of
            each is the background: detections of nothing, and objects that are missed.
        images: By row and column off the diagonal, the image with the most such slips.
        min_score: Detections below count for nothing.
    """

    counts: NDArray[np.int64]
    images: dict[tuple[int, int], int]
    min_score: float


def confusion_matrix(found: Boxes, truth: Boxes, categories: int, min_score: float) -> Confusion:
    """Counts what is found as what.

    The rule: detections from a score on, the best first. Each takes the free object of its own
    category that it overlaps most, at IoU 0.5 or more; those left then take what is left of other
    categories likewise. What is still left is of the background, but for detections on crowds of
    their category, which count for nothing. Crowds are no objects.

    Args:
        found: Detections.
        truth: Annotations of the same images.
        categories: Number of categories.
        min_score: Detections below count for nothing.
    """
    counts = np.zeros((categories + 1, categories + 1), dtype=np.int64)
    most: dict[tuple[int, int], tuple[int, int]] = {}
    kept = found.scores >= min_score
    for boxes in by_image(_only(found, kept), truth):
        there, found_as = _pairs(boxes, categories)
        np.add.at(counts, (there, found_as), 1)
        slips = there != found_as
        pairs, times = np.unique(
            np.stack([there[slips], found_as[slips]]), axis=1, return_counts=True
        )
        for (row, column), count in zip(pairs.T.tolist(), times.tolist(), strict=True):
            if count > most.get((row, column), (0, 0))[0]:
                most[row, column] = count, boxes.image
    return Confusion(counts, {pair: image for pair, (_, image) in most.items()}, min_score)


def _only(boxes: Boxes, kept: NDArray[np.bool_]) -> Boxes:
    before = np.concatenate([[0], np.cumsum(kept)])
    return Boxes(
        boxes.boxes[kept],
        boxes.categories[kept],
        boxes.scores[kept],
        boxes.crowd[kept],
        before[boxes.starts],
    )


def _pairs(boxes: ImageBoxes, background: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """What is there and what it is found as, pair by pair."""
    same = boxes.found_as[:, None] == boxes.truth_as[None, :]
    took = taken(boxes.overlaps * same, FOUND)
    free = np.ones(len(boxes.truth), dtype=bool)
    free[took[took >= 0]] = False
    others = taken(boxes.overlaps * (took < 0)[:, None] * free[None, :], FOUND)
    took = np.where(took < 0, others, took)
    free[others[others >= 0]] = False
    counted = (took >= 0) | ~boxes.on_crowd
    there = np.append(boxes.truth_as, background)[took]
    return (
        np.concatenate([there[counted], boxes.truth_as[free]]),
        np.concatenate([boxes.found_as[counted], np.full(free.sum(), background)]),
    )
