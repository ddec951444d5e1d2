"""Masks: how many pixels run lengths in letters have, as COCO's own tools decode them."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from tfzoo.accuracy.shapes import _pixels, check_shapes

# Said by pycocotools of numpy 2 at each mask it decodes.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def written(mask: np.ndarray) -> str:
    return coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()


def test_letters_tell_how_many_pixels_a_mask_has() -> None:
    rng = np.random.default_rng(0)
    masks = [rng.random((rng.integers(1, 90), rng.integers(1, 2000))) > share
             for share in (0.0, 0.001, 0.3, 0.5, 0.999, 1.0) for _ in range(8)]  # fmt: skip
    assert _pixels(map(written, masks)).tolist() == [mask.size for mask in masks]


def test_letters_that_are_no_run_lengths_have_no_pixels() -> None:
    sound = written(np.ones((10, 10)))
    broken = ["", "PPPP", "P", "~" * 9, "\x00", "z", sound + "P", "O"]
    given = [text for one in broken for text in (sound, one, sound)]
    expected = [pixels for _ in broken for pixels in (100, -1, 100)]
    assert _pixels(given).tolist() == expected
    assert _pixels([]).tolist() == [] and _pixels(["", ""]).tolist() == [-1, -1]


def test_each_record_that_is_no_mask_is_told_by_its_index() -> None:
    polygon = [[1, 1, 5, 1, 5, 5]]
    many = [{"image_id": 1, "segmentation": polygon} for _ in range(5000)]
    many[4321] = {"image_id": 1, "segmentation": [[1, 1, 5, 1, 5, float("nan")]]}
    many[7] = {"image_id": 1, "segmentation": {"size": [10, 10], "counts": "PP"}}
    told: list[int] = []
    check_shapes(many, {1: (10, 10)}, lambda index, record: told.append(index))
    assert told == [7, 4321]


def test_one_polygon_may_stand_without_a_list_around_it() -> None:
    record = {"image_id": 1, "segmentation": ["1", 1, 5, 1, 5, 5.5]}
    check_shapes([record], {1: (10, 10)}, lambda *_: pytest.fail("refused"))
    assert record["segmentation"] == [[1, 1, 5, 1, 5, 5.5]]
