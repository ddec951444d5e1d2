"""Masks: pasted by the Object Detection API's rule, and encoded as COCO does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tfzoo.detections.masks import encode, paste


def reframed(mask: NDArray[np.float32], box: Any, size: tuple[int, int]) -> NDArray[np.float32]:
    """The API's own pasting: ops.reframe_box_masks_to_image_masks, before the threshold."""
    import tensorflow as tf

    height, width = size
    x0, y0, x1, y1 = box[0] / width, box[1] / height, box[2] / width, box[3] / height
    image_in_box = [-y0 / (y1 - y0), -x0 / (x1 - x0), (1 - y0) / (y1 - y0), (1 - x0) / (x1 - x0)]
    pasted = tf.image.crop_and_resize(
        mask[None, :, :, None], np.array([image_in_box], np.float32), [0], size
    )
    values: NDArray[np.float32] = pasted.numpy()[0, :, :, 0]
    return values


def blob(seed: int, side: int = 33) -> NDArray[np.float32]:
    """A random smooth mask, 0 to 1."""
    import cv2

    values = np.random.default_rng(seed).uniform(size=(side, side)).astype(np.float32)
    smooth = cv2.GaussianBlur(values, (0, 0), 4)
    low, high = smooth.min(), smooth.max()
    return np.asarray((smooth - low) / (high - low), dtype=np.float32)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    size=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    corners=st.tuples(*[st.floats(-0.2, 1.2) for _ in range(4)]),
)
def test_pasting_equals_the_detection_apis_reframing(
    seed: int, size: tuple[int, int], corners: tuple[float, float, float, float]
) -> None:
    height, width = size
    (x0, x1), (y0, y1) = sorted(corners[:2]), sorted(corners[2:])
    x1, y1 = max(x1, x0 + 0.01), max(y1, y0 + 0.01)
    box = np.array([x0 * width, y0 * height, x1 * width, y1 * height], np.float32)
    mask = blob(seed)
    values = reframed(mask, box, size)
    # Undecided: values on the threshold, and pixels on the box's edge, to within float32.
    undecided = np.abs(values - 0.5) < 1e-3
    for axis, (start, stop) in enumerate(((box[1], box[3]), (box[0], box[2]))):
        length = size[axis]
        at = np.arange(length) * (length / max(length - 1, 1)) if length > 1 else np.array([0.5])
        near = np.minimum(np.abs(at - start), np.abs(at - stop)) < 1e-3
        undecided |= near[:, None] if axis == 0 else near[None]
    differing = (paste(mask, box, size) != (values > 0.5)) & ~undecided
    assert not differing.any()


@settings(deadline=None)
@given(
    size=st.tuples(st.integers(2, 700), st.integers(2, 700)), at=st.tuples(*[st.floats(0, 0.8)] * 2)
)
def test_full_mask_of_a_box_at_the_far_border_reaches_the_last_pixel(
    size: tuple[int, int], at: tuple[float, float]
) -> None:
    height, width = size
    box = np.array([at[0] * width, at[1] * height, width, height], np.float32)
    assert paste(np.ones((33, 33), np.float32), box, size)[-1, -1]


@pytest.mark.parametrize(("start", "inside"), [(0.0, True), (0.4, True), (0.75, False)])
def test_the_one_pixel_of_a_side_is_sampled_at_its_middle(start: float, inside: bool) -> None:
    """As `crop_and_resize` does where it makes one pixel of a side."""
    box = np.array([start, 0, 1, 1], np.float32)
    assert paste(np.ones((33, 33), np.float32), box, (1, 1)).tolist() == [[inside]]


@pytest.mark.parametrize("seed", range(8))
def test_pasting_is_near_tf_models_officials_where_rounding_matters_little(seed: int) -> None:
    mask_ops = pytest.importorskip("official.vision.ops.mask_ops")
    random = np.random.default_rng(seed)
    left, top = random.uniform(0, 200, 2)
    width, height = random.uniform(150, 300, 2)
    box = np.array([left, top, left + width, top + height], np.float32)
    mask = blob(seed)
    ours = paste(mask, box, (480, 640))
    theirs = mask_ops.paste_instance_masks(
        mask[None], np.array([[left, top, width, height]]), 480, 640
    )[0].astype(bool)
    assert (ours & theirs).sum() / (ours | theirs).sum() > 0.9


def test_left_half_of_a_box_is_where_it_should_be() -> None:
    mask = np.zeros((33, 33), np.float32)
    mask[:, :16] = 1
    mask[:, 16] = 0.5
    expected = np.zeros((60, 100), bool)
    expected[20:40, 10:30] = True
    pasted = paste(mask, np.array([10, 20, 50, 40], np.float32), (60, 100))
    assert np.array_equal(pasted, expected)


def test_only_values_above_the_threshold_are_inside() -> None:
    mask = np.full((3, 3), 0.5, np.float32)
    box = np.array([0, 0, 8, 8], np.float32)
    assert not paste(mask, box, (8, 8)).any()
    assert paste(mask, box, (8, 8), threshold=0.499).all()


def test_rows_and_columns_are_not_mixed_up() -> None:
    mask = np.zeros((15, 33), np.float32)
    mask[:7] = 1
    pasted = paste(mask, np.array([0, 0, 90, 60], np.float32), (60, 90))
    assert pasted[:25, :85].all()
    assert not pasted[35:].any()


def test_box_beyond_the_image_shows_only_the_part_inside() -> None:
    mask = np.ones((33, 33), np.float32)
    mask[:, 16:] = 0
    # The right half of the box, which lies in the image, is empty.
    assert not paste(mask, np.array([-50, 0, 50, 40], np.float32), (40, 50)).any()
    assert paste(mask, np.array([0, 0, 400, 40], np.float32), (40, 50)).all()


@pytest.mark.parametrize("box", [[10, 10, 10, 30], [30, 10, 10, 30], [200, 10, 300, 30]])
def test_box_without_area_in_the_image_has_an_empty_mask(box: list[float]) -> None:
    assert not paste(np.ones((33, 33), np.float32), np.array(box, np.float32), (50, 100)).any()


def test_one_pixel_image_is_the_middle_of_the_mask() -> None:
    middle = np.zeros((33, 33), np.float32)
    middle[16, 16] = 1
    box = np.array([0, 0, 1, 1], np.float32)
    assert paste(middle, box, (1, 1)).all()
    assert not paste(1 - middle, box, (1, 1)).any()


def test_large_image_is_pasted_whole() -> None:
    pasted = paste(np.ones((33, 33), np.float32), np.array([0, 0, 6000, 1], np.float32), (1, 6000))
    assert pasted.shape == (1, 6000)
    # The last sample lies on the image's last edge.
    assert pasted.all()


def test_a_pixel_that_rounding_puts_before_the_box_takes_the_masks_first_value() -> None:
    mask = np.array([[0.50001, 0]] * 2, np.float32)  # By a hair inside, at its first edge alone.
    box = np.array([0.005, 0, 100.005, 2], np.float32)
    assert paste(mask, box, (2, 101))[:, 0].all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_run_lengths_decode_to_the_same_mask(seed: int) -> None:
    from pycocotools import mask as coco_mask

    mask = blob(seed, side=40) > 0.5
    encoded = encode(mask)
    assert encoded["size"] == [40, 40]
    assert isinstance(encoded["counts"], str)
    assert np.array_equal(coco_mask.decode(encoded), mask)
