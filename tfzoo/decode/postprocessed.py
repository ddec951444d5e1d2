"""TFLite files that end in TFLite_Detection_PostProcess: SSDs, EfficientDets, EfficientDet-Lite.

`export_tflite_graph_tf2` (tensorflow/models, research/object_detection) leaves resizing and
normalising to whoever runs the model. Its SSDs mostly take -1..1; a file's metadata may say
otherwise. The image is stretched, as TensorFlow Lite's own Task Library does, unless `tfzoo export`
made the file and says otherwise. Classes count from 0,
without the background. Rows from the number on are what lay in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.decode.frame import Frame, Raw, assemble
from tfzoo.decode.pixels import SIGNED, fed, placed, takes_fixed_images
from tfzoo.detections.types import Detections
from tfzoo.errors import ModelFormatError
from tfzoo.images.image import Image
from tfzoo.runtimes.lite_file import OUTPUTS
from tfzoo.runtimes.runtime import Signature, TensorInfo

EXPECTS = (
    "one float32, uint8 or int8 [1,H,W,3] image in; the four outputs of "
    "TFLite_Detection_PostProcess out"
)
USUAL = SIGNED


def fits(signature: Signature) -> bool:
    """Whether a signature is of this kind."""
    names = {info.name for info in signature.outputs}
    return takes_fixed_images(signature) and names >= set(OUTPUTS)


def prepare(image: Image, entry: TensorInfo) -> tuple[NDArray[Any], Frame]:
    """See `tfzoo.decode.prepare`."""
    content, frame = placed(image, entry, keeps_aspect=False)
    return fed(content, entry, USUAL), frame


def decode(raw: Raw, frame: Frame, labels: Mapping[int, str], min_score: float) -> Detections:
    """See `tfzoo.decode.decode`."""
    boxes, classes, scores, number = (raw[name] for name in OUTPUTS)
    rows = scores.shape[-1] if scores.ndim else 0
    if boxes.shape != (1, rows, 4) or {classes.shape, scores.shape} != {(1, rows)}:
        found = ", ".join(f"{name} {list(raw[name].shape)}" for name in OUTPUTS)
        raise ModelFormatError(
            f"the model returned {found}; expected boxes [1,N,4], classes [1,N], scores [1,N] and "
            "their number [1]"
        )
    count = int(np.clip(round(float(np.nan_to_num(number.reshape(-1)[0]))), 0, rows))
    placed_boxes = frame.from_normalised(boxes[0, :count].reshape(-1, 2, 2)).reshape(-1, 4)
    rows = np.arange(count)
    if frame.content_size != frame.input_size:
        # The operation knows nothing of padding: what lies there alone is in no image.
        rows = np.flatnonzero(
            (placed_boxes[:, 2:] > 0).all(1) & (placed_boxes[:, :2] < frame.image_size[::-1]).all(1)
        )
    return assemble(
        frame,
        placed_boxes[rows],
        scores[0, rows],
        classes[0, rows] + 1,
        labels,
        min_score,
    )
