"""Exports of the Object Detection API's exporter_main_v2: SSD, EfficientDet, R-CNNs, CenterNet.

They resize and pad inside the graph, and give boxes in parts of the image they were handed
(exporter_lib_v2.py; tensorflow/models, research/object_detection). Class ids have the API's
offset of 1 added already.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.decode.feeding import takes_a_string
from tfzoo.decode.frame import Frame, Raw, assemble
from tfzoo.detections.types import Detections
from tfzoo.errors import ModelFormatError
from tfzoo.images.image import Image
from tfzoo.runtimes.runtime import Signature, TensorInfo

_OUTPUTS = {"detection_boxes", "detection_scores", "detection_classes", "num_detections"}
EXPECTS = (
    "one uint8 or float32 [1,?,?,3] or [1,3,?,?] image in, or a string [1] that holds one; "
    f"{', '.join(sorted(_OUTPUTS))} out"
)


def fits(signature: Signature) -> bool:
    """Whether a signature is of this family."""
    return (
        len(signature.inputs) == 1
        and (takes_a_string(signature.inputs[0]) or _takes_an_image(signature.inputs[0]))
        and _names(signature) >= _OUTPUTS
    )


def _takes_an_image(entry: TensorInfo) -> bool:
    """Whether an input is of `image_tensor`'s or `float_image_tensor`'s, as far as it is stated."""
    shape = entry.shape
    if entry.dtype not in ("uint8", "float32"):
        return False
    return not shape or (len(shape) == 4 and shape[0] in (1, None) and shape[3] in (3, None))


def has_masks(signature: Signature) -> bool:
    """Whether it is one with masks."""
    return fits(signature) and "detection_masks" in _names(signature)


def is_centernet(signature: Signature) -> bool:
    """Whether it is a CenterNet, with or without keypoints."""
    marks = {"detection_boxes_strided", "detection_keypoints"}
    return fits(signature) and not marks.isdisjoint(_names(signature))


def _names(signature: Signature) -> set[str]:
    return {info.name for info in signature.outputs}


def prepare(image: Image, entry: TensorInfo) -> tuple[NDArray[Any], Frame]:
    """See `tfzoo.decode.prepare`."""
    image_size = (image.shape[0], image.shape[1])
    frame = Frame.whole(image_size)
    if len(entry.shape) == 4 and (height := entry.shape[1]) and (width := entry.shape[2]):
        # A conversion has fixed the size that the export left free.
        frame = Frame.stretched(image_size, (height, width))
        image = frame.place(image, fill=0)
    return image[None].astype(entry.dtype, copy=False), frame


def decode(raw: Raw, frame: Frame, labels: Mapping[int, str], min_score: float) -> Detections:
    """See `tfzoo.decode.decode`. Keypoints and masks are read where there are any."""
    scores = _one(raw, "detection_scores", 1)
    # Rows from num_detections on are filling. No number at all counts as none.
    number = float(np.nan_to_num(raw["num_detections"].reshape(-1)[0]))
    count = int(np.clip(round(number), 0, len(scores)))
    boxes = _one(raw, "detection_boxes", 2)[:count]
    keypoints = keypoint_scores = masks = None
    if "detection_keypoints" in raw and "detection_keypoint_scores" in raw:
        keypoints = frame.from_normalised(_one(raw, "detection_keypoints", 3)[:count])
        keypoint_scores = _one(raw, "detection_keypoint_scores", 2)[:count]
    if "detection_masks" in raw:
        masks = _one(raw, "detection_masks", 3)[:count]
    return assemble(
        frame,
        frame.from_normalised(boxes.reshape(-1, 2, 2)).reshape(-1, 4),
        scores[:count],
        _one(raw, "detection_classes", 1)[:count],
        labels,
        min_score,
        keypoints=keypoints,
        keypoint_scores=keypoint_scores,
        masks=masks,
    )


def _one(raw: Raw, name: str, rank: int) -> NDArray[Any]:
    """An output of one image, without its batch dimension (which some exports leave out)."""
    value = raw[name]
    if value.ndim == rank + 1 and value.shape[0] == 1:
        return value.squeeze(0)
    if value.ndim == rank:
        return value
    raise ModelFormatError(
        f"{name} has the shape {list(value.shape)}; expected {rank + 1} dimensions, the first 1"
    )
