"""YOLOv5's ONNX and TFLite files, as Ultralytics' export.py writes them without NMS (v7.0).

One input, float32 [1, 3, H, W], RGB in 0..1, the image letterboxed; one output, [1, A, 5 + C]:
centre x, centre y, width, height in pixels of the input, objectness, C class scores. Those that
are made by way of TensorFlow take [1, H, W, 3], as 8-bit integers too, and give the four in parts
of the input (models/tf.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.decode.frame import Frame, Raw, assemble
from tfzoo.decode.pixels import UNIT, fed, takes_fixed_images
from tfzoo.detections.labels import COCO
from tfzoo.detections.suppression import Suppression, best_alone, suppress
from tfzoo.detections.types import Detections
from tfzoo.errors import ModelFormatError
from tfzoo.images.image import Image
from tfzoo.runtimes.runtime import Signature, TensorInfo

EXPECTS = (
    "one float32 [1,3,H,W] image in; one output [1,A,5+C] of centre x, centre y, width, height, "
    "objectness and C class scores"
)

EXPECTS_LITE = (
    "one float32, uint8 or int8 [1,H,W,3] image in; one output [1,A,5+C] as yolov5's, in parts of "
    "the input"
)
USUAL = UNIT

# What val.py takes for COCO mAP: every class of a box above SCORE counts, not only the best one;
# NMS within a class; at most MAX_DETECTIONS an image. A higher min_score gives what detection
# wants, for a box is only ever suppressed by a better one.
SCORE = 0.001
IOU = 0.6
MAX_DETECTIONS = 300
MAX_CANDIDATES = 30_000
SUPPRESSION = Suppression(IOU, max_total=MAX_DETECTIONS)

_SIDE = 640
_GREY = 114


def fits(signature: Signature) -> bool:
    """Whether a signature is of this kind."""
    if len(signature.inputs) != 1:
        return False
    entry = signature.inputs[0]
    return (
        entry.dtype == "float32"
        and len(entry.shape) == 4
        and entry.shape[1] == 3
        # Earlier releases also return the heads' raw maps, of five dimensions.
        and sum(_is_output(info.shape) for info in signature.outputs) == 1
    )


def fits_lite(signature: Signature) -> bool:
    """Whether a signature is that of a file made by way of TensorFlow."""
    outputs = signature.outputs
    return takes_fixed_images(signature) and len(outputs) == 1 and _is_output(outputs[0].shape)


def _is_output(shape: tuple[int | None, ...]) -> bool:
    if len(shape) != 3 or shape[0] not in (1, None):
        return False
    rows, columns = shape[1:]
    # YOLOv8 and later swap the two and know no objectness.
    return columns is not None and columns >= 6 and (rows is None or rows > columns)


def prepare(image: Image, entry: TensorInfo) -> tuple[NDArray[Any], Frame]:
    """See `tfzoo.decode.prepare`."""
    input_size = (entry.shape[2] or _SIDE, entry.shape[3] or _SIDE)
    frame = Frame.fitted((image.shape[0], image.shape[1]), input_size, centred=True)
    planes = frame.place(image, fill=_GREY).transpose(2, 0, 1)
    return np.ascontiguousarray(planes[None], dtype=np.float32) / 255, frame


def prepare_lite(image: Image, entry: TensorInfo) -> tuple[NDArray[Any], Frame]:
    """See `tfzoo.decode.prepare`."""
    input_size = (entry.shape[1] or _SIDE, entry.shape[2] or _SIDE)
    frame = Frame.fitted((image.shape[0], image.shape[1]), input_size, centred=True)
    return fed(frame.place(image, fill=_GREY), entry, USUAL), frame


def decode_lite(
    raw: Raw,
    frame: Frame,
    labels: Mapping[int, str],
    min_score: float,
    rules: Suppression | None = None,
) -> Detections:
    """See `decode`; the boxes are in parts of the input."""
    height, width = frame.input_size
    moved = {}
    for name, value in raw.items():
        moved[name] = value.copy()
        moved[name][..., :4] *= np.array([width, height, width, height], value.dtype)
    return decode(moved, frame, labels, min_score, rules)


def decode(
    raw: Raw,
    frame: Frame,
    labels: Mapping[int, str],
    min_score: float,
    rules: Suppression | None = None,
) -> Detections:
    """See `tfzoo.decode.decode`.

    Models of 80 classes are taken as COCO's, whose ids have gaps; others keep the ids they were
    trained with, from 0. Where boxes suppress those of other classes, a box is of its best class
    alone, as `detect.py` has it.
    """
    outputs = [value for value in raw.values() if _is_output(value.shape)]
    if len(outputs) != 1:
        found = ", ".join(f"{name} {list(value.shape)}" for name, value in raw.items())
        raise ModelFormatError(f"the model returned {found}; expected {EXPECTS}")
    rules = rules or SUPPRESSION
    rows = outputs[0][0]
    # Where the objectness is too low, no class can be high enough.
    rows = rows[(rows[:, 4] > SCORE) & (rows[:, 4] >= min_score)]
    rows = rows[np.isfinite(rows).all(axis=1)]
    per_class = rows[:, 5:] * rows[:, 4:5]
    if rules.class_agnostic:
        per_class = best_alone(per_class)
    candidates, classes = np.nonzero((per_class > SCORE) & (per_class >= min_score))
    scores = per_class[candidates, classes]
    best = np.argsort(-scores, kind="stable")[:MAX_CANDIDATES]
    candidates, classes, scores = candidates[best], classes[best], scores[best]
    centres, sizes = rows[candidates, :2], rows[candidates, 2:4]
    corners = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)
    kept, scores = suppress(corners, scores, classes, rules, max(min_score, SCORE))
    ids = np.array(list(COCO) if per_class.shape[1] == len(COCO) else range(per_class.shape[1]))
    return assemble(
        frame,
        frame.to_image(corners[kept].reshape(-1, 2, 2)).reshape(-1, 4),
        scores,
        ids[classes[kept]],
        labels,
        min_score,
    )
