"""COCO's own labels, and those of fine-tuned models: label maps, text files, lists."""

import json
import os
from pathlib import Path

import pytest

from tests.helpers.paths import DATA
from tfzoo.detections.label_files import read_labels
from tfzoo.detections.labels import COCO, KEYPOINTS, SKELETON, category_name
from tfzoo.errors import UsageError

#: The categories of COCO's instances_val2017.json, and the person of person_keypoints_val2017.json.
PUBLISHED = json.loads((DATA / "coco_categories.json").read_text())

LABEL_MAP = """
# Written by hand.
item {
  id: 1
  name: 'cat'
}
item { name: "/m/01g317" id: 120 display_name: "person, {seated}" }
item{
  name:"o'clock"
  id:3
}
"""


def test_ids_names_and_person_are_those_that_coco_publishes() -> None:
    assert dict(COCO) == {c["id"]: c["name"] for c in PUBLISHED["categories"]}
    assert list(KEYPOINTS) == PUBLISHED["keypoints"]
    # COCO counts keypoints from 1.
    assert [[a + 1, b + 1] for a, b in SKELETON] == PUBLISHED["skeleton"]


@pytest.mark.skipif("TFZOO_TEST_DATA" not in os.environ, reason="TFZOO_TEST_DATA is not set")
def test_what_coco_publishes_is_in_its_files() -> None:
    folder = Path(os.environ["TFZOO_TEST_DATA"], "coco_val_mini")
    categories = json.loads((folder / "instances.json").read_text())["categories"]
    assert [{"id": c["id"], "name": c["name"]} for c in categories] == PUBLISHED["categories"]
    (person,) = json.loads((folder / "person_keypoints.json").read_text())["categories"]
    assert person["keypoints"] == PUBLISHED["keypoints"]
    assert person["skeleton"] == PUBLISHED["skeleton"]


def test_an_id_without_a_name_is_told_by_its_number() -> None:
    assert category_name(COCO, 90) == "toothbrush"
    assert category_name(COCO, 91) == "class 91"


def test_a_label_map_gives_its_own_ids_and_display_names(tmp_path: Path) -> None:
    (tmp_path / "label_map.pbtxt").write_text(LABEL_MAP)
    labels = read_labels(tmp_path / "label_map.pbtxt")
    assert labels == {1: "cat", 120: "person, {seated}", 3: "o'clock"}


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("cat\ndog\n\n", {1: "cat", 2: "dog"}),
        ("# mine\ncat\nred fox\n", {1: "cat", 2: "red fox"}),
        ("91 cat\n200: red fox\n", {91: "cat", 200: "red fox"}),
        ("1,cat\n7,dog\n", {1: "cat", 7: "dog"}),
        ("\ufeffcat\r\ndog\r\n", {1: "cat", 2: "dog"}),
        ("7up can\ncola can\n", {1: "7up can", 2: "cola can"}),
    ],
)
def test_a_text_file_gives_a_name_a_line(tmp_path: Path, text: str, labels: dict[int, str]) -> None:
    (tmp_path / "labels.txt").write_text(text, encoding="utf-8")
    assert read_labels(tmp_path / "labels.txt") == labels


def test_a_list_is_numbered_from_one() -> None:
    assert read_labels("cat, red fox") == {1: "cat", 2: "red fox"}


@pytest.mark.parametrize("text", ["", "# nothing\n", "item { name: 'cat' }"])
def test_a_file_without_labels_is_refused_with_the_forms_that_work(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "labels.txt").write_text(text)
    with pytest.raises(UsageError, match=r"Expected a label_map\.pbtxt"):
        read_labels(tmp_path / "labels.txt")


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_labels("nowhere.pbtxt")
