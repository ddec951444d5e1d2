"""From a model's raw outputs to `Detections`, in numpy alone.

The one place that knows box order, class offsets, box-relative masks and padding. A model is
recognised by its signature, never by its name, so that anybody's own export works.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.detections import Detections, Image
from tfzoo.errors import ModelFormatError
from tfzoo.manifest import SignatureKind
from tfzoo.runtimes import Signature

Raw = Mapping[str, NDArray[Any]]

_STANDARD = {"detection_boxes", "detection_scores", "detection_classes", "num_detections"}


def recognise(signature: Signature) -> SignatureKind:
    """The kind of a model by what it takes and returns.

    Raises:
        ModelFormatError: It fits none; says what was found and what was expected.
    """
    outputs = {info.name for info in signature.outputs}
    inputs = signature.inputs
    if len(inputs) == 1 and inputs[0].dtype == "uint8" and outputs >= _STANDARD:
        if "detection_masks" in outputs:
            return "mask_rcnn"
        if "detection_keypoints" in outputs or "detection_boxes_strided" in outputs:
            return "centernet"
        return "standard"
    found = "\n".join(
        [f"  takes   {info}" for info in signature.inputs]
        + [f"  returns {info}" for info in signature.outputs]
    )
    raise ModelFormatError(
        f"this model is no detector that tfzoo knows. It\n{found}\nExpected one uint8 "
        f"[1,?,?,3] input and {', '.join(sorted(_STANDARD))}, as the Object Detection API's "
        "exporter_main_v2 writes them"
    )


def prepare(kind: SignatureKind, image: Image) -> NDArray[Any]:
    """The batch a model of a kind takes for one image.

    Args:
        kind: As `recognise` gives it.
        image: uint8 [H, W, 3] RGB.

    Returns:
        [1, H, W, 3] of the input's dtype.
    """
    return image[None]


def decode(
    kind: SignatureKind,
    raw: Raw,
    image_size: tuple[int, int],
    labels: Mapping[int, str],
) -> Detections:
    """Decodes one image's raw outputs.

    Args:
        kind: As `recognise` gives it.
        raw: Outputs by name, with the batch dimension of 1.
        image_size: Height and width of the original image in pixels.
        labels: Category names by id.

    Returns:
        Detections in pixels of the original image. Rows with a score that is no number, or with
        no area, are dropped.
    """
    height, width = image_size
    count = int(raw["num_detections"][0])
    scores = raw["detection_scores"][0][:count].astype(np.float32)
    # Normalised ymin, xmin, ymax, xmax to pixels x0, y0, x1, y1.
    boxes = raw["detection_boxes"][0][:count][:, [1, 0, 3, 2]].astype(np.float32)
    boxes = boxes * np.array([width, height, width, height], dtype=np.float32)
    class_ids = raw["detection_classes"][0][:count].round().astype(np.int32)
    sound = np.isfinite(scores) & np.isfinite(boxes).all(axis=1)
    order = np.flatnonzero(sound)[np.argsort(-scores[sound], kind="stable")]
    return Detections(boxes[order], scores[order], class_ids[order], image_size, labels=labels)
