"""Precision by recall, and precision, recall and F1 by score, from the matches of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tfzoo.accuracy.bootstrap import RECALLS, Matches

#: Scores at which the curves by score are read.
SCORES = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class ScoreCurve:
    """Precision, recall and F1 of what is kept from a score on, at IoU 0.5.

    Attributes:
        precision: float [101], at the scores `SCORES`; 1 where nothing is kept.
        recall: float [101].
        f1: float [101], their harmonic mean, 2 TP / (2 TP + FP + FN).
        best_score: The score from which on F1 is largest, or None where nothing is found.
        best_f1: F1 there.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    best_score: float | None
    best_f1: float


def precision_by_recall(one: Matches) -> NDArray[np.float64]:
    """Precision at the 101 points of recall, as COCO's evaluation has it in `eval["precision"]`.

    Args:
        one: A category.

    Returns:
        float [T, 101], of each IoU threshold; NaN where nothing is to be found.
    """
    objects = int(one.objects.sum())
    curves = np.full((len(one.positive), len(RECALLS)), np.nan if objects == 0 else 0.0)
    if objects == 0:
        return curves
    for curve, positive, ignored in zip(curves, one.positive, one.ignored, strict=True):
        finds = np.flatnonzero(positive)
        found = np.arange(1, len(finds) + 1)
        counted = np.cumsum(~ignored)[finds]
        envelope = np.maximum.accumulate((found / (counted + np.spacing(1)))[::-1])[::-1]
        reached = np.searchsorted(found / objects, RECALLS, side="left")
        curve[:] = np.append(envelope, 0.0)[reached]
    return curves


def score_curve(matches: Sequence[Matches]) -> ScoreCurve:
    """Precision, recall and F1 by score of the detections of some categories in one list.

    Args:
        matches: A category each.
    """
    counted = [~one.ignored[0] for one in matches]
    scores = np.concatenate([one.scores[kept] for one, kept in zip(matches, counted, strict=True)])
    right = np.concatenate(
        [one.positive[0][kept] for one, kept in zip(matches, counted, strict=True)]
    )
    objects = int(sum(one.objects.sum() for one in matches))
    order = np.argsort(-scores, kind="stable")
    scores = scores[order]
    # Of so many of the best, how many are right.
    found = np.concatenate([[0], np.cumsum(right[order])])
    kept = np.searchsorted(-scores, -SCORES, side="right")
    f1 = 2 * found / np.maximum(np.arange(len(found)) + objects, 1)
    best_score, best_f1 = None, 0.0
    if found[-1]:
        # All of one score are kept or none.
        ends = np.flatnonzero(np.append(np.diff(scores) != 0, True))
        best = ends[f1[ends + 1].argmax()]
        best_score, best_f1 = float(scores[best]), float(f1[best + 1])
    return ScoreCurve(
        np.where(kept > 0, found[kept] / np.maximum(kept, 1), 1.0),
        found[kept] / max(objects, 1),
        f1[kept],
        best_score,
        best_f1,
    )
