"""Overlaps are pycocotools' own, and what is right is what COCO's matching says."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from tests.helpers.coco_data import as_truth, random_data
from tfzoo.accuracy.bootstrap import matches_of
from tfzoo.accuracy.metrics import run_evaluation
from tfzoo.explain.overlaps import box_overlaps, right_detections


def test_overlaps_are_pycocotools_own() -> None:
    rng = np.random.default_rng(1)
    found = np.concatenate([rng.uniform(0, 50, (40, 2)), rng.uniform(0, 60, (40, 2))], axis=1)
    truth = np.concatenate([rng.uniform(0, 50, (9, 2)), rng.uniform(1, 60, (9, 2))], axis=1)
    crowd = rng.random(9) < 0.4
    expected = coco_mask.iou(found, truth, crowd.astype(np.uint8))
    assert box_overlaps(found, truth, crowd) == pytest.approx(expected, abs=1e-12)
    assert box_overlaps(found[:0], truth, crowd).shape == (0, 9)


def test_what_is_right_is_what_the_evaluation_matches() -> None:
    truth, rows = random_data(43, images=40, drawn=False)
    matches = matches_of(run_evaluation(as_truth(truth), rows, "box"))
    right_in_all = found_in_all = 0
    for image in truth["images"]:
        objects = [one for one in truth["annotations"] if one["image_id"] == image["id"]]
        own = [row for row in rows if row["image_id"] == image["id"]]
        own.sort(key=lambda row: -row["score"])
        crowd = np.array([bool(one["iscrowd"]) for one in objects], dtype=bool)
        boxes = [np.reshape([one["bbox"] for one in side], (-1, 4)) for side in (own, objects)]
        right, ignored, found = right_detections(
            box_overlaps(boxes[0], boxes[1], crowd),
            np.array([row["category_id"] for row in own]),
            np.array([one["category_id"] for one in objects]),
            crowd,
        )
        assert not (right & ignored).any() and right.sum() == found.sum()
        right_in_all += int(right.sum())
        found_in_all += int(found.sum())
    assert right_in_all == found_in_all == sum(int(one.positive[0].sum()) for one in matches) > 20
