"""Suppression equals a plain walk through its rules, and TensorFlow's own operation."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tfzoo.detecting import DetectOptions, SuppressOptions
from tfzoo.detections.suppression import NO_LIMIT, Suppression, suppress, suppress_found
from tfzoo.detections.types import Detections
from tfzoo.errors import UsageError

RULES = ("hard", "agnostic", "soft", "agnostic soft")


def overlap(one: Any, other: Any) -> Any:
    """IoU of two boxes, y0, x0, y1, x1 with corners in any order; of none, 0."""
    top, left = max(min(one[::2]), min(other[::2])), max(min(one[1::2]), min(other[1::2]))
    bottom, right = min(max(one[::2]), max(other[::2])), min(max(one[1::2]), max(other[1::2]))
    shared = max(bottom - top, np.float32(0)) * max(right - left, np.float32(0))
    areas = [abs(b[2] - b[0]) * abs(b[3] - b[1]) for b in (one, other)]
    union = areas[0] + areas[1] - shared
    return shared / union if union else np.float32(0)


def plain(
    boxes: Any, scores: Any, classes: Any, rules: Suppression, least: float, wanted: Any
) -> list[tuple[int, float]]:
    """The rules as they are written: choose the best, then drop or lower what it overlaps."""
    current = [float(score) for score in scores]
    waiting = list(range(len(boxes)))
    kept: list[tuple[int, float]] = []
    counts: Counter[int] = Counter()
    while waiting and len(kept) < rules.max_total:
        best = max(waiting, key=lambda i: (current[i], -i))
        waiting.remove(best)
        if rules.sigma and current[best] < least:
            break
        if counts[classes[best]] == rules.max_per_class:
            continue
        counts[classes[best]] += 1
        if wanted[best]:
            kept.append((best, current[best]))
        for other in list(waiting):
            if classes[other] != classes[best] and not rules.class_agnostic:
                continue
            iou = overlap(boxes[best], boxes[other])
            if rules.sigma:
                current[other] *= np.exp(-(float(iou) ** 2) / (2 * rules.sigma))
            elif iou > np.float32(rules.iou_threshold):
                waiting.remove(other)
    return kept


def random_case(rng: np.random.Generator, rule: str) -> tuple[Any, ...]:
    count = int(rng.integers(0, 30))
    centers, sizes = rng.uniform(0, 1, (count, 2)), rng.uniform(0, 0.5, (count, 2))
    boxes = np.concatenate([centers - sizes, centers + sizes], axis=1)
    scores = rng.uniform(0, 1, count)
    if rng.random() < 0.5:  # On a grid: equal boxes, boxes of no area, turned over, IoU of 1/2.
        boxes = np.round(boxes * 4) / 4
        boxes[: count // 8] = boxes[: count // 8, [2, 3, 0, 1]]
    if rng.random() < 0.5:  # Ties.
        scores = np.round(scores * 5) / 5
    rules = Suppression(
        float(rng.choice([0.0, 0.3, 0.5, 1.0])),
        int(rng.choice([2, 5, NO_LIMIT])),
        int(rng.choice([1, 8, NO_LIMIT])),
        "agnostic" in rule,
        float(rng.choice([0.1, 0.25, 1.0])) if "soft" in rule else 0.0,
    )
    return (
        boxes.astype(np.float32),
        np.sort(scores.astype(np.float32))[::-1],
        rng.integers(0, 3, count),
        rules,
        float(rng.choice([0.0, 0.3])),
        rng.random(count) < rng.choice([0.8, 1.0]),
    )


def hold_against_the_plain_walk(rule: str, cases: int) -> int:
    """Raises where a case differs; gives how many boxes were kept in all."""
    rng = np.random.default_rng(RULES.index(rule))
    found = 0
    for _ in range(cases):
        case = random_case(rng, rule)
        kept, scores = suppress(*case)
        expected = plain(*case)
        assert kept.tolist() == [row for row, _ in expected]
        np.testing.assert_allclose(scores, [score for _, score in expected], rtol=1e-12)
        found += len(kept)
    return found


@pytest.mark.parametrize("rule", RULES)
def test_random_cases_equal_a_plain_walk(rule: str) -> None:
    assert hold_against_the_plain_walk(rule, 500) > 2000


@pytest.mark.parametrize("sigma", [0.0, 0.25, 0.5])
def test_it_equals_tensorflow_s_operation(sigma: float) -> None:
    import tensorflow as tf

    rng = np.random.default_rng(7)
    for _ in range(20):
        boxes, scores, classes, *_ = random_case(rng, "hard")
        scores = np.sort(rng.uniform(0, 1, len(scores)).astype(np.float32))[::-1]
        rules = Suppression(0.5, max_total=10, sigma=sigma)
        kept, lowered = suppress(boxes, scores, np.zeros_like(classes), rules, 1e-8)
        theirs = tf.image.non_max_suppression_with_scores(boxes, scores, 10, 0.5, 1e-8, sigma)
        assert kept.tolist() == theirs[0].numpy().tolist()
        np.testing.assert_allclose(lowered, theirs[1].numpy(), atol=1e-6)


def test_more_than_a_block_of_boxes_is_walked_as_one() -> None:
    boxes = np.tile(np.float32([[0, 0, 1, 1]]), (400, 1))
    boxes[::2] += np.float32(5)
    scores = np.linspace(1, 0, 400, dtype=np.float32)
    kept, _ = suppress(boxes, scores, np.zeros(400, np.intp), Suppression(0.5))
    assert kept.tolist() == [0, 1]
    kept, _ = suppress(boxes, scores, np.arange(400) // 100, Suppression(0.5))
    assert kept.tolist() == [0, 1, 100, 101, 200, 201, 300, 301]


def test_keypoints_and_masks_come_along_in_the_order_of_the_lowered_scores() -> None:
    boxes = np.float32([[0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60]])
    found = Detections(
        boxes,
        np.float32([0.9, 0.8, 0.3]),
        np.int32([1, 1, 1]),
        (100, 100),
        keypoints=np.arange(6, dtype=np.float32).reshape(3, 1, 2),
        keypoint_scores=np.float32([[0.1], [0.2], [0.3]]),
        masks=np.arange(3, dtype=np.float32).reshape(3, 1, 1),
    )
    hard = suppress_found(found, Suppression(0.5))
    assert hard.masks is not None and hard.masks.ravel().tolist() == [0, 2]
    soft = suppress_found(found, Suppression(1.0, sigma=0.25))
    lowered = np.float32(np.float64(np.float32(0.8)) * np.exp(-(0.9**2) / 0.5))
    assert soft.scores.tolist() == [np.float32(0.9), np.float32(0.3), pytest.approx(lowered)]
    assert soft.masks is not None and soft.masks.ravel().tolist() == [0, 2, 1]
    assert soft.keypoints is not None and soft.keypoints[:, 0, 0].tolist() == [0, 4, 2]
    assert len(suppress_found(found, Suppression(1.0, sigma=0.25), 0.2)) == 2


def test_options_take_the_place_of_a_model_s_own_rules() -> None:
    own = Suppression(0.6, 20, 30)
    assert own.told(SuppressOptions()) == own
    assert own.told(SuppressOptions(iou=0.4)) == replace(own, iou_threshold=0.4)
    # The best 5 are kept at the end, after a choice by category.
    assert own.told(SuppressOptions(max_detections=5)) == own
    most = own.told(SuppressOptions(max_detections=50))
    assert (most.max_per_class, most.max_total) == (50, 50)
    other = own.told(SuppressOptions(class_agnostic=True, soft_nms=0.25))
    assert (other.class_agnostic, other.sigma) == (True, 0.25)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"iou": 1.5}, "iou is 1.5; expected an overlap from 0 to 1"),
        ({"iou": "a"}, "iou is 'a'; expected an overlap"),
        ({"soft_nms": 0.0}, "soft_nms is 0.0; expected a sigma above 0"),
        ({"soft_nms": -1}, "soft_nms is -1; expected 0 or more"),
        ({"soft_nms": float("inf")}, "expected a sigma above 0"),
        ({"soft_nms": 0.5, "iou": 0.5}, "iou and soft_nms are given"),
        ({"max_detections": 0}, "max_detections is 0"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        DetectOptions(**options)


def test_rules_are_told_in_words() -> None:
    assert SuppressOptions().rules_told == ""
    told = DetectOptions(iou=0.5, max_detections=300, class_agnostic=True, min_score=0.1)
    assert told.rules_told == "iou 0.5, max_detections 300, class_agnostic"
