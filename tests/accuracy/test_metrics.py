"""The numbers: equal to pycocotools', to the official evaluator's, and to what is known."""

from __future__ import annotations

import contextlib
import copy
import gc
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tests.helpers.coco_data import Rows, Truth, as_truth, ellipse, random_data
from tfzoo.accuracy import metrics
from tfzoo.accuracy.coco import read_ground_truth
from tfzoo.accuracy.metrics import EVALUATORS, METRICS, evaluator_version, require, score
from tfzoo.accuracy.settings import Evaluator
from tfzoo.accuracy.truth import Kind
from tfzoo.errors import AnnotationError, MeasurementError, UsageError

# Said by pycocotools of numpy 2 at each mask it decodes.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

FIELDS: dict[Kind, tuple[str, str]] = {
    "box": ("bbox", "bbox"),
    "keypoints": ("keypoints", "keypoints"),
    "masks": ("segm", "segmentation"),
}
DATA = os.environ.get("TFZOO_TEST_DATA")
needs_data = pytest.mark.skipif(DATA is None, reason="needs the images in TFZOO_TEST_DATA")


def by_pycocotools(truth: Truth, rows: Rows, kind: Kind) -> dict[str, float | None]:
    """COCO's own tools as their demo runs them, on results of one kind."""
    iou_type, field = FIELDS[kind]
    with contextlib.redirect_stdout(io.StringIO()):
        index = COCO()
        index.dataset = copy.deepcopy(truth)
        index.createIndex()
        kept = ("image_id", "category_id", "score", field)
        results = index.loadRes([{key: row[key] for key in kept} for row in rows])
        evaluation = COCOeval(index, results, iou_type)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    values = [None if value < 0 else float(value) for value in evaluation.stats]
    return dict(zip(METRICS[kind], values, strict=True))


def assert_close(values: dict[str, float | None], expected: dict[str, float | None]) -> None:
    assert values.keys() == expected.keys()
    for name, value in expected.items():
        if value is None:
            assert values[name] is None, name
        else:
            assert values[name] == pytest.approx(value, abs=1e-6), name


@pytest.mark.parametrize("evaluator", ["faster-coco-eval", "pycocotools"])
def test_more_detections_than_a_hundred_count_where_told(evaluator: Evaluator) -> None:
    truth, rows = random_data(5, drawn=False)
    worst = min(row["score"] for row in rows)
    # In front of all that was found: a hundred boxes of nothing in each image.
    nothing = [
        row | {"bbox": [0.0, 0.0, 1.0, 1.0], "score": row["score"] + 1}
        for row in (
            {"score": worst, "image_id": i, "category_id": c}
            for i in range(1, 31)
            for c in range(1, 5)
        )
        for _ in range(100)
    ]
    scored = [
        score(as_truth(truth), [*nothing, *rows], "box", evaluator=evaluator, most=most)
        for most in (100, 300)
    ]
    assert scored[0].values["AR100"] == 0 and "AR300" not in scored[0].values
    alone = score(as_truth(truth), rows, "box")
    assert scored[1].values["AR300"] == pytest.approx(alone.values["AR100"])
    assert "AR100" not in scored[1].values
    assert 0 < scored[1].ap < alone.ap
    assert scored[1].interval is not None and scored[1].interval.high > 0


@pytest.mark.parametrize("kind", ["box", "keypoints", "masks"])
@pytest.mark.parametrize("seed", [1, 2])
def test_numbers_equal_pycocotools_on_random_data(kind: Kind, seed: int) -> None:
    truth, rows = random_data(seed)
    # What makes data hard: crowds, ties, images without objects and without detections.
    assert any(annotation["iscrowd"] for annotation in truth["annotations"])
    assert len({row["score"] for row in rows}) < len(rows) / 5
    assert {image["id"] for image in truth["images"]} - {row["image_id"] for row in rows}
    measured = score(as_truth(truth), rows, kind)
    expected = by_pycocotools(truth, rows, kind)
    assert 0.05 < (expected["AP"] or 0) < 0.9
    assert_close(measured.values, expected)


@pytest.mark.parametrize("kind", ["box", "keypoints", "masks"])
def test_pycocotools_itself_can_be_asked_for(kind: Kind) -> None:
    truth, rows = random_data(3, images=15)
    measured = score(as_truth(truth), rows, kind, evaluator="pycocotools")
    faster = score(as_truth(truth), rows, kind)
    assert_close(measured.values, by_pycocotools(truth, rows, kind))
    assert_close(faster.per_class, measured.per_class)
    assert faster.interval == measured.interval


@pytest.mark.parametrize("kind", ["box", "masks"])
def test_numbers_equal_the_official_evaluators(kind: Kind) -> None:
    truth, rows = random_data(4, images=12)
    official = score(as_truth(truth), rows, kind, evaluator="official")
    assert_close(official.values, score(as_truth(truth), rows, kind).values)


def test_an_image_without_detections_counts_for_the_official_evaluator_too() -> None:
    truth, rows = random_data(5, images=12, crowds=0)
    rows = [row for row in rows if row["image_id"] > 4]
    official = score(as_truth(truth), rows, "box", evaluator="official").values
    assert_close(official, by_pycocotools(truth, rows, "box"))
    seen = as_truth(truth).subset({row["image_id"] for row in rows})
    assert official["AR100"] != pytest.approx(score(seen, rows, "box").values["AR100"], abs=1e-3)


@needs_data
def test_numbers_equal_pycocotools_on_real_annotations() -> None:
    folder = Path(DATA or "") / "coco_val_mini"
    rng = np.random.default_rng(0)
    truth = read_ground_truth(folder / "instances.json")
    people = read_ground_truth(folder / "person_keypoints.json")
    for kind, source in (("box", truth), ("masks", truth), ("keypoints", people)):
        rows = shaken(rng, source.data)
        expected = by_pycocotools(source.data, rows, kind)
        assert 0.1 < (expected["AP"] or 0) < 0.99
        assert_close(score(source, rows, kind).values, expected)


def shaken(rng: np.random.Generator, truth: Truth) -> Rows:
    """Detections made of annotations: moved, doubled, left out, of the wrong category."""
    index = COCO()
    with contextlib.redirect_stdout(io.StringIO()):
        index.dataset = copy.deepcopy(truth)
        index.createIndex()
    categories = [category["id"] for category in truth["categories"]]
    rows: Rows = []
    for annotation in truth["annotations"]:
        for _ in range(rng.integers(0, 3)):
            shift = int(rng.integers(0, 6))
            x, y, width, height = annotation["bbox"]
            mask = np.roll(index.annToMask(annotation), shift, axis=1)
            encoded = coco_mask.encode(np.asfortranarray(mask))
            row: dict[str, Any] = {
                "image_id": annotation["image_id"],
                "category_id": int(rng.choice(categories))
                if rng.random() < 0.1
                else annotation["category_id"],
                "score": float(round(rng.random(), 2)),
                "bbox": [x + shift, y, width, height],
                "segmentation": {"size": encoded["size"], "counts": encoded["counts"].decode()},
            }
            if "keypoints" in annotation:
                row["keypoints"] = [value + shift for value in annotation["keypoints"]]
            rows.append(row)
    return rows


def one_object(kind: Kind) -> tuple[Truth, Rows]:
    truth, _ = random_data(0, images=2, categories=1)
    box = (20.0, 20.0, 60.0, 40.0)
    along = [value for k in range(17) for value in (20 + 3 * k, 20 + 2 * k, 2)]
    fields = {"bbox": list(box), "segmentation": ellipse(*box), "keypoints": along}
    truth["annotations"] = [
        {
            **fields,
            "id": i,
            "image_id": i,
            "category_id": 1,
            "area": 1884.0,
            "iscrowd": 0,
            "num_keypoints": 17,
        }
        for i in (1, 2)
    ]
    return truth, [{**fields, "image_id": i, "category_id": 1, "score": 0.9} for i in (1, 2)]


@pytest.mark.parametrize("kind", ["box", "keypoints", "masks"])
def test_perfect_detections_score_one_and_half_of_them_a_half(kind: Kind) -> None:
    truth, rows = one_object(kind)
    perfect = score(as_truth(truth), rows, kind)
    assert perfect.ap == pytest.approx(1.0)
    assert perfect.values["APm"] == pytest.approx(1.0)
    assert perfect.values["APl"] is None
    assert perfect.per_class == {"category 1": pytest.approx(1.0)}
    # One of two objects found: precision 1 up to recall 0.5, which is 51 of 101 points.
    assert score(as_truth(truth), rows[:1], kind).ap == pytest.approx(51 / 101)
    # A better-scored miss in the first image: precision 1/2, then 2/3.
    field = FIELDS[kind][1]
    elsewhere = {**rows[0], "score": 0.95, "bbox": [100, 80, 20, 20]}
    elsewhere["segmentation"] = ellipse(100, 80, 20, 20)
    elsewhere["keypoints"] = [value + 60 for value in rows[0]["keypoints"]]
    assert rows[0][field] != elsewhere[field]
    assert score(as_truth(truth), [elsewhere, *rows], kind).ap == pytest.approx(2 / 3)


def test_no_detections_at_all_score_zero() -> None:
    truth, _ = random_data(6, images=5)
    measured = score(as_truth(truth), [], "box")
    assert measured.ap == 0.0
    assert measured.interval is not None
    assert (measured.interval.low, measured.interval.high) == (0.0, 0.0)


def test_what_was_given_is_not_changed() -> None:
    truth, rows = random_data(7, images=5)
    before = json.dumps([truth, rows])
    for kind in FIELDS:
        score(as_truth(truth), rows, kind)
    assert json.dumps([truth, rows]) == before


def test_keypoints_are_refused_by_the_official_evaluator_with_the_reason() -> None:
    truth, rows = one_object("keypoints")
    with pytest.raises(UsageError, match=r"keypoints.*pycocotools does not have"):
        score(as_truth(truth), rows, "keypoints", evaluator="official")


def test_detections_of_other_images_are_refused() -> None:
    truth, rows = one_object("box")
    with pytest.raises(AnnotationError, match=r"1 images that truth.json does not list .such as 9"):
        score(as_truth(truth), [{**rows[0], "image_id": 9}], "box")


def test_three_of_many_images_that_are_not_listed_are_shown() -> None:
    truth, rows = one_object("box")
    strays = [{**rows[0], "image_id": i} for i in (14, 12, 11, 13)]
    with pytest.raises(AnnotationError, match=r"4 images .* .such as 11, 12, 13.;"):
        score(as_truth(truth), strays, "box")


def test_an_evaluator_that_is_unknown_or_not_installed_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(UsageError, match="evaluators are faster-coco-eval, pycocotools, official"):
        require("mine")  # type: ignore[arg-type]
    for evaluator in EVALUATORS:
        require(evaluator)
        assert evaluator_version(evaluator).split()[1][0].isdigit()
    assert evaluator_version("official").startswith("tf-models-official ")
    monkeypatch.setattr(metrics, "find_spec", lambda module: None)
    with pytest.raises(MeasurementError, match=r"not installed: pip install 'tfzoo\[official\]'"):
        require("official")


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_is_left_as_it_was(enabled: bool) -> None:
    truth, rows = one_object("box")
    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        score(as_truth(truth), rows, "box", resamples=0)
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()


def test_nothing_is_printed_while_scoring(capsys: pytest.CaptureFixture[str]) -> None:
    truth, rows = one_object("box")
    score(as_truth(truth), rows, "box", resamples=0)
    assert capsys.readouterr().out == ""


def test_a_category_without_objects_has_no_ap_and_one_never_found_has_zero() -> None:
    truth, rows = one_object("box")
    truth["categories"] += [{"id": 2, "name": "absent"}, {"id": 3, "name": "missed"}]
    truth["annotations"].append({**truth["annotations"][0], "id": 3, "category_id": 3})
    per_class = score(as_truth(truth), rows, "box", resamples=0).per_class
    assert per_class == {"category 1": pytest.approx(1.0), "absent": None, "missed": 0.0}


def test_categories_with_keypoints_are_scored_alone_and_all_where_none_says_so() -> None:
    truth, rows = one_object("keypoints")
    truth["categories"].append({"id": 2, "name": "dog"})
    assert set(score(as_truth(truth), rows, "keypoints").per_class) == {"category 1"}
    truth["categories"] = [{"id": 1, "name": "person"}, {"id": 2, "name": "dog"}]
    assert set(score(as_truth(truth), rows, "keypoints").per_class) == {"person", "dog"}
    assert set(score(as_truth(truth), rows, "box").per_class) == {"person", "dog"}


def test_json_has_the_interval_as_a_pair_or_none() -> None:
    truth, rows = random_data(9, images=6, drawn=False)
    found = score(as_truth(truth), rows, "box")
    assert found.interval is not None
    value = found.to_json()
    assert value["AP_interval"] == [found.interval.low, found.interval.high]
    assert value["AP50"] == found.values["AP50"] and value["per_class"] == found.per_class
    bare = score(as_truth(truth), rows, "box", resamples=0).to_json()
    assert bare["AP_interval"] is None


def test_annotations_without_masks_can_not_score_masks() -> None:
    truth, rows = random_data(8, images=3, drawn=False)
    with pytest.raises(UsageError, match="holds no masks to score against; it holds box"):
        score(as_truth(truth), rows, "masks")


def test_keypoints_that_are_not_cocos_need_constants_of_their_own() -> None:
    truth, rows = one_object("keypoints")
    for annotation in truth["annotations"]:
        annotation["keypoints"] = annotation["keypoints"][:12]
        annotation["num_keypoints"] = 4
    for row in rows:
        row["keypoints"] = row["keypoints"][:12]
    truth["categories"][0]["keypoints"] = ["a", "b", "c", "d"]
    with pytest.raises(UsageError, match=r"has 4 keypoints.*sigmas"):
        score(as_truth(truth), rows, "keypoints")
    truth["categories"][0]["sigmas"] = [0.05] * 4
    assert score(as_truth(truth), rows, "keypoints").ap == pytest.approx(1.0)
    # Constants matter: what is off by a lot still counts when they are large.
    off = [{**row, "keypoints": [value + 9 for value in row["keypoints"]]} for row in rows]
    strict = score(as_truth(truth), off, "keypoints").ap
    truth["categories"][0]["sigmas"] = [1.0] * 4
    assert strict == 0 and score(as_truth(truth), off, "keypoints").ap == pytest.approx(1.0)
