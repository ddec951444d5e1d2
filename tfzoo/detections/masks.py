"""Box-relative masks: pasted into the image one at a time, and COCO's run lengths of them.

A mask is pasted by the Object Detection API's own rule, the one its models were trained and
their reported mask mAP was taken with: `reframe_box_masks_to_image_masks` (object_detection,
utils/ops.py), which is `tf.image.crop_and_resize`, then a threshold of 0.5 (eval_util.py). The
first and the last row of a mask lie on the box's edges, as those of an image lie on the image's
(which row falls on an edge is decided without float32's rounding, that loses some there).
tf-models-official's `paste_instance_masks` (Detectron's rule) differs by design: it rounds boxes
to whole pixels, spreads the mask's rows over the box as pixels, and frames them with zeros.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROUNDING = 1e-4


def paste(
    mask: NDArray[np.float32],
    box: NDArray[np.float32],
    image_size: tuple[int, int],
    threshold: float = 0.5,
) -> NDArray[np.bool_]:
    """Pastes one box-relative mask into an image.

    Args:
        mask: float32 [h, w], 0 to 1, spanning the box.
        box: float32 [4], x0, y0, x1, y1 in pixels; it may leave the image.
        image_size: Height and width of the image.
        threshold: Values above it are inside.

    Returns:
        bool [H, W].
    """
    height, width = image_size
    x0, y0, x1, y1 = (float(value) for value in box)
    pasted = np.zeros(image_size, dtype=bool)
    rows, above, below, down = _samples(y0, y1, height, mask.shape[0])
    columns, left, right, across = _samples(x0, x1, width, mask.shape[1])
    if not len(rows) or not len(columns):
        return pasted
    # Bilinear, first along the rows, then down the columns; in place, for a box over a large image
    # takes a hundred megabytes already.
    resized = mask[:, left] + (mask[:, right] - mask[:, left]) * across
    values, upper = resized[below], resized[above]
    values -= upper
    values *= down[:, None]
    values += upper
    pasted[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = values > threshold
    return pasted


def _samples(
    start: float, stop: float, length: int, samples: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Where the pixels of one axis lie in a mask that spans start..stop of it.

    Args:
        start: First edge of the box in pixels.
        stop: Last edge of the box in pixels.
        length: Pixels of the image along this axis.
        samples: Values of the mask along this axis.

    Returns:
        The pixels inside the box, and for each the mask's values before and after it and the
        weight of the latter.
    """
    if stop <= start:
        none = np.zeros(0, dtype=np.intp)
        return none, none, none, none.astype(np.float32)
    # Pixels are samples too: the first lies at the image's first edge, the last at its last.
    at = np.arange(length) * length / (length - 1) if length > 1 else np.array([0.5])
    last = samples - 1
    places = (at - start) / (stop - start) * last
    # A pixel on the box's edge is inside, whatever way float32 rounded the box.
    inside = np.flatnonzero((places >= -_ROUNDING) & (places <= last + _ROUNDING))
    places = np.clip(places[inside], 0, last)
    before = np.floor(places).astype(np.intp)
    return inside, before, np.ceil(places).astype(np.intp), (places - before).astype(np.float32)


def encode(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """COCO run-length encoding of a mask, bool [H, W], with `counts` as text for JSON."""
    from pycocotools import mask as coco_mask

    encoded: dict[str, Any] = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": list(encoded["size"]), "counts": encoded["counts"].decode("ascii")}
