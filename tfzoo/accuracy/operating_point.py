"""A score threshold at which few objects are missed, with a bound that holds for few images too.

What is bounded is the share of an image's objects that are missed (by no detection of their
category, of that score or more, found with an IoU of 0.5; COCO's own matching, crowds left out), as
a mean over all images like these that have objects. The unit is the image: objects in one image are
found or missed together, and counting each for itself would promise too much.

The threshold is the highest of those at which, and below which, the mean is shown to be at most
what was asked for: Bates, Angelopoulos, Lei, Malik and Jordan 2021, "Distribution-free,
risk-controlling prediction sets", J. ACM 68(6), theorem 1, by the Hoeffding-Bentkus bound of
Angelopoulos, Bates, Candes, Jordan and Lei 2021, "Learn then test", arXiv:2110.01052, section 1.1.
It assumes nothing of the model, and of the images that each was drawn like all others. Since a
higher threshold never misses less, trying many thresholds costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.accuracy.bootstrap import Matches, matches_of
from tfzoo.accuracy.metrics import names_of, run_evaluation, scorable
from tfzoo.accuracy.truth import GroundTruth, Kind
from tfzoo.errors import UsageError

#: How surely a threshold keeps what it says.
CONFIDENCE = 0.95

#: More images than anybody annotates: where these are not enough, no number is told.
_MOST_IMAGES = 10**7

Array = NDArray[np.float64]


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and what is known of it, or why there is none.

    Attributes:
        category: Of which category's objects; None for those of all.
        misses_at_most: Share of an image's objects, 0 to 1, that was asked for.
        confidence: How surely the threshold keeps it: in so many of such sets of images.
        images: Images with objects, each a unit.
        objects: Objects in them.
        threshold: Keep detections of this score or more; None where none is shown to do.
        missed: Mean share of an image's objects that are missed there, on these images; without
            a threshold, that with all detections kept.
        false_per_image: Detections kept that find nothing, an image; of all images.
        images_needed: Without a threshold, how many images would show it if they were like these;
            None where more images would not.
        reason: In a sentence, what was found.
    """

    category: str | None
    misses_at_most: float
    confidence: float
    images: int
    objects: int
    threshold: float | None
    missed: float
    false_per_image: float | None
    images_needed: int | None
    reason: str

    @property
    def shown_threshold(self) -> str:
        """The threshold for people: rounded down, so that what is kept by it is no less."""
        return "-" if self.threshold is None else _rounded_down(self.threshold)


def operating_points(
    truths: Mapping[Kind, GroundTruth],
    rows: Iterable[Mapping[str, Any]],
    misses_at_most: float | None,
    by_class: bool = False,
) -> tuple[OperatingPoint, ...]:
    """Thresholds at which at most a share of an image's objects is missed.

    Args:
        truths: The annotations by kind.
        rows: COCO results rows of all detections, whatever their score.
        misses_at_most: The share, 0 to 1; None where nothing was asked for.
        by_class: Whether each category with objects has one of its own too, each by itself as sure
            as the first.

    Raises:
        UsageError: The annotations have no boxes.
    """
    if misses_at_most is None:
        return ()
    if "box" not in truths:
        raise UsageError("--misses-at-most is told of boxes, of which none are scored here")
    truth, found = scorable(truths["box"], rows, "box")
    evaluation = run_evaluation(truth, found, "box")
    matches = matches_of(evaluation)
    names = names_of(truth)
    points = [_point(None, matches, misses_at_most)]
    if by_class:
        points += [
            _point(names[category_id], [one], misses_at_most)
            for category_id, one in zip(evaluation.params.catIds, matches, strict=True)
            if one.objects.any()
        ]
    return tuple(points)


def _point(category: str | None, matches: Sequence[Matches], share: float) -> OperatingPoint:
    objects = np.sum([one.objects for one in matches], axis=0)
    # At an IoU of 0.5, the first threshold, each find is of an object of its own.
    finds = [(one.scores[one.positive[0]], one.images[one.positive[0]]) for one in matches]
    scores = np.concatenate([one for one, _ in finds])
    where = np.concatenate([one for _, one in finds])
    weights = 1 / np.maximum(objects, 1)[where] / max(int((objects > 0).sum()), 1)
    images, count = int((objects > 0).sum()), int(objects.sum())
    threshold, missed = highest_threshold(scores, weights, images, share)
    needed = None if threshold is not None else images_needed(missed, share)
    wrong = None
    if threshold is not None:
        kept = [(o.scores >= threshold) & ~o.positive[0] & ~o.ignored[0] for o in matches]
        wrong = float(sum(one.sum() for one in kept) / len(objects))
    return OperatingPoint(
        category, share, CONFIDENCE, images, count, threshold, missed, wrong, needed,
        _reason(share, threshold, missed, images, needed),
    )  # fmt: skip


def highest_threshold(
    scores: Array, weights: Array, images: int, share: float
) -> tuple[float | None, float]:
    """The highest threshold that is shown to keep the mean share of misses.

    Args:
        scores: float [N], of each object that is found, the score of what finds it.
        weights: float [N], what each counts for in the mean: 1 / (objects in its image x images).
        images: Images with objects.
        share: At most so much of an image's objects may be missed, as a mean over images.

    Returns:
        The threshold, or None; and the mean share that is missed there on these images, or without
        a threshold with all detections kept.
    """
    order = np.argsort(-scores, kind="stable")
    found = np.minimum(np.cumsum(weights[order]), 1.0)
    # Of equal scores all are kept or none: the last of them says what is found.
    levels, first = np.unique(-scores[order], return_index=True)
    last = np.append(first[1:], len(scores)) - 1
    missed = 1 - found[last] if len(scores) else np.array([])
    least = float(missed[-1]) if len(missed) else 1.0
    for level, one in zip(levels, missed, strict=True):
        # From the highest on: what is missed falls, and with it the p-value.
        if one < share and p_value(float(one), images, share) <= 1 - CONFIDENCE:
            return float(-level), float(one)
    return None, max(least, 0.0)


def p_value(mean: float, images: int, share: float) -> float:
    """How likely so small a mean is, at most, if the true one is more than a share.

    The Hoeffding-Bentkus bound for the mean of independent values from 0 to 1: the lesser of
    exp(-n h(min(m, s), s)), with h the relative entropy of coins, and e P(Binomial(n, s) <= ceil(n
    m)).

    Args:
        mean: Of the images' shares of misses.
        images: How many there are.
        share: What the true mean is asked about.
    """
    if images < 1:
        return 1.0
    low = min(mean, share)
    entropy = (1 - low) * math.log((1 - low) / (1 - share)) if low < 1 else 0.0
    if low > 0:
        entropy += low * math.log(low / share)
    hoeffding = math.exp(-images * entropy)
    # A mean that is a whole number of images but for rounding is that number.
    bentkus = math.e * _binomial(math.ceil(images * mean - 1e-9), images, share)
    return min(hoeffding, bentkus, 1.0)


def _binomial(most: int, count: int, share: float) -> float:
    """How likely at most so many of a number of coins show a side of such a share."""
    if most >= count:
        return 1.0
    logs = np.array([0.0])
    k = np.arange(1, most + 1)
    steps = np.log((count - k + 1) / k) + math.log(share) - math.log1p(-share)
    logs = np.concatenate([logs, np.cumsum(steps)]) + count * math.log1p(-share)
    top = logs.max()
    return float(min(1.0, math.exp(top) * np.exp(logs - top).sum()))


def images_needed(missed: float, share: float) -> int | None:
    """How many images would show a share, if as much were missed in them as in these.

    Args:
        missed: Mean share of misses.
        share: What is to be shown.

    Returns:
        None where no number, or more than anybody has, would.
    """
    if missed >= share:
        return None
    enough = 1
    while p_value(missed, enough, share) > 1 - CONFIDENCE:
        enough *= 2
        if enough > _MOST_IMAGES:
            return None
    low = enough // 2
    while low + 1 < enough:
        middle = (low + enough) // 2
        if p_value(missed, middle, share) > 1 - CONFIDENCE:
            low = middle
        else:
            enough = middle
    return enough


def _rounded_down(threshold: float) -> str:
    return f"{math.floor(1e4 * threshold) / 1e4:.4f}"


def _reason(
    share: float, threshold: float | None, missed: float, images: int, needed: int | None
) -> str:
    asked = f"at most {100 * share:g} % of an image's objects are missed (mean over images)"
    if threshold is not None:
        return (
            f"keep scores from {_rounded_down(threshold)}: with {100 * CONFIDENCE:g} % confidence "
            f"{asked} on images like these {images}, of which {100 * missed:.2g} % are missed there"
        )
    if needed is not None:
        return (
            f"no threshold: that {asked} can't be shown by {images} images; it takes about "
            f"{needed} where no more is missed than here ({100 * missed:.2g} % with every "
            "detection kept)"
        )
    return (
        f"no threshold: {100 * missed:.2g} % of an image's objects are missed with every detection "
        f"kept, whatever its score ({images} images), so that no number of images would show that "
        f"{asked}"
    )
