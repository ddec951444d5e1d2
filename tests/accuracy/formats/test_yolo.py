"""YOLO: its layouts, lines of boxes and segments, and data files that are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tfzoo.accuracy.coco import find_annotated
from tfzoo.accuracy.formats.recognise import recognised
from tfzoo.accuracy.truth import GroundTruth
from tfzoo.errors import TfzooError, UsageError


def picture(path: Path, orientation: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", (200, 100))
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(path, exif=exif)


def labels(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines))


@pytest.fixture
def yolo(tmp_path: Path) -> Path:
    """A set of two images, the second without labels."""
    folder = tmp_path / "set"
    picture(folder / "images/val/a.jpg")
    picture(folder / "images/val/deep/b.jpg")
    labels(folder / "labels/val/a.txt", "1 0.5 0.5 0.2 0.4", "", "0 0.1 0.2 0.3 0.2 0.3 0.6")
    (folder / "data.yaml").write_text("path: .\ntrain: images/train\nval: images/val\n")
    (folder / "data.yaml").open("a").write("names: [cat, dog]\ndownload: https://x/y.zip\n")
    return folder


def read(path: Path, images: Path | None = None) -> GroundTruth:
    if images is not None:
        return find_annotated([path], images).truths[0]
    found = recognised(path)
    assert found is not None
    return found.read(found.images)


def data(folder: Path, text: str) -> Path:
    (folder / "data.yaml").write_text(text + "\nnames: {0: cat, 1: dog}\n")
    return folder / "data.yaml"


def test_lines_are_boxes_around_a_centre_or_around_a_segment(yolo: Path) -> None:
    truth = read(yolo / "data.yaml")
    assert truth.categories == {0: "cat", 1: "dog"}
    assert [i["file_name"] for i in truth.data["images"]] == [
        "images/val/a.jpg",
        "images/val/deep/b.jpg",
    ]
    first, second = truth.data["annotations"]
    assert first["image_id"] == "a" and first["category_id"] == 1
    assert first["bbox"] == pytest.approx([80, 30, 40, 40])
    assert second["bbox"] == pytest.approx([20, 20, 40, 40])
    assert second["area"] == pytest.approx(1600)


def test_shares_are_of_the_image_as_it_is_held(yolo: Path) -> None:
    picture(yolo / "images/val/a.jpg", orientation=6)
    truth = read(yolo)
    assert (truth.images["a"]["width"], truth.images["a"]["height"]) == (100, 200)
    assert truth.data["annotations"][0]["bbox"] == pytest.approx([40, 60, 20, 80])


@pytest.mark.parametrize(
    "text",
    [
        "val: images/val",
        "val: [images/val]",
        "val: ../images/val",  # As Roboflow writes it.
        "path: /where/it/was\nval: images/val",
        "path: ../set\nval: images/val",
        "val: val.txt",
        "path: ..\nval: set/images/val",
    ],
)
def test_val_is_found_as_people_write_it(yolo: Path, text: str) -> None:
    (yolo / "val.txt").write_text("./images/val/a.jpg\n\nimages/val/deep/b.jpg\n")
    found = find_annotated([data(yolo, text)], None)
    assert len(found.truths[0].data["annotations"]) == 2
    assert {path.name for path in map(Path, map(str, found.sources(found.files).values()))} == {
        "a.jpg",
        "b.jpg",
    }


def test_the_images_may_lie_elsewhere(yolo: Path, tmp_path: Path) -> None:
    (yolo / "images/val/a.jpg").rename(tmp_path / "set" / "a.jpg")
    (tmp_path / "other").mkdir()
    (tmp_path / "set" / "a.jpg").rename(tmp_path / "other" / "a.jpg")
    truth = read(yolo / "data.yaml", tmp_path / "other")
    assert [i["file_name"] for i in truth.data["images"]] == ["a.jpg"]
    assert len(truth.data["annotations"]) == 2


def test_of_a_pose_the_box_is_taken(yolo: Path) -> None:
    data(yolo, "val: images/val\nkpt_shape: [2, 3]")
    labels(yolo / "labels/val/a.txt", "0 0.5 0.5 0.2 0.4 0.1 0.1 2 0.9 0.9 1")
    assert read(yolo).data["annotations"][0]["bbox"] == pytest.approx([80, 30, 40, 40])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("val: https://example.org/a.zip", "names an address"),
        ("path: s3://bucket/x\nval: images/val", "names an address"),
        ("val: list.txt", "list.txt names an address"),
        ("val: ../../elsewhere", "lies outside of"),
        ("val: /etc", "lies outside of"),
        ("val: nothing", "is no folder of images"),
        ("val: ''", "expected a path"),
        ("val: {a: b}", "expected a path"),
        ("val: []", "val is empty"),
        ("train: images/val", "has no names, or no val"),
        ("val: [", "is no YAML"),
        ("val: outside.txt", "lies outside of"),
        ('val: "a\\0b"', "which is no path"),
    ],
)
def test_data_files_that_make_no_sense_are_refused(yolo: Path, text: str, told: str) -> None:
    (yolo / "list.txt").write_text("https://example.org/a.jpg\n")
    (yolo / "outside.txt").write_text("../../../etc/passwd\n")
    (yolo.parent / "../elsewhere").resolve()
    with pytest.raises(UsageError, match=told):
        read(data(yolo, text))


def test_yaml_that_refers_to_itself_is_refused(yolo: Path) -> None:
    bomb = "a: &a [x, x]\n" + "\n".join(f"{c}: &{c} [*{b}, *{b}]" for b, c in zip("abcd", "bcde"))  # noqa: B905
    with pytest.raises(UsageError, match="expected a path"):
        read(data(yolo, f"{bomb}\nval: *e"))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("2 0.5 0.5 0.2 0.4", 'a.txt, line 2: class is "2"'),
        ("cat 0.5 0.5 0.2 0.4", "of a class that names does not list"),
        ("0 0.5 0.5 0.2", "neither a class and x, y, width, height"),
        ("0 0.5 0.5 0.2 0.4 0.9", "neither a class and x, y, width, height"),
        ("0 80 30 40 40", "not in shares of the image"),
        ("0 0.5 0.5 nan 0.4", "not four numbers"),
        ("0 0.5 0.5 0.2 0.4 0.5 7", "not in shares of the image"),
    ],
)
def test_lines_that_are_no_labels_are_named(yolo: Path, line: str, told: str) -> None:
    labels(yolo / "labels/val/a.txt", "0 0.5 0.5 0.2 0.4", line)
    with pytest.raises(UsageError, match=told):
        read(yolo)


def test_images_without_any_labels_and_damaged_images_are_told(yolo: Path) -> None:
    (yolo / "images/val/a.jpg").write_bytes(b"no image")
    with pytest.raises(TfzooError, match=r"a\.jpg"):
        read(yolo)
    (yolo / "labels/val/a.txt").unlink()
    with pytest.raises(UsageError, match=r"none of its 2 images has labels, such as .*a\.txt"):
        read(yolo)


def test_names_are_read_as_labels_are(yolo: Path) -> None:
    (yolo / "data.yaml").write_text("val: images/val\nnames: 5\n")
    with pytest.raises(UsageError, match=r"data\.yaml"):
        read(yolo)


def test_a_list_may_name_images_that_lie_elsewhere(yolo: Path, tmp_path: Path) -> None:
    (yolo / "val.txt").write_text("/where/it/was/images/val/a.jpg\n")
    labelled: Any = data(yolo, "val: val.txt")
    with pytest.raises(UsageError, match="lies outside of"):
        read(labelled)
