"""The Object Detection API's TFRecords: a `tf.train.Example` an image, with the image inside.

The fields are those that `create_coco_tf_record.py` and `create_pascal_tf_record.py` of the API
write (https://github.com/tensorflow/models/tree/master/research/object_detection/dataset_tools).
Corners are 32-bit floats there, so that a box of 640 pixels is right to within 0.0001. What is
`is_crowd`, `difficult` or `group_of` is COCO's `iscrowd`: neither to be found nor wrong to find.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tfzoo.accuracy.fields import Id, Record
from tfzoo.accuracy.formats.gathered import Gathered
from tfzoo.accuracy.formats.tfrecord_files import Place, record_files, records
from tfzoo.accuracy.truth import GroundTruth
from tfzoo.detections.masks import encode
from tfzoo.errors import AnnotationError, ImageError
from tfzoo.images.reading import read_image, size_of

_EXPECTED = (
    "Expected the Object Detection API's tf.train.Examples with image/encoded, image/object/bbox/"
    "xmin, xmax, ymin, ymax in shares of the image, 0 to 1, and image/object/class/text (or label)"
)
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_IGNORED = ("is_crowd", "difficult", "group_of")


def read_tfrecords(path: Path) -> GroundTruth:
    """Reads TFRecords of annotated images; the images stay in their records until they are read.

    Args:
        path: A file, a pattern of files, or the name that shards have in common.

    Raises:
        AnnotationError: They are none of the Object Detection API's, or something in them is wrong.
    """
    gathered = Gathered(path)
    stored: dict[str, StoredImage] = {}
    for file in record_files(path):
        for number, (place, data) in enumerate(records(file), start=1):
            where = f"{file.name}, record {number}"
            features = _features(data, where, path)
            encoded = features.get("image/encoded")
            if not isinstance(encoded, list) or len(encoded) != 1 or not _are(encoded, bytes):
                rule = "have no image/encoded, of one image"
                gathered.problems.add("records", rule, where, "keys", {"keys": sorted(features)})
                continue
            name = _text(features, "image/filename") or f"{file.name}-{number}"
            key = _text(features, "image/source_id") or name
            # Written of Pascal VOC, it is the file's name; and then known as elsewhere.
            key = PurePosixPath(key).stem if key == name else key
            width, height = _size(features, encoded[0], where)
            if gathered.image(key, name, width=width, height=height, where=where):
                stored[key] = StoredImage(f"{where} ({name})", place)
                _add_objects(gathered, key, where, features, (width, height))
    return gathered.truth(_EXPECTED, stored)


@dataclass(frozen=True)
class StoredImage:
    """An image in a record, read from there each time.

    Attributes:
        name: Which it is, for messages.
        place: Where its record lies.
    """

    name: str
    place: Place

    def read(self) -> bytes:
        """The image file.

        Raises:
            ImageError: The record is no longer what it was.
        """
        try:
            return bytes(
                _features(self.place.data(), self.name, self.place.path)["image/encoded"][0]
            )
        except (AnnotationError, OSError, LookupError) as error:
            raise ImageError(f"{self.name}: changed since it was first read: {error}") from None


def _features(data: bytes, where: str, path: Path) -> Mapping[str, list[Any]]:
    """The values of a record by their names."""
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    try:
        given = tf.train.Example.FromString(data).features.feature
    except DecodeError:
        raise AnnotationError(f"{path}: {where} is no tf.train.Example. {_EXPECTED}") from None
    lists = {name: (one.WhichOneof("kind"), one) for name, one in given.items()}
    return {name: list(getattr(one, kind).value) for name, (kind, one) in lists.items() if kind}


def _are(values: Sequence[Any], kind: type) -> bool:
    return all(isinstance(value, kind) for value in values)


def _text(features: Mapping[str, list[Any]], name: str) -> str:
    """A field of one text; empty where there is none, or it is no UTF-8."""
    values = features.get(name, [])
    if len(values) != 1 or not isinstance(values[0], bytes):
        return ""
    return values[0].decode("utf-8", errors="replace").strip()


def _size(features: Mapping[str, list[Any]], encoded: bytes, where: str) -> tuple[int, int]:
    """Width and height of an image, as its record says or else its file."""
    given = [features.get(f"image/{side}", []) for side in ("width", "height")]
    if all(len(one) == 1 and isinstance(one[0], int) and 0 < one[0] < 2**31 for one in given):
        return given[0][0], given[1][0]
    try:
        return size_of(encoded)
    except ImageError as error:
        raise ImageError(f"{where}: {error}") from None


def _add_objects(
    gathered: Gathered,
    key: str,
    where: str,
    features: Mapping[str, list[Any]],
    size: tuple[int, int],
) -> None:
    columns = {name: features.get(f"image/object/bbox/{name}", []) for name in _CORNERS}
    texts = features.get("image/object/class/text", [])
    labels = features.get("image/object/class/label", [])
    areas = features.get("image/object/area", [])
    masks = features.get("image/object/mask", [])
    ignored = [features.get(f"image/object/{name}", []) for name in _IGNORED]
    count = len(columns["xmin"])
    for name, values in (*columns.items(), ("class", texts or labels)):
        if len(values) != count:
            rule = "have lists of several lengths for their objects"
            found = {name: f"{len(values)}, xmin {count}"}
            gathered.problems.add("records", rule, where, name, found)
            return
    for index in range(count):
        place = f"{where}, object {index + 1}"
        corners: Record = {name: values[index] for name, values in columns.items()}
        box = gathered.box(place, corners, _CORNERS, size)
        category = _category(gathered, place, texts, labels, index)
        if box is None or category is None:
            continue
        area = areas[index] if len(areas) == count and isinstance(areas[index], float) else None
        gathered.object(
            key,
            category,
            box,
            ignored=any(len(flags) == count and bool(flags[index]) for flags in ignored),
            area=area,
            segmentation=_mask(gathered, place, masks[index]) if len(masks) == count else None,
        )


def _category(
    gathered: Gathered, where: str, texts: list[Any], labels: list[Any], index: int
) -> Id | None:
    """An object's category: by its own number, if it has one beside its name, else by its name."""
    given = texts[index] if texts else str(labels[index])
    name = given.decode("utf-8", errors="replace") if isinstance(given, bytes) else given
    if len(labels) > index and isinstance(labels[index], int) and labels[index] >= 0:
        known = gathered.categories.setdefault(labels[index], name.strip())
        if known == name.strip() and known:
            return int(labels[index])
        rule = "have a label that goes by another name elsewhere"
        gathered.problems.add("objects", rule, where, "class/text", {"class/text": name})
        return None
    return gathered.category(name, where, "class/text")


def _mask(gathered: Gathered, where: str, encoded: Any) -> dict[str, Any] | None:
    """COCO's run lengths of a mask that is kept as an image of its own."""
    try:
        return encode(read_image(encoded)[:, :, 0] != 0)
    except ImageError as error:
        rule = "have a mask that can't be read"
        gathered.problems.add("objects", rule, where, "mask", {"mask": str(error)})
        return None
