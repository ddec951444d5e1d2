"""Calibration: scores that are shares of right ones have no error, others their distance."""

import numpy as np
import pytest

from tfzoo.accuracy.bootstrap import Matches
from tfzoo.explain.calibration import BINS, calibration


def found(scores: list[float], right: list[bool], ignored: list[bool] | None = None) -> Matches:
    count = len(scores)
    positive = np.tile(right, (10, 1))
    off = np.zeros((10, count), bool) if ignored is None else np.tile(ignored, (10, 1))
    return Matches(np.zeros(count, int), positive, off, np.array([5]), np.array(scores))


def test_the_error_is_the_mean_distance_weighted_by_detections() -> None:
    # Eight tenths of ten are right; of two at 0.3 both.
    one = found([0.8] * 10 + [0.3] * 2, [True] * 8 + [False] * 2 + [True] * 2)
    told = calibration([one])
    assert told.error == pytest.approx((10 * 0 + 2 * 0.7) / 12)
    assert told.counts.sum() == 12 and len(told.counts) == BINS
    assert told.accuracy[11] == pytest.approx(0.8) and told.confidence[4] == pytest.approx(0.3)
    assert np.isnan(told.accuracy[0])
    assert calibration([one], 0.5).error == pytest.approx(0)


def test_bins_are_open_below_and_hold_the_whole_range() -> None:
    told = calibration([found([0.0, 1 / BINS, 1.0], [False, False, True])])
    assert told.counts[[0, 1, BINS - 1]].tolist() == [2, 0, 1]


def test_what_lies_on_crowds_is_left_out_and_nothing_has_no_error() -> None:
    assert calibration([found([0.9], [False], [True])]).error is None
    assert calibration([found([0.9], [True]), found([0.4], [False], [True])]).counts.sum() == 1
