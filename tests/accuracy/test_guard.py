"""Each classic mistake draws a warning that names it; sound detections draw none."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.coco_data import Rows, Truth, as_truth, random_data
from tfzoo.accuracy.coco import read_ground_truth
from tfzoo.accuracy.guard import minival_warning, size_warning, warnings_for
from tfzoo.detections.labels import COCO

DATA = os.environ.get("TFZOO_TEST_DATA")

Row = dict[str, Any]


def coco_data() -> tuple[Truth, Rows]:
    """Data of ten of COCO's categories, spread over its ids, with weak detections kept."""
    truth, rows = random_data(21, images=40, categories=10, crowds=0, drawn=False)
    ids = dict(enumerate([1, 3, 13, 18, 44, 62, 67, 72, 84, 90], start=1))
    truth["categories"] = [{"id": i, "name": name} for i, name in COCO.items()]
    for entry in [*truth["annotations"], *rows]:
        entry["category_id"] = ids[entry["category_id"]]
    rows[0]["score"] = 1e-6
    return truth, rows


def warned(truth: Truth, rows: Rows) -> str:
    (warning,) = warnings_for(as_truth(truth), rows)
    return warning


def changed(rows: Rows, change: Callable[[Row], Row]) -> Rows:
    return [{**row, **change(row)} for row in rows]


def test_sound_detections_draw_no_warning() -> None:
    truth, rows = coco_data()
    assert warnings_for(as_truth(truth), rows) == []


def test_a_weak_model_draws_no_warning() -> None:
    truth, rows = coco_data()
    weak = [row for row in rows if row["score"] < 0.4]
    assert warnings_for(as_truth(truth), weak) == []


def test_indices_from_zero_are_named() -> None:
    truth, rows = coco_data()
    index = {category_id: i for i, category_id in enumerate(COCO)}
    rows = changed(rows, lambda row: {"category_id": index[row["category_id"]]})
    assert "0 to 79 in a row instead of COCO's ids 1 to 90" in warned(truth, rows)


def test_ids_one_too_low_are_named() -> None:
    truth, rows = coco_data()
    rows = changed(rows, lambda row: {"category_id": row["category_id"] - 1})
    assert "class indices counted from 0" in warned(truth, rows)


def test_ids_in_a_row_without_cocos_gaps_are_named() -> None:
    truth, rows = coco_data()
    number = {category_id: i for i, category_id in enumerate(COCO, start=1)}
    rows = changed(rows, lambda row: {"category_id": number[row["category_id"]]})
    # Of the ten gaps, 12 is hit: stop sign, 13, is the twelfth.
    assert "ids 1 to 80 in a row instead of COCO's 1 to 90 with gaps" in warned(truth, rows)


def test_ids_shifted_within_the_ground_truths_are_named() -> None:
    truth, rows = random_data(22, images=40, categories=5, crowds=0, drawn=False)
    truth["categories"] += [{"id": 6, "name": "never seen"}, {"id": 0, "name": "background"}]
    rows[0]["score"] = 1e-6
    low = changed(rows, lambda row: {"category_id": row["category_id"] - 1})
    high = changed(rows, lambda row: {"category_id": row["category_id"] + 1})
    assert "Likely cause: category ids one too low" in warned(truth, low)
    assert "Likely cause: category ids one too high" in warned(truth, high)


def test_categories_of_another_data_set_are_named() -> None:
    truth, rows = random_data(23, images=20, categories=3, drawn=False)
    rows[0]["score"] = 1e-6
    rows = changed(rows, lambda row: {"category_id": row["category_id"] + 100})
    text = warned(truth, rows)
    assert "100% of the detections have category ids" in text and "101, 102, 103" in text
    assert "trained on other categories" in text


def test_a_ground_truth_of_fewer_categories_is_said_but_called_no_mistake() -> None:
    truth, rows = random_data(24, images=20, categories=3, drawn=False)
    truth["categories"] = truth["categories"][:1]
    truth["annotations"] = [a for a in truth["annotations"] if a["category_id"] == 1]
    rows[0]["score"] = 1e-6
    assert "lists 1 categories only" in warned(truth, rows)
    assert "no mistake" in warned(truth, rows)


def test_five_of_the_ids_that_are_not_listed_are_shown() -> None:
    truth, rows = random_data(25, images=30, categories=8, drawn=False)
    rows = changed(rows, lambda row: {"category_id": row["category_id"] + 100})
    assert "(such as 101, 102, 103, 104, 105)" in warnings_for(as_truth(truth), rows)[0]


@pytest.mark.parametrize(("listed", "said"), [(79, "no mistake"), (80, "other categories")])
def test_only_fewer_categories_than_cocos_80_are_a_part(listed: int, said: str) -> None:
    truth, rows = random_data(26, images=20, categories=4, drawn=False)
    truth["categories"] = [{"id": i, "name": f"category {i}"} for i in range(1, listed + 1)]
    half = len(rows) // 2
    rows[:half] = changed(rows[:half], lambda row: {"category_id": row["category_id"] + 100})
    assert said in warnings_for(as_truth(truth), rows)[0]


def test_one_detection_in_a_hundred_may_be_of_no_listed_category() -> None:
    truth, rows = coco_data()
    many = [dict(row) for row in rows * 3][:400]
    for row in many[1:4]:
        row["category_id"] = 12
    assert warnings_for(as_truth(truth), many) == []
    many[4]["category_id"] = 12
    assert "1% of the detections have category ids" in warnings_for(as_truth(truth), many)[0]


def test_what_a_slip_explains_is_told_in_shares() -> None:
    truth, _ = coco_data()
    objects = [a for a in truth["annotations"] if not a["iscrowd"]]
    rows = [{**annotation, "score": 0.01} for annotation in objects]
    assert warnings_for(as_truth(truth), rows) == []
    swapped = changed(rows, lambda row: {"bbox": [row["bbox"][i] for i in (1, 0, 3, 2)]})
    assert ", but 100% if swapped axes (x and y exchanged) is undone" in warned(truth, swapped)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (1, 0, 3, 2)])
def test_normalised_boxes_are_named(order: tuple[int, ...]) -> None:
    truth, rows = coco_data()

    def normalise(row: Row) -> Row:
        box = [value / size for value, size in zip(row["bbox"], (160, 120) * 2, strict=True)]
        return {"bbox": [box[i] for i in order]}

    assert "normalised to 0..1 instead of pixels" in warned(truth, changed(rows, normalise))


def test_swapped_axes_are_named() -> None:
    truth, rows = coco_data()

    def swap(row: Row) -> Row:
        x, y, width, height = row["bbox"]
        return {"bbox": [y, x, height, width]}

    assert "swapped axes (x and y exchanged)" in warned(truth, changed(rows, swap))


def test_axes_swapped_before_scaling_are_named() -> None:
    truth, rows = coco_data()

    def swap(row: Row) -> Row:
        x, y, width, height = row["bbox"]
        return {"bbox": [y / 120 * 160, x / 160 * 120, height / 120 * 160, width / 160 * 120]}

    assert "x and y exchanged, then scaled" in warned(truth, changed(rows, swap))


def test_scales_of_the_wrong_axis_are_named() -> None:
    truth, rows = coco_data()

    def scale(row: Row) -> Row:
        x, y, width, height = row["bbox"]
        return {"bbox": [x / 160 * 120, y / 120 * 160, width / 160 * 120, height / 120 * 160]}

    assert "x scaled by the height and y by the width" in warned(truth, changed(rows, scale))


def test_corners_instead_of_sizes_are_named() -> None:
    truth, rows = coco_data()

    def corners(row: Row) -> Row:
        x, y, width, height = row["bbox"]
        return {"bbox": [x, y, x + width, y + height]}

    def tensorflow_order(row: Row) -> Row:
        x, y, width, height = row["bbox"]
        return {"bbox": [y, x, y + height, x + width]}

    assert "boxes as x0, y0, x1, y1" in warned(truth, changed(rows, corners))
    assert "boxes as y0, x0, y1, x1" in warned(truth, changed(rows, tensorflow_order))


def test_a_score_threshold_left_on_is_named() -> None:
    truth, rows = coco_data()
    kept = [row for row in rows if row["score"] >= 0.3]
    text = warned(truth, kept)
    assert "no score is below 0.3" in text and "score threshold was left on" in text


def test_a_quota_that_is_full_is_no_threshold() -> None:
    truth, rows = coco_data()
    best = [
        row
        for image in truth["images"]
        for row in sorted(
            (row for row in rows if row["image_id"] == image["id"]), key=lambda row: -row["score"]
        )[:1]
    ]
    best = changed(best, lambda row: {"score": 0.5})
    assert warnings_for(as_truth(truth), best) == []
    # Of those that have room for two, the first few find but one.
    twice = sorted([*best, *best[3:]], key=lambda row: row["image_id"])
    assert warnings_for(as_truth(truth), twice) == []
    assert "a score threshold was left on" in warned(truth, [*best, *best[-3:]])


def test_results_without_boxes_are_looked_at_as_far_as_they_go() -> None:
    truth, rows = coco_data()
    bare = [{key: row[key] for key in row if key != "bbox"} for row in rows]
    assert warnings_for(as_truth(truth), bare) == []
    shifted = changed(bare, lambda row: {"category_id": row["category_id"] - 1})
    assert "class indices counted from 0" in warned(truth, shifted)


def test_nothing_found_is_said() -> None:
    truth, _ = coco_data()
    assert "no detections at all" in warned(truth, [])


def test_images_of_another_size_than_annotated_are_named() -> None:
    truth, _ = coco_data()
    sizes = {1: (120, 160), 2: (160, 120)}
    text = size_warning(as_truth(truth), sizes)
    assert (
        text is not None and "1 images" in text and "0002.jpg: 120x160, annotated 160x120" in text
    )
    assert size_warning(as_truth(truth), {1: (120, 160)}) is None
    # Of some images it is not known what they should be.
    del truth["images"][1]["height"], truth["images"][2]["width"]
    assert size_warning(as_truth(truth), {2: (1, 1), 3: (1, 1), 999: (1, 1)}) is None


def test_a_minival_like_list_is_named() -> None:
    assert "minival" in (minival_warning("minival-like") or "")
    assert minival_warning("val2017 subset") is None


@pytest.mark.skipif(DATA is None, reason="needs the images in TFZOO_TEST_DATA")
def test_real_annotations_draw_no_warning_as_they_are_and_one_when_swapped() -> None:
    truth = read_ground_truth(Path(DATA or "") / "coco_val_mini/instances.json")
    rows = [
        {**annotation, "score": 0.9 / (1 + i)}
        for i, annotation in enumerate(truth.data["annotations"])
    ]
    assert warnings_for(truth, rows) == []
    swapped = changed(rows, lambda row: {"bbox": [row["bbox"][i] for i in (1, 0, 3, 2)]})
    assert [w for w in warnings_for(truth, swapped) if "swapped axes" in w]
