"""How well each image does by itself, to find those that are worth a look."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tfzoo.accuracy.bootstrap import RECALLS, Matches


def image_precision(matches: Sequence[Matches]) -> NDArray[np.float64]:
    """AP of each image by itself, the detections of all its categories in one list.

    Matched within their own category, as in AP. It is no part of which AP is the sum, but says
    where objects are missed, or found behind what is none.

    Args:
        matches: A category each.

    Returns:
        float [I], 0 to 1; NaN for an image without objects.
    """
    images = np.concatenate([one.images for one in matches])
    scores = np.concatenate([one.scores for one in matches])
    positive = np.concatenate([one.positive for one in matches], axis=1)
    ignored = np.concatenate([one.ignored for one in matches], axis=1)
    objects = np.sum([one.objects for one in matches], axis=0)
    order = np.lexsort((-scores, images))
    starts = np.searchsorted(images[order], np.arange(len(objects) + 1))
    precisions = np.full(len(objects), np.nan)
    for image in np.flatnonzero(objects):
        here = order[starts[image] : starts[image + 1]]
        if not len(here):
            precisions[image] = 0.0
            continue
        found = np.cumsum(positive[:, here], axis=1)
        counted = np.cumsum(~ignored[:, here], axis=1)
        envelope = found / np.maximum(counted, 1)
        envelope = np.maximum.accumulate(envelope[:, ::-1], axis=1)[:, ::-1]
        reached = np.searchsorted(RECALLS, found / objects[image], side="right")
        # No find, no recall point: that of nothing found is reached by the first find.
        reached = np.where(found > 0, reached, 0)
        steps = np.diff(reached, axis=1, prepend=0)
        precisions[image] = (envelope * steps).sum() / len(RECALLS) / len(positive)
    return precisions
