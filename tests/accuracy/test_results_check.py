"""Result files as people have them, and the same numbers as pycocotools on all that it can read."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tests.helpers.coco_data import Rows, Truth, random_data, write
from tfzoo.accuracy.evaluate import evaluate_predictions
from tfzoo.accuracy.measured import Accuracy
from tfzoo.accuracy.truth import KINDS, Kind
from tfzoo.errors import AnnotationError, TfzooError

TRUTH, ROWS = random_data(32, images=8)
MUTATIONS = int(os.environ.get("MUTATIONS", "300"))

pytestmark = [
    pytest.mark.filterwarnings("ignore::tfzoo.accuracy.evaluate.AccuracyWarning"),
    # Said by pycocotools of numpy 2 at each mask it decodes.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


def measured(folder: Path, rows: Any, kind: Kind = "box", truth: Truth = TRUTH) -> Accuracy:
    paths = write(folder / "rows.json", rows), write(folder / "truth.json", truth)
    return evaluate_predictions(*paths, kind, resamples=0)


def values(folder: Path, rows: Any, kind: Kind = "box", truth: Truth = TRUTH) -> Any:
    return measured(folder, rows, kind, truth).metrics[kind].values


def changed(change: Callable[[dict[str, Any]], Any]) -> Rows:
    rows = copy.deepcopy(ROWS)
    for row in rows:
        change(row)
    return rows


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row.update(bbox=list(map(str, row["bbox"]))),
        lambda row: row.update(score=str(row["score"])),
        lambda row: row.update(image_id=str(row["image_id"])),
        lambda row: row.update(image_id=float(row["image_id"])),
        lambda row: row.update(category_id=str(row["category_id"])),
    ],
)
def test_what_is_exact_is_put_right(
    change: Callable[[dict[str, Any]], Any], tmp_path: Path
) -> None:
    assert values(tmp_path, changed(change)) == values(tmp_path, ROWS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bbox": [None, 1, 2, 3]}, r"row 1 \(image 2\): bbox is \[null, 1, 2, 3\]"),
        ({"bbox": [float("nan"), 1, 2, 3]}, r"bbox is \[NaN, 1, 2, 3\]"),
        ({"bbox": [1, 1, -2, 3]}, r"bbox is \[1, 1, -2, 3\]"),
        ({"bbox": "1 1 2 3"}, 'bbox is "1 1 2 3"'),
        ({"bbox": None}, r"row 1 \(image 2\): bbox is null"),
        ({"score": None}, "score is null"),
        ({"score": float("inf")}, "score is Infinity"),
        ({"image_id": None}, "image_id is null"),
        ({"category_id": [1]}, r"category_id is \[1\]"),
        ({"category_id": "Category 3"}, r"\('category 3' is 3\)\n.*category_id is \"Category 3\""),
        ({"image_id": "0002.jpg"}, r"\('0002.jpg' is the name of image 2\)"),
        ({"image_id": "nested/0002"}, r"\('nested/0002' is the name of image 2\)"),
        ({"image_id": 1002}, r"the detections are of 1 images .* \(such as 1002\).* another split"),
    ],
)
def test_all_else_is_named_with_file_row_field_and_value(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    rows = [ROWS[0] | change, *ROWS[1:]]
    with pytest.raises(AnnotationError, match=said) as error:
        values(tmp_path, rows)
    assert "rows.json" in str(error.value)


def test_detections_of_categories_that_are_not_listed_count_for_nothing(tmp_path: Path) -> None:
    more = [*ROWS, ROWS[0] | {"category_id": 77, "score": 0.99}]
    assert values(tmp_path, more) == values(tmp_path, ROWS)


def test_polygons_and_run_lengths_in_numbers_are_masks_too(tmp_path: Path) -> None:
    polygons = changed(lambda row: row.pop("bbox"))
    for row, given in zip(polygons, ROWS, strict=True):
        x, y, width, height = given["bbox"]
        row["segmentation"] = [[x, y, x + width, y, x + width, y + height, x, y + height]]
    written = copy.deepcopy(polygons)
    counted = copy.deepcopy(polygons)
    for row, other in zip(written, counted, strict=True):
        runs = coco_mask.merge(coco_mask.frPyObjects(row["segmentation"], 120, 160))
        row["segmentation"] = {"size": [120, 160], "counts": runs["counts"].decode()}
        pixels = np.r_[-1, coco_mask.decode(runs).ravel(order="F").astype(int), -1]
        edges = np.flatnonzero(np.diff(pixels))
        counts = np.diff(edges).tolist()
        other["segmentation"] = {"size": [120, 160], "counts": [0] * int(pixels[1] == 1) + counts}
    expected = values(tmp_path, written, "masks")
    assert expected["AP50"] > 0.05
    assert values(tmp_path, polygons, "masks") == values(tmp_path, counted, "masks") == expected


@pytest.mark.parametrize(
    "mask",
    [
        *([], [[1, 2, 3, 4]], [["a"] * 6], [[1, 2, 3, 4, 5, float("nan")]], [[1e9] * 6]),
        *({"size": [120, 160], "counts": [5, 5]}, {"size": [120, 160], "counts": [-5, 19205]}),
        *({"size": [120, 160], "counts": "PPPP"}, {"size": [120, 160], "counts": ""}),
        *({"size": [160, 120], "counts": [19200]}, {"counts": [19200]}, "x", None),
    ],
)
def test_what_is_no_mask_of_its_image_is_named(mask: Any, tmp_path: Path) -> None:
    rows = [ROWS[0] | {"segmentation": mask}, *ROWS[1:]]
    with pytest.raises(AnnotationError, match=r"row 1 \(image 2\): segmentation is"):
        values(tmp_path, rows, "masks")


def test_masks_need_the_size_of_their_images(tmp_path: Path) -> None:
    truth = copy.deepcopy(TRUTH)
    # It has detections and no objects.
    truth["images"][1].pop("height")
    with pytest.raises(AnnotationError, match=r"truth.json: image 2 has no size"):
        values(tmp_path, ROWS, "masks", truth)


def test_objects_without_keypoints_may_be_among_those_that_have_some(tmp_path: Path) -> None:
    truth = copy.deepcopy(TRUTH)
    for category in truth["categories"][1:]:
        category.pop("keypoints")
    rows = copy.deepcopy(ROWS)
    for row in rows:
        if row["category_id"] != 1:
            row.pop("keypoints")
    persons = [row for row in rows if row["category_id"] == 1]
    expected = values(tmp_path, persons, "keypoints", truth)
    assert values(tmp_path, rows, "keypoints", truth) == expected
    rows[0] |= {"category_id": 1, "keypoints": [1, 2]}
    with pytest.raises(AnnotationError, match=r"keypoints is \[1, 2\]"):
        values(tmp_path, rows, "keypoints", truth)


# Beside pycocotools


def by_pycocotools(truth: Path, rows: Path, kind: Kind) -> list[float | None]:
    iou_type = {"box": "bbox", "keypoints": "keypoints", "masks": "segm"}[kind]
    with contextlib.redirect_stdout(io.StringIO()):
        index = COCO(str(truth))
        evaluation = COCOeval(index, index.loadRes(str(rows)), iou_type)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [None if value < 0 else float(value) for value in evaluation.stats]


def renamed(truth: Truth, rows: Rows, field: str, rename: Callable[[Any], Any]) -> None:
    for listed in truth["images" if field == "image_id" else "categories"]:
        listed["id"] = rename(listed["id"])
    for record in [*truth["annotations"], *rows]:
        record[field] = rename(record[field])


def without(records: Rows, *fields: str) -> None:
    for record in records:
        for field in fields:
            record.pop(field, None)


#: What files have, told the truth, an annotation of it, the rows and one of them.
ODDITIES: list[Callable[[Truth, Any, Rows, Any], Any]] = [
    lambda truth, a, rows, row: None,
    lambda truth, a, rows, row: (a["bbox"].__setitem__(0, -50), row["bbox"].__setitem__(1, -30)),
    lambda truth, a, rows, row: (a["bbox"].__setitem__(3, 0), row["bbox"].__setitem__(2, 0)),
    lambda truth, a, rows, row: (a["bbox"].__setitem__(2, -9), row["bbox"].__setitem__(3, -9)),
    lambda truth, a, rows, row: row.update(bbox=[1, 2, 1e9, 1e9]),
    lambda truth, a, rows, row: renamed(truth, rows, "image_id", lambda one: f"frame_{one}"),
    lambda truth, a, rows, row: renamed(truth, rows, "image_id", str),
    lambda truth, a, rows, row: renamed(truth, rows, "image_id", lambda one: int(one) + 10**18),
    lambda truth, a, rows, row: renamed(truth, rows, "category_id", lambda one: f"c{one}"),
    lambda truth, a, rows, row: renamed(truth, rows, "category_id", lambda one: int(one) - 1),
    lambda truth, a, rows, row: a.update(area=0),
    lambda truth, a, rows, row: a.update(area=1e11),
    lambda truth, a, rows, row: a.update(iscrowd=True),
    lambda truth, a, rows, row: a.update(ignore=1),
    lambda truth, a, rows, row: a.update(num_keypoints=0),
    lambda truth, a, rows, row: a.update(segmentation=[[1, 1, 25, 5, 30, 30], [1, 2], []]),
    lambda truth, a, rows, row: a.update(segmentation=[[-500, -100, 1000, 0, 50, 900]]),
    lambda truth, a, rows, row: truth["images"].append(dict(truth["images"][3])),
    lambda truth, a, rows, row: truth["categories"].append(dict(truth["categories"][0])),
    lambda truth, a, rows, row: without(truth["images"], "width", "file_name"),
    lambda truth, a, rows, row: row.update(score=-3.5, category_id=77),
    lambda truth, a, rows, row: row.update(score=1, id=0, extra=[1]),
    lambda truth, a, rows, row: rows.extend(row | {"score": i / 150} for i in range(150)),
    lambda truth, a, rows, row: without(rows, "bbox", "keypoints"),
    lambda truth, a, rows, row: without(rows, "bbox", "segmentation"),
    lambda truth, a, rows, row: without(rows, "keypoints", "segmentation"),
]


def test_numbers_equal_pycocotools_on_files_that_it_can_read(tmp_path: Path) -> None:
    outcomes: Counter[str] = Counter()
    for seed in range(max(40, MUTATIONS // 25)):
        rng = random.Random(seed)
        truth, rows = random_data(seed, images=8, categories=3)
        for change in rng.sample(ODDITIES, rng.choice([1, 2])):
            # Of two oddities the second may find no box to change, or no number.
            with suppress(KeyError, ValueError):
                change(truth, rng.choice(truth["annotations"]), rows, rng.choice(rows))
        kind: Kind = rng.choice(KINDS)
        paths = write(tmp_path / "truth.json", truth), write(tmp_path / "rows.json", rows)
        try:
            numbers = list(values(tmp_path, json.loads(paths[1].read_text()), kind, truth).values())
        except TfzooError:
            outcomes["refused"] += 1
            continue
        outcomes["equal"] += 1
        assert numbers == pytest.approx(by_pycocotools(*paths, kind), abs=1e-6), (seed, kind)
    assert outcomes["equal"] > 3 * outcomes["refused"] / 2
