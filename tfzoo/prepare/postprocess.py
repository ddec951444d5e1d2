"""What the exporter does after the network, in numpy: class-wise NMS, clipping, change of frame.

The exported graph runs one NMS a class over every anchor at a threshold near zero and sorts all
of it, which costs more than some networks do. Cut before that, a graph returns `raw_*` only, and
`postprocess` does the rest: exactly, and only as far as the answer needs it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tfzoo.detections.suppression import Suppression, best_alone, suppress
from tfzoo.prepare.preprocess import Resizer

Floats = NDArray[np.float32]

#: The exporter's names of what its post-processing works on.
RAW_BOXES, RAW_SCORES = "raw_detection_boxes", "raw_detection_scores"

_ONE = np.float32(1)

# A first look at this many candidates a detection wanted is nearly always enough.
_CANDIDATES_PER_DETECTION = 10

# Scores that a network gives to few boxes, highest first.
_BARS = (np.float32(0.5), np.float32(0.1), np.float32(0.02))


@dataclass(frozen=True)
class PostProcessing:
    """The parameters of a model's post-processing.

    Attributes:
        num_classes: Categories, the background not counted.
        score_threshold: Scores must be above this.
        iou_threshold: A box that overlaps a better one of its class by more is suppressed.
        max_per_class: Most detections of one class.
        max_total: Most detections of all classes.
        resizer: How images come to the network's size, where that is always the same.
        change_frame: Whether boxes are told relative to the image, not to the padded input.
        drop_empty: Whether boxes that lie outside of the image, or have no area, are dropped.
    """

    num_classes: int
    score_threshold: float = 1e-8
    iou_threshold: float = 0.6
    max_per_class: int = 100
    max_total: int = 100
    resizer: Resizer | None = None
    change_frame: bool = True
    drop_empty: bool = True

    @property
    def suppression(self) -> Suppression:
        """Its rules for boxes that overlap."""
        return Suppression(self.iou_threshold, self.max_per_class, self.max_total)

    def window(self, image_size: tuple[int, int]) -> Floats:
        """The part of the network's input that an image fills: y0, x0, y1, x1 in 0..1.

        Args:
            image_size: Height and width of the image in pixels.
        """
        window = np.array([0, 0, 1, 1], dtype=np.float32)
        if self.resizer is not None:
            content = np.array(self.resizer.content_size(image_size), dtype=np.float32)
            window[2:] = content / np.array(self.resizer.size, dtype=np.float32)
        return window


def postprocess(
    raw_boxes: Floats,
    raw_scores: Floats,
    image_size: tuple[int, int],
    parameters: PostProcessing,
    min_score: float = 0.0,
    rules: Suppression | None = None,
) -> dict[str, Floats]:
    """Turns one image's raw outputs into the detections that the whole graph returns.

    As `multiclass_non_max_suppression` of the Object Detection API (core/post_processing.py) does:
    class-wise NMS, clip to the image's window, drop boxes of no area, change frame, total maximum.
    Two shortcuts leave the result as it is. Greedy NMS goes by descending score, so that no
    candidate decides on a better one: those below `min_score` are dropped before, and the walk
    over the others ends at the last detection that is wanted. Equal scores keep the graph's
    order: by class, then by anchor.

    Args:
        raw_boxes: float32 [A, 4], y0, x0, y1, x1 relative to the network's input.
        raw_scores: float32 [A, C] with or without a first column for the background.
        image_size: Height and width of the image in pixels.
        parameters: The model's own.
        min_score: Leave out detections below this score.
        rules: For boxes that overlap, in place of the model's own. Where they suppress across
            classes, a box is of its best class alone, as in the API's
            `class_agnostic_non_max_suppression`.

    Returns:
        The exporter's `detection_boxes` [1, N, 4], `detection_scores` [1, N],
        `detection_classes` [1, N] (ids from 1) and `num_detections` [1].

    Raises:
        ValueError: The columns of the scores do not fit the number of classes.
    """
    background = raw_scores.shape[1] - parameters.num_classes
    if background not in (0, 1):
        raise ValueError(
            f"{raw_scores.shape[1]} columns of scores for {parameters.num_classes} classes"
        )
    window = parameters.window(image_size)
    rules = rules or parameters.suppression
    scores = raw_scores[:, background:]
    if rules.class_agnostic:
        scores = best_alone(scores)
    # The least score a candidate may have: above the threshold, and at least `min_score`.
    floor = max(np.float32(min_score), np.nextafter(np.float32(parameters.score_threshold), _ONE))
    flat = scores.reshape(-1)
    looked_at = rules.max_total * _CANDIDATES_PER_DETECTION
    while True:
        # Equal scores stay together, so that their order is that of all candidates.
        least = _score_of_best(flat, looked_at, floor)
        chosen = np.flatnonzero(flat >= least)
        anchors, classes = np.divmod(chosen, scores.shape[1])
        # Best score first; equal ones by class, then by anchor.
        order = np.lexsort((anchors, classes, -scores[anchors, classes]))
        anchors, classes = anchors[order], classes[order]
        boxes = raw_boxes[anchors]
        # An image lies at the top left of the input.
        clipped = np.clip(boxes, 0, window[[2, 3, 2, 3]])
        # NaN has no area either.
        wanted = (_areas(clipped) > 0) | (not parameters.drop_empty)
        kept, values = suppress(
            boxes, scores[anchors, classes], classes, rules, float(floor), wanted
        )
        # What was not looked at has less than `least`, and comes after all that has as much.
        if least == floor or (len(kept) == rules.max_total and values[-1] >= least):
            break
        looked_at *= 4

    anchors, classes, boxes = anchors[kept], classes[kept], clipped[kept]
    if parameters.change_frame:
        boxes = boxes * (_ONE / window[[2, 3, 2, 3]])
    return {
        "detection_boxes": boxes[None],
        "detection_scores": values.astype(np.float32)[None],
        "detection_classes": (classes + 1).astype(np.float32)[None],
        "num_detections": np.array([len(kept)], dtype=np.float32),
    }


def _score_of_best(scores: Floats, count: int, floor: np.float32) -> np.float32:
    """The score that so many of the best have at least; the floor, where no more reach that."""
    if np.count_nonzero(scores >= floor) <= count:
        return floor
    # Most scores are tiny: among the few above a bar a place is found in a fraction of the time.
    bars = (bar for bar in (*_BARS, floor) if np.count_nonzero(scores >= bar) >= count)
    above = scores[scores >= max(floor, next(bars))]
    best: np.float32 = np.partition(above, -count)[-count]
    return best


def _areas(boxes: Floats) -> Floats:
    areas: Floats = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas
