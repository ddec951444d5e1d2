"""Names of categories joined with a model's ids."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.helpers.coco_data import as_truth
from tfzoo.accuracy.category_names import for_results, joined, unknown_warning
from tfzoo.errors import UsageError


def truth(*names: str) -> Any:
    objects = [{"image_id": 1, "category_id": name, "bbox": [0, 0, 1, 1]} for name in names]
    return as_truth(
        {
            "images": [{"id": 1}],
            "annotations": objects,
            "categories": [{"id": name, "name": name} for name in dict.fromkeys(names)],
        }
    )


def test_names_are_joined_however_they_are_written() -> None:
    labels = {1: "person", 67: "dining table", 64: "potted plant", 3: "STRASSE"}
    found = joined(truth("Person", "diningtable", "potted_plant", "potted-plant", "straße"), labels)
    assert [a["category_id"] for a in found.data["annotations"]] == [1, 67, 64, 64, 3]
    assert found.categories.keys() == {1, 67, 64, 3}
    assert found.by_name
    assert unknown_warning(found) is None


def test_results_are_taken_for_cocos_ids_where_there_are_names_alone() -> None:
    assert for_results(truth("cat"), None).categories == {"cat": "cat"}
    names = replace(truth("cat"), by_name=True)
    assert for_results(names, None).categories == {17: "cat"}
    assert for_results(names, {3: "cat"}).categories == {3: "cat"}
    numbered = joined(truth("cat"), {4: "cat"})
    assert for_results(numbered, None).categories == {4: "cat"}


def test_of_two_labels_of_a_name_the_first_is_meant() -> None:
    assert joined(truth("cat"), {5: "Cat", 9: "cat"}).categories == {5: "cat"}


def test_names_that_the_model_has_not_are_told_with_their_count() -> None:
    found = joined(truth("cat", "sofa", "sofa", "aeroplane"), {17: "cat"})
    assert [a["category_id"] for a in found.data["annotations"]] == [17, -2, -2, -1]
    told = unknown_warning(found)
    assert told is not None
    assert "2 of the annotations' 3 categories have no name that the model knows" in told
    assert "3 of 4 objects: sofa 2, aeroplane 1" in told
    assert "--labels" in told


def test_a_category_that_has_but_a_number_is_that_number() -> None:
    data = truth("cat").data
    data["annotations"][0]["category_id"] = data["categories"][0]["id"] = 5
    data["categories"][0]["name"] = "5"
    assert joined(as_truth(data), {5: "dog"}).categories == {5: "5"}
    with pytest.raises(UsageError, match="none of its 1 categories"):
        joined(as_truth(data), {6: "dog"})


def test_annotations_with_ids_below_0_of_their_own_are_left_alone() -> None:
    data = truth("cat").data
    data["annotations"][0]["category_id"] = data["categories"][0]["id"] = -1
    assert unknown_warning(as_truth(data)) is None


def test_annotations_of_other_things_are_refused() -> None:
    with pytest.raises(UsageError, match=r"none of its 1 categories \(cell\).*--labels"):
        joined(truth("cell"), {1: "person"})


def test_names_of_marks_alone_are_told_apart() -> None:
    assert joined(truth("-"), {1: "_", 2: "-"}).categories == {2: "-"}
