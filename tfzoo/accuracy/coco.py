"""COCO data: ground truth read and checked, and the usual folder layouts recognised."""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from tfzoo.errors import AnnotationError, UsageError

#: What can be scored; the names stand in `--json` and in accuracy.csv.
Kind = Literal["box", "keypoints", "masks"]
KINDS: tuple[Kind, ...] = ("box", "keypoints", "masks")

#: The field of an annotation or results row that holds each.
FIELDS: dict[Kind, str] = {"box": "bbox", "keypoints": "keypoints", "masks": "segmentation"}

#: Images in COCO's val2017, the set the zoo's figures were reported on.
VAL2017_IMAGES = 5000


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """Annotations of a set of images, in COCO's own format.

    Attributes:
        data: `images`, `annotations` and `categories` (https://cocodataset.org/#format-data).
        path: The file it was read from.
    """

    data: dict[str, Any] = field(repr=False)
    path: Path

    @cached_property
    def images(self) -> dict[int, dict[str, Any]]:
        """The images by id, in order of id."""
        return {image["id"]: image for image in sorted(self.data["images"], key=lambda i: i["id"])}

    @cached_property
    def categories(self) -> dict[int, str]:
        """Category names by id, in order of id."""
        listed = sorted(self.data["categories"], key=lambda category: category["id"])
        return {category["id"]: category.get("name", str(category["id"])) for category in listed}

    @cached_property
    def kinds(self) -> tuple[Kind, ...]:
        """What can be scored against these annotations."""
        annotations = self.data["annotations"]
        return tuple(
            kind
            for kind in KINDS
            if any(annotation.get(FIELDS[kind]) for annotation in annotations)
        )

    def subset(self, image_ids: Iterable[int]) -> GroundTruth:
        """The annotations of some of the images."""
        kept = set(image_ids)
        data = self.data | {
            "images": [image for image in self.data["images"] if image["id"] in kept],
            "annotations": [a for a in self.data["annotations"] if a["image_id"] in kept],
        }
        return GroundTruth(data, self.path)


def read_ground_truth(path: str | PathLike[str]) -> GroundTruth:
    """Reads a COCO annotation file.

    Raises:
        AnnotationError: The file is missing, no JSON, or not in COCO's format.
    """
    path = Path(path)
    data = _read_json(path, "annotations")
    if not isinstance(data, dict) or not all(
        isinstance(data.get(key), list) for key in ("images", "annotations", "categories")
    ):
        raise AnnotationError(
            f"{path} holds no COCO annotations: expected an object with the lists images, "
            "annotations and categories (https://cocodataset.org/#format-data), such as "
            "instances_val2017.json; image_info files have no annotations"
        )
    if not data["images"]:
        raise AnnotationError(f"{path} lists no images; there is nothing to evaluate")
    known = {image["id"] for image in data["images"]}
    stray = sum(annotation["image_id"] not in known for annotation in data["annotations"])
    if stray:
        raise AnnotationError(
            f"{path}: {stray} annotations are of images that the file does not list; a set that "
            "was cut down must drop both"
        )
    without = sum("area" not in a for a in data["annotations"] if a.get("bbox"))
    if without:
        raise AnnotationError(
            f"{path}: {without} annotations have no area; COCO's metrics sort objects by it. Add "
            "each object's area in pixels (of its mask, or width times height)"
        )
    # COCO's tools take an object of id 0 for none at all, and need to be told that it is no crowd.
    numbered = enumerate(data["annotations"], start=1)
    data["annotations"] = [{"iscrowd": 0, **a, "id": number} for number, a in numbered]
    return GroundTruth(data, path)


def read_results(path: str | PathLike[str]) -> list[dict[str, Any]]:
    """Reads a COCO results file.

    Returns:
        A row a detection: image_id, category_id, score and bbox, keypoints or segmentation.

    Raises:
        AnnotationError: The file is missing, no JSON, or not in COCO's results format.
    """
    path = Path(path)
    rows = _read_json(path, "predictions")
    if not isinstance(rows, list) or not all(map(_is_result, rows)):
        raise AnnotationError(
            f"{path} is no COCO results file: expected a list of objects with image_id, "
            "category_id, score and bbox, keypoints or segmentation "
            "(https://cocodataset.org/#format-results)"
        )
    return rows


def _is_result(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and {"image_id", "category_id", "score"} <= row.keys()
        and isinstance(row["score"], int | float)
        and math.isfinite(row["score"])
        and (not row.get("bbox") or len(row["bbox"]) == 4)
    )


def _read_json(path: Path, what: str) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise AnnotationError(f"{what} {path} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise AnnotationError(f"{what} {path} is not JSON: {error}") from None


@dataclass(frozen=True)
class CocoSet:
    """Images with their annotations.

    Attributes:
        images: Folder of the images that the annotations name.
        annotations: Annotation files, the one for boxes and masks first.
        held_out: Whether these are the images packaged with a model, which its reported figures
            were taken on.
    """

    images: Path
    annotations: tuple[Path, ...]
    held_out: bool = False

    @cached_property
    def truths(self) -> tuple[GroundTruth, ...]:
        """The annotation files, read once."""
        return tuple(read_ground_truth(path) for path in self.annotations)

    def truth(self, kind: Kind) -> GroundTruth | None:
        """The annotations that something is scored against, or None where there are none.

        Boxes and masks take the file with the most categories: COCO's keypoint file holds boxes
        too, but of persons alone.
        """
        fitting = [truth for truth in self.truths if kind in truth.kinds]
        return max(fitting, key=lambda truth: len(truth.categories), default=None)

    @cached_property
    def files(self) -> dict[int, str]:
        """File name (relative to `images`) by image id, in order of id.

        Raises:
            AnnotationError: Two annotation files disagree on an image.
        """
        files: dict[int, str] = {}
        for truth in self.truths:
            for image_id, image in truth.images.items():
                name = image["file_name"]
                if files.setdefault(image_id, name) != name:
                    raise AnnotationError(
                        f"image {image_id} is {files[image_id]} in {self.annotations[0]} but "
                        f"{name} in {truth.path}; expected annotations of the same images"
                    )
        return dict(sorted(files.items()))


#: Where images and annotations lie in the usual layouts, the split's name in place of {}.
_LAYOUTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    # As the archives of cocodataset.org unpack.
    ("{}", ("annotations/instances_{}.json", "annotations/person_keypoints_{}.json")),
    ("images/{}", ("annotations/instances_{}.json", "annotations/person_keypoints_{}.json")),
    # One split in a folder of its own.
    ("images", ("instances.json", "person_keypoints.json")),
    ("images", ("annotations/instances.json", "annotations/person_keypoints.json")),
    # FiftyOne's export.
    ("data", ("labels.json",)),
    # Roboflow's export.
    ("{}", ("{}/_annotations.coco.json",)),
    (".", ("_annotations.coco.json",)),
)
_SPLITS = ("val2017", "val", "valid", "validation", "test")


def find_coco(folder: str | PathLike[str]) -> CocoSet:
    """Images and annotations in a COCO folder of one of the usual layouts.

    Raises:
        UsageError: The folder is missing or fits no layout; lists the layouts.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder; expected a COCO folder such as:\n{_layouts()}")
    for images, names in _LAYOUTS:
        for split in _SPLITS if "{}" in images else ("",):
            listed = [folder / name.format(split) for name in names]
            present = tuple(path for path in listed if path.is_file())
            if present and (folder / images.format(split)).is_dir():
                return CocoSet(folder / images.format(split), present)
    raise UsageError(
        f"{folder} is laid out in no way that tfzoo knows. Expected one of\n{_layouts()}\n"
        "Fetch COCO's own with: tfzoo coco fetch val2017; or name both parts: "
        "--images FOLDER --annotations FILE"
    )


def _layouts() -> str:
    return "\n".join(
        f"  {images.format('val2017')}/ with {names[0].format('val2017')}"
        for images, names in _LAYOUTS
    )


def sample(image_ids: Sequence[int], limit: int | None, seed: int) -> list[int]:
    """At most `limit` of the images, drawn by a seeded generator; sorted.

    A smaller limit of the same seed draws a subset of a larger one, so that predictions carry over.

    Raises:
        UsageError: The limit is not positive.
    """
    if limit is None:
        return sorted(image_ids)
    if limit < 1:
        raise UsageError(f"--limit {limit}: expected at least one image")
    shuffled = sorted(image_ids)
    random.Random(seed).shuffle(shuffled)
    return sorted(shuffled[:limit])


def list_digest(files: Iterable[str]) -> str:
    """Digest of an image list, whatever its order: `sha256:` and 64 hexadecimal digits."""
    joined = "\n".join(sorted(files))
    return "sha256:" + hashlib.sha256(joined.encode()).hexdigest()


def name_of(coco_set: CocoSet, image_ids: Sequence[int]) -> str:
    """What images of a set are, as the column `image_set` names it.

    Returns:
        `held-out`, `held-out subset`, or see `describe_images`.
    """
    if coco_set.held_out:
        return "held-out" if len(image_ids) == len(coco_set.files) else "held-out subset"
    listed = {i: image for truth in coco_set.truths for i, image in truth.images.items()}
    return describe_images([listed[image_id] for image_id in image_ids])


def describe_images(images: Iterable[dict[str, Any]]) -> str:
    """What image set a list is, as the column `image_set` names it.

    Returns:
        `val2017`, `val2017 subset`, `minival-like` (COCO 2014's images, or 2017's training images:
        most of the TF1 zoo's minival list lies in train2017) or `other`.
    """
    images = list(images)
    # COCO's own annotations carry the address of each image, which names its split.
    places = [f"{image.get('coco_url', '')} {image['file_name']}" for image in images]
    if all("val2017/" in place for place in places):
        return "val2017" if len(images) == VAL2017_IMAGES else "val2017 subset"
    trained_on = ("val2014", "train2014", "train2017")
    if any(split in place for place in places for split in trained_on):
        return "minival-like"
    return "other"
