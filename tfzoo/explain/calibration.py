"""Do scores mean what they say? Reliability and expected calibration error.

Guo, Pleiss, Sun and Weinberger 2017, "On Calibration of Modern Neural Networks", ICML
(https://arxiv.org/abs/1706.04599): scores in 15 bins of equal width; a bin's confidence is its mean
score, its accuracy the share of its detections that are right, here those that find an object of
their category at IoU 0.5. The error is the mean distance of the two, weighted by detections.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tfzoo.accuracy.bootstrap import Matches

BINS = 15


@dataclass(frozen=True)
class Calibration:
    """How far scores are from the share of detections that are right.

    Attributes:
        confidence: float [15], mean score of each bin; NaN for an empty one.
        accuracy: float [15], share that is right, 0 to 1; NaN for an empty one.
        counts: int [15], detections.
        error: Expected calibration error, 0 to 1, or None without detections.
        min_score: Scores below are left out.
    """

    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    counts: NDArray[np.int64]
    error: float | None
    min_score: float


def calibration(matches: Sequence[Matches], min_score: float = 0.0) -> Calibration:
    """Calibration of the detections of all categories, those on crowds left out.

    Args:
        matches: A category each.
        min_score: Scores below are left out.
    """
    kept = [~one.ignored[0] & (one.scores >= min_score) for one in matches]
    scores = np.concatenate([one.scores[some] for one, some in zip(matches, kept, strict=True)])
    right = np.concatenate([one.positive[0][some] for one, some in zip(matches, kept, strict=True)])
    # Bins are open below, as the source has them: (0, 1/15], (1/15, 2/15], ...
    bins = np.clip(np.ceil(scores * BINS).astype(int) - 1, 0, BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    with np.errstate(invalid="ignore"):
        confidence = np.bincount(bins, scores, minlength=BINS) / counts
        accuracy = np.bincount(bins, right, minlength=BINS) / counts
    gaps = np.nan_to_num(np.abs(accuracy - confidence)) * counts
    error = float(gaps.sum() / counts.sum()) if len(scores) else None
    return Calibration(confidence, accuracy, counts, error, min_score)
