"""What the exporter does after the network, in numpy: class-wise NMS, clipping, change of frame.

The exported graph runs one NMS a class over every anchor at a threshold near zero and sorts all
of it, which costs more than some networks do. Cut before that, a graph returns `raw_*` only, and
`postprocess` does the rest: exactly, and only as far as the answer needs it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.manifest import ModelSpec

Floats = NDArray[np.float32]

_ONE = np.float32(1)

# A first look at this many candidates a detection wanted is nearly always enough.
_CANDIDATES_PER_DETECTION = 10

# All the zoo's configs of a family (object_detection/configs/tf2) agree, but for resizers.
_ZOO_IOU_THRESHOLDS = {"ssd": 0.6, "efficientdet": 0.5}


@dataclass(frozen=True)
class PostProcessing:
    """The parameters of a model's post-processing.

    Attributes:
        num_classes: Categories, the background not counted.
        score_threshold: Scores must be above this.
        iou_threshold: A box that overlaps a better one of its class by more is suppressed.
        max_per_class: Most detections of one class.
        max_total: Most detections of all classes.
        pad_to: Side in pixels of the square that a resizer which keeps the aspect fills up with
            black; None for a resizer that does not pad.
        min_dimension: The shorter side such a resizer aims at, in pixels.
        change_frame: Whether boxes are told relative to the image, not to the padded square.
    """

    num_classes: int
    score_threshold: float = 1e-8
    iou_threshold: float = 0.6
    max_per_class: int = 100
    max_total: int = 100
    pad_to: int | None = None
    min_dimension: int = 0
    change_frame: bool = True

    def window(self, image_size: tuple[int, int]) -> Floats:
        """The part of the network's input that an image fills: y0, x0, y1, x1 in 0..1.

        The size follows `tf.image.resize(preserve_aspect_ratio=True)`, float32 and half to even.

        Args:
            image_size: Height and width of the image in pixels.
        """
        if self.pad_to is None:
            return np.array([0, 0, 1, 1], dtype=np.float32)
        height, width = image_size
        target = (self.min_dimension, self.pad_to)
        if height >= width:
            target = (self.pad_to, self.min_dimension)
        scale = min(np.float32(target[0] / height), np.float32(target[1] / width))
        filled = np.round(scale * np.array([height, width], dtype=np.float32))
        return np.array([0, 0, *(filled / np.float32(self.pad_to))], dtype=np.float32)


def postprocess(
    raw_boxes: Floats,
    raw_scores: Floats,
    image_size: tuple[int, int],
    parameters: PostProcessing,
    min_score: float = 0.0,
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
    clipped = np.clip(raw_boxes, np.tile(window[:2], 2), np.tile(window[2:], 2))
    # NaN has no area either.
    has_area = _areas(clipped) > 0
    scores = raw_scores[:, background:]
    # The least score a candidate may have: above the threshold, and at least `min_score`.
    floor = max(np.float32(min_score), np.nextafter(np.float32(parameters.score_threshold), _ONE))
    best_of_anchor = np.nan_to_num(scores.max(axis=1), nan=-1.0)

    looked_at = parameters.max_total * _CANDIDATES_PER_DETECTION
    while True:
        everything = looked_at >= len(best_of_anchor)
        # At least `looked_at` candidates reach this score, since as many anchors do.
        limit = floor
        if not everything:
            limit = max(floor, np.partition(best_of_anchor, -looked_at)[-looked_at])
        anchors, classes = np.divmod(np.flatnonzero(scores >= limit), scores.shape[1])
        candidate_scores = scores[anchors, classes]
        # Best score first; equal ones by class, then by anchor.
        order = np.lexsort((anchors, classes, -candidate_scores))
        anchors, classes = anchors[order], classes[order]
        kept = _walk(raw_boxes[anchors], classes, has_area[anchors], parameters)
        if len(kept) == parameters.max_total or limit == floor:
            break
        looked_at *= 4

    anchors, classes = anchors[kept], classes[kept]
    boxes = clipped[anchors]
    if parameters.change_frame:
        y0, x0, y1, x1 = window
        boxes = boxes - np.array([y0, x0, y0, x0], dtype=np.float32)
        boxes *= np.tile(np.float32(1) / np.array([y1 - y0, x1 - x0], dtype=np.float32), 2)
    return {
        "detection_boxes": boxes[None],
        "detection_scores": scores[anchors, classes][None],
        "detection_classes": (classes + 1).astype(np.float32)[None],
        "num_detections": np.array([len(kept)], dtype=np.float32),
    }


def _walk(
    boxes: Floats, classes: NDArray[np.intp], has_area: NDArray[np.bool_], limits: PostProcessing
) -> list[int]:
    """Greedy NMS within each class, over candidates in order: indices of the detections.

    Boxes outside the window suppress others and count for their class, as they do in the graph,
    but are no detections.
    """
    low = np.minimum(boxes[:, :2], boxes[:, 2:])
    high = np.maximum(boxes[:, :2], boxes[:, 2:])
    areas = _areas(np.concatenate([low, high], axis=1))
    # In single precision, as NonMaxSuppressionV5 compares.
    threshold = np.float32(limits.iou_threshold)
    alive = np.ones(len(boxes), dtype=bool)
    found_of_class: dict[int, int] = {}
    kept: list[int] = []
    for i in range(len(boxes)):
        if not alive[i]:
            continue
        class_id = int(classes[i])
        count = found_of_class.get(class_id, 0)
        if count == limits.max_per_class:
            continue
        found_of_class[class_id] = count + 1
        if has_area[i]:
            kept.append(i)
            if len(kept) == limits.max_total:
                break
        if areas[i] <= 0:
            continue
        rivals = i + 1 + np.flatnonzero(alive[i + 1 :] & (classes[i + 1 :] == class_id))
        sides = np.minimum(high[i], high[rivals]) - np.maximum(low[i], low[rivals])
        shared = np.maximum(sides[:, 0], 0) * np.maximum(sides[:, 1], 0)
        # A box of no area shares nothing: 0 / area.
        overlap = shared / (areas[i] + areas[rivals] - shared)
        alive[rivals[overlap > threshold]] = False
    return kept


def _areas(boxes: Floats) -> Floats:
    areas: Floats = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas


def find_parameters(model: Path, spec: ModelSpec | None = None) -> PostProcessing | None:
    """A model's parameters: from the `pipeline.config` beside it, else the zoo's own.

    Args:
        model: The SavedModel folder.
        spec: The manifest's entry, where there is one.

    Returns:
        None where they are not known, or ask for more than `postprocess` does.
    """
    for folder in (model, model.parent):
        if (folder / "pipeline.config").is_file():
            return read_pipeline_config((folder / "pipeline.config").read_text(errors="replace"))
    if spec is None or spec.family not in _ZOO_IOU_THRESHOLDS:
        return None
    zoo = PostProcessing(num_classes=90, iou_threshold=_ZOO_IOU_THRESHOLDS[spec.family])
    if spec.input.resizer == "fixed_shape":
        return zoo
    if spec.input.resizer != "keep_aspect_ratio" or not spec.input.max_side:
        return None
    if not spec.input.pad:
        return zoo
    return replace(zoo, pad_to=spec.input.max_side, min_dimension=spec.input.min_side or 0)


def read_pipeline_config(text: str) -> PostProcessing | None:
    """Reads the parameters from a `pipeline.config` (protobuf text).

    The few fields needed are picked out, since the whole schema is the Object Detection API's; see
    its protos/post_processing.proto and protos/image_resizer.proto for the defaults.

    Returns:
        None where the text is no config of a one-stage detector with plain class-wise NMS.
    """
    text = re.sub(r"#[^\n]*", "", text)
    nms = re.findall(r"\bbatch_non_max_suppression\s*:?\s*\{([^{}]*)\}", text)
    resizers = re.findall(r"\bimage_resizer\s*:?\s*\{\s*(\w+)\s*:?\s*\{([^{}]*)\}\s*\}", text)
    classes = re.findall(r"\bnum_classes\s*:\s*(\d+)", text)
    one_stage = re.search(r"\bmodel\s*:?\s*\{\s*ssd\s*:?\s*\{", text)
    if not one_stage or len(nms) != 1 or len(resizers) != 1 or len(classes) != 1:
        return None
    fields = _fields(nms[0])
    others = {
        "use_static_shapes",
        "use_class_agnostic_nms",
        "use_partitioned_nms",
        "use_combined_nms",
        "soft_nms_sigma",
    }
    if any(fields.get(name, "false") not in ("false", "0", "0.0") for name in others):
        return None
    name, resizer = resizers[0][0], _fields(resizers[0][1])
    padding: dict[str, Any] = {}
    if name == "keep_aspect_ratio_resizer":
        if resizer.get("pad_to_max_dimension") == "true":
            padding["pad_to"] = int(resizer.get("max_dimension", 1024))
            padding["min_dimension"] = int(resizer.get("min_dimension", 600))
    elif name != "fixed_shape_resizer":
        return None
    return PostProcessing(
        num_classes=int(classes[0]),
        score_threshold=float(fields.get("score_threshold", 0.0)),
        iou_threshold=float(fields.get("iou_threshold", 0.6)),
        max_per_class=int(fields.get("max_detections_per_class", 100)),
        max_total=int(fields.get("max_total_detections", 100)),
        change_frame=fields.get("change_coordinate_frame", "true") == "true",
        **padding,
    )


def _fields(block: str) -> Mapping[str, str]:
    return dict(re.findall(r"(\w+)\s*:\s*([^\s,;]+)", block))
