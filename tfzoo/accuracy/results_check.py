"""Result files: seen through as annotation files are, and joined with these by what ids mean."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from tfzoo.accuracy.fields import Problems, Record, id_of, number_of, numbers, resolve, shown
from tfzoo.accuracy.shapes import check_shapes
from tfzoo.accuracy.truth import FIELDS, GroundTruth, Kind
from tfzoo.accuracy.truth_check import no_size_below_zero
from tfzoo.errors import AnnotationError

_EXPECTED = (
    "\nExpected a list of objects with image_id, category_id, score and bbox, keypoints or "
    "segmentation (https://cocodataset.org/#format-results)"
)


def check_rows(rows: Any, path: Path) -> list[Record]:
    """Sees that something is the rows of a result file; changes what can be put right.

    Raises:
        AnnotationError: Something can't be put right.
    """
    start = f"{path} is no COCO results file: "
    if not isinstance(rows, list):
        raise AnnotationError(f"{start}it is no list{_EXPECTED}")
    problems = Problems()

    def told(rule: str, field: str) -> Callable[[int, Record], None]:
        return lambda index, row: problems.add("rows", rule, _place(index, row), field, row)

    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            told("are no objects of JSON", "it")(index, {"it": row})
            continue
        for field in ("image_id", "category_id"):
            if id_of(row.get(field)) is None:
                told(f"have no {field}", field)(index, row)
        score = row.get("score")
        if not (type(score) is float and -1e100 < score < 1e100):
            number = number_of(score)
            if number is None:
                told("have no score; expected a number", "score")(index, row)
            else:
                row["score"] = number
    if not problems:
        boxed = [(index, row) for index, row in enumerate(rows) if row.get("bbox")]
        rule = "have no box; expected four numbers x, y, width, height, of no size below 0"
        wrong = told(rule, "bbox")
        numbers(
            [row for _, row in boxed],
            "bbox",
            lambda _: 4,
            lambda number, row: wrong(boxed[number][0], row),
            no_size_below_zero,
        )
    problems.end(start, _EXPECTED)
    return rows


def join(rows: list[Record], path: Path, truth: GroundTruth) -> None:
    """Puts the annotations' ids in place of those of a result file that mean the same.

    Raises:
        AnnotationError: A row is of no image that they list; or names a category.
    """
    images = {id_of(identity): identity for identity in truth.images}
    strays = list(resolve(rows, "image_id", images | {own: own for own in truth.images}))
    if strays:
        given = {str(rows[index]["image_id"]): None for index in strays}
        examples = list(given)[:3]
        raise AnnotationError(
            f"{path}: the detections are of {len(given)} images that {truth.path} does not list "
            f"(such as {', '.join(examples)}); expected its image ids"
            f"{_named_like(examples[0], truth)}. Were they made for another split, or numbered "
            "anew?"
        )
    problems = Problems()
    categories = {id_of(identity): identity for identity in truth.categories}
    by_name = {name.casefold(): identity for identity, name in truth.categories.items()}
    for index in resolve(rows, "category_id", categories | {own: own for own in truth.categories}):
        row = rows[index]
        meant = id_of(row["category_id"])
        if not isinstance(meant, str) or any(isinstance(own, str) for own in truth.categories):
            # A model may know more categories; but never by another kind of id.
            continue
        rule = f"have a category_id that is no number, as {truth.path} has"
        near = difflib.get_close_matches(meant.casefold(), by_name, n=1)
        if near:
            rule += f" ('{truth.categories[by_name[near[0]]]}' is {by_name[near[0]]})"
        problems.add("rows", rule, _place(index, row), "category_id", row)
    problems.end(f"{path}: ")


def check_results(rows: list[Record], path: Path, kind: Kind, truth: GroundTruth) -> list[Record]:
    """The rows to score, which all have what one kind of scoring needs.

    Args:
        rows: Rows that were joined with the annotations.
        path: The file, for messages.
        kind: What is to be scored.
        truth: What they are scored against.

    Raises:
        AnnotationError: A row lacks it, or it is none.
    """
    problems = Problems()
    field = FIELDS[kind]

    def wrong(index: int, row: Record) -> None:
        what = {
            "box": "no box; expected four numbers x, y, width, height",
            "keypoints": "keypoints that are not three numbers for each of their category's",
            "masks": "no mask; expected polygons, or run lengths that fill the image",
        }[kind]
        problems.add("rows", f"have {what}", _place(index, row), field, row)

    if kind == "box":
        numbers(rows, field, lambda _: 4, wrong, no_size_below_zero)
    elif kind == "keypoints":
        scored = set(truth.scored(kind))
        # Models give keypoints of persons, beside boxes of all else.
        rows = [row for row in rows if row["category_id"] in scored]
        points = {c["id"]: len(c.get("keypoints", ())) for c in truth.data["categories"]}
        numbers(rows, field, lambda row: 3 * (points[row["category_id"]] or 17), wrong)
    else:
        sizes = {
            identity: (image["height"], image["width"])
            for identity, image in truth.images.items()
            if "height" in image and "width" in image
        }
        for identity in {row["image_id"] for row in rows} - sizes.keys():
            raise AnnotationError(
                f"{truth.path}: image {identity} has no size; masks need width and height"
            )
        check_shapes(rows, sizes, wrong, encoded=True)
    problems.end(f"{path} can't be scored for {kind}: ")
    return rows


def _place(index: int, row: Record) -> str:
    return f"row {index + 1}" + (f" (image {shown(row, 'image_id')})" if "image_id" in row else "")


def _named_like(given: str, truth: GroundTruth) -> str:
    """What id an image has whose name was given in its place."""
    wanted = PurePosixPath(given.replace("\\", "/"))
    for identity, image in truth.images.items():
        name = PurePosixPath(str(image.get("file_name", "")).replace("\\", "/"))
        if name.name and given and wanted.name in (name.name, name.stem):
            return f" ('{given}' is the name of image {identity})"
    near = difflib.get_close_matches(given, [str(one) for one in truth.images][:10_000], n=1)
    return f" (nearest is {near[0]})" if near else ""
