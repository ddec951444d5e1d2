"""Pascal VOC: its boxes, what is difficult, its lists of images, and XML that is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tfzoo.accuracy.coco import find_annotated
from tfzoo.accuracy.formats.recognise import recognised
from tfzoo.accuracy.truth import GroundTruth
from tfzoo.errors import AnnotationError, UsageError

OBJECT = (
    "<object><name>dog</name><difficult>{difficult}</difficult><bndbox><xmin>{x0}</xmin>"
    "<ymin>20</ymin><xmax>{x1}</xmax><ymax>60</ymax></bndbox>"
    "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part></object>"
)


def xml(*objects: str, name: str = "a.jpg") -> str:
    size = "<size><width>100</width><height>80</height><depth>3</depth></size>"
    return (
        f"<annotation><folder>x</folder><filename>{name}</filename>{size}"
        f"{''.join(objects)}</annotation>"
    )


def one(x0: Any = 10, x1: Any = 50, difficult: Any = 0) -> str:
    return OBJECT.format(x0=x0, x1=x1, difficult=difficult)


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """A set of two images, a and b; the second has no objects."""
    folder = tmp_path / "voc"
    (folder / "Annotations").mkdir(parents=True)
    (folder / "JPEGImages").mkdir()
    for name in "ab":
        Image.new("RGB", (100, 80)).save(folder / "JPEGImages" / f"{name}.jpg")
    (folder / "Annotations" / "a.xml").write_text(xml(one(), one("30.5", 60, 1)))
    (folder / "Annotations" / "b.xml").write_text(xml(name="b.jpg"))
    return folder


def read(path: Path) -> GroundTruth:
    found = recognised(path)
    assert found is not None
    return found.read(found.images)


def test_boxes_are_between_their_corners_and_what_is_difficult_is_ignored(voc: Path) -> None:
    truth = read(voc)
    assert [i["file_name"] for i in truth.data["images"]] == ["a.jpg", "b.jpg"]
    assert truth.images["a"]["width"] == 100
    first, second = truth.data["annotations"]
    assert (first["bbox"], first["area"], first["iscrowd"]) == ([10, 20, 40, 40], 1600, 0)
    assert (second["bbox"], second["iscrowd"]) == ([30.5, 20, 29.5, 40], 1)
    assert truth.categories == {"dog": "dog"}
    assert truth.by_name


@pytest.mark.parametrize("part", ["", "Annotations", "Annotations/a.xml"])
def test_the_set_its_folder_or_one_file_may_be_named(voc: Path, part: str) -> None:
    found = find_annotated([voc / part], None)
    assert found.images == voc / "JPEGImages"
    assert len(found.files) == (1 if part.endswith("xml") else 2)
    assert set(found.sources(found.files).values()) <= set((voc / "JPEGImages").iterdir())


def test_of_a_whole_set_the_images_that_it_lists_for_evaluating_are_taken(voc: Path) -> None:
    (voc / "ImageSets" / "Main").mkdir(parents=True)
    (voc / "ImageSets" / "Main" / "val.txt").write_text("b\n\n")
    assert list(read(voc).images) == ["b"]
    assert list(read(voc / "Annotations").images) == ["a", "b"]
    (voc / "ImageSets" / "Main" / "val.txt").write_text("c\n")
    with pytest.raises(AnnotationError, match=r"c\.xml can't be read"):
        read(voc)


def test_images_may_lie_beside_and_be_named_by_their_file_alone(tmp_path: Path) -> None:
    Image.new("RGB", (100, 80)).save(tmp_path / "000012.png")
    (tmp_path / "000012.xml").write_text(xml(one(), name="a photograph"))
    truth = read(tmp_path)
    assert truth.data["images"] == [
        {"id": 12, "file_name": "000012.png", "width": 100, "height": 80}
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is no XML"),
        ("<annotation>", "is no XML"),
        ("<html/>", "holds <html>, no <annotation>"),
        (xml(one("left")), 'a.xml, object 1: xmin is "left"'),
        (xml(one(50, 10)), r"ends before it begins(.|\n)*xmax"),
        (xml(one(difficult=7)), "difficult that is neither 0 nor 1"),
        (xml(one().replace("dog", " ")), "have no name of a category"),
        (xml(one().replace("bndbox", "box")), "xmin is null"),
        (xml(one("1e400")), "have a box that is not four numbers"),
        (
            '<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY a "&lol;&lol;&lol;">]>'
            + xml(one()).replace("a.jpg", "&a;"),
            "declares a document type or entities",
        ),
        (
            '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + xml(one("&x;")),
            "declares a document type or entities",
        ),
        ('<?xml version="1.0" encoding="nonsense"?><annotation/>', "is no XML"),
    ],
)
def test_what_is_no_annotation_is_refused_in_words(voc: Path, text: str, told: str) -> None:
    (voc / "Annotations" / "a.xml").write_text(text)
    with pytest.raises(AnnotationError, match=told):
        read(voc)


def test_a_file_without_measure_is_not_read(voc: Path) -> None:
    (voc / "Annotations" / "a.xml").write_bytes(b" " * (16 * 2**20 + 1))
    with pytest.raises(AnnotationError, match="has more than 16 MiB"):
        read(voc)


def test_images_outside_or_missing_are_refused(voc: Path) -> None:
    (voc / "secret.jpg").write_bytes(b"")
    (voc / "Annotations" / "b.xml").write_text(xml(name="../secret.jpg"))
    (voc / "JPEGImages" / "b.jpg").unlink()
    found = find_annotated([voc], None)
    with pytest.raises(UsageError, match="1 of 2 annotated images are missing"):
        found.sources(found.files)
    with pytest.raises(UsageError, match="no images were found beside it"):
        (voc / "JPEGImages" / "a.jpg").unlink()
        find_annotated([voc], None)
