"""Non-maximum suppression: which of boxes that overlap are kept, and at what score.

The one place where boxes are held against each other by a model's rules: after graphs that are cut
(`tfzoo.prepare.postprocess`), after YOLOv5, and on what a whole graph returned. Greedy, best score
first, of equal scores the first box given:

- hard: a box is dropped that overlaps a better one by more than `iou_threshold`, in single
  precision, as TensorFlow's NonMaxSuppressionV5 compares.
- soft (`sigma` above 0): no box is dropped for its overlap. After each choice, the score of every
  box not chosen yet is multiplied by exp(-IoU^2 / (2 sigma)), as NonMaxSuppressionV5 has it with
  its `soft_nms_sigma` (Gaussian soft-NMS; Bodla et al., "Soft-NMS: Improving Object Detection With
  One Line of Code", ICCV 2017, whose sigma is twice this one: its 0.5 is 0.25 here).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.detecting import SuppressOptions
from tfzoo.detections.types import Detections

Floats = NDArray[np.floating[Any]]

#: Above all that a model gives.
NO_LIMIT = 2**31 - 1

# Candidates whose overlaps are looked at together.
_BLOCK = 128


@dataclass(frozen=True)
class Suppression:
    """The rules of one suppression.

    Attributes:
        iou_threshold: A box that overlaps a better one by more is dropped; not by soft-NMS.
        max_per_class: Most boxes of one class.
        max_total: Most boxes of all classes.
        class_agnostic: Whether boxes also suppress those of other classes.
        sigma: Of soft-NMS; 0 for hard suppression.
    """

    iou_threshold: float
    max_per_class: int = NO_LIMIT
    max_total: int = NO_LIMIT
    class_agnostic: bool = False
    sigma: float = 0.0

    def told(self, options: SuppressOptions) -> Suppression:
        """These rules with what options say in their place.

        A number of detections above the total is one for each class too. A smaller one changes
        nothing here: the best are kept at the end.
        """
        most = options.max_detections or 0
        raised = most > self.max_total
        return Suppression(
            self.iou_threshold if options.iou is None else options.iou,
            max(self.max_per_class, most) if raised else self.max_per_class,
            most if raised else self.max_total,
            self.class_agnostic or options.class_agnostic,
            options.soft_nms or 0.0,
        )


def suppress(
    boxes: Floats,
    scores: Floats,
    classes: NDArray[np.integer[Any]],
    rules: Suppression,
    least: float = 0.0,
    wanted: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.intp], Floats]:
    """The boxes that are kept, best first.

    Args:
        boxes: [N, 4], two opposite corners each, best score first.
        scores: [N], descending.
        classes: [N], whole numbers.
        rules: The rules.
        least: Boxes whose score falls below it are dropped; only soft-NMS lowers any.
        wanted: bool [N]: boxes that are not suppress others and count for their class, but are not
            kept; left out, all are.

    Returns:
        Their indices, intp [K], and their scores [K], descending.
    """
    wanted = np.ones(len(boxes), dtype=bool) if wanted is None else wanted
    groups = np.zeros_like(classes) if rules.class_agnostic else classes
    if rules.sigma > 0:
        return _soft(boxes, scores, classes, groups, rules, least, wanted)
    kept = np.array(_hard(boxes, classes, groups, rules, wanted), dtype=np.intp)
    return kept, scores[kept]


def suppress_found(found: Detections, rules: Suppression, min_score: float = 0.0) -> Detections:
    """Detections thinned out, with their keypoints and masks.

    Args:
        found: What a model returned.
        rules: The rules.
        min_score: Leave out what soft-NMS brings below this score (0 to 1).
    """
    kept, scores = suppress(found.boxes, found.scores, found.class_ids, rules, min_score)
    # In another order, they have no place beside their old scores.
    rows = replace(found, scores=np.zeros_like(found.scores))[kept]
    return replace(rows, scores=scores.astype(np.float32))


def best_alone(scores: Floats) -> Floats:
    """Scores [A, C] with those of each box's best class alone, of equals the first; others 0."""
    rows, best = np.arange(len(scores)), scores.argmax(axis=1)
    alone = np.zeros_like(scores)
    alone[rows, best] = scores[rows, best]
    return alone


class _Overlaps:
    """How far boxes overlap each other."""

    def __init__(self, boxes: Floats) -> None:
        ends = boxes.T
        self._y0, self._x0 = np.minimum(ends[:2], ends[2:])
        self._y1, self._x1 = np.maximum(ends[:2], ends[2:])
        self._areas = (self._y1 - self._y0) * (self._x1 - self._x0)

    def of(self, these: Any, others: Any) -> Floats:
        """IoU of each box of one choice with each of another, a row for each of the first."""
        y0, x0, y1, x1 = self._y0, self._x0, self._y1, self._x1
        height = np.minimum(y1[these, None], y1[others]) - np.maximum(y0[these, None], y0[others])
        width = np.minimum(x1[these, None], x1[others]) - np.maximum(x0[these, None], x0[others])
        shared = np.maximum(height, 0) * np.maximum(width, 0)
        # Two boxes of no area, 0 / 0, do not overlap.
        with np.errstate(invalid="ignore"):
            found: Floats = shared / (self._areas[these, None] + self._areas[others] - shared)
        return found


def _hard(
    boxes: Floats,
    classes: NDArray[np.integer[Any]],
    groups: NDArray[np.integer[Any]],
    rules: Suppression,
    wanted: NDArray[np.bool_],
) -> list[int]:
    """Greedy NMS within each group, over boxes in order: indices of those kept."""
    overlaps = _Overlaps(boxes)
    threshold = np.float32(rules.iou_threshold)

    def suppressed(by: Any, these: slice) -> NDArray[np.bool_]:
        """Whether each box of one choice would suppress each of another: a row for each of `by`."""
        alike = groups[by, None] == groups[these]
        found: NDArray[np.bool_] = (overlaps.of(by, these) > threshold) & alike
        return found

    found_of_class: dict[int, int] = {}
    survivors: list[int] = []
    kept: list[int] = []
    for start in range(0, len(boxes), _BLOCK):
        block = slice(start, start + _BLOCK)
        # A bit for each box of the block: Python's integers walk them fast.
        gone = 0
        if survivors:
            gone = _bits(np.any(suppressed(survivors, block), axis=0)[None])[0]
        suppresses = _bits(suppressed(block, block))
        for i, class_id in enumerate(classes[block].tolist()):
            if gone >> i & 1:
                continue
            count = found_of_class.get(class_id, 0)
            if count == rules.max_per_class:
                continue
            found_of_class[class_id] = count + 1
            survivors.append(start + i)
            gone |= suppresses[i]
            if wanted[start + i]:
                kept.append(start + i)
                if len(kept) == rules.max_total:
                    return kept
    return kept


def _soft(
    boxes: Floats,
    scores: Floats,
    classes: NDArray[np.integer[Any]],
    groups: NDArray[np.integer[Any]],
    rules: Suppression,
    least: float,
    wanted: NDArray[np.bool_],
) -> tuple[NDArray[np.intp], Floats]:
    """Gaussian soft-NMS within each group."""
    overlaps = _Overlaps(boxes)
    current = scores.astype(np.float64)
    waiting = {int(group): np.flatnonzero(groups == group) for group in np.unique(groups)}
    found_of_class: dict[int, int] = {}
    kept: list[int] = []
    lowered: list[float] = []
    while len(kept) < rules.max_total and len(current):
        best = int(current.argmax())
        score, class_id, group = current[best], int(classes[best]), int(groups[best])
        if score < max(least, 0):
            break
        current[best] = -1  # Chosen: what is below 0 never is again.
        found_of_class[class_id] = found_of_class.get(class_id, 0) + 1
        if found_of_class[class_id] == rules.max_per_class:
            current[classes == class_id] = -1
        others = waiting[group] = waiting[group][waiting[group] != best]
        shared = np.nan_to_num(overlaps.of([best], others)[0].astype(np.float64))
        current[others] *= np.exp(-(shared**2) / (2 * rules.sigma))
        if wanted[best]:
            kept.append(best)
            lowered.append(score)
    return np.array(kept, dtype=np.intp), np.array(lowered, dtype=np.float64)


def _bits(rows: NDArray[np.bool_]) -> list[int]:
    """Each row [N, M] as one integer, its first column the lowest bit."""
    packed = np.packbits(rows, axis=1, bitorder="little")
    return [int.from_bytes(row, "little") for row in packed]
