"""What several detectors see in an image: objects in common, and in dispute."""

from __future__ import annotations

import numpy as np
import pytest

from tfzoo.candidates.objects import consensus, disputed, matched
from tfzoo.detections.agreement import overlaps
from tfzoo.detections.types import Detections


def found(*rows: tuple[float, float, float, float, float, int]) -> Detections:
    """Detections of x0, y0, x1, y1, score, class."""
    values = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(
        values[:, :4], values[:, 4], values[:, 5].astype(np.int32), image_size=(100, 100)
    )


def test_ious_are_those_of_plain_arithmetic() -> None:
    rng = np.random.default_rng(1)
    corners = rng.uniform(0, 50, (2, 20, 2)), rng.uniform(1, 50, (2, 20, 2))
    one, other = (
        np.concatenate([corners[0][i], corners[0][i] + corners[1][i]], axis=1).astype(np.float32)
        for i in (0, 1)
    )
    got = np.array([overlaps(box, other) for box in one])
    for i, (x0, y0, x1, y1) in enumerate(one.tolist()):
        for j, (u0, v0, u1, v1) in enumerate(other.tolist()):
            shared = max(0, min(x1, u1) - max(x0, u0)) * max(0, min(y1, v1) - max(y0, v0))
            union = (x1 - x0) * (y1 - y0) + (u1 - u0) * (v1 - v0) - shared
            assert got[i, j] == pytest.approx(shared / union, abs=1e-5)


def test_a_detection_has_one_twin_at_most_and_of_its_class() -> None:
    one = found((0, 0, 10, 10, 0.9, 1), (0, 0, 10, 10, 0.8, 1), (50, 50, 60, 60, 0.7, 1))
    other = found((0, 0, 10, 9, 0.9, 1), (50, 50, 60, 60, 0.8, 2))
    assert matched(one, other).tolist() == [0, -1, -1]
    assert disputed(one, other) == 3
    assert disputed(one, one) == 0
    assert disputed(one, found()) == 3 and disputed(found(), found()) == 0


def test_a_consensus_is_what_more_than_half_see() -> None:
    several = [
        found((0, 0, 10, 10, 0.9, 1), (50, 50, 60, 60, 0.8, 2)),
        found((0, 0, 10, 12, 0.8, 1), (80, 80, 90, 90, 0.7, 1)),
        found((2, 0, 10, 10, 0.6, 1), (50, 50, 60, 60, 0.6, 2)),
    ]
    seen = consensus(several)
    assert seen.class_ids.tolist() == [1, 2]
    assert seen.scores.tolist() == pytest.approx([1, 2 / 3])
    assert seen.boxes[0].tolist() == pytest.approx([2 / 3, 0, 10, 32 / 3], abs=1e-5)
    assert len(consensus([several[0], found()])) == 0  # Half is not more than half.
    assert len(consensus([found(), found()])) == 0


def test_one_detector_counts_once_for_an_object() -> None:
    twice = found((0, 0, 10, 10, 0.9, 1), (0, 0, 10, 10, 0.8, 1))
    seen = consensus([twice, found((0, 0, 10, 10, 0.7, 1))])
    assert seen.scores.tolist() == [1]
