"""Annotated images as people name them: COCO's files and folders, and those of other formats."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfzoo.accuracy.fields import Id, in_order
from tfzoo.accuracy.image_files import find_files
from tfzoo.accuracy.truth import GroundTruth, Kind, Stored
from tfzoo.errors import AnnotationError, UsageError
from tfzoo.files import LFS_ADVICE, is_lfs_pointer
from tfzoo.settings import at_home

if TYPE_CHECKING:
    from tfzoo.accuracy.formats.recognise import Recognised

#: What annotations may be, for messages.
FORMATS = (
    "Pascal VOC (a folder of .xml), YOLO (data.yaml), Open Images (.csv), or the Object Detection "
    "API's TFRecords (.tfrecord, .record, NAME-00000-of-00010 or a pattern)"
)

#: Images in COCO's val2017, the set the zoo's figures were reported on.
VAL2017_IMAGES = 5000


def read_ground_truth(path: str | PathLike[str], images: Path | None = None) -> GroundTruth:
    """Reads annotations, and sees through them.

    Args:
        path: A COCO file, or annotations of another format (see `recognised`).
        images: The folder of their images, where it is another than lies beside them.

    Raises:
        UsageError: They are missing, or not in their format; names what is wrong.
    """
    from tfzoo.accuracy.truth_check import check_truth

    path = Path(path)
    if (other := _recognised(path)) is not None:
        return other.read(images or other.images)
    data = _read_json(path, "annotations")
    if not isinstance(data, dict) or not all(
        isinstance(data.get(key), list) for key in ("images", "annotations", "categories")
    ):
        raise AnnotationError(
            f"{path} holds no COCO annotations: expected an object with the lists images, "
            "annotations and categories (https://cocodataset.org/#format-data), such as "
            "instances_val2017.json; image_info files have no annotations. Other formats are known "
            f"by what they are called: {FORMATS}"
        )
    if not data["images"]:
        raise AnnotationError(f"{path} lists no images; there is nothing to evaluate")
    check_truth(data, path)
    return GroundTruth(data, path)


def read_results(path: str | PathLike[str]) -> list[dict[str, Any]]:
    """Reads a COCO results file, and sees through it.

    Returns:
        A row a detection: image_id, category_id, score and bbox, keypoints or segmentation.

    Raises:
        AnnotationError: The file is missing, no JSON, or not in COCO's results format; names what
            is wrong.
    """
    from tfzoo.accuracy.results_check import check_rows

    path = Path(path)
    return check_rows(_read_json(path, "predictions"), path)


def _recognised(path: Path) -> Recognised | None:
    """Annotations of another format than COCO's, whose readers take longer to import."""
    from tfzoo.accuracy.formats.recognise import recognised

    return recognised(path)


def _read_json(path: Path, what: str) -> Any:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AnnotationError(f"{what} {path} can't be read: {error.strerror}") from None
    if is_lfs_pointer(data):
        raise AnnotationError(f"{what} {path} {LFS_ADVICE}")
    try:
        return json.loads(data)
    except RecursionError:
        raise AnnotationError(f"{what} {path} lies too deep in itself to be COCO's") from None
    except ValueError as error:
        raise AnnotationError(f"{what} {path} is not JSON: {error}") from None


@dataclass(frozen=True)
class CocoSet:
    """Images with their annotations.

    Attributes:
        images: Folder of the images that the annotations name; None where they lie inside.
        annotations: Annotation files, the one for boxes and masks first.
        held_out: Whether these are the images packaged with a model, which its reported figures
            were taken on.
    """

    images: Path | None
    annotations: tuple[Path, ...]
    held_out: bool = False

    @cached_property
    def truths(self) -> tuple[GroundTruth, ...]:
        """The annotation files, read once."""
        return tuple(read_ground_truth(path, self.images) for path in self.annotations)

    @property
    def place(self) -> Path:
        """Where the images lie: their folder, or what they lie inside of."""
        return self.images or self.annotations[0]

    def sources(self, image_ids: Iterable[Id]) -> dict[Id, Path | Stored]:
        """What `read_image` takes for images, by id.

        Raises:
            UsageError: A file is missing, or is not where it should be.
        """
        wanted = list(image_ids)
        if self.images is not None:
            return dict(find_files(self.images, {one: self.files[one] for one in wanted}))
        return {one: truth.stored[one] for one in wanted for truth in self.truths}

    def truth(self, kind: Kind) -> GroundTruth | None:
        """The annotations that something is scored against, or None where there are none.

        Boxes and masks take the file with the most categories: COCO's keypoint file holds boxes
        too, but of persons alone.
        """
        fitting = [truth for truth in self.truths if kind in truth.kinds]
        return max(fitting, key=lambda truth: len(truth.categories), default=None)

    @cached_property
    def files(self) -> dict[Id, str]:
        """File name (relative to `images`) by image id, in order of id.

        Raises:
            AnnotationError: Two annotation files disagree on an image, or an image has no name.
        """
        files: dict[Id, str] = {}
        for truth in self.truths:
            for image_id, image in truth.images.items():
                if "file_name" not in image:
                    raise AnnotationError(
                        f"{truth.path}: image {image_id} has no file_name, and no coco_url that "
                        "says it"
                    )
                name = image["file_name"]
                if files.setdefault(image_id, name) != name:
                    raise AnnotationError(
                        f"image {image_id} is {files[image_id]} in {self.annotations[0]} but "
                        f"{name} in {truth.path}; expected annotations of the same images"
                    )
        return dict(sorted(files.items(), key=lambda item: in_order(item[0])))


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
    folder = at_home(folder)
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder; expected a COCO folder such as:\n{_layouts()}")
    for images, names in _LAYOUTS:
        for split in _SPLITS if "{}" in images else ("",):
            listed = [folder / name.format(split) for name in names]
            present = tuple(path for path in listed if path.is_file())
            if present and (folder / images.format(split)).is_dir():
                return CocoSet(folder / images.format(split), present)
    if (other := _recognised(folder)) is not None and (other.images or other.inside):
        return CocoSet(other.images, (folder,))
    raise UsageError(
        f"{folder} is laid out in no way that tfzoo knows. Expected one of\n{_layouts()}\n"
        f"or {FORMATS}, with their images.\n"
        "Fetch COCO's own with: tfzoo coco fetch val2017; or name both parts: "
        "--images FOLDER --annotations FILE"
    )


def find_annotated(
    annotations: Sequence[str | PathLike[str]], images: str | PathLike[str] | None
) -> CocoSet:
    """The set of annotations that are named, with their images.

    Args:
        annotations: Files or folders, in any format.
        images: The folder of the images; None for what lies beside or inside the annotations.

    Raises:
        UsageError: There are no images, or the folder is none.
    """
    paths = tuple(at_home(path) for path in annotations)
    if images is not None:
        folder = at_home(images)
        if not folder.is_dir():
            raise UsageError(f"{folder} is no folder; --images takes a folder of images")
        return CocoSet(folder, paths)
    others = [_recognised(path) for path in paths]
    if len(others) == 1 and others[0] is not None and (others[0].images or others[0].inside):
        return CocoSet(others[0].images, paths)
    if not paths[0].exists():
        raise AnnotationError(f"annotations {paths[0]} can't be read: no such file or folder")
    raise UsageError(
        f"{paths[0]}: no images were found beside it; name their folder with --images FOLDER"
    )


def _layouts() -> str:
    return "\n".join(
        f"  {images.format('val2017')}/ with {names[0].format('val2017')}"
        for images, names in _LAYOUTS
    )


def sample(image_ids: Sequence[Id], limit: int | None, seed: int) -> list[Id]:
    """At most `limit` of the images, drawn by a seeded generator; sorted.

    A smaller limit of the same seed draws a subset of a larger one, so that predictions carry over.

    Raises:
        UsageError: The limit is not positive.
    """
    if limit is None:
        return sorted(image_ids, key=in_order)
    if limit < 1:
        raise UsageError(f"--limit {limit}: expected at least one image")
    shuffled = sorted(image_ids, key=in_order)
    random.Random(seed).shuffle(shuffled)
    return sorted(shuffled[:limit], key=in_order)


def list_digest(files: Iterable[str]) -> str:
    """Digest of an image list, whatever its order: `sha256:` and 64 hexadecimal digits."""
    joined = "\n".join(sorted(files))
    return "sha256:" + hashlib.sha256(joined.encode()).hexdigest()


def name_of(coco_set: CocoSet, image_ids: Sequence[Id]) -> str:
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
    places = [f"{image.get('coco_url', '')} {image.get('file_name', '')}" for image in images]
    if all("val2017/" in place for place in places):
        return "val2017" if len(images) == VAL2017_IMAGES else "val2017 subset"
    trained_on = ("val2014", "train2014", "train2017")
    if any(split in place for place in places for split in trained_on):
        return "minival-like"
    return "other"
