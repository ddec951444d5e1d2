"""From raw outputs to detections, without a runtime: odd values, borders, layouts, geometry."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.helpers import standins
from tfzoo.decode.kinds import Frame, decode, prepare
from tfzoo.decode.tflite import fits as fits_tflite
from tfzoo.decode.yolov5 import fits as fits_yolov5
from tfzoo.detections.labels import COCO
from tfzoo.detections.types import Detections
from tfzoo.errors import ModelFormatError
from tfzoo.runtimes.runtime import Signature, TensorInfo

SIDES = st.integers(1, 6000)
SIZES = st.tuples(SIDES, SIDES)
TFLITE_INPUT = TensorInfo("input", "float32", (1, 512, 512, 3))
YOLO_INPUT = TensorInfo("images", "float32", (1, 3, 640, 640))


def standard(
    rows: list[tuple[float, list[float], int]],
    size: tuple[int, int] = (100, 200),
    count: float | None = None,
    **more: NDArray[np.float32],
) -> Detections:
    """Decodes a standard export's outputs: score, ymin xmin ymax xmax, class of each row."""
    raw = {
        "detection_scores": np.zeros((1, 100), np.float32),
        "detection_boxes": np.zeros((1, 100, 4), np.float32),
        "detection_classes": np.ones((1, 100), np.float32),
        "num_detections": np.array([len(rows) if count is None else count], np.float32),
        **more,
    }
    for i, (score, box, class_id) in enumerate(rows):
        raw["detection_scores"][0, i] = score
        raw["detection_boxes"][0, i] = box
        raw["detection_classes"][0, i] = class_id
    return decode("standard", raw, Frame.whole(size), COCO)


WHOLE = [0.0, 0.0, 1.0, 1.0]


def test_y_is_scaled_by_the_height_and_x_by_the_width() -> None:
    found = standard([(0.9, [0.1, 0.2, 0.5, 0.6], 44)])
    np.testing.assert_allclose(found.boxes, [[40, 10, 120, 50]], rtol=1e-6)
    assert found.class_ids.tolist() == [44]


def test_rows_from_num_detections_on_are_filling() -> None:
    rows = [(0.9, WHOLE, 1), (0.8, WHOLE, 2), (0.7, WHOLE, 3)]
    assert standard(rows, count=2).class_ids.tolist() == [1, 2]
    assert len(standard(rows, count=0)) == 0
    assert len(standard(rows, count=float("nan"))) == 0
    assert len(standard([(0.5, WHOLE, 1)] * 100, count=1e9)) == 100


def test_score_or_box_that_is_no_number_drops_its_row() -> None:
    nan, infinity = float("nan"), float("inf")
    found = standard(
        [
            (nan, WHOLE, 1),
            (0.9, [0, nan, 1, 1], 2),
            (infinity, WHOLE, 3),
            (0.3, WHOLE, 4),
            (0.8, [0, 0, infinity, 1], 5),
        ]
    )
    assert found.class_ids.tolist() == [4]


def test_score_below_zero_is_none() -> None:
    found = standard([(-0.5, WHOLE, 1), (0.0, WHOLE, 2), (0.5, WHOLE, 3)])
    assert found.class_ids.tolist() == [3, 2]


def test_rows_in_any_order_come_out_best_first_and_ties_in_theirs() -> None:
    ties = [(0.3, WHOLE, class_id) for class_id in range(10, 60)]
    found = standard([(0.25, WHOLE, 1), *ties, (0.9, WHOLE, 2), (0.5, WHOLE, 4)])
    assert found.class_ids.tolist() == [2, 4, *range(10, 60), 1]


def test_box_beyond_the_image_is_clipped_to_it() -> None:
    found = standard([(0.9, [-0.5, -0.1, 0.5, 1.3], 1)])
    np.testing.assert_allclose(found.boxes, [[0, 0, 200, 50]], rtol=1e-6)


@pytest.mark.parametrize(
    "box", [[0.9, 0.1, 0.1, 0.9], [0.1, 0.9, 0.9, 0.1]], ids=["upside down", "back to front"]
)
def test_box_that_ends_before_it_starts_is_dropped(box: list[float]) -> None:
    assert len(standard([(0.9, box, 1)])) == 0


def test_flat_box_of_the_models_own_stays() -> None:
    found = standard([(0.9, [0.5, 0.1, 0.5, 0.9], 1)])
    np.testing.assert_allclose(found.boxes, [[20, 50, 180, 50]], rtol=1e-6)


def test_box_with_a_mask_is_not_squeezed_into_the_image() -> None:
    masks = np.ones((1, 100, 33, 33), np.float32)
    found = standard([(0.9, [0.5, 0.5, 1.5, 1.5], 1)], detection_masks=masks)
    np.testing.assert_allclose(found.boxes, [[100, 50, 300, 150]], rtol=1e-6)
    assert found.mask(0)[51:, 101:].all()


def test_output_without_its_batch_dimension_is_read_all_the_same() -> None:
    masks = np.ones((100, 33, 33), np.float32)
    assert standard([(0.9, WHOLE, 1)], detection_masks=masks).mask(0).all()


def test_image_is_stretched_to_the_size_that_a_conversion_has_fixed() -> None:
    image = np.full((40, 50, 3), 7, np.uint8)
    for shape, size in (((1, 20, 30, 3), (20, 30)), ((1, None, None, 3), (40, 50))):
        batch, frame = prepare("standard", image, TensorInfo("input", "uint8", shape))
        assert batch.shape == (1, *size, 3) and (batch == 7).all()
        assert (frame.image_size, frame.input_size) == ((40, 50), size)


def test_outputs_of_two_images_are_refused() -> None:
    with pytest.raises(ModelFormatError, match=r"detection_masks.*\[2, 100, 33, 33\]"):
        standard([(0.9, WHOLE, 1)], detection_masks=np.ones((2, 100, 33, 33), np.float32))


@settings(deadline=None)
@given(
    size=SIZES,
    corners=st.lists(st.tuples(*[st.floats(-0.5, 1.5, width=32)] * 4), max_size=100),
    scores=st.lists(st.floats(0, 1, width=32) | st.just(float("nan")), min_size=100, max_size=100),
)
def test_whatever_comes_out_is_sound(
    size: tuple[int, int], corners: list[tuple[float, ...]], scores: list[float]
) -> None:
    rows = [(scores[i], list(box), 1 + i % 90) for i, box in enumerate(corners)]
    found = standard(rows, size)
    height, width = size
    assert len(found) <= len(rows)
    assert (found.boxes >= 0).all()
    assert (found.boxes <= [width, height, width, height]).all()
    assert (found.boxes[:, 2:] >= found.boxes[:, :2]).all()
    assert (np.diff(found.scores) <= 0).all()
    # Sound rows are all there: those with a score.
    whole = standard([(score, WHOLE, 1) for score in scores], size)
    assert len(whole) == sum(score == score for score in scores)


# CenterNet made for TFLite


def tflite(
    order: tuple[str, ...], rows: int = 10, **changed: NDArray[np.float32]
) -> dict[str, NDArray[Any]]:
    """Outputs of a TFLite-style export in some order: a dog, with score 0.7."""
    values = {
        "number": np.array([1], np.float32),
        "scores": np.array([[0.7] + [0.0] * (rows - 1)], np.float32),
        "classes": np.array([[17] + [0] * (rows - 1)], np.float32),
        "boxes": np.tile(np.array([0.1, 0.2, 0.5, 0.6], np.float32), (1, rows, 1)),
        "keypoints": np.full((1, rows, 17, 2), 0.25, np.float32),
        "keypoint_scores": np.full((1, rows, 17), 0.9, np.float32),
        **changed,
    }
    return {f"output_{i}": values[name] for i, name in enumerate(order)}


REVERSED = ("number", "scores", "classes", "boxes")
FORWARD = ("boxes", "classes", "scores", "number")


def square(raw: dict[str, NDArray[Any]]) -> Detections:
    return decode("centernet_tflite", raw, Frame.stretched((100, 100), (512, 512)), COCO)


@pytest.mark.parametrize(
    "order",
    [
        REVERSED,
        FORWARD,
        ("keypoint_scores", "keypoints", *REVERSED),
        (*FORWARD, "keypoints", "keypoint_scores"),
    ],
    ids=["reversed", "forward", "reversed with keypoints", "forward with keypoints"],
)
def test_tflite_outputs_are_told_apart_in_either_order(order: tuple[str, ...]) -> None:
    found = square(tflite(order))
    assert found.names == ["dog"]
    np.testing.assert_allclose(found.scores, [0.7])
    np.testing.assert_allclose(found.boxes, [[20, 10, 60, 50]], rtol=1e-5)
    if "keypoints" in order:
        assert found.keypoints is not None
        np.testing.assert_allclose(found.keypoints, 25)
    else:
        assert found.keypoints is None


def test_tflite_scores_and_classes_are_told_apart_by_their_values() -> None:
    found = square(tflite(("number", "classes", "scores", "boxes")))
    assert found.names == ["dog"]
    np.testing.assert_allclose(found.scores, [0.7])


def test_tflite_rows_beyond_the_number_are_filling() -> None:
    assert len(square(tflite(REVERSED, number=np.array([0], np.float32)))) == 0


@pytest.mark.parametrize(
    "raw",
    [
        tflite(REVERSED, scores=np.full((1, 10), 1.5, np.float32)),
        tflite(REVERSED, scores=np.full((1, 10), -0.5, np.float32)),
        tflite(REVERSED, classes=np.full((1, 10), 0.5, np.float32), scores=np.full((1, 10), 0.5)),
        tflite(REVERSED, boxes=np.zeros((1, 10, 5), np.float32)),
        {"output_4": np.zeros((1, 10), np.float32), **tflite(REVERSED)},
    ],
    ids=[
        "scores over 1",
        "scores below 0",
        "no whole classes",
        "five coordinates",
        "one too many",
    ],
)
def test_tflite_outputs_that_fit_nothing_are_refused(raw: dict[str, NDArray[Any]]) -> None:
    with pytest.raises(ModelFormatError, match="expected one float32, uint8 or int8"):
        square(raw)


FITTING = {
    "tflite": Signature(
        (TFLITE_INPUT,),
        tuple(TensorInfo(n, "float32", v.shape) for n, v in tflite(REVERSED).items()),
    ),
    "yolov5": Signature((YOLO_INPUT,), (TensorInfo("output0", "float32", (1, 25200, 85)),)),
}


def of_shape(signature: Signature, *shape: int | None, dtype: str = "float32") -> Signature:
    return replace(signature, inputs=(replace(signature.inputs[0], shape=shape, dtype=dtype),))


def returning(signature: Signature, *shapes: tuple[int | None, ...]) -> Signature:
    outputs = tuple(TensorInfo(f"output_{i}", "float32", s) for i, s in enumerate(shapes))
    return replace(signature, outputs=outputs)


def test_tflite_exports_are_known_by_their_inputs_and_outputs() -> None:
    whole = FITTING["tflite"]
    assert fits_tflite(whole)
    free = ((None,), (None, None), (None, None), (None, None, None))
    assert fits_tflite(returning(whole, *free))
    keypoints = ((1, 10, 17), (1, 10, 17, 2), (1,), (1, 10), (1, 10), (1, 10, 4))
    assert fits_tflite(returning(whole, *keypoints))
    assert not fits_tflite(replace(whole, inputs=()))
    assert not fits_tflite(replace(whole, inputs=whole.inputs * 2))
    for dtype in ("uint8", "int8"):
        assert fits_tflite(of_shape(whole, 1, 512, 512, 3, dtype=dtype))
    assert not fits_tflite(of_shape(whole, 1, 512, 512, 3, dtype="float16"))
    for shape in ((1, 512, 512, 1), (1, None, 512, 3), (512, 512, 3), (1, 512, 512, 3, 3)):
        assert not fits_tflite(of_shape(whole, *shape))


@pytest.mark.parametrize(
    "shapes",
    [
        ((1,), (1, 10), (1, 9), (1, 10, 4)),
        ((1,), (1, 10), (1, 10), (1, 10, 5)),
        ((1,), (2, 10), (2, 10), (2, 10, 4)),
        ((2,), (1, 10), (1, 10), (1, 10, 4)),
        ((1,), (1, 10), (1, 10)),
        ((1, 10, 17), (1, 10, 17, 3), (1,), (1, 10), (1, 10), (1, 10, 4)),
        ((1, 10, 16), (1, 10, 17, 2), (1,), (1, 10), (1, 10), (1, 10, 4)),
        ((1, 9, 17), (1, 10, 17, 2), (1,), (1, 10), (1, 10), (1, 10, 4)),
    ],
    ids=[
        "rows",
        "coordinates",
        "batch",
        "batch of the number",
        "too few",
        "coordinates of keypoints",
        "points",
        "rows of keypoints",
    ],
)
def test_tflite_outputs_that_do_not_agree_are_of_no_such_export(
    shapes: tuple[tuple[int | None, ...], ...],
) -> None:
    assert not fits_tflite(returning(FITTING["tflite"], *shapes))


def test_tflite_outputs_are_numbered_past_nine_in_order() -> None:
    values = tflite(REVERSED).values()
    raw = {f"output_{number}": value for number, value in zip((8, 9, 10, 11), values, strict=True)}
    assert square(raw).names == ["dog"]


def test_four_tflite_outputs_may_come_in_any_order_under_any_names() -> None:
    for order in permutations(REVERSED):
        values = tflite(order).values()
        raw = dict(zip(("zeta", "b3", "a1", "c"), values, strict=True))
        assert square(raw).names == ["dog"]


def test_yolo_is_known_by_its_input_and_its_one_output_with_objectness() -> None:
    whole = FITTING["yolov5"]
    assert fits_yolov5(whole)
    assert fits_yolov5(of_shape(whole, None, 3, None, None))
    # Earlier releases return the heads' raw maps besides.
    assert fits_yolov5(returning(whole, (1, 25200, 85), (1, 3, 80, 80, 85)))
    for one in ((None, None, 85), (1, None, 6), (1, 7, 6)):
        assert fits_yolov5(returning(whole, one))
    assert not fits_yolov5(replace(whole, inputs=()))
    assert not fits_yolov5(replace(whole, inputs=whole.inputs * 2))
    assert not fits_yolov5(of_shape(whole, 1, 3, 640, 640, dtype="uint8"))
    for shape in ((1, 640, 640, 3), (1, 4, 640, 640), (3, 640, 640), (1, 3, 640, 640, 1)):
        assert not fits_yolov5(of_shape(whole, *shape))
    for one in ((1, 84, 8400), (2, 25200, 85), (1, 25200, 5), (1, 6, 6), (25200, 85), (1, 9, None)):
        assert not fits_yolov5(returning(whole, one))
    assert not fits_yolov5(returning(whole, (1, 25200, 85), (1, 25200, 85)))


def test_yolo_of_a_free_size_is_fed_640_pixels() -> None:
    batch, _ = prepare(
        "yolov5", standins.paint(30, 40), TensorInfo("images", "float32", (1, 3, None, None))
    )
    assert batch.shape == (1, 3, 640, 640)


def test_yolo_box_within_another_of_its_class_is_suppressed() -> None:
    # Around one centre, 100 and 80 wide: IoU 0.64 over 0.6; 100 and 76: 0.58 under it.
    around = ([300.0, 300.0, 100.0, 100.0], 0.9, {0: 1.0})
    assert len(yolo(around, ([300.0, 300.0, 80.0, 80.0], 0.8, {0: 1.0}))) == 1
    assert len(yolo(around, ([300.0, 300.0, 76.0, 76.0], 0.8, {0: 1.0}))) == 2
    # In its far corner: as much of it.
    assert len(yolo(around, ([310.0, 310.0, 80.0, 80.0], 0.8, {0: 1.0}))) == 1


def test_tflite_image_is_fitted_at_the_top_left_and_padded_with_zeros() -> None:
    image = np.full((100, 200, 3), 77, np.uint8)
    batch, frame = prepare("centernet_tflite", image, TFLITE_INPUT)
    assert batch.shape == (1, 512, 512, 3)
    assert batch.dtype == np.float32
    assert (batch[0, :256] == 77).all()
    assert (batch[0, 256:] == 0).all()
    assert frame.content_size == (256, 512)


# YOLOv5

YOLO_IDS = {"person": 0, "stop sign": 11, "toothbrush": 79}


def yolo(
    *rows: tuple[list[float], float, dict[int, float]],
    size: tuple[int, int] = (640, 640),
    classes: int = 80,
    min_score: float = 0.0,
) -> Detections:
    """Decodes YOLOv5's output: centre x, centre y, width, height; objectness; class scores."""
    raw = np.zeros((1, 25200, 5 + classes), np.float32)
    for i, (box, objectness, scores) in enumerate(rows):
        raw[0, i, :4] = box
        raw[0, i, 4] = objectness
        for class_index, score in scores.items():
            raw[0, i, 5 + class_index] = score
    frame = Frame.fitted(size, (640, 640), centred=True)
    return decode("yolov5", {"output0": raw}, frame, COCO, min_score)


def test_yolo_image_is_centred_on_grey_and_scaled_to_one() -> None:
    image = np.full((320, 640, 3), [255, 0, 51], np.uint8)
    batch, frame = prepare("yolov5", image, YOLO_INPUT)
    assert batch.shape == (1, 3, 640, 640)
    assert batch.dtype == np.float32
    np.testing.assert_allclose(batch[0, :, :160], 114 / 255)
    np.testing.assert_allclose(batch[0, :, 480:], 114 / 255)
    np.testing.assert_allclose(batch[0, :, 160, 0], [1, 0, 0.2], atol=1e-6)
    np.testing.assert_allclose(batch[0, :, 479, 639], [1, 0, 0.2], atol=1e-6)
    assert frame.offset == (160, 0)


def test_yolo_puts_the_odd_row_of_padding_below() -> None:
    # 427 rows of 640 leave 213: Ultralytics' letterbox puts 106 above and 107 below.
    frame = Frame.fitted((427, 640), (640, 640), centred=True)
    assert (frame.content_size, frame.offset) == ((427, 640), (106, 0))
    frame = Frame.fitted((640, 427), (640, 640), centred=True)
    assert (frame.content_size, frame.offset) == ((640, 427), (0, 106))


def test_yolo_letterbox_is_undone() -> None:
    # 320 x 1280: half the size, 240 rows of grey above.
    found = yolo(([320, 320, 100, 40], 1, {0: 0.5}), size=(320, 1280))
    np.testing.assert_allclose(found.boxes, [[540, 120, 740, 200]], rtol=1e-6)


def test_yolo_score_is_objectness_times_class() -> None:
    np.testing.assert_allclose(yolo(([320, 320, 50, 50], 0.5, {0: 0.8})).scores, [0.4])


@pytest.mark.parametrize(("objectness", "score"), [(1, 0.5), (0.5, 1)])
def test_yolo_score_of_just_the_least_one_asked_for_is_kept(
    objectness: float, score: float
) -> None:
    box = [320, 320, 50, 50]
    assert yolo((box, objectness, {0: score}), min_score=0.5).scores.tolist() == [0.5]


@pytest.mark.parametrize(("name", "index"), YOLO_IDS.items())
def test_yolo_classes_become_coco_ids(name: str, index: int) -> None:
    assert yolo(([320, 320, 50, 50], 0.9, {index: 0.9})).names == [name]


def test_yolo_of_other_classes_keeps_its_own_ids() -> None:
    found = yolo(([320, 320, 50, 50], 0.9, {2: 0.9}), classes=3)
    assert found.class_ids.tolist() == [2]


def test_yolo_overlapping_box_of_the_same_class_is_suppressed() -> None:
    # 100 wide, shifted by 20: IoU 80 / 120 = 0.67 over 0.6; by 30: 70 / 130 = 0.54 under it.
    first = ([300.0, 300.0, 100.0, 100.0], 0.9, {0: 1.0})
    near = ([320.0, 300.0, 100.0, 100.0], 0.8, {0: 1.0})
    further = ([270.0, 300.0, 100.0, 100.0], 0.7, {0: 1.0})
    found = yolo(near, first, further)
    np.testing.assert_allclose(found.scores, [0.9, 0.7])


def test_yolo_overlapping_boxes_of_two_classes_both_stay() -> None:
    found = yolo(([300, 300, 100, 100], 0.9, {0: 1, 16: 0.5}))
    assert found.names == ["person", "dog"]
    np.testing.assert_allclose(found.scores, [0.9, 0.45])


def test_yolo_keeps_at_most_300_and_the_best() -> None:
    rows = [
        ([20.0 * (i % 30), 20.0 * (i // 30), 10.0, 10.0], (i + 1) / 500, {0: 1.0})
        for i in range(450)
    ]
    found = yolo(*rows)
    assert len(found) == 300
    np.testing.assert_allclose(found.scores[0], 450 / 500)
    np.testing.assert_allclose(found.scores[-1], 151 / 500)


def test_yolo_noise_without_end_is_still_decoded() -> None:
    random = np.random.default_rng(0)
    raw = random.uniform(0, 1, (1, 25200, 85)).astype(np.float32) * (
        [640] * 2 + [30] * 2 + [1] * 81
    )
    found = decode("yolov5", {"output0": raw.astype(np.float32)}, Frame.whole((640, 640)), COCO)
    assert len(found) > 290


def test_yolo_minimum_score_gives_the_same_rows_as_cutting_afterwards() -> None:
    random = np.random.default_rng(1)
    rows = [
        (random.uniform(50, 590, 4).tolist(), random.uniform(), {int(random.integers(80)): 0.9})
        for _ in range(200)
    ]
    whole, cut = yolo(*rows), yolo(*rows, min_score=0.4)
    assert 0 < len(cut) < len(whole)
    assert np.array_equal(cut.boxes, whole.above(0.4).boxes)


def test_yolo_box_that_is_no_number_is_dropped() -> None:
    nan, infinity = float("nan"), float("inf")
    place = [300.0, 300.0, 50.0, 50.0]
    found = yolo(
        ([nan, 1, 2, 3], 0.9, {0: 1}),
        ([infinity, 300, 50, 50], 0.9, {0: 1}),
        (place, nan, {0: 1}),
        (place, 0.8, {0: 1}),
        (place, 0.7, {16: 1}),
    )
    assert found.names == ["person", "dog"]


def test_yolo_boxes_behind_thousands_of_better_ones_are_found() -> None:
    crowd = [([300.0, 300.0, 100.0, 100.0], 0.9, {0: 1.0})] * 3500
    others = [([20.0 + 40 * i, 20.0, 30.0, 30.0], 0.5 - i / 100, {0: 1.0}) for i in range(10)]
    assert len(yolo(*crowd, *others)) == 11


def test_yolo_output_of_another_shape_is_refused() -> None:
    with pytest.raises(ModelFormatError, match=r"\[1, 84, 8400\].*objectness"):
        decode("yolov5", {"output0": np.zeros((1, 84, 8400))}, Frame.whole((9, 9)), COCO)


# Geometry


@settings(deadline=None)
@given(size=SIZES, centred=st.booleans(), at=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_fitting_is_undone_exactly(
    size: tuple[int, int], centred: bool, at: tuple[float, float]
) -> None:
    frame = Frame.fitted(size, (512, 640), centred=centred)
    (height, width), (top, left) = frame.content_size, frame.offset
    assert 1 <= height <= 512 and 1 <= width <= 640
    assert height == 512 or width == 640
    assert 0 <= top <= 512 - height and 0 <= left <= 640 - width
    point = np.array([left + at[1] * width, top + at[0] * height])
    expected = [at[1] * size[1], at[0] * size[0]]
    np.testing.assert_allclose(frame.to_image(point), expected, rtol=1e-5, atol=1e-3)


@settings(deadline=None)
@given(size=st.tuples(st.integers(1, 700), st.integers(1, 700)))
def test_prepared_batch_has_the_inputs_shape_whatever_the_image(size: tuple[int, int]) -> None:
    image = standins.paint(*size)
    for kind, entry in (("centernet_tflite", TFLITE_INPUT), ("yolov5", YOLO_INPUT)):
        batch, frame = prepare(kind, image, entry)  # type: ignore[arg-type]
        assert batch.shape == entry.shape
        assert frame.image_size == size
