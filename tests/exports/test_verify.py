"""Verifying: in full precision the same, rounded nearly so, and nothing seen proves nothing."""

import numpy as np
import pytest

from tfzoo.detections.types import Detections
from tfzoo.errors import ImageError, ModelFormatError, UsageError
from tfzoo.exports.verify import images_of, summary, verify

IMAGES = [np.full((100, 100, 3), i, np.uint8) for i in range(6)]


def finds(shift: float = 0.0, score: float = 0.9, count: int = 4):
    """A detector that finds so many boxes, the same in each image."""

    def detect(image):
        boxes = [[20 * i + shift, 10, 20 * i + 18 + shift, 60] for i in range(count)]
        return Detections(
            boxes=np.array(boxes, np.float32).reshape(-1, 4),
            scores=np.float32(score) - np.arange(count, dtype=np.float32) / 20,
            class_ids=np.arange(1, count + 1, dtype=np.int32),
            image_size=(100, 100),
        )

    return detect


def test_the_worst_differences_are_told() -> None:
    seen = verify(finds(), finds(shift=0.05, score=0.9015), IMAGES, "float32")
    assert seen.agrees and (seen.images, seen.detections) == (6, 18)  # The last may be a tie.
    assert seen.score_difference == pytest.approx(0.0015, abs=1e-5)
    assert seen.box_difference == pytest.approx(0.05, abs=1e-3)
    assert "gives TensorFlow's 18 detections" in summary(seen, "float32")


def test_boxes_that_coincide_are_told_apart_by_their_scores() -> None:
    def detect(image):
        return Detections(
            boxes=np.array([[10, 10, 60, 60]] * 3, np.float32),
            scores=np.array([0.9, 0.8, 0.7], np.float32),
            class_ids=np.ones(3, np.int32),
            image_size=(100, 100),
        )

    assert verify(detect, detect, IMAGES, "float32").score_difference == 0


def test_what_passes_rounded_does_not_in_full_precision() -> None:
    with pytest.raises(ModelFormatError, match="it was not written"):
        verify(finds(), finds(score=0.92), IMAGES, "float32")
    seen = verify(finds(), finds(score=0.92), IMAGES, "int8")
    assert seen.map == 1.0 and not seen.agrees
    with pytest.raises(ModelFormatError, match="finds something else in int8"):
        verify(finds(), finds(shift=8), IMAGES, "int8")


def test_nothing_seen_proves_nothing() -> None:
    with pytest.raises(ModelFormatError, match="not proven"):
        verify(finds(count=0), finds(count=0), IMAGES, "float32")
    with pytest.raises(ModelFormatError, match="--check FOLDER"):
        verify(finds(count=0), finds(count=0), IMAGES, "float16")


def test_an_image_that_one_side_alone_refuses_is_named() -> None:
    def refuses(image):
        raise ImageError("too narrow")

    with pytest.raises(ModelFormatError, match="the export alone refuses an image of 100x100"):
        verify(finds(), refuses, IMAGES, "float32")


def test_a_folder_without_images_is_named(tmp_path) -> None:
    (tmp_path / "a.png").write_bytes(b"none")
    with pytest.raises(UsageError, match="holds no image that can be read"):
        images_of(tmp_path)
