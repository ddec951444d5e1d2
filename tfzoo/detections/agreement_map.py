"""How well the detections of one agree with another's, as the mAP that they would have."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfzoo.detections.types import Detections

#: Detections from this score on are taken as true, unless told.
TRUE_SCORE = 0.3


def agreement_map(
    true: Sequence[Detections], others: Sequence[Detections], true_score: float = TRUE_SCORE
) -> float | None:
    """COCO's AP of detections, another's taken as true; None where there are none of those.

    Args:
        true: What is taken as true, an image each, from a score on.
        others: What is held against it, the same images.
        true_score: That score.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    annotations: list[dict[str, Any]] = []
    for image_id, found in enumerate(true, 1):
        for row in found.above(true_score).to_coco(image_id):
            _, _, width, height = row["bbox"]
            row |= {"id": len(annotations) + 1, "area": width * height, "iscrowd": 0}
            annotations.append(row)
    if not annotations:
        return None
    classes = {row["category_id"] for row in annotations}
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [{"id": i} for i in range(1, len(true) + 1)],
            "annotations": annotations,
            "categories": [{"id": int(one)} for one in sorted(classes)],
        }
        truth.createIndex()
        rows = [row for i, found in enumerate(others, 1) for row in found.to_coco(i)]
        if not rows:
            return 0.0
        evaluation = COCOeval(truth, truth.loadRes(rows), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return round(float(np.clip(evaluation.stats[0], 0, 1)), 4)
