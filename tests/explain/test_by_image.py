"""AP of an image by itself: the evaluation's own of that image and one category."""

import numpy as np
import pytest

from tests.helpers.coco_data import as_truth, random_data
from tfzoo.accuracy.bootstrap import matches_of
from tfzoo.accuracy.metrics import run_evaluation
from tfzoo.explain.by_image import image_precision


def test_of_one_category_it_is_the_evaluations_own() -> None:
    truth, rows = random_data(41, images=12, categories=1, drawn=False)
    precisions = image_precision(matches_of(run_evaluation(as_truth(truth), rows, "box")))
    checked = 0
    for i, image in enumerate(truth["images"]):
        alone = as_truth(truth).subset([image["id"]])
        own = [row for row in rows if row["image_id"] == image["id"]]
        ap = run_evaluation(alone, own, "box").stats[0]
        if ap < 0:
            assert np.isnan(precisions[i])
        else:
            assert precisions[i] == pytest.approx(ap, abs=1e-9)
            checked += ap > 0
    assert checked >= 5


def test_of_several_categories_all_detections_are_one_list() -> None:
    truth, rows = random_data(42, images=10, categories=3, drawn=False)
    matches = matches_of(run_evaluation(as_truth(truth), rows, "box"))
    precisions = image_precision(matches)
    assert np.isnan(precisions[[1, 2]]).all() and precisions[0] == 0
    objects = np.sum([one.objects for one in matches], axis=0)
    assert np.isfinite(precisions[objects > 0]).all()
