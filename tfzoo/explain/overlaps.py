"""Overlaps of boxes, and which detections of an image are right by one rule."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.accuracy.bootstrap import match

#: IoU from which a detection is said to have found an object, where one figure is to say it.
FOUND = 0.5


def box_overlaps(
    found: NDArray[np.floating[Any]],
    truth: NDArray[np.floating[Any]],
    crowd: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """IoU of boxes, as COCO takes it: of a crowd, the share of the detection that lies on it.

    Args:
        found: float [D, 4], x, y, width, height in pixels.
        truth: float [G, 4], likewise.
        crowd: bool [G], which of these are crowds.

    Returns:
        float [D, G], 0 to 1.
    """
    low = np.maximum(found[:, None, :2], truth[None, :, :2])
    high = np.minimum(
        found[:, None, :2] + found[:, None, 2:], truth[None, :, :2] + truth[None, :, 2:]
    )
    common = np.clip(high - low, 0, None).prod(axis=2)
    own, theirs = found[:, 2:].prod(axis=1), truth[:, 2:].prod(axis=1)
    union = np.where(crowd[None, :], own[:, None], own[:, None] + theirs[None, :] - common)
    shares = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return np.asarray(shares, dtype=np.float64)


def right_detections(
    overlaps: NDArray[np.float64],
    found_as: NDArray[Any],
    truth_as: NDArray[Any],
    crowd: NDArray[np.bool_],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Which detections of an image, best first, find an object of their category at IoU 0.5.

    Args:
        overlaps: float [D, G].
        found_as: [D], categories of the detections.
        truth_as: [G], categories of the objects.
        crowd: bool [G].

    Returns:
        right, bool [D]; ignored (on a crowd), bool [D]; found, bool [G].
    """
    same = np.where(found_as[:, None] == truth_as[None, :], overlaps, 0.0)
    if not same.size:
        return (
            np.zeros(len(found_as), bool),
            np.zeros(len(found_as), bool),
            np.zeros(len(crowd), bool),
        )
    positive, ignored = match(same, crowd, crowd, np.array([FOUND]))
    found = np.zeros(len(crowd), dtype=bool)
    free = ~crowd
    for detection in np.flatnonzero(positive[0]):
        # The one that `match` took: of the free ones that which overlaps most, of equals the last.
        candidates = np.where(free, same[detection], -1.0)
        best = len(candidates) - 1 - int(candidates[::-1].argmax())
        found[best], free[best] = True, False
    return positive[0], ignored[0], found
