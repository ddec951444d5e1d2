"""Detections of two runtimes are the same, but for ties; what differs is told."""

from dataclasses import replace

import numpy as np
import pytest

from tfzoo.detections.agreement import agreement, compare, difference
from tfzoo.detections.types import Detections


def detections(*rows: tuple[float, float, int]) -> Detections:
    """A detection for each (left edge in pixels, score, class)."""
    left = np.array([row[0] for row in rows], dtype=np.float32)
    boxes = np.stack([left, left * 0, left + 200, left * 0 + 100], axis=1)
    scores = np.array([row[1] for row in rows], dtype=np.float32)
    return Detections(boxes, scores, np.array([row[2] for row in rows], np.int32), (480, 640))


ROWS = {i: (10.0 * i, 0.9 - 0.1 * i, 1 + i) for i in range(6)}
REFERENCE = [detections(*ROWS.values(), (0, 0.001, 9))] * 2


@pytest.mark.parametrize(
    ("rows", "agrees"),
    [
        ({}, True),
        ({0: (0.9, 0.9, 1)}, True),  # IoU 0.991
        ({0: (1.2, 0.9, 1)}, False),  # IoU 0.988
        ({0: (0, 0.904, 1)}, True),
        ({0: (0, 0.906, 1)}, False),
        ({0: (0, 0.9, 2)}, False),
    ],
)
def test_a_twin_has_the_same_class_place_and_score(rows, agrees) -> None:
    others = [detections(*(ROWS | rows).values(), (0, 0.001, 9)), REFERENCE[1]]
    assert compare(REFERENCE, others)[0] is agrees
    assert compare(others, REFERENCE)[0] is agrees


def test_what_vanished_and_what_appeared_is_told_by_its_score() -> None:
    more = detections(*ROWS.values(), (300, 0.2, 7), (0, 0.001, 9))
    told = difference(REFERENCE[0], more)
    assert (told.counted, told.vanished) == (7, ())
    assert told.appeared == pytest.approx((0.2,))
    told = difference(more, REFERENCE[0])
    assert (told.counted, told.appeared) == (8, ())
    assert told.vanished == pytest.approx((0.2,))
    assert compare([more] * 2, REFERENCE) == (
        False,
        "2 of TensorFlow's 16 detections have no twin and 0 are new; 0 of them score 0.3 or more",
    )


def test_lists_cut_short_are_noticed_though_each_that_is_there_has_its_twin() -> None:
    for count in (0, 3, 6):
        short = [found[:count] for found in REFERENCE]
        assert compare(REFERENCE, short)[0] is False
        assert compare(short, REFERENCE)[0] is False


def test_the_ends_of_full_lists_are_ties() -> None:
    full = detections(*ROWS.values(), (0, 0.100, 9))
    other = detections(*ROWS.values(), (300, 0.098, 8))
    assert compare([full] * 2, [other] * 2) == (True, "gives TensorFlow's 12 detections")
    # One that stands well above the end is none.
    other = detections(*list(ROWS.values())[:5], (300, 0.4, 8), (0, 0.1, 9))
    assert compare([full] * 2, [other] * 2)[0] is False


def test_of_many_faint_ones_a_few_may_lie_on_the_limit_but_of_clear_ones_none() -> None:
    faint = detections(*((float(i), 0.29 - 0.0001 * i, i) for i in range(400)), (0, 0.001, 9))
    gone = np.arange(len(faint)) != 3
    one = np.arange(len(faint)) == 3
    clear = replace(faint, scores=faint.scores + np.float32(0.5))
    assert compare([faint, faint], [faint[gone], faint])[0] is True
    assert compare([faint, faint], [faint[gone & ~one & (faint.scores < 0.285)], faint])[0] is False
    assert compare([clear, clear], [clear[gone], clear])[0] is False


def test_one_twin_does_not_serve_two() -> None:
    twice = [detections(*((0.0, 0.9, 1) for _ in range(12)), (0, 0.1, 2))]
    assert compare(twice, twice)[0] is True
    agrees, reason = compare(twice, [found[1:] for found in twice])
    assert not agrees and reason.startswith("1 of TensorFlow's 13 detections have no twin")


def test_things_nearly_equal_are_each_their_own_twin() -> None:
    # The first would do for the second, which would leave the third without one.
    near = [detections(*((0.1 * i, 0.9 - 0.004 * i, 1) for i in range(12)), (0, 0.1, 2))]
    assert compare(near, near)[0] is True
    assert compare(near, [near[0][1:]])[0] is False


def test_a_box_of_no_area_has_a_twin() -> None:
    flat = [replace(found, boxes=found.boxes * np.float32([1, 1, 1, 0])) for found in REFERENCE]
    assert compare(flat, flat)[0] is True
    moved = [replace(found, boxes=found.boxes + np.float32(1)) for found in flat]
    assert compare(flat, moved)[0] is False


def with_points(found: Detections, shift: float = 0.0, scores: float = 0.0) -> Detections:
    points = np.zeros((len(found), 3, 2), np.float32) + found.boxes[:, None, :2] + np.float32(shift)
    values = np.full((len(found), 3), 0.5 + scores, np.float32)
    values[1] = np.nan
    return replace(found, keypoints=points, keypoint_scores=values)


def test_key_points_are_held_to_the_same() -> None:
    wanted = [with_points(found) for found in REFERENCE]
    assert compare(wanted, wanted)[0] is True
    for other, agrees in [
        (with_points(REFERENCE[0], shift=3.9), True),
        (with_points(REFERENCE[0], shift=4.1), False),
        (with_points(REFERENCE[0], scores=0.009), True),
        (with_points(REFERENCE[0], scores=0.011), False),
        (REFERENCE[0], False),
    ]:
        assert compare(wanted, [other, other])[0] is agrees
    # Who has none in one must have none in the other.
    points = with_points(REFERENCE[0])
    assert points.keypoint_scores is not None
    everybody = replace(points, keypoint_scores=np.nan_to_num(points.keypoint_scores, nan=0.5))
    assert compare(wanted, [everybody] * 2)[0] is False
    # A point that is hardly there may be anywhere.
    unseen = [replace(p, keypoint_scores=np.full((7, 3), 0.1, np.float32)) for p in (points,) * 2]
    moved = [replace(p, keypoints=p.keypoints + np.float32(50)) for p in unseen]  # type: ignore[operator]
    assert compare(unseen, moved)[0] is True


def test_masks_are_held_to_the_same() -> None:
    masked = [replace(f, masks=np.zeros((len(f), 5, 5), np.float32)) for f in REFERENCE]
    for value, agrees in ((0.01, True), (0.03, False)):
        others = [replace(f, masks=f.masks + np.float32(value)) for f in masked]  # type: ignore[operator]
        assert compare(masked, others)[0] is agrees
    assert compare(masked, REFERENCE)[0] is False
    smaller = [replace(f, masks=np.zeros((len(f), 4, 4), np.float32)) for f in REFERENCE]
    assert compare(masked, smaller)[0] is False


def test_fewer_than_ten_detections_prove_nothing() -> None:
    few = [found[:4] for found in REFERENCE]
    agrees, reason = compare(few, few)
    assert not agrees
    assert reason.startswith("not proven: TensorFlow finds 6 things in the pictures")
    assert agreement([])[0] is False
