"""Which categories are taken for which, by the rule that the report states."""

from typing import Any

from tests.helpers.coco_data import Rows, as_truth, random_data
from tfzoo.accuracy.bootstrap import matches_of
from tfzoo.accuracy.metrics import run_evaluation
from tfzoo.explain.boxes import in_columns
from tfzoo.explain.confusion import Confusion, confusion_matrix


def confused(truth: dict[str, Any], rows: Rows, min_score: float = 0.0) -> Confusion:
    read = as_truth(truth)
    columns = in_columns(read, rows), in_columns(read, truth["annotations"])
    return confusion_matrix(*columns, len(truth["categories"]), min_score)


def truth_of(*objects: tuple[int, list[int], int]) -> dict[str, Any]:
    return {
        "images": [{"id": 7, "file_name": "7.jpg", "width": 100, "height": 100}],
        "categories": [{"id": 3, "name": "cat"}, {"id": 8, "name": "dog"}],
        "annotations": [
            {"id": i, "image_id": 7, "category_id": category, "bbox": box, "iscrowd": crowd}
            for i, (category, box, crowd) in enumerate(objects, start=1)
        ],
    }


def row(category: int, box: list[int], score: float) -> dict[str, Any]:
    return {"image_id": 7, "category_id": category, "bbox": box, "score": score}


def test_its_own_category_comes_first_then_others_then_the_background() -> None:
    here, there = [0, 0, 40, 40], [50, 50, 40, 40]
    truth = truth_of((3, here, 0), (8, there, 0), (3, [0, 60, 20, 20], 0))
    rows = [
        row(8, here, 0.95),  # The cat is another's: of nothing that is left.
        row(3, here, 0.9),
        row(3, there, 0.8),
        row(8, [60, 0, 20, 20], 0.7),
        row(8, there, 0.1),
    ]
    found = confused(truth, rows, min_score=0.5)
    assert found.counts.tolist() == [[1, 0, 1], [1, 0, 0], [0, 2, 0]]
    assert found.images == {(0, 2): 0, (1, 0): 0, (2, 1): 0}
    # With the last, the dog is found, and the cat there is of nothing.
    assert confused(truth, rows).counts.tolist() == [[1, 0, 1], [0, 1, 0], [1, 2, 0]]


def test_crowds_are_no_objects_and_what_lies_on_them_counts_for_nothing() -> None:
    truth = truth_of((3, [0, 0, 90, 90], 1))
    rows = [row(3, [10, 10, 9, 9], 0.9), row(8, [10, 10, 9, 9], 0.9)]
    assert confused(truth, rows).counts.tolist() == [[0, 0, 0], [0, 0, 0], [0, 1, 0]]


def test_the_diagonal_is_what_the_evaluation_finds_and_each_object_is_in_one_row() -> None:
    truth, rows = random_data(73, images=40, drawn=False)
    counts = confused(truth, rows).counts
    matches = matches_of(run_evaluation(as_truth(truth), rows, "box"))
    assert counts.diagonal()[:-1].tolist() == [int(one.positive[0].sum()) for one in matches]
    assert counts[:-1].sum(axis=1).tolist() == [int(one.objects.sum()) for one in matches]
    assert counts[-1, -1] == 0 and counts[:-1, :-1].sum() > counts.diagonal().sum()
