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


def decode_lite(raw: Raw, frame: Frame, labels: Mapping[int, str], min_score: float) -> Detections:
    """See `decode`; the boxes are in parts of the input."""
    height, width = frame.input_size
    moved = {}
    for name, value in raw.items():
        moved[name] = value.copy()
        moved[name][..., :4] *= np.array([width, height, width, height], value.dtype)
    return decode(moved, frame, labels, min_score)


def decode(raw: Raw, frame: Frame, labels: Mapping[int, str], min_score: float) -> Detections:
    """See `tfzoo.decode.decode`.

    Models of 80 classes are taken as COCO's, whose ids have gaps; others keep the ids they were
    trained with, from 0.
    """
    outputs = [value for value in raw.values() if _is_output(value.shape)]
    if len(outputs) != 1:
        found = ", ".join(f"{name} {list(value.shape)}" for name, value in raw.items())
        raise ModelFormatError(f"the model returned {found}; expected {EXPECTS}")
    rows = outputs[0][0]
    # Where the objectness is too low, no class can be high enough.
    rows = rows[(rows[:, 4] > SCORE) & (rows[:, 4] >= min_score)]
    rows = rows[np.isfinite(rows).all(axis=1)]
    per_class = rows[:, 5:] * rows[:, 4:5]
    candidates, classes = np.nonzero((per_class > SCORE) & (per_class >= min_score))
    scores = per_class[candidates, classes]
    best = np.argsort(-scores, kind="stable")[:MAX_CANDIDATES]
    candidates, classes, scores = candidates[best], classes[best], scores[best]
    centres, sizes = rows[candidates, :2], rows[candidates, 2:4]
    kept = _suppress(np.concatenate([centres - sizes / 2, sizes], axis=1), scores, classes)
    corners = np.stack([centres - sizes / 2, centres + sizes / 2], axis=1)[kept]
    ids = np.array(list(COCO) if per_class.shape[1] == len(COCO) else range(per_class.shape[1]))
    return assemble(
        frame,
        frame.to_image(corners).reshape(-1, 4),
        scores[kept],
        ids[classes[kept]],
        labels,
        min_score,
    )


def _suppress(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], classes: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Class-wise NMS: the rows to keep.

    Args:
        boxes: [N, 4], left, top, width, height.
        scores: [N], descending.
        classes: [N].

    Returns:
        Indices of at most `MAX_DETECTIONS` rows, best first.
    """
    import cv2

    kept: Any = ()
    # NMS is greedy: what it keeps of the best candidates does not depend on the rest. Few images
    # need the rest, and noise takes it seconds.
    for count in (MAX_CANDIDATES // 10, MAX_CANDIDATES):
        kept = cv2.dnn.NMSBoxesBatched(
            boxes[:count].tolist(), scores[:count].tolist(), classes[:count].tolist(), SCORE, IOU
        )
        if len(kept) >= MAX_DETECTIONS or count >= len(boxes):
            break
    return np.asarray(kept, dtype=np.intp)[:MAX_DETECTIONS]
