"""Annotation files as people have them: put right where it is exact, else named."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.coco_data import Truth, random_data, write
from tfzoo.accuracy.coco import read_ground_truth
from tfzoo.accuracy.metrics import score
from tfzoo.accuracy.truth import Kind
from tfzoo.accuracy.truth_check import check_kind
from tfzoo.errors import AnnotationError

TRUTH, ROWS = random_data(31, images=8)


def changed(change: Callable[[Truth], Any]) -> Truth:
    truth = copy.deepcopy(TRUTH)
    change(truth)
    return truth


def first(field: str, value: Any) -> Callable[[Truth], Any]:
    return lambda truth: truth["annotations"][0].update({field: value})


def every(field: str, change: Callable[[Any], Any]) -> Callable[[Truth], Any]:
    def all_of(truth: Truth) -> None:
        for annotation in truth["annotations"]:
            annotation[field] = change(annotation[field])

    return all_of


def values(truth: Truth, path: Path, kind: Kind = "box") -> dict[str, float | None]:
    read = read_ground_truth(write(path, truth))
    check_kind(read, kind)
    return score(read, copy.deepcopy(ROWS), kind, resamples=0).values


@pytest.mark.parametrize("kind", ["box", "keypoints", "masks"])
@pytest.mark.parametrize(
    "change",
    [
        every("bbox", lambda box: [str(number) for number in box]),
        every("area", str),
        every("category_id", str),
        every("image_id", lambda one: f" {one} ".strip()),
        every("image_id", float),
        every("id", lambda one: f"object {one}"),
        every("iscrowd", bool),
        every("iscrowd", lambda crowd: crowd or None),
        every("iscrowd", str),
        every("keypoints", lambda points: list(map(str, points))),
        every("num_keypoints", str),
        lambda truth: [image.update(width="160", height=120.0) for image in truth["images"]],
        lambda truth: truth["images"].append(dict(truth["images"][2])),
        lambda truth: truth["categories"].append(dict(truth["categories"][0])),
        lambda truth: [a.pop("num_keypoints") for a in truth["annotations"]],
        lambda truth: [a.pop("id") for a in truth["annotations"]],
    ],
)
def test_what_is_exact_is_put_right(
    kind: Kind, change: Callable[[Truth], Any], tmp_path: Path
) -> None:
    expected = values(TRUTH, tmp_path / "as_is.json", kind)
    assert values(changed(change), tmp_path / "truth.json", kind) == expected


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (first("bbox", [1, 2, float("nan"), 4]), r"annotation 1: bbox is \[1, 2, NaN, 4\]"),
        (first("bbox", [1, 2, -3, 4]), r"bbox is \[1, 2, -3, 4\]"),
        (first("bbox", [1, 2, 3]), r"bbox is \[1, 2, 3\]"),
        (first("bbox", [1, 2, 3, 10**400]), "bbox is"),
        (first("bbox", ["1", "2", "3", "4,5"]), "bbox is"),
        (first("bbox", None), "bbox is null"),
        (lambda truth: truth["annotations"][1].pop("bbox"), "annotation 2: bbox is missing"),
        (first("area", "large"), 'annotation 1: area is "large"'),
        (first("area", -1), "area is -1"),
        (first("area", float("inf")), "area is Infinity"),
        (first("iscrowd", "maybe"), 'iscrowd is "maybe"'),
        (first("image_id", 99), "of images that the file does not list; .*\n.*image_id is 99"),
        (first("image_id", [1]), r"image_id is \[1\]"),
        (first("category_id", 999), "does not list\n  annotation 1: category_id is 999"),
        (first("category_id", None), "category_id is null"),
        (first("id", 2), "annotation 2: id is 2"),
        (lambda truth: truth["annotations"].insert(0, 5), "number 1: it is 5"),
        (lambda truth: truth["images"][0].update(id=None), "image number 1: id is null"),
        (lambda truth: truth["images"][0].update(id=2), r"image number 2 \(0002.jpg\): id is 2"),
        (lambda truth: truth["images"][0].update(width="wide"), 'image 1: width is "wide"'),
        (lambda truth: truth["images"][0].update(width=-2), "image 1: width is -2"),
        (lambda truth: truth["images"][0].update(width=10**400), "image 1: width is 1000"),
        (lambda truth: truth["images"][0].update(file_name=7), "image 1: file_name is 7"),
        (lambda truth: truth["images"][0].update(file_name="\ud800"), "file_name is"),
        (lambda truth: truth["categories"][0].update(id=2), "category number 2"),
        (lambda truth: truth["categories"][0].update(name=["x"]), r'name is \["x"\]'),
    ],
)
def test_all_else_is_named_with_file_id_field_and_value(
    change: Callable[[Truth], Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(AnnotationError, match=said) as error:
        values(changed(change), tmp_path / "truth.json")
    assert "truth.json" in str(error.value)


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("masks", first("segmentation", []), r"annotation 1: segmentation is \[\]"),
        ("masks", first("segmentation", [[1, 2, 3, 4]]), "segmentation is"),
        ("masks", lambda truth: truth["images"][0].pop("width"), "image 1: width is missing"),
        ("keypoints", first("keypoints", [1, 2, 2]), r"keypoints is \[1, 2, 2\]"),
        ("keypoints", first("keypoints", [float("nan")] * 51), "keypoints is"),
        ("keypoints", first("num_keypoints", "many"), 'num_keypoints is "many"'),
        ("keypoints", lambda truth: truth["categories"][0].update(sigmas=[1]), r"sigmas is \[1\]"),
        ("keypoints", lambda truth: truth["categories"][0].update(keypoints=3), "keypoints is 3"),
    ],
)
def test_a_kind_asks_for_what_it_needs_alone(
    kind: Kind, change: Callable[[Truth], Any], said: str, tmp_path: Path
) -> None:
    truth = changed(change)
    with pytest.raises(AnnotationError, match=said):
        values(truth, tmp_path / "truth.json", kind)
    if "categories" not in said and kind == "masks":
        assert values(truth, tmp_path / "truth.json") == values(TRUTH, tmp_path / "as_is.json")


def test_ten_are_shown_and_the_rest_counted(tmp_path: Path) -> None:
    truth = changed(every("bbox", lambda box: "box"))
    count = len(truth["annotations"])
    with pytest.raises(AnnotationError) as error:
        values(truth, tmp_path / "truth.json")
    lines = str(error.value).splitlines()
    assert lines[0].endswith("with sizes of 0 or more") and f"{count} annotations" in lines[0]
    assert lines[1] == '  annotation 1: bbox is "box"'
    assert len(lines) == 12 and lines[-1] == f"  ... and {count - 10} more"


def test_texts_are_ids_and_given_back_as_they_were(tmp_path: Path) -> None:
    def named(truth: Truth) -> None:
        for image in truth["images"]:
            image["id"] = f"frame_{image['id']:05}"
        for annotation in truth["annotations"]:
            annotation["image_id"] = f"frame_{annotation['image_id']:05}"
            annotation["category_id"] = f"c{annotation['category_id']}"
        for category in truth["categories"]:
            category["id"] = f"c{category['id']}"

    truth = read_ground_truth(write(tmp_path / "truth.json", changed(named)))
    assert list(truth.images)[:2] == ["frame_00001", "frame_00002"]
    rows = [
        row | {"image_id": f"frame_{row['image_id']:05}", "category_id": f"c{row['category_id']}"}
        for row in ROWS
    ]
    for kind in ("box", "keypoints", "masks"):
        expected = values(TRUTH, tmp_path / "as_is.json", kind)
        assert score(truth, rows, kind, resamples=0).values == expected


def test_ids_too_large_for_the_evaluators_are_scored(tmp_path: Path) -> None:
    def large(truth: Truth) -> None:
        for entry in truth["images"]:
            entry["id"] += 10**18
        for entry in truth["annotations"]:
            entry["image_id"] += 10**18

    truth = read_ground_truth(write(tmp_path / "truth.json", changed(large)))
    rows = [row | {"image_id": row["image_id"] + 10**18} for row in ROWS]
    assert score(truth, rows, "box").values == values(TRUTH, tmp_path / "as_is.json")


@pytest.mark.parametrize(
    ("kind", "field", "at"),
    [("box", "bbox", 0), ("box", "area", None), ("keypoints", "keypoints", 0)],
)
def test_whole_numbers_of_thirty_digits_are_numbers(
    kind: Kind, field: str, at: int | None, tmp_path: Path
) -> None:
    def far(number: float) -> Truth:
        truth = copy.deepcopy(TRUTH)
        for annotation in truth["annotations"]:
            if at is None:
                annotation[field] = number
            else:
                annotation[field][at] = number
        return truth

    whole = values(far(10**30), tmp_path / "whole.json", kind)
    assert whole == values(far(1e30), tmp_path / "float.json", kind)


def test_categories_of_one_name_are_told_apart(tmp_path: Path) -> None:
    def alike(truth: Truth) -> None:
        truth["categories"][0]["name"] = truth["categories"][1]["name"]
        del truth["categories"][2]["name"]

    truth = read_ground_truth(write(tmp_path / "truth.json", changed(alike)))
    names = list(score(truth, ROWS, "box", resamples=0).per_class)
    assert names == ["category 2 (id 1)", "category 2 (id 2)", "3", "category 4"]


def test_images_without_a_file_name_are_known_by_their_address(tmp_path: Path) -> None:
    def addressed(truth: Truth) -> None:
        for image in truth["images"]:
            name = image.pop("file_name")
            image["coco_url"] = f"http://images.cocodataset.org/val2017/{name}"
        truth["images"][1].pop("coco_url")

    truth = read_ground_truth(write(tmp_path / "truth.json", changed(addressed)))
    assert truth.images[1]["file_name"] == "val2017/0001.jpg"
    assert "file_name" not in truth.images[2]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[" * 100_000, "too deep"),
        (b'{"images": [' + b"9" * 5000 + b"]}", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    ],
)
def test_what_is_no_json_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "truth.json").write_bytes(content)
    with pytest.raises(AnnotationError, match=said):
        read_ground_truth(tmp_path / "truth.json")


def test_seeing_through_takes_a_few_times_what_reading_takes(tmp_path: Path) -> None:
    truth = copy.deepcopy(TRUTH)
    truth["annotations"] = [
        a | {"id": i}
        for i, a in enumerate(truth["annotations"] * (20_000 // len(truth["annotations"])))
    ]
    path = write(tmp_path / "truth.json", truth)

    def seconds(act: Callable[[], Any]) -> float:
        began = time.process_time()
        act()
        return time.process_time() - began

    reading = min(seconds(lambda: json.loads(path.read_bytes())) for _ in range(2))
    both = min(seconds(lambda: check_kind(read_ground_truth(path), "box")) for _ in range(2))
    # It is about twice; a look at each of all for each of all would be a thousand times.
    assert both < 20 * reading
