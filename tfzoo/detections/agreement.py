"""Whether two runtimes found the same in the same images, and what differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tfzoo.detections.types import Detections

#: What makes two detections twins, beside their class.
MIN_IOU = 0.99
MAX_SCORE_DIFFERENCE = 0.002
#: Key points of twins lie so near, as a part of the longer side of the box.
MAX_KEYPOINT_SHIFT = 0.02
#: Masks of twins (values 0 to 1, relative to the box) differ so little on average.
MAX_MASK_DIFFERENCE = 0.02

#: Of the detections under `CLEAR`, so many may lack a twin: overlaps that lie on the limit of the
#: suppression fall to one side or the other by the last digit.
MAX_SHARE_ON_THE_LIMIT = 0.005
#: No detection of this score or more may lack one.
CLEAR = 0.3

#: Proven is what was seen on at least so many detections.
MIN_DETECTIONS = 10


@dataclass(frozen=True)
class Difference:
    """How the detections of one image differ between a reference and another.

    Attributes:
        counted: Detections that should have a twin.
        vanished: Scores of the reference's that have none.
        appeared: Scores of the other's that have none.
    """

    counted: int
    vanished: tuple[float, ...] = ()
    appeared: tuple[float, ...] = ()


def difference(reference: Detections, other: Detections) -> Difference:
    """What has no twin: none of the same class, with an IoU over 0.99 and a score within 0.002.

    Key points and masks are held to the same. The ends of full lists are ties: a detection whose
    score is within the tolerance of the least that is listed may have fallen off the other's.

    Args:
        reference: An image's detections, every score.
        other: The same image's by another runtime.
    """
    floor = _floor(reference, other) + MAX_SCORE_DIFFERENCE
    twins = _twins(reference, other)
    lonely = np.ones(len(other), dtype=bool)
    lonely[twins[twins >= 0]] = False
    vanished = reference.scores[(twins < 0) & (reference.scores > floor)]
    appeared = other.scores[lonely & (other.scores > floor)]
    counted = int(np.count_nonzero(reference.scores > floor))
    return Difference(counted, tuple(map(float, vanished)), tuple(map(float, appeared)))


def agreement(differences: Sequence[Difference]) -> tuple[bool, str]:
    """Whether images were detected alike, and in words.

    Args:
        differences: An image each.
    """
    counted = sum(one.counted for one in differences)
    vanished = [score for one in differences for score in one.vanished]
    appeared = [score for one in differences for score in one.appeared]
    clear = sum(score >= CLEAR for score in vanished + appeared)
    if clear or len(vanished) + len(appeared) > MAX_SHARE_ON_THE_LIMIT * counted:
        return False, (
            f"{len(vanished)} of TensorFlow's {counted} detections have no twin and "
            f"{len(appeared)} are new; {clear} of them score {CLEAR} or more"
        )
    if counted < MIN_DETECTIONS:
        return False, (
            f"not proven: TensorFlow finds {counted} things in the pictures, and "
            f"{MIN_DETECTIONS} are needed"
        )
    return True, f"gives TensorFlow's {counted} detections"


def compare(references: Sequence[Detections], others: Sequence[Detections]) -> tuple[bool, str]:
    """Whether others give the references' detections, an image each, and in words."""
    return agreement([difference(*pair) for pair in zip(references, others, strict=True)])


def worst_differences(
    references: Sequence[Detections], others: Sequence[Detections]
) -> tuple[float, float]:
    """How far the clear detections of some images are off, at most.

    Each of 0.3 or more is laid beside its twin, or else beside the other's of its class that
    overlaps it most, by 0.75 or more, and is nobody's twin; one that has none such is told of by
    `difference`.

    Args:
        references: An image each.
        others: The same images'.

    Returns:
        In score, and in pixels of the sides of boxes.
    """
    score = box = 0.0
    for reference, other in zip(references, others, strict=True):
        twins = _twins(reference, other)
        free = np.setdiff1d(np.arange(len(other)), twins)
        for i in np.flatnonzero(reference.scores >= CLEAR):
            twin = twins[i]
            if twin < 0:
                same = free[other.class_ids[free] == reference.class_ids[i]]
                shared = overlaps(reference.boxes[i], other.boxes[same])
                if shared.max(initial=0) < 0.75:
                    continue
                twin = same[int(np.argmax(shared))]
                free = free[free != twin]
            score = max(score, abs(float(other.scores[twin] - reference.scores[i])))
            sides = np.abs(other.boxes[twin] - reference.boxes[i])
            box = max(box, float(sides.max()))
    return score, box


def _floor(reference: Detections, other: Detections) -> float:
    """The least score that a list of the model's full length holds; -1 where none is full."""
    if len(reference) != len(other) or len(reference) == 0:
        # The longer list is complete; what it has at its end is no tie.
        return -1.0
    return float(min(reference.scores[-1], other.scores[-1]))


def _twins(reference: Detections, other: Detections) -> NDArray[np.intp]:
    """For each of the reference's detections the other's that is its twin, or -1: intp [N]."""
    twins = np.full(len(reference), -1, dtype=np.intp)
    free = np.ones(len(other), dtype=bool)
    for i in range(len(reference)):
        differences = np.abs(other.scores - reference.scores[i])
        fits = (
            free
            & (other.class_ids == reference.class_ids[i])
            & (differences <= MAX_SCORE_DIFFERENCE)
            & (overlaps(reference.boxes[i], other.boxes) > MIN_IOU)
        )
        fits[fits] = [_same_shape(reference, i, other, int(j)) for j in np.flatnonzero(fits)]
        if fits.any():
            # The nearest in score, so that of near-equal things none takes another's twin.
            twins[i] = int(np.argmin(np.where(fits, differences, np.inf)))
            free[twins[i]] = False
    return twins


def _same_shape(reference: Detections, i: int, other: Detections, j: int) -> bool:
    """Whether key points and masks of two detections are the same, where there are any."""
    if reference.keypoints is not None and other.keypoints is not None:
        box = reference.boxes[i]
        side = max(float(np.max(box[2:] - box[:2])), 1.0)
        shift = np.abs(reference.keypoints[i] - other.keypoints[j]).max(axis=1, initial=0)
        assert reference.keypoint_scores is not None and other.keypoint_scores is not None
        ours, theirs = reference.keypoint_scores[i], other.keypoint_scores[j]
        if np.isnan(ours).any() != np.isnan(theirs).any():
            return False
        if not np.isnan(ours).any():
            # A point that is hardly there may be anywhere.
            seen = ours >= CLEAR
            if np.abs(ours - theirs).max(initial=0) > 2 * MAX_SCORE_DIFFERENCE:
                return False
            if (shift[seen] > MAX_KEYPOINT_SHIFT * side).any():
                return False
    if reference.masks is not None and other.masks is not None:
        ours, theirs = reference.masks[i], other.masks[j]
        return ours.shape == theirs.shape and bool(
            np.abs(ours - theirs).mean() <= MAX_MASK_DIFFERENCE
        )
    return (reference.keypoints is None) == (other.keypoints is None) and (
        reference.masks is None
    ) == (other.masks is None)


def overlaps(box: NDArray[np.float32], boxes: NDArray[np.float32]) -> NDArray[np.float64]:
    """IoU of a box [4] with boxes [N, 4] in pixels, float64 [N]; 1 of boxes that are the same."""
    one, many = box.astype(np.float64), boxes.astype(np.float64)
    sides = np.minimum(one[2:], many[:, 2:]) - np.maximum(one[:2], many[:, :2])
    shared = np.prod(np.maximum(sides, 0), axis=1)
    union = np.prod(one[2:] - one[:2]) + np.prod(many[:, 2:] - many[:, :2], axis=1) - shared
    # A box of no area, at the border say, shares nothing with its like.
    alike = np.abs(many - one).max(axis=1, initial=0) < 0.01
    return np.where(alike, 1.0, shared / np.maximum(union, 1e-12))
