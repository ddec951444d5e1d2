"""`Detections`: validated once, frozen, indexable, and converted without losing a pixel."""

import dataclasses

import cv2
import numpy as np
import pytest

from tfzoo.detections.types import Detections


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
