"""Category ids counted from elsewhere: looked for before they are excused, with the right AP."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.helpers.coco_data import Rows, Truth, as_truth, random_data, write
from tfzoo.accuracy.evaluate import evaluate_predictions
from tfzoo.accuracy.guard import warnings_for
from tfzoo.detections.labels import COCO

pytestmark = pytest.mark.filterwarnings("ignore::tfzoo.accuracy.evaluate.AccuracyWarning")


def data(categories: int = 4) -> tuple[Truth, Rows]:
    truth, rows = random_data(21, images=40, categories=categories, crowds=0, drawn=False)
    rows[0]["score"] = 1e-6
    return truth, rows


def renumbered(rows: Rows, change: Callable[[int], int]) -> Rows:
    return [row | {"category_id": change(row["category_id"])} for row in rows]


@pytest.mark.parametrize(
    ("of_truth", "of_rows", "said"),
    [
        (lambda i: i - 1, lambda i: i, "annotations count from 0, the detections from 1"),
        (lambda i: i, lambda i: i - 1, "class indices counted from 0"),
        (lambda i: i + 1, lambda i: i, "detections count from 1, the annotations from 2"),
        (lambda i: i, lambda i: i + 1, "annotations count from 1, the detections from 2"),
        (lambda i: 10 * i, lambda i: i - 1, "class indices 0 to 3 in a row"),
        (lambda i: 10 * i, lambda i: i, "ids 1 to 4 in a row"),
    ],
)
def test_a_slip_is_named_with_the_ap_that_would_be(
    of_truth: Callable[[int], int], of_rows: Callable[[int], int], said: str, tmp_path: Path
) -> None:
    truth, rows = data()
    right = evaluate_predictions(
        write(tmp_path / "rows.json", rows), write(tmp_path / "truth.json", truth), resamples=0
    )
    assert right.box is not None and right.box.ap is not None and not right.warnings
    truth["annotations"] = renumbered(truth["annotations"], of_truth)
    for category in truth["categories"]:
        category["id"] = of_truth(category["id"])
    slipped = evaluate_predictions(
        write(tmp_path / "rows.json", renumbered(rows, of_rows)),
        write(tmp_path / "truth.json", truth),
        resamples=0,
    )
    (warning,) = slipped.warnings
    assert said in warning and "no mistake" not in warning
    assert slipped.box is not None and slipped.box.ap is not None
    told = f"With it undone AP is {100 * right.box.ap:.1f} instead of {100 * slipped.box.ap:.1f}."
    assert warning.endswith(told)


def test_cocos_ids_against_80_in_a_row_are_named() -> None:
    truth, rows = data()
    index = dict(enumerate(COCO))
    truth["categories"] = [{"id": i, "name": name} for i, name in enumerate(COCO.values())]
    rows = renumbered(rows, lambda i: index[15 * i])
    truth["annotations"] = renumbered(truth["annotations"], lambda i: 15 * i)
    warning = warnings_for(as_truth(truth), rows)[0]
    assert "COCO's ids 1 to 90 with gaps instead of 0 to 79 in a row" in warning


def ap_with(meant: Mapping[int | str, int | str]) -> float:
    return 0.5 if meant else 0.25


@pytest.mark.parametrize("as_text", [False, True])
def test_equal_names_under_other_ids_are_named(as_text: bool) -> None:
    truth, rows = data()
    labels = {i: f"Category {i}" for i in range(1, 5)}
    assert warnings_for(as_truth(truth), rows, labels, ap_with) == []
    other = copy.deepcopy(truth)
    for record in [*other["categories"]]:
        record["id"] = f"c{record['id']}" if as_text else 5 - record["id"]
    for record in other["annotations"]:
        own = record["category_id"]
        record["category_id"] = f"c{own}" if as_text else 5 - own
    (warning,) = warnings_for(as_truth(other), rows, labels, ap_with)
    assert "the model's category names under other ids" in warning
    assert warning.endswith("With it undone AP is 50.0 instead of 25.0.")
    bare = warnings_for(as_truth(other), rows)
    if as_text:
        assert "ids of another kind than the detections" in bare[0]


def test_a_part_of_a_models_categories_is_still_no_mistake() -> None:
    truth, rows = data()
    truth["categories"] = truth["categories"][:2]
    truth["annotations"] = [a for a in truth["annotations"] if a["category_id"] < 3]
    (warning,) = warnings_for(as_truth(truth), rows)
    assert "lists 2 categories only" in warning and "no mistake" in warning
