"""The zoo's own judge: `COCOEvaluator` of tf-models-official, on COCO results."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.accuracy.fields import Id
from tfzoo.accuracy.truth import GroundTruth, Kind
from tfzoo.errors import UsageError

#: The evaluator's names for the twelve numbers, in COCO's order.
_NAMES = {
    "AP": "AP",
    "AP50": "AP50",
    "AP75": "AP75",
    "APs": "APs",
    "APm": "APm",
    "APl": "APl",
    "AR1": "ARmax1",
    "AR10": "ARmax10",
    "AR100": "ARmax100",
    "ARs": "ARs",
    "ARm": "ARm",
    "ARl": "ARl",
}


def official_metrics(
    truth: GroundTruth, rows: Sequence[Mapping[str, Any]], kind: Kind
) -> dict[str, float | None]:
    """The twelve numbers by tf-models-official's evaluator, 0 to 1.

    Every image is fed, one without detections as rows of padding: the evaluator leaves out images
    that have no predictions, which would raise the score.

    Raises:
        UsageError: Keypoints are asked for.
    """
    if kind == "keypoints":
        raise UsageError(
            "the official evaluator can't score keypoints: it hands pycocotools' COCOeval per-"
            "keypoint constants by an argument that pycocotools does not have. Use --evaluator "
            "faster-coco-eval or pycocotools"
        )
    from official.vision.evaluation.coco_evaluator import COCOEvaluator

    by_image: dict[Id, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        by_image[row["image_id"]].append(row)
    # The evaluator takes every image's rows to be as many as the first one's.
    count = max(1, *(len(found) for found in by_image.values())) if by_image else 1
    padding = min(int(one) for one in truth.categories) - 1
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stdout(io.StringIO()),
    ):
        annotations = Path(folder) / "annotations.json"
        annotations.write_text(json.dumps(truth.data | {"annotations": truth.numbered()}))
        evaluator = COCOEvaluator(
            str(annotations), include_mask=kind == "masks", need_rescale_bboxes=False
        )
        for image_id, image in truth.images.items():
            found = by_image[image_id]
            evaluator.update_state(None, _predictions(image, found, kind, count, padding))
        computed = evaluator.result()
    prefix = "mask_" if kind == "masks" else ""
    # COCO marks what it could not score by -1.
    return {
        name: float(value) if (value := computed[prefix + theirs]) >= 0 else None
        for name, theirs in _NAMES.items()
    }


def _predictions(
    image: dict[str, Any],
    found: Sequence[Mapping[str, Any]],
    kind: Kind,
    count: int,
    padding: int,
) -> dict[str, Any]:
    """One image's detections as the evaluator takes them, padded to `count` rows."""
    boxes = np.zeros((1, count, 4))
    classes = np.full((1, count), padding)
    scores = np.zeros((1, count))
    for i, row in enumerate(found):
        x, y, width, height = row.get("bbox") or (0, 0, 0, 0)
        boxes[0, i] = y, x, y + height, x + width
        classes[0, i] = row["category_id"]
        scores[0, i] = row["score"]
    predictions: dict[str, Any] = {
        "source_id": _Fed(np.array([image["id"]])),
        "num_detections": _Fed(np.array([len(found)])),
        "detection_boxes": _Fed(boxes),
        "detection_classes": _Fed(classes),
        "detection_scores": _Fed(scores),
    }
    if kind == "masks":
        size = image["height"], image["width"]
        side = max(size)
        # The evaluator pastes masks by enlarging box and mask by a pixel on each side and rounding
        # towards zero. Square masks as large as the image, in a box that comes out at -1.25 and
        # side + 0.25, pass through unchanged.
        half = side * (side + 1.5) / (side + 2) / 2
        low, high = (side - 1) / 2 - half, (side - 1) / 2 + half
        info = np.array([[size, size, (1, 1), (0, 0)]], dtype=float)
        predictions["image_info"] = _Fed(info)
        predictions["detection_outer_boxes"] = _Fed(np.tile([low, low, high, high], (1, count, 1)))
        predictions["detection_masks"] = _Masks(found, count, side)
    return predictions


class _Fed:
    """An array where the evaluator expects a tensor."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array

    def numpy(self) -> NDArray[Any]:
        return self._array


class _Masks:
    """One image's masks, decoded when the evaluator gets to them: all at once fill any memory."""

    def __init__(self, found: Sequence[Mapping[str, Any]], count: int, side: int) -> None:
        self._found, self._count, self._side = found, count, side

    def numpy(self) -> _Masks:
        return self

    def __getitem__(self, image: int) -> NDArray[np.uint8]:
        from faster_coco_eval.core import mask as coco_mask

        masks = np.zeros((self._count, self._side, self._side), dtype=np.uint8)
        for i, row in enumerate(self._found):
            decoded = coco_mask.decode(row["segmentation"])
            masks[i, : decoded.shape[0], : decoded.shape[1]] = decoded
        return masks
