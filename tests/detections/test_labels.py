"""COCO's own labels, as COCO publishes them."""

import json
import os
from pathlib import Path

import pytest

from tests.helpers.paths import DATA
from tfzoo.detections.labels import COCO, KEYPOINTS, SKELETON, category_ids, category_name

#: The categories of COCO's instances_val2017.json, and the person of person_keypoints_val2017.json.
PUBLISHED = json.loads((DATA / "coco_categories.json").read_text())


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


def test_a_space_may_be_written_as_an_underscore_where_no_category_is_called_so() -> None:
    labels = {1: "traffic light", 2: "stop_sign", 3: "stop sign"}
    assert category_ids(["traffic_light", "Traffic Light"], labels) == (1,)
    assert category_ids(["stop_sign"], labels) == (2,)
    assert category_ids(["stop sign"], labels) == (3,)
