"""What several passes over an image found, as one image's detections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.detecting import Merge
from tfzoo.detections.types import Detections

#: Share of their area from which two boxes show the same object.
SAME = 0.5


def merged(
    passes: Sequence[Detections], cut: Sequence[NDArray[np.bool_]], rule: Merge
) -> Detections:
    """The detections of several passes over one image, each object once.

    Args:
        passes: What each pass found, in pixels of the image. At least one.
        cut: bool [N] for each pass: what a border of its tile cuts.
        rule: See `suppressed`. What is cut gives way to what is whole, whatever the scores: a part
            often scores higher than the whole object, seen smaller.

    Returns:
        The best of each object as its pass gave it: box, keypoints and mask.
    """
    scores = _joined(passes, "scores")
    sources = np.repeat(np.arange(len(passes)), [len(found) for found in passes])
    first = np.lexsort((-scores, np.concatenate(cut)))
    boxes, class_ids = _joined(passes, "boxes")[first], _joined(passes, "class_ids")[first]
    kept = first[~suppressed(boxes, class_ids, sources[first], rule)]
    # Equal scores in the order of the passes.
    kept = kept[np.lexsort((kept, -scores[kept]))]
    rows: dict[str, Any] = {
        name: _joined(passes, name)[kept]
        for name in ("boxes", "scores", "class_ids", "keypoints", "keypoint_scores", "masks")
        if getattr(passes[0], name) is not None
    }
    return replace(passes[0], **rows)


def _joined(passes: Sequence[Detections], name: str) -> NDArray[Any]:
    """An array of several detections, one after the other."""
    return np.concatenate([getattr(one, name) for one in passes])


def suppressed(
    boxes: NDArray[np.float32],
    class_ids: NDArray[np.int32],
    sources: NDArray[np.intp],
    rule: Merge,
) -> NDArray[np.bool_]:
    """Which detections show what a better one of another pass shows already.

    The first detection is kept, and those of its category drop out that lie on it by more than half
    of their common area (`nms`: intersection over union) or of the smaller of the two (`ios`:
    intersection over the smaller, by which an object that a tile's border cuts is known); then the
    first that is left is kept, and so on: greedy suppression, with the measures of SAHI
    (sahi/postprocess/combine.py, `nms` and its `match_metric`). Unlike there, two of one pass
    never drop each other: the model has judged those itself.

    Args:
        boxes: float32 [N, 4], x0, y0, x1, y1 in pixels, best first.
        class_ids: int32 [N].
        sources: int [N], which pass each is of.
        rule: `nms` or `ios`.

    Returns:
        bool [N].
    """
    gone = np.zeros(len(boxes), dtype=bool)
    for class_id in np.unique(class_ids):
        left = np.flatnonzero(class_ids == class_id)
        corners = boxes[left].astype(np.float64)
        areas = (corners[:, 2:] - corners[:, :2]).prod(axis=1)
        while len(left) > 1:
            sides = np.minimum(corners[1:, 2:], corners[0, 2:])
            sides -= np.maximum(corners[1:, :2], corners[0, :2])
            shared = sides.clip(0).prod(axis=1)
            smaller = np.minimum(areas[1:], areas[0])
            whole = smaller if rule == "ios" else areas[1:] + areas[0] - shared
            same = (shared > SAME * whole) & (sources[left[1:]] != sources[left[0]])
            gone[left[1:][same]] = True
            rest = np.flatnonzero(~same) + 1
            left, corners, areas = left[rest], corners[rest], areas[rest]
    return gone
