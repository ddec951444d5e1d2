"""What detectors see in one image, without anybody's labels: objects in common, and in dispute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tfzoo.detections.agreement import overlaps
from tfzoo.detections.types import Detections

#: Boxes of a class that overlap by so much show one object: the least IoU that COCO counts.
SAME_IOU = 0.5


def matched(one: Detections, other: Detections) -> NDArray[np.intp]:
    """For each detection of one the row of the other's that shows the same object, or -1.

    Best scores choose first, each the best overlap that is left, within a class, as COCO matches.
    """
    twins = np.full(len(one), -1, dtype=np.intp)
    free = np.ones(len(other), dtype=bool)
    for row in range(len(one)):
        fits = free & (other.class_ids == one.class_ids[row])
        shared = np.where(fits, overlaps(one.boxes[row], other.boxes), 0)
        if shared.max(initial=0) >= SAME_IOU:
            twins[row] = shared.argmax()
            free[twins[row]] = False
    return twins


def disputed(true: Detections, other: Detections) -> int:
    """How many objects only one of two sees."""
    both = int(np.count_nonzero(matched(true, other) >= 0))
    return len(true) + len(other) - 2 * both


def consensus(several: Sequence[Detections]) -> Detections:
    """The objects that more than half of several detectors see in an image.

    Detections of all, best score first, open an object or join one of theirs that no detection of
    the same detector has joined. Its box is the mean of those that joined, its score the share of
    the detectors that see it.

    Args:
        several: An image's detections of each, those that count alone.
    """
    rows = sorted(
        ((float(found.scores[row]), which, row) for which, found in enumerate(several)
         for row in range(len(found))),
        key=lambda one: (-one[0], one[1], one[2]),
    )  # fmt: skip
    objects: list[dict[int, NDArray[np.float32]]] = []
    classes: list[int] = []
    for _, which, row in rows:
        box, class_id = several[which].boxes[row], int(several[which].class_ids[row])
        open_to = [
            i for i, seen in enumerate(objects) if classes[i] == class_id and which not in seen
        ]
        shared = overlaps(box, np.array([_mean(objects[i]) for i in open_to]).reshape(-1, 4))
        if shared.max(initial=0) >= SAME_IOU:
            objects[open_to[int(shared.argmax())]][which] = box
        else:
            objects.append({which: box})
            classes.append(class_id)
    kept = [i for i, seen in enumerate(objects) if len(seen) * 2 > len(several)]
    shares = np.array([len(objects[i]) / len(several) for i in kept], dtype=np.float32)
    order = np.argsort(-shares, kind="stable")
    boxes = [_mean(objects[kept[i]]) for i in order]
    return replace(
        several[0],
        boxes=np.array(boxes, dtype=np.float32).reshape(-1, 4),
        scores=shares[order],
        class_ids=np.array([classes[kept[i]] for i in order], dtype=np.int32),
        keypoints=None,
        keypoint_scores=None,
        masks=None,
    )


def _mean(seen: dict[int, NDArray[np.float32]]) -> NDArray[np.float32]:
    mean: NDArray[np.float32] = np.mean(list(seen.values()), axis=0, dtype=np.float32)
    return mean
