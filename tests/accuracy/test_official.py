"""What the official evaluator is fed: rows of one number for every image, padding among them."""

from __future__ import annotations

import numpy as np
import pytest

from tfzoo.accuracy.official import _predictions
from tfzoo.accuracy.truth import Kind

IMAGE = {"id": 7, "height": 30, "width": 40}
FOUND = [{"bbox": [4, 6, 10, 20], "category_id": 3, "score": 0.5}]


@pytest.mark.parametrize("kind", ["box", "masks"])
def test_an_image_is_fed_as_a_batch_of_one_padded_to_the_rows_of_all(kind: Kind) -> None:
    fed = _predictions(IMAGE, FOUND, kind, 3, padding=0)
    arrays = {name: one.numpy() for name, one in fed.items() if name != "detection_masks"}
    assert arrays["source_id"].tolist() == [7]
    assert arrays["num_detections"].tolist() == [1]
    assert arrays["detection_boxes"].tolist() == [[[6, 4, 26, 14], [0] * 4, [0] * 4]]
    assert arrays["detection_classes"].tolist() == [[3, 0, 0]]
    assert arrays["detection_scores"].tolist() == [[0.5, 0, 0]]
    if kind == "masks":
        boxes = arrays["detection_outer_boxes"]
        assert boxes.shape == (1, 3, 4)
        # As the evaluator enlarges it: by a pixel of 40 on each side.
        low, high = boxes[0, 2, 0], boxes[0, 2, 2]
        middle, half = (low + high) / 2, (high - low) / 2 * 42 / 40
        np.testing.assert_allclose([middle - half, middle + half], [-1.25, 40.25])
