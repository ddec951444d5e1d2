"""Annotation files: seen through and put right before anything is detected.

What is exactly one number or id is made that; all else is named, by file, id, field and value.
Columns are looked at whole, a row at a time only where something is odd: a million annotations
take a fraction of the time that their JSON does.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tfzoo.accuracy.columns import no_size_below_zero, numbers
from tfzoo.accuracy.fields import (
    EXACT,
    Id,
    Problems,
    Record,
    id_of,
    is_text,
    number_of,
    resolve,
    shown,
    whole_of,
)
from tfzoo.accuracy.shapes import check_shapes
from tfzoo.accuracy.truth import GroundTruth, Kind

#: Images larger than this have no run lengths: their pixels are counted in 32 bits.
_LONGEST = 2**16 - 1

#: No image has a longer side than a file format can say: it is another number.
_LARGEST = 2**32 - 1


def check_truth(data: dict[str, Any], path: Path) -> None:
    """Sees through what all kinds of scoring need; changes what can be put right.

    Args:
        data: With the lists `images`, `annotations` and `categories`.
        path: The file, for messages.

    Raises:
        AnnotationError: Something can't be put right.
    """
    problems = Problems()
    records = {
        name: _records(data[name], name, problems)
        for name in ("images", "annotations", "categories")
    }
    problems.end(f"{path}: ")
    data.update(records)
    images = _listed(data, "images", "image", ("file_name",), problems)
    for image in data["images"]:
        _check_image(image, problems)
    categories = _listed(data, "categories", "category", ("name",), problems)
    for category in data["categories"]:
        _check_category(category, problems)
    _check_annotations(data["annotations"], images, categories, problems)
    problems.end(f"{path}: ")


def _records(values: list[Any], name: str, problems: Problems) -> list[Record]:
    if set(map(type, values)) <= {dict}:
        return values
    for index, value in enumerate(values):
        if not isinstance(value, dict):
            rule = "are no objects of JSON"
            problems.add(name, rule, f"number {index + 1}", "it", {"it": value})
    return []


def _listed(
    data: dict[str, Any], name: str, one: str, same: tuple[str, ...], problems: Problems
) -> dict[Any, Id]:
    """The ids that a list gives, by what they mean; what is listed twice is listed once."""
    known: dict[Any, Id] = {}
    first: dict[Id, Record] = {}
    kept = []
    for index, record in enumerate(data[name], start=1):
        meant = id_of(record.get("id"))
        if meant is None or not is_text(str(meant)):
            rule = "have no id; expected a whole number or a text"
            problems.add(name, rule, f"{one} number {index}", "id", record)
        elif meant not in first:
            if not isinstance(record["id"], str):
                record["id"] = meant
            first[meant] = record
            known[meant] = known[record["id"]] = record["id"]
            kept.append(record)
        elif any(record.get(field) != first[meant].get(field) for field in same):
            rule = f"have an id that another {one} has; number them anew, and what refers to them"
            problems.add(name, rule, f"{one} number {index} ({record.get(same[0])})", "id", record)
    data[name] = kept
    return known


def _check_image(image: Record, problems: Problems) -> None:
    where = f"image {image['id']}"
    for side in ("width", "height"):
        value = image.get(side)
        if type(value) is int and 0 < value <= _LARGEST:
            continue
        size = whole_of(value)
        if value is None or size == 0:
            # So do exports write that they do not know.
            image.pop(side, None)
        elif size is None or not 0 < size <= _LARGEST:
            rule = "have no size; expected width and height as whole numbers of pixels"
            problems.add("images", rule, where, side, image)
        else:
            image[side] = size
    if image.get("file_name") in (None, ""):
        # LVIS gives addresses alone, whose last two parts are a folder and a name.
        address = str(image.get("coco_url", ""))
        image.pop("file_name", None)
        if is_text(address) and "/" in address:
            image["file_name"] = "/".join(address.split("?")[0].rstrip("/").split("/")[-2:])
    elif not is_text(image["file_name"]):
        problems.add("images", "have no text as their file_name", where, "file_name", image)


def _check_category(category: Record, problems: Problems) -> None:
    where = f"category {category['id']}"
    name = category.get("name")
    if name is None or (isinstance(name, int | float) and not isinstance(name, bool)):
        category["name"] = str(category["id"] if name is None else name)
    elif not is_text(name):
        problems.add("categories", "have no text as their name", where, "name", category)
    points = category.get("keypoints")
    if not points:
        category.pop("keypoints", None)
    elif not isinstance(points, list):
        rule = "have no list of names as their keypoints"
        problems.add("categories", rule, where, "keypoints", category)
    if not category.get("sigmas"):
        category.pop("sigmas", None)
    elif isinstance(points, list):
        numbers(
            [category],
            "sigmas",
            lambda _: len(points),
            lambda *_: problems.add(
                "categories",
                "have sigmas that are not a positive number for each of their keypoints",
                where,
                "sigmas",
                category,
            ),
            lambda values: bool((values > 0).all()),
        )


def _check_annotations(
    annotations: list[Record],
    images: dict[Any, Id],
    categories: dict[Any, Id],
    problems: Problems,
) -> None:
    def told(rule: str, index: int, field: str) -> None:
        problems.add(
            "annotations", rule, _place(index, annotations[index]), field, annotations[index]
        )

    for index in resolve(annotations, "image_id", images):
        told(
            "are of images that the file does not list; a set that was cut down must drop both",
            index,
            "image_id",
        )
    for index in resolve(annotations, "category_id", categories):
        told("are of categories that the file does not list", index, "category_id")
    seen: set[Any] = set()
    for index, annotation in enumerate(annotations):
        if (identity := annotation.get("id")) is not None:
            key = id_of(identity)
            if key in seen or key is None:
                told("have an id that is none, or another's; number them anew", index, "id")
            seen.add(key)
        area = annotation.get("area")
        if not ((type(area) is float or type(area) is int) and 0 <= area < EXACT):
            number = number_of(area)
            if area is None:
                told(
                    "have no area; COCO's metrics sort objects by it. Add each object's area in "
                    "pixels (of its mask, or width times height)",
                    index,
                    "area",
                )
            elif number is None or number < 0:
                told("have an area that is no number of pixels", index, "area")
            else:
                annotation["area"] = number
        crowd = annotation.get("iscrowd")
        if crowd != 0 or type(crowd) is not int:
            flag = 0 if crowd is None else whole_of(int(crowd) if crowd is True else crowd)
            if crowd is False:
                flag = 0
            if flag is None:
                told("have an iscrowd that is neither 0 nor 1", index, "iscrowd")
            annotation["iscrowd"] = int(bool(flag))


def _place(index: int, annotation: Record) -> str:
    identity = annotation.get("id")
    return f"annotation {index + 1 if identity is None else identity}"


def check_kind(truth: GroundTruth, kind: Kind) -> None:
    """Sees that all objects have what one kind of scoring needs; changes what can be put right.

    Raises:
        AnnotationError: An object lacks it, or it is none.
    """
    problems = Problems()
    scored = set(truth.scored(kind))
    annotations = [a for a in truth.data["annotations"] if a["category_id"] in scored]

    def told(rule: str, field: str) -> Callable[[int, Record], None]:
        return lambda _, annotation: problems.add(
            "annotations", rule, f"annotation {shown(annotation, 'id')}", field, annotation
        )

    if kind != "masks":
        rule = "have no bbox of four numbers x, y, width, height, with sizes of 0 or more"
        numbers(annotations, "bbox", lambda _: 4, told(rule, "bbox"), no_size_below_zero)
    if kind == "keypoints":
        _check_keypoints(annotations, truth.data["categories"], told)
    if kind == "masks":
        sizes = _sizes(truth.data["images"], {a["image_id"] for a in annotations}, problems)
        rule = (
            "have no mask; expected polygons of three points or more, or run lengths that fill "
            "the image"
        )
        known = [annotation for annotation in annotations if annotation["image_id"] in sizes]
        check_shapes(known, sizes, told(rule, "segmentation"))
    problems.end(f"{truth.path} can't be scored for {kind}: ")


def _check_keypoints(
    annotations: list[Record],
    categories: list[Record],
    told: Callable[[str, str], Callable[[int, Record], None]],
) -> None:
    points = {category["id"]: len(category.get("keypoints", ())) for category in categories}
    lengths = {identity: 3 * (count or 17) for identity, count in points.items()}
    marked = []
    for annotation in annotations:
        if annotation.get("keypoints"):
            marked.append(annotation)
        else:
            # An object without keypoints is one that nobody marked any on.
            annotation["keypoints"] = [0] * lengths[annotation["category_id"]]
            annotation["num_keypoints"] = 0
    rule = "have keypoints that are not three numbers for each of their category's"
    numbers(marked, "keypoints", lambda a: lengths[a["category_id"]], told(rule, "keypoints"))
    count = told("have a num_keypoints that is no whole number", "num_keypoints")
    for index, annotation in enumerate(marked):
        given = annotation.get("num_keypoints")
        if type(given) is int:
            continue
        if given is None:
            seen = [number_of(value) for value in annotation["keypoints"][2::3]]
            annotation["num_keypoints"] = sum(bool(value and value > 0) for value in seen)
        elif (whole := whole_of(given)) is None:
            count(index, annotation)
        else:
            annotation["num_keypoints"] = whole


def _sizes(images: list[Record], needed: set[Id], problems: Problems) -> dict[Id, tuple[int, int]]:
    """Height and width of images by id, of those that have them."""
    sizes = {}
    for image in images:
        if image["id"] not in needed:
            continue
        height, width = image.get("height"), image.get("width")
        if height is not None and width is not None and max(height, width) <= _LONGEST:
            sizes[image["id"]] = (height, width)
        else:
            side = "height" if height is None or height > _LONGEST else "width"
            rule = f"have no size; masks need width and height, of {_LONGEST} pixels at most"
            problems.add("images", rule, f"image {image['id']}", side, image)
    return sizes
