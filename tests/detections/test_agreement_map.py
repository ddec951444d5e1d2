"""How far two agree is COCO's AP, one taken as true."""

import numpy as np
import pytest

from tfzoo.detections.agreement_map import agreement_map
from tfzoo.detections.types import Detections


def test_agreement_is_coco_s_ap_with_another_s_detections_as_the_truth() -> None:
    def found(*boxes: tuple[float, float]) -> Detections:
        left = np.array([box[0] for box in boxes], np.float32)
        place = np.stack([left, left * 0, left + 50, left * 0 + 50], axis=1)
        scores = np.array([box[1] for box in boxes], np.float32)
        return Detections(place, scores, np.ones(len(boxes), np.int32), (100, 400))

    both = [found((0, 0.9), (100, 0.5), (200, 0.2)), found((0, 0.8))]
    assert agreement_map(both, both) == 1.0
    assert agreement_map(both, [found((0, 0.9)), found((0, 0.8))]) == pytest.approx(0.67, abs=0.01)
    assert agreement_map(both, [found(), found()]) == 0.0
    # What the other is not sure of is no truth.
    assert agreement_map([found((0, 0.2))], [found((0, 0.2))]) is None
