"""Where labels go: at their boxes, inside the picture, none over another."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tfzoo.detections.placing import places

SIZE = (300, 400)


def boxes(*given: tuple[float, float, float, float]) -> NDArray[np.float32]:
    return np.array(given, np.float32).reshape(-1, 4)


def test_a_label_lies_on_top_of_its_box() -> None:
    assert places(boxes((50, 100, 200, 200)), [(60, 20)], SIZE) == [(50, 80)]


def test_at_the_border_it_moves_into_the_picture() -> None:
    (place,) = places(boxes((380, 0, 400, 100)), [(60, 20)], SIZE)
    assert place == (340, 0)


def test_one_larger_than_the_picture_begins_at_its_corner() -> None:
    assert places(boxes((50, 100, 200, 200)), [(500, 400)], SIZE) == [(0, 0)]


def test_of_two_at_one_place_the_second_moves_and_stays_at_its_box() -> None:
    box = (50.0, 100.0, 200.0, 200.0)
    assert places(boxes(box, box, box), [(60, 20)] * 3, SIZE) == [(50, 80), (50, 100), (50, 200)]


@pytest.mark.parametrize("seed", range(20))
def test_none_covers_another_whatever_the_boxes(seed: int) -> None:
    draw = np.random.default_rng(seed)
    corners = np.sort(draw.uniform(0, 1, (100, 2, 2)), axis=1) * [400, 300]
    sizes = [(int(w), int(h)) for w, h in draw.integers(10, 90, (100, 2))]
    found = places(corners.reshape(-1, 4).astype(np.float32), sizes, SIZE)
    covered = np.zeros(SIZE, int)
    for place, (width, height) in zip(found, sizes, strict=True):
        if place is not None:
            left, top = place
            assert left >= 0 and top >= 0 and left + width <= 400 and top + height <= 300
            covered[top : top + height, left : left + width] += 1
    assert covered.max() == 1
    assert found[0] is not None


def test_nothing_has_no_place() -> None:
    assert places(boxes(), [], SIZE) == []
