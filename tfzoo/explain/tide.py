"""What each type of error costs in AP, by TIDE.

Bolya, Foley, Hays and Hoffman 2020, "TIDE: A General Toolbox for Identifying Object Detection
Errors", ECCV (https://arxiv.org/abs/2008.08115). What a type costs is how much AP at IoU 0.5 gains
where all errors of that type, and no others, are mended. A test holds this to their own package,
`tidecv`, whose conventions these are: at most 100 detections an image over all categories; a
category that has detections and no objects counts in the mean, with an AP of 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.accuracy.bootstrap import RECALLS
from tfzoo.explain.boxes import Boxes, ImageBoxes, by_image, taken

#: The types in the order in which they are asked about.
ERRORS: Mapping[str, str] = {
    "localisation": "right category, IoU from 0.1 to 0.5",
    "classification": "IoU of 0.5 or more with an object of another category",
    "duplicate": "an object that a better detection has taken",
    "background": "IoU of at most 0.1 with any object",
    "both": "none of these: wrong category and badly placed",
    "missed": "an object that no detection finds, and no mended one would",
}
_LOCALISATION, _CLASSIFICATION, _DUPLICATE, _BACKGROUND, _BOTH = range(5)
_NONE = -1

#: IoU of a find, and up to which a detection is of the background.
_FOUND, _BACKGROUND_IOU = 0.5, 0.1
_MOST = 100


@dataclass(frozen=True)
class ErrorCosts:
    """What errors cost.

    Attributes:
        ap: AP at IoU 0.5 by TIDE's conventions, 0 to 1.
        costs: AP that mending each type would gain, 0 to 1, by the names of `ERRORS`.
        counts: Errors of each type.
    """

    ap: float
    costs: Mapping[str, float]
    counts: Mapping[str, int]


@dataclass(frozen=True)
class _Judged:
    """Detections, image by image and the best first, and what is wrong with each.

    Attributes:
        categories: int [N].
        scores: float [N].
        right: bool [N].
        ignored: bool [N], on a crowd.
        error: int [N], type of the error, or -1.
        mended_as: int [N], the category in which a mended one is right, or -1: it is dropped.
        objects: int [K], objects of each category.
        missed: int [K], objects of each category that are missed.
    """

    categories: NDArray[np.intp]
    scores: NDArray[np.float64]
    right: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    error: NDArray[np.int64]
    mended_as: NDArray[np.int64]
    objects: NDArray[np.int64]
    missed: NDArray[np.int64]


def error_costs(found: Boxes, truth: Boxes, categories: int) -> ErrorCosts:
    """What each type of error costs in AP.

    Args:
        found: Detections.
        truth: Annotations of the same images.
        categories: Number of categories.
    """
    judged = _judge(found, truth, categories)
    shown = ~judged.ignored
    ap = _mean_ap(
        judged.categories[shown], judged.scores[shown], judged.right[shown], judged.objects
    )
    costs, counts = {}, {}
    for place, name in enumerate(ERRORS):
        if name == "missed":
            mended = np.zeros(len(judged.error), dtype=bool)
            objects = judged.objects - judged.missed
            counts[name] = int(judged.missed.sum())
        else:
            mended = judged.error == place
            objects = judged.objects
            counts[name] = int(mended.sum())
        right_now = mended & (judged.mended_as >= 0)
        kept = (shown & ~mended) | right_now
        better = _mean_ap(
            np.where(right_now, judged.mended_as, judged.categories)[kept],
            judged.scores[kept],
            (judged.right | right_now)[kept],
            objects,
            # As in `tidecv`, of equal scores those that were right from the start come last.
            judged.right[kept],
        )
        costs[name] = max(better - ap, 0.0)
    return ErrorCosts(ap, costs, counts)


def _judge(found: Boxes, truth: Boxes, categories: int) -> _Judged:
    parts: list[tuple[NDArray[Any], ...]] = []
    missed = np.zeros(categories, dtype=np.int64)
    for boxes in by_image(found, truth, _MOST):
        right, error, mended_as, lost = _judge_image(boxes)
        parts.append((boxes.found, right, boxes.on_crowd & ~right, error, mended_as))
        np.add.at(missed, lost, 1)
    rows, all_right, ignored, errors, all_mended = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    objects = np.bincount(truth.categories[~truth.crowd], minlength=categories)
    return _Judged(
        found.categories[rows],
        found.scores[rows],
        all_right,
        ignored,
        errors,
        all_mended,
        objects,
        missed,
    )


def _judge_image(boxes: ImageBoxes) -> tuple[NDArray[Any], ...]:
    """What is wrong with an image's detections.

    Returns:
        right, bool [D]; error, int [D]; mended_as, int [D]; categories of the missed objects.
    """
    count = len(boxes.found)
    mended_as = np.full(count, -1)
    if not len(boxes.truth) or not count:
        error = np.full(count, _BACKGROUND)
        return np.zeros(count, dtype=bool), error, mended_as, boxes.truth_as
    same = boxes.found_as[:, None] == boxes.truth_as[None, :]
    own, other = boxes.overlaps * same, boxes.overlaps * ~same
    took = taken(own, _FOUND)
    right = took >= 0
    used = np.zeros(len(boxes.truth), dtype=bool)
    used[took[right]] = True
    own_best, other_best = own.max(axis=1), other.max(axis=1)
    # The first that applies, in their order.
    error = np.select(
        [
            right,
            (own_best >= _BACKGROUND_IOU) & (own_best <= _FOUND),
            other_best >= _FOUND,
            (own * used).max(axis=1) >= _FOUND,
            boxes.overlaps.max(axis=1) <= _BACKGROUND_IOU,
        ],
        [_NONE, _LOCALISATION, _CLASSIFICATION, _DUPLICATE, _BACKGROUND],
        default=_BOTH,
    )
    # Of each object that is free, the best detection that is meant for it is mended; all others
    # of the type are dropped.
    meant = np.where(error == _LOCALISATION, own.argmax(axis=1), -1)
    meant = np.where(error == _CLASSIFICATION, other.argmax(axis=1), meant)
    reachable = np.flatnonzero((meant >= 0) & ~used[meant])
    objects, firsts = np.unique(meant[reachable], return_index=True)
    mended_as[reachable[firsts]] = boxes.truth_as[objects]
    usable = np.zeros(len(boxes.truth), dtype=bool)
    usable[objects] = True
    return right, error, mended_as, boxes.truth_as[~used & ~usable]


def _mean_ap(
    categories: NDArray[np.intp],
    scores: NDArray[np.float64],
    right: NDArray[np.bool_],
    objects: NDArray[np.int64],
    last: NDArray[np.bool_] | None = None,
) -> float:
    """AP, 0 to 1: the mean over categories that have detections or objects.

    Args:
        categories: int [N].
        scores: float [N].
        right: bool [N].
        objects: int [K].
        last: bool [N], those that stand behind others of the same score; else in their order.
    """
    behind = np.zeros(len(scores), dtype=bool) if last is None else last
    order = np.lexsort((behind, -scores, categories))
    right = right[order]
    ends = np.searchsorted(categories[order], np.arange(len(objects) + 1))
    precisions = []
    for category, count in enumerate(objects.tolist()):
        first, end = ends[category : category + 2].tolist()
        if first == end and not count:
            continue
        finds = np.flatnonzero(right[first:end])
        if not count or not len(finds):
            precisions.append(0.0)
            continue
        # Precision falls at every miss, so that its envelope is known from the finds alone.
        found = np.arange(1, len(finds) + 1)
        envelope = np.maximum.accumulate((found / (finds + 1))[::-1])[::-1]
        reached = np.searchsorted(found / count, RECALLS, side="left")
        precisions.append(float(np.append(envelope, 0.0)[reached].mean()))
    return float(np.mean(precisions)) if precisions else 0.0
