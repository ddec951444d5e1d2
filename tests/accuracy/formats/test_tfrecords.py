"""The API's TFRecords: what is in them, shards, images inside, and damage that is told."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import tfzoo
from tests.helpers.truth_formats import example
from tfzoo.accuracy.coco import find_annotated
from tfzoo.accuracy.formats.tfrecord_files import is_record_name, record_files, records
from tfzoo.accuracy.truth import GroundTruth
from tfzoo.accuracy.truth_check import check_kind
from tfzoo.errors import AnnotationError, ImageError, TfzooError

IMAGE = {"id": 7, "file_name": "a.png", "width": 200, "height": 100}


def png(pixels: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


PICTURE = png(np.full((100, 200, 3), 77))


def thing(*box: float, crowd: int = 0, area: float = 5.0) -> tuple[str, dict[str, Any]]:
    return "dog", {"bbox": list(box or (20, 10, 40, 20)), "iscrowd": crowd, "area": area}


def write(path: Path, *given: bytes) -> Path:
    with tf.io.TFRecordWriter(str(path)) as file:
        for one in given:
            file.write(one)
    return path


def read(path: Path) -> GroundTruth:
    return find_annotated([path], None).truths[0]


def test_a_record_holds_an_image_and_its_objects(tmp_path: Path) -> None:
    path = write(
        tmp_path / "val.record",
        example(IMAGE, PICTURE, [thing(), thing(0, 0, 200, 100, crowd=1)]),
        example({**IMAGE, "id": 9, "file_name": "b.png"}, PICTURE, []),
    )
    found = find_annotated([path], None)
    truth = found.truths[0]
    assert found.files == {7: "a.png", 9: "b.png"}
    first, second = truth.data["annotations"]
    assert first["bbox"] == pytest.approx([20, 10, 40, 20], abs=1e-4)
    assert (first["area"], first["iscrowd"], second["iscrowd"]) == (5, 0, 1)
    assert truth.categories == {"dog": "dog"}
    (source,) = found.sources([7]).values()
    assert (tfzoo.read_image(source) == 77).all()


@pytest.mark.parametrize("field", ["difficult", "group_of"])
def test_what_pascals_and_open_images_records_ignore_is_ignored(tmp_path: Path, field: str) -> None:
    fields = {
        "image/source_id": ["b/x.jpg"],
        "image/filename": ["b/x.jpg"],
        "image/object/is_crowd": [],
        f"image/object/{field}": [1, 0],
        "image/object/class/label": [12, 12],
        "image/object/area": [],
    }
    path = write(tmp_path / "x.tfrecord", example(IMAGE, PICTURE, [thing(), thing()], **fields))
    truth = read(path)
    assert [a["iscrowd"] for a in truth.data["annotations"]] == [1, 0]
    assert truth.categories == {12: "dog"}
    assert list(truth.images) == ["x"]
    assert truth.data["annotations"][0]["area"] == pytest.approx(800, abs=0.01)


def test_masks_and_sizes_come_of_the_images_inside(tmp_path: Path) -> None:
    mask = np.zeros((100, 200))
    mask[10:30, 20:60] = 1
    fields = {"image/object/mask": [png(mask)], "image/height": [], "image/width": []}
    truth = read(write(tmp_path / "x.tfrecord", example(IMAGE, PICTURE, [thing()], **fields)))
    assert (truth.images[7]["width"], truth.images[7]["height"]) == (200, 100)
    assert truth.kinds == ("box", "masks")
    check_kind(truth, "masks")
    from pycocotools import mask as coco_mask

    assert coco_mask.area(truth.data["annotations"][0]["segmentation"]) == 800


def test_shards_are_all_taken_by_their_name_or_a_pattern(tmp_path: Path) -> None:
    for shard in range(2):
        image = {**IMAGE, "id": shard}
        write(tmp_path / f"val-0000{shard}-of-00002", example(image, PICTURE, [thing()]))
    for name in ("val", "val-?????-of-00002", "val*", "val-00001-of-00002"):
        images = read(tmp_path / name).images
        assert len(images) == (1 if "00001" in name else 2)
    (tmp_path / "val-00000-of-00002").unlink()
    with pytest.raises(AnnotationError, match="1 of its 2 shards are there"):
        read(tmp_path / "val")
    write(tmp_path / "val-00000-of-00001")
    with pytest.raises(AnnotationError, match="has shards of 1 and 2"):
        read(tmp_path / "val")
    with pytest.raises(AnnotationError, match="no such file, nor shards"):
        record_files(tmp_path / "nothing.tfrecord")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.tfrecord", True),
        ("a.record", True),
        ("a.tfrecord-00000-of-00010", True),
        ("coco_val.record-?????-of-00010", True),
        ("val-00000-of-00010", True),
        ("a*.tfrecord", True),
        ("instances.json", False),
        ("records.json", False),
        ("a-of-b", False),
    ],
)
def test_records_are_known_by_what_they_are_called(name: str, expected: bool) -> None:
    assert is_record_name(name) == expected


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"image/encoded": []}, "have no image/encoded"),
        ({"image/encoded": [5]}, "have no image/encoded"),
        ({"image/object/bbox/xmin": []}, "several lengths"),
        ({"image/object/class/text": []}, "several lengths"),
        ({"image/object/class/text": [""]}, "have no name of a category"),
        ({"image/object/bbox/xmin": [20.0]}, "val.record, record 1, object 1: xmin is 20.0"),
        ({"image/object/bbox/xmin": [float("nan")]}, "not four numbers"),
        ({"image/object/bbox/xmax": [0.0]}, "ends before it begins"),
        ({"image/object/mask": [b"no"]}, "mask that can't be read"),
        ({"image/height": [], "image/encoded": [b"no"]}, "val.record, record 1"),
        ({"image/object/area": [-1.0]}, "area that is no number of pixels"),
    ],
)
def test_records_that_make_no_sense_are_named(tmp_path: Path, fields: Any, told: str) -> None:
    path = write(tmp_path / "val.record", example(IMAGE, PICTURE, [thing()], **fields))
    with pytest.raises(TfzooError, match=told):
        read(path)


def test_names_and_images_that_stand_for_two_things_are_told(tmp_path: Path) -> None:
    label = {"image/object/class/label": [1]}
    cat = [("cat", thing()[1])]
    path = write(
        tmp_path / "val.record",
        example(IMAGE, PICTURE, [thing()], **label),
        example({**IMAGE, "id": 8}, PICTURE, cat, **label),
    )
    with pytest.raises(AnnotationError, match="goes by another name elsewhere"):
        read(path)
    same = example(IMAGE, PICTURE, [])
    with pytest.raises(AnnotationError, match="go by a name that another has"):
        read(write(tmp_path / "val.record", same, same))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"short", "cut short, or holds no TFRecords"),
        (b'{"images": []}' * 9, "cut short, or holds no TFRecords"),
        (b"\xff" * 7 + b"\x7f" + b"\0" * 99, "9223372036854775807 bytes follow"),
        (gzip.compress(b"x" * 99, mtime=0), "is compressed"),
        (b"", "has no annotated images"),
    ],
)
def test_what_is_no_record_is_refused_before_memory_is_taken(
    tmp_path: Path, data: bytes, told: str
) -> None:
    path = tmp_path / "val.record"
    path.write_bytes(data)
    with pytest.raises(AnnotationError, match=told):
        read(path)


def test_damage_and_other_records_are_told(tmp_path: Path) -> None:
    path = write(tmp_path / "val.record", example(IMAGE, PICTURE, [thing()]))
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(data)
    with pytest.raises(AnnotationError, match=r"is damaged: .*corrupted record"):
        read(path)
    with pytest.raises(AnnotationError, match=r"is no tf\.train\.Example"):
        read(write(path, b"\xff\xff\xff"))


def test_a_record_that_changed_is_told_of_as_its_image(tmp_path: Path) -> None:
    path = write(tmp_path / "val.record", example(IMAGE, PICTURE, []))
    (source,) = find_annotated([path], None).sources([7]).values()
    path.write_bytes(b"\xff" * 3000)
    with pytest.raises(ImageError, match="changed since"):
        tfzoo.read_image(source)


def test_places_are_where_the_data_lies(tmp_path: Path) -> None:
    path = write(tmp_path / "x.record", b"one", b"", b"three")
    assert [place.data() for place, _ in records(path)] == [b"one", b"", b"three"]
