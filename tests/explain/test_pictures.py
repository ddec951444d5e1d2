"""Pictures in pages: small, and drawn by what became of each detection."""

import base64
import io

import numpy as np
from PIL import Image

from tfzoo.explain.pictures import MISSED, RIGHT, WRONG, drawn_found, drawn_truth

NAMES = {1: "кот", 2: "dog"}
TRUTH = [
    {"category_id": 1, "bbox": [100, 100, 200, 200], "iscrowd": 0},
    {"category_id": 2, "bbox": [500, 300, 200, 200], "iscrowd": 0},
]


def pixels(address: str) -> np.ndarray:
    head, _, data = address.partition(",")
    assert head == "data:image/jpeg;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)


def has(picture: np.ndarray, color: tuple[int, int, int]) -> bool:
    # JPEG blurs thin lines: near is what counts.
    return bool((np.abs(picture - color).sum(axis=2) < 90).sum() > 40)


def test_detections_are_drawn_by_what_became_of_them() -> None:
    image = np.zeros((600, 840, 3), dtype=np.uint8)
    rows = [
        {"category_id": 1, "bbox": [105, 100, 200, 200], "score": 0.9},
        {"category_id": 1, "bbox": [500, 20, 100, 100], "score": 0.8},
        {"category_id": 2, "bbox": [500, 300, 200, 200], "score": 0.1},
    ]
    drawn = drawn_found(image, rows, TRUTH, NAMES)
    assert (drawn.right, drawn.wrong, drawn.missed) == (1, 1, 1)
    picture = pixels(drawn.address)
    assert picture.shape == (300, 420, 3)
    assert has(picture, RIGHT) and has(picture, WRONG) and has(picture, MISSED)
    all_found = drawn_found(image, [rows[0], rows[2]], TRUTH, NAMES, min_score=0.05)
    assert (all_found.right, all_found.wrong, all_found.missed) == (2, 0, 0)
    assert not has(pixels(all_found.address), WRONG)


def test_an_image_without_anything_is_drawn_as_it_is() -> None:
    image = np.full((60, 40, 3), 200, dtype=np.uint8)
    drawn = drawn_found(image, [], [], NAMES)
    assert (drawn.right, drawn.wrong, drawn.missed) == (0, 0, 0)
    assert pixels(drawn.address).shape == (60, 40, 3)
    assert np.abs(pixels(drawn_truth(image, [], NAMES)) - 200).max() < 9
