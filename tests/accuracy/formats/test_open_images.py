"""Open Images: shares to pixels, groups, names of labels, and tables that are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tfzoo.accuracy.coco import find_annotated
from tfzoo.accuracy.formats.recognise import recognised
from tfzoo.accuracy.truth import GroundTruth
from tfzoo.errors import UsageError

HEADER = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf\n"
)


def row(image: str = "00ab", label: str = "/m/0bt9lr", x: str = "0.1,0.3", group: int = 0) -> str:
    return f"{image},xclick,{label},1,{x},0.2,0.6,0,0,{group}\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of two boxes of one image, with its names and images beside."""
    (tmp_path / "validation").mkdir()
    for name in ("00ab.jpg", "not_annotated.png"):
        Image.new("RGB", (200, 100)).save(tmp_path / "validation" / name)
    names = "/m/0bt9lr,Dog\n/m/01yrx,Cat\n"
    (tmp_path / "oidv7-class-descriptions-boxable.csv").write_text(names)
    path = tmp_path / "validation-annotations-bbox.csv"
    path.write_text(HEADER + row() + row(group=1))
    return path


def read(path: Path, images: Path | None = None) -> GroundTruth:
    return find_annotated([path], images).truths[0]


def test_shares_become_pixels_and_groups_crowds(table: Path) -> None:
    for named in (table, table.parent):
        truth = read(named)
        assert truth.data["images"] == [
            {"id": "00ab", "file_name": "00ab.jpg", "width": 200, "height": 100}
        ]
        first, second = truth.data["annotations"]
        assert first["bbox"] == pytest.approx([20, 20, 40, 40])
        assert (first["iscrowd"], second["iscrowd"]) == (0, 1)
        assert truth.categories == {"Dog": "Dog"}


def test_images_and_names_lie_in_fiftyones_layout_too(table: Path) -> None:
    folder = table.parent / "fiftyone"
    (folder / "labels").mkdir(parents=True)
    (folder / "metadata").mkdir()
    table.rename(folder / "labels" / "detections.csv")
    (table.parent / "validation").rename(folder / "data")
    (folder / "metadata" / "classes.csv").write_text("/m/0bt9lr,Hound\n")
    found = recognised(folder)
    assert found is not None and found.images == folder / "data"
    assert found.read(found.images).categories == {"Hound": "Hound"}


def test_a_label_without_a_name_stays_as_it_is(table: Path) -> None:
    table.write_text(HEADER + row(label="/m/0k4j"))
    assert read(table).categories == {"/m/0k4j": "/m/0k4j"}


def test_of_several_tables_the_one_for_evaluating_is_taken(table: Path) -> None:
    (table.parent / "train-annotations-bbox.csv").write_text("")
    assert len(read(table.parent).data["annotations"]) == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has no column ImageID, LabelName"),
        ("a,b\n1,2\n", "has no column ImageID, LabelName"),
        (HEADER, "has no annotated images"),
        (HEADER + "00ab,xclick\n", "another number of cells"),
        (HEADER + row() + row(x="0.1,0.3,0.4"), "line 3: it has another number of cells"),
        (HEADER + row(x="20,60"), 'line 2: XMin is "20"'),
        (HEADER + row(x="0.3,0.1"), "ends before it begins"),
        (HEADER + row(x="left,0.1"), "not four numbers"),
        (HEADER + row(label=""), "have no name of a category"),
        (HEADER + row(group=3), "IsGroupOf that is neither"),
        (HEADER + row() + row("zz") + row("../zz"), "2 of 3 annotated images are missing"),
        (HEADER + '"' + "x" * 200_000, "is no CSV: field larger"),
    ],
)
def test_tables_that_make_no_sense_are_refused(table: Path, text: str, told: str) -> None:
    table.write_text(text)
    with pytest.raises(UsageError, match=told):
        read(table)


def test_bytes_that_are_no_text_are_refused(table: Path) -> None:
    table.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="is no text in UTF-8"):
        read(table)


def test_without_images_their_folder_is_asked_for(table: Path, tmp_path: Path) -> None:
    images = (table.parent / "validation").rename(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="--images FOLDER"):
        read(table)
    found = recognised(table)
    assert found is not None
    with pytest.raises(UsageError, match="--images FOLDER"):
        found.read(None)
    assert len(read(table, images).data["annotations"]) == 2
    with pytest.raises(UsageError, match="is no folder"):
        read(table, tmp_path / "nothing")
