"""Box-relative masks: pasted into the image one at a time, and COCO's run lengths of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def paste(
    mask: NDArray[np.float32],
    box: NDArray[np.float32],
    image_size: tuple[int, int],
    threshold: float = 0.5,
) -> NDArray[np.bool_]:
    """Pastes one box-relative mask into an image.

    Args:
        mask: float32 [h, w], 0 to 1, spanning the box.
        box: float32 [4], x0, y0, x1, y1 in pixels.
        image_size: Height and width of the image.
        threshold: Values above it are inside.

    Returns:
        bool [H, W].
    """
    import cv2

    height, width = image_size
    x0, y0, x1, y1 = (float(value) for value in box)
    pasted = np.zeros(image_size, dtype=bool)
    left, top = max(int(np.floor(x0)), 0), max(int(np.floor(y0)), 0)
    right, bottom = min(int(np.ceil(x1)), width), min(int(np.ceil(y1)), height)
    if right <= left or bottom <= top or x1 <= x0 or y1 <= y0:
        return pasted
    # The mask's value at the centre of each image pixel; outside the mask counts as 0.
    columns = (np.arange(left, right) + 0.5 - x0) / (x1 - x0) * mask.shape[1] - 0.5
    rows = (np.arange(top, bottom) + 0.5 - y0) / (y1 - y0) * mask.shape[0] - 0.5
    grid_x, grid_y = np.meshgrid(columns.astype(np.float32), rows.astype(np.float32))
    values = cv2.remap(
        np.ascontiguousarray(mask), grid_x, grid_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )
    pasted[top:bottom, left:right] = values > threshold
    return pasted


def encode(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """COCO run-length encoding of a mask, bool [H, W], with `counts` as text for JSON."""
    from pycocotools import mask as coco_mask

    encoded: dict[str, Any] = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(encoded["size"]), "counts": encoded["counts"].decode("ascii")}
