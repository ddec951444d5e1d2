"""`Detections`: validated once, frozen, indexable, and converted without losing a pixel."""

import copy
import dataclasses
import pickle
from typing import Any

import cv2
import numpy as np
import pytest

from tfzoo.detections.labels import COCO
from tfzoo.detections.types import Detection, Detections, RunInfo
from tfzoo.errors import UsageError


def three() -> Detections:
    return Detections(
        boxes=np.array([[10, 20, 110, 220], [0, 0, 5, 5], [300, 100, 320, 240]], np.float32),
        scores=np.array([0.9, 0.5, 0.1], np.float32),
        class_ids=np.array([1, 90, 12], np.int32),
        image_size=(240, 320),
    )


def test_names_are_cocos_and_a_gap_in_the_ids_stays_a_gap() -> None:
    assert three().names == ["person", "toothbrush", "class 12"]


def test_above_keeps_the_given_score_itself() -> None:
    assert three().above(0.5).names == ["person", "toothbrush"]


def test_of_selects_by_name_and_by_id() -> None:
    assert three().of(["Person", 12]).class_ids.tolist() == [1, 12]


def test_a_boolean_mask_selects_rows_of_every_array() -> None:
    chosen = three()[np.array([False, True, False])]
    assert chosen.boxes.tolist() == [[0, 0, 5, 5]]
    assert len(chosen) == 1


def test_iterating_gives_one_detection_at_a_time() -> None:
    first = next(iter(three()))
    assert (first.category, first.class_id) == ("person", 1)
    assert first.score == pytest.approx(0.9)
    assert first.box.tolist() == [10, 20, 110, 220]


def test_coco_rows_have_width_and_height() -> None:
    row = three().to_coco(image_id=7)[0]
    assert row["bbox"] == [10, 20, 100, 200]
    assert (row["image_id"], row["category_id"]) == (7, 1)


def test_pandas_has_a_row_a_detection() -> None:
    table = three().to_pandas()
    assert list(table.columns) == ["category_id", "category", "score", "x0", "y0", "x1", "y1"]
    assert table.iloc[2].x1 == 320


def test_supervision_gets_boxes_scores_and_names() -> None:
    converted = three().to_supervision()
    assert converted.xyxy.shape == (3, 4)
    assert list(converted.data["class_name"]) == ["person", "toothbrush", "class 12"]


def test_drawing_leaves_the_image_alone_and_jupyter_gets_a_png() -> None:
    image = np.full((240, 320, 3), 128, np.uint8)
    found = dataclasses.replace(three(), image=image)
    assert (found.draw() != image).any()
    assert (image == 128).all()
    png = found._repr_png_()
    assert png is not None and png.startswith(b"\x89PNG")
    shown = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    assert (shown == found.above(0.3).draw()).all()
    assert (shown != found.draw()).any()
    assert three()._repr_png_() is None
    with pytest.raises(ValueError, match="no image was kept"):
        three().draw()


def test_an_empty_result_is_a_result() -> None:
    none = three().above(0.99)
    assert len(none) == 0
    assert none.to_coco(1) == []
    assert len(none.to_pandas()) == 0
    assert len(none.to_supervision()) == 0


def test_a_result_can_not_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        three().scores = np.zeros(3, np.float32)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"boxes": np.zeros((2, 4), np.float32)}, r"boxes: expected float32 \[3, 4\]"),
        ({"boxes": np.zeros((3, 4), np.float64)}, "got float64"),
        ({"class_ids": np.zeros(3, np.int64)}, "class_ids: expected int32"),
        ({"scores": np.array([0.1, 0.5, 0.9], np.float32)}, "descending"),
        ({"scores": np.array([0.5, 0.9, 0.1], np.float32)}, "descending"),
        ({"scores": np.array([0.9, 0.1, 0.5], np.float32)}, "descending"),
        ({"keypoints": np.zeros((3, 17, 2), np.float32)}, "come together"),
    ],
    ids=["count", "dtype", "class_ids", "order", "first", "last", "keypoints"],
)
def test_arrays_that_do_not_fit_are_refused(changes: dict[str, np.ndarray], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        dataclasses.replace(three(), **changes)


def test_what_is_printed_says_what_was_found_and_how_much_more() -> None:
    assert repr(three()) == (
        "<3 detections in 320x240: person 0.90, toothbrush 0.50, class 12 0.10>"
    )
    seven = three()[np.array([0, 0, 0, 0, 0, 0, 1])]
    assert repr(seven).endswith(": " + ", ".join(["person 0.90"] * 5) + ", ... 2 more>")
    assert "more" not in repr(seven[:5])


def with_keypoints() -> Detections:
    scores = np.full((3, 2), 0.5, np.float32)
    scores[1] = np.nan
    return dataclasses.replace(
        three(),
        keypoints=np.ones((3, 2, 2), np.float32),
        keypoint_scores=scores,
        masks=np.ones((3, 4, 4), np.float32),
        run=RunInfo("model", "runtime 1", "cpu"),
        image=np.zeros((240, 320, 3), np.uint8),
    )


@pytest.mark.parametrize("row", [0, -3, np.int64(0), np.int32(-3), np.uint8(0), np.array(0)])
def test_a_number_gives_one_detection(row: Any) -> None:
    one = three()[row]
    assert isinstance(one, Detection) and one == next(iter(three()))
    assert three()[-1].category == "class 12"
    assert with_keypoints()[1].keypoints is None
    assert with_keypoints()[0].keypoints is not None


@pytest.mark.parametrize("row", [3, -4, np.int64(3)])
def test_a_number_that_is_none_of_a_row_s_is_an_index_error(row: Any) -> None:
    with pytest.raises(IndexError, match=f"no detection {row}: 3 were found"):
        three()[row]
    with pytest.raises(IndexError):
        three().above(1)[0]


@pytest.mark.parametrize(
    ("rows", "ids"),
    [
        (slice(None, 2), [1, 90]),
        (slice(-1, None), [12]),
        (slice(9, None), []),
        ([0, 2], [1, 12]),
        ([-3, -1], [1, 12]),
        ([True, False, True], [1, 12]),
        (np.array([False, True, True]), [90, 12]),
        (np.array([1]), [90]),
        ([], []),
        (np.array([], np.intp), []),
    ],
)
def test_rows_are_chosen_by_slices_masks_and_numbers(rows: Any, ids: list[int]) -> None:
    assert with_keypoints()[rows].class_ids.tolist() == ids


def test_what_chooses_no_rows_is_refused() -> None:
    for wrong in ("person", 1.0, None, [0.5], np.zeros((2, 2), int)):
        with pytest.raises(TypeError, match="chosen by a number, a slice"):
            three()[wrong]
    for mask in ([True], np.ones(4, bool), True):
        with pytest.raises(IndexError, match=r"expected \[3\]"):
            three()[mask]


@pytest.mark.parametrize(
    "again",
    [copy.copy, copy.deepcopy, lambda found: pickle.loads(pickle.dumps(found))],
    ids=["copy", "deepcopy", "pickle"],
)
@pytest.mark.parametrize("labels", [COCO, {1: "person"}], ids=["COCO's", "own"])
def test_copies_and_pickles_are_the_same_again(again: Any, labels: dict[int, str]) -> None:
    found = dataclasses.replace(with_keypoints(), labels=labels)
    other = again(found)
    assert other == found and other is not found
    assert other.names == found.names and other.run == found.run
    assert again(COCO[1]) == "person" and (labels is not COCO or other.labels is COCO)


@pytest.mark.parametrize(
    "changes",
    [
        {"scores": np.array([0.9, 0.5, 0.2], np.float32)},
        {"image_size": (240, 321)},
        {"labels": {1: "dog"}},
        {"masks": None},
        {"image": None},
        {"masks": np.ones((3, 4, 5), np.float32)},
        {"run": RunInfo("model", "runtime 1", "gpu:0")},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_any_difference_makes_them_unequal(changes: dict[str, Any]) -> None:
    assert dataclasses.replace(with_keypoints(), **changes) != with_keypoints()
    assert with_keypoints() == with_keypoints()
    assert with_keypoints() != with_keypoints()[:2]
    assert with_keypoints() != "something else" and with_keypoints()[0] != 1


def test_of_takes_numbers_of_any_library_and_one_alone() -> None:
    for wanted in ([np.int64(1), np.int32(12)], np.array([1, 12]), {1, "12"}, ("PERSON", 12)):
        assert three().of(wanted).class_ids.tolist() == [1, 12]
    for one in ("person", 1, np.int64(1)):
        assert three().of(one).names == ["person"]
    assert len(three().of(["dog"])) == 0


def test_of_refuses_what_the_model_does_not_know_and_names_the_closest() -> None:
    with pytest.raises(UsageError, match=r"called 'persn'. Closest: person"):
        three().of(["persn"])
    with pytest.raises(UsageError, match="called '4711'"):
        three().of([4711])


def test_all_categories_of_one_name_are_meant_by_it() -> None:
    found = dataclasses.replace(three(), labels={1: "car", 90: "Car", 12: "bus"})
    assert found.of(["car"]).class_ids.tolist() == [1, 90]
    assert found.of([1]).class_ids.tolist() == [1]


def test_an_empty_table_has_the_types_of_a_full_one() -> None:
    full, empty = three().to_pandas(), three().above(1).to_pandas()
    assert list(full.dtypes) == list(empty.dtypes)
