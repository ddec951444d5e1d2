"""TFLite files that end in TFLite_Detection_PostProcess: SSDs, EfficientDets, EfficientDet-Lite.

`export_tflite_graph_tf2` (tensorflow/models, research/object_detection) leaves resizing and
normalising to whoever runs the model. Its SSDs mostly take -1..1; a file's metadata may say
otherwise. The image is stretched, as TensorFlow Lite's own Task Library does. Classes count from 0,
without the background. Rows from the number on are what lay in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.decode.frame import Frame, Raw, assemble
from tfzoo.decode.pixels import SIGNED, fed, takes_fixed_images
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
    height, width = entry.shape[1:3]
    assert height is not None and width is not None  # `fits` takes fixed sizes alone.
    frame = Frame.stretched((image.shape[0], image.shape[1]), (height, width))
    return fed(frame.place(image, fill=0), entry, USUAL), frame


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
    return assemble(
        frame,
        frame.from_normalised(boxes[0, :count].reshape(-1, 2, 2)).reshape(-1, 4),
        scores[0, :count],
        classes[0, :count] + 1,
        labels,
        min_score,
    )
