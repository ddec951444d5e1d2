"""What several passes found, each object once: against a plain reference, keypoints along."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tfzoo.detecting import Merge
from tfzoo.detections.types import Detections
from tfzoo.tiles.merge import merged

POINTS = 3


def passes(rng: np.random.Generator) -> tuple[list[Detections], list[NDArray[np.bool_]]]:
    """Random detections of some passes, whose keypoints and masks say which row they are."""
    made, cut = [], []
    for _ in range(rng.integers(1, 5)):
        count = int(rng.integers(0, 25))
        corners = rng.uniform(0, 80, (count, 2))
        boxes = np.hstack([corners, corners + rng.uniform(0, 40, (count, 2))]).astype(np.float32)
        # One decimal: many tie.
        scores = -np.sort(-rng.uniform(0, 1, count).round(1)).astype(np.float32)
        number = rng.uniform(0, 1, count).astype(np.float32)
        made.append(
            Detections(
                boxes,
                scores,
                rng.integers(1, 4, count).astype(np.int32),
                (120, 120),
                keypoints=np.tile(number[:, None, None], (1, POINTS, 2)),
                keypoint_scores=np.tile(number[:, None], (1, POINTS)),
                masks=np.tile(number[:, None, None], (1, 2, 2)),
            )
        )
        cut.append(rng.random(count) < 0.3)
    return made, cut


def plain(
    made: list[Detections], cut: list[NDArray[np.bool_]], rule: Merge
) -> list[tuple[Any, ...]]:
    """The same in plain Python: pair by pair."""
    every = [
        (bool(cut[at][row]), -float(one.scores[row]), at, row)
        for at, one in enumerate(made)
        for row in range(len(one))
    ]
    kept: list[tuple[Any, ...]] = []
    for candidate in sorted(every):
        _, _, at, row = candidate
        box, class_id = made[at].boxes[row].tolist(), made[at].class_ids[row]
        for _, _, other, its in kept:
            theirs = made[other].boxes[its].tolist()
            if other == at or made[other].class_ids[its] != class_id:
                continue
            wide = max(0, min(box[2], theirs[2]) - max(box[0], theirs[0]))
            high = max(0, min(box[3], theirs[3]) - max(box[1], theirs[1]))
            areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (box, theirs)]
            whole = min(areas) if rule == "ios" else sum(areas) - wide * high
            if wide * high > 0.5 * whole:
                break
        else:
            kept.append(candidate)
    return [(made[at], row) for _, _, at, row in sorted(kept, key=lambda one: one[1:])]


@pytest.mark.parametrize("rule", ["nms", "ios"])
def test_each_object_is_kept_once_with_all_that_goes_along(rule: Merge) -> None:
    rng = np.random.default_rng(7)
    dropped = 0
    for _ in range(300):
        made, cut = passes(rng)
        found, expected = merged(made, cut, rule), plain(made, cut, rule)
        assert len(found) == len(expected)
        dropped += sum(map(len, made)) - len(found)
        for name in ("boxes", "scores", "class_ids", "keypoints", "keypoint_scores", "masks"):
            values = [getattr(one, name)[row] for one, row in expected]
            assert np.array_equal(
                getattr(found, name), np.array(values).reshape(getattr(found, name).shape)
            )
    assert dropped > 50


def test_two_of_one_pass_stay_though_one_lies_in_the_other() -> None:
    boxes = np.array([[0, 0, 50, 50], [10, 10, 30, 30]], np.float32)
    scores, class_ids = np.array([0.9, 0.8], np.float32), np.array([1, 1], np.int32)
    one = Detections(boxes, scores, class_ids, (60, 60))
    whole = [np.zeros(2, bool)] * 2
    assert merged([one], whole[:1], "ios") == one
    assert merged([one, one], whole, "ios") == merged([one, one], whole, "nms") == one


def test_what_a_border_cuts_gives_way_to_the_whole_whatever_the_scores() -> None:
    part = Detections(
        np.array([[20, 0, 40, 40]], np.float32),
        np.array([0.9], np.float32),
        np.array([1], np.int32),
        (60, 60),
    )
    whole = Detections(
        np.array([[0, 0, 40, 40]], np.float32),
        np.array([0.4], np.float32),
        np.array([1], np.int32),
        (60, 60),
    )
    cut, uncut = np.ones(1, bool), np.zeros(1, bool)
    assert merged([part, whole], [cut, uncut], "ios") == whole
    assert merged([part, whole], [uncut, uncut], "ios") == part
    assert len(merged([part, whole], [cut, uncut], "nms")) == 2
