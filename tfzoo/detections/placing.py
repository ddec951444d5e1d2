"""Where labels go: at their boxes, inside the picture, and none over another."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

#: How far down its box's side a label may move, in heights of its own.
_STEPS = 4


def places(
    boxes: NDArray[np.float32], sizes: Iterable[tuple[int, int]], image_size: tuple[int, int]
) -> list[tuple[int, int] | None]:
    """Places for labels, those of the first boxes before the others'.

    A label goes on top of its box, else inside of it, below it, or further down its sides: to the
    first of these where no label lies yet.

    Args:
        boxes: float32 [N, 4], x0, y0, x1, y1 in pixels.
        sizes: Width and height of each label in pixels.
        image_size: Height and width of the picture.

    Returns:
        The left and top edge of each label, or None where there is no room.
    """
    taken = np.zeros((len(boxes), 4))
    found: list[tuple[int, int] | None] = []
    count = 0
    for box, (width, height) in zip(boxes, sizes, strict=True):
        corners = _candidates(box, width, height, image_size)
        ends = np.add(corners, (width, height))
        others = taken[None, :count]
        behind, before = corners[:, None] >= others[..., 2:], ends[:, None] <= others[..., :2]
        apart = np.any(behind | before, axis=2)
        free = np.flatnonzero(np.all(apart, axis=1))
        if not len(free):
            found.append(None)
            continue
        left, top = (int(value) for value in corners[free[0]])
        taken[count] = (left, top, left + width, top + height)
        count += 1
        found.append((left, top))
    return found


def _candidates(
    box: NDArray[np.float32], width: int, height: int, image_size: tuple[int, int]
) -> NDArray[np.float64]:
    """Left and top edges of a label where it may lie, the best first: float [C, 2]."""
    x0, y0, x1, y1 = (float(value) for value in box)
    right = x1 - width
    tops = [y0 - height, y0, y1, y1 - height]
    tops += [y0 + step * height for step in range(1, _STEPS) if y0 + (step + 1) * height < y1]
    corners = np.array([(x, y) for x in (x0, right) for y in tops])
    # Inside the picture, as far as the label is no larger than it.
    most = np.maximum(np.array(image_size[::-1]) - [width, height], 0)
    return np.asarray(np.rint(np.clip(corners, 0, most)))
