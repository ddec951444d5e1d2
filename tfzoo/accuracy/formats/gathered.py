"""What a reader finds in annotations, gathered into the ground truth that all else takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from tfzoo.accuracy.fields import Id, Problems, Record, is_text, number_of
from tfzoo.accuracy.truth import GroundTruth, Stored
from tfzoo.accuracy.truth_check import check_truth
from tfzoo.errors import AnnotationError

#: How far shares of an image may lie outside of 0 to 1, as the Object Detection API lets them.
_SLACK = 0.1


class Gathered:
    """Images and objects of one set of annotations, as a reader comes by them.

    Attributes:
        path: What was named, for messages.
        problems: What is wrong; a reader adds its own, `truth` raises them.
        categories: Names by id. Formats that know names alone have them as ids.
    """

    def __init__(self, path: Path, categories: Mapping[int, str] | None = None) -> None:
        self.path = path
        self.problems = Problems()
        self.categories: dict[Id, str] = dict((categories or {}).items())
        self._images: dict[str, Record] = {}
        self._annotations: list[Record] = []

    def image(
        self, key: str, file_name: str, *, width: Any = None, height: Any = None, where: str = ""
    ) -> bool:
        """Notes an image; says whether it is another than those before.

        Args:
            key: What it is known by: its name without an ending, or an id.
            file_name: Its name below the folder of images.
            width: In pixels, where it is known.
            height: Likewise.
            where: Which it is, for messages.
        """
        image = {"file_name": file_name, "width": width, "height": height}
        if key in self._images:
            rule = "go by a name that another has"
            self.problems.add("images", rule, where or file_name, "it", {"it": key})
            return False
        if not is_text(key) or not is_text(file_name):
            rule = "have a name that can't be written down"
            self.problems.add("images", rule, where, "it", {"it": key})
            return False
        self._images[key] = image
        return True

    def category(self, name: Any, where: str, field: str) -> Id | None:
        """The id of a category that an object names; None, and a problem, where it is no name."""
        if not isinstance(name, str) or not name.strip() or not is_text(name):
            rule = "have no name of a category"
            self.problems.add("objects", rule, where, field, {field: name})
            return None
        self.categories[name.strip()] = name.strip()
        return name.strip()

    def object(
        self,
        key: str,
        category: Id,
        box: Sequence[float],
        *,
        ignored: bool = False,
        area: float | None = None,
        segmentation: Any = None,
    ) -> None:
        """Notes an object.

        Args:
            key: Of its image.
            category: Its category's id.
            box: x, y, width, height in pixels.
            ignored: Whether it is neither to be found nor wrong to find: COCO's `iscrowd`.
            area: In pixels; its box's where there is no other.
            segmentation: COCO's run lengths, where it has a mask.
        """
        annotation = {
            "id": len(self._annotations) + 1,
            "image_id": key,
            "category_id": category,
            "bbox": list(box),
            "area": box[2] * box[3] if area is None else area,
            "iscrowd": int(ignored),
        }
        if segmentation is not None:
            annotation["segmentation"] = segmentation
        self._annotations.append(annotation)

    def box(
        self, where: str, record: Record, names: Sequence[str], size: Sequence[float] | None = None
    ) -> list[float] | None:
        """The box between two corners, as x, y, width and height in pixels.

        Args:
            where: Which object it is of, for messages.
            record: Has its corners.
            names: Of the fields of x0, y0, x1 and y1.
            size: Width and height of the image, of which the corners are shares; None where they
                are pixels.

        Returns:
            None, and a problem is noted, where there is no such box.
        """
        corners = self.numbers(where, record, names, shares=size is not None)
        if corners is None:
            return None
        x0, y0, x1, y1 = corners
        if x1 < x0 or y1 < y0:
            rule = "have a box that ends before it begins"
            name = names[2] if x1 < x0 else names[3]
            self.problems.add("objects", rule, where, name, record)
            return None
        width, height = size or (1.0, 1.0)
        return [x0 * width, y0 * height, (x1 - x0) * width, (y1 - y0) * height]

    def numbers(
        self, where: str, record: Record, names: Sequence[str], *, shares: bool
    ) -> list[float] | None:
        """Numbers of an object's box; None, and a problem is noted, where some are none.

        Args:
            where: Which object it is of, for messages.
            record: Has them, as numbers or texts.
            names: Of their fields.
            shares: Whether they are shares of an image's width and height.
        """
        found = []
        for name in names:
            value = number_of(record.get(name))
            if value is None:
                rule = "have a box that is not four numbers"
            elif shares and not -_SLACK <= value <= 1 + _SLACK:
                rule = "have a box that is not in shares of the image's width and height, 0 to 1"
            else:
                found.append(value)
                continue
            self.problems.add("objects", rule, where, name, record)
            return None
        return found

    def truth(self, expected: str, stored: Mapping[str, Stored] | None = None) -> GroundTruth:
        """The ground truth of all that was noted.

        Args:
            expected: What the format asks for, for messages.
            stored: Images that lie inside the annotations, by key.

        Raises:
            AnnotationError: Something was wrong, or there is nothing.
        """
        self.problems.end(f"{self.path}: ", f"\n{expected}")
        if not self._images:
            raise AnnotationError(f"{self.path} has no annotated images. {expected}")
        ids = _ids(list(self._images))
        data = {
            "images": [{"id": ids[key], **image} for key, image in self._images.items()],
            "annotations": [one | {"image_id": ids[one["image_id"]]} for one in self._annotations],
            "categories": [{"id": one, "name": name} for one, name in self.categories.items()],
        }
        check_truth(data, self.path)
        inside = {ids[key]: one for key, one in (stored or {}).items()}
        return GroundTruth(data, self.path, by_name=True, stored=inside)


def _ids(keys: list[str]) -> dict[str, Id]:
    """An id for each image: its bare name where that is its own, as a number where it is one.

    So do Ultralytics' results files number images, and COCO's own names are its ids.
    """
    short = {key: PurePosixPath(key).name for key in keys}
    for candidate in ({key: _number(name) for key, name in short.items()}, short):
        if max(Counter(candidate.values()).values()) == 1:
            return dict(candidate)
    return {key: key for key in keys}


def _number(name: str) -> Id:
    return int(name) if name.isascii() and name.isdigit() and len(name) < 19 else name
