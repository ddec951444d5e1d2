"""Annotated images as they lie on the disk: their names by rule, or the nearest."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from tfzoo.accuracy.image_files import find_files
from tfzoo.errors import UsageError

COMPOSED = unicodedata.normalize("NFC", "Straße é.jpg")
APART = unicodedata.normalize("NFD", COMPOSED)


def lying(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("a.jpg", "a.jpg"),
        ("a.jpg", "val2017/a.jpg"),
        ("a.jpg", "images\\val2017\\a.jpg"),
        ("a.jpg", "./a.jpg"),
        ("a.jpg", "/data/coco/images/a.jpg"),
        ("a.jpg", "C:\\data\\a.jpg"),
        ("val2017/a.jpg", "a.jpg"),
        ("val2017/a.jpg", "val2017\\a.jpg"),
        ("val2017/a.jpg", "coco/val2017/a.jpg"),
        ("val2017\\a.jpg", "val2017/a.jpg"),
        (COMPOSED, APART),
        (APART, f"images/{COMPOSED}"),
    ],
)
def test_names_match_over_slashes_leading_folders_and_accents(
    file: str, name: str, tmp_path: Path
) -> None:
    assert find_files(lying(tmp_path, file), {7: name}) == {7: tmp_path / file}


def test_of_equal_names_that_of_the_same_folder_is_meant(tmp_path: Path) -> None:
    lying(tmp_path, "train/a.jpg", "val/a.jpg")
    assert find_files(tmp_path, {1: "coco/val/a.jpg"}) == {1: tmp_path / "val/a.jpg"}
    with pytest.raises(UsageError, match="2 files of this name lie there"):
        find_files(tmp_path, {1: "a.jpg"})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("b.JPG", r"such as .*b.JPG \(but for its letters' case, it is b.jpg\)"),
        ("image_0001.png", r"nearest is image_0001.jpg"),
        ("nothing like it", r"such as .*nothing like it\. Expected all"),
        ("test/b.jpg", r"such as .*test/b.jpg"),
        ("", "1 of 2 annotated images are missing"),
        ("x\0y", "1 of 2 annotated images are missing"),
        ("x" * 5000, "1 of 2 annotated images are missing"),
    ],
)
def test_what_is_missing_is_told_with_the_rule_and_the_nearest(
    name: str, said: str, tmp_path: Path
) -> None:
    lying(tmp_path, "a.jpg", "val/b.jpg", "image_0001.jpg")
    with pytest.raises(UsageError, match=said) as error:
        find_files(tmp_path, {1: "a.jpg", 2: name})
    assert "with / for \\, with and without their leading folders" in str(error.value)


def test_two_images_are_no_one_file(tmp_path: Path) -> None:
    lying(tmp_path, "a.jpg")
    with pytest.raises(UsageError, match=r"train/a.jpg and val/a.jpg are two images"):
        find_files(tmp_path, {1: "train/a.jpg", 2: "val/a.jpg"})
    assert len(find_files(tmp_path, {1: "a.jpg", 2: "a.jpg"})) == 2


@pytest.mark.parametrize("name", ["../secret.jpg", "a/../../secret.jpg", "{outside}/secret.jpg"])
def test_a_name_that_leads_out_of_the_folder_is_not_read(name: str, tmp_path: Path) -> None:
    lying(tmp_path, "secret.jpg", "images/a/b.jpg")
    name = name.format(outside=tmp_path)
    with pytest.raises(UsageError, match=r"secret\.jpg \(which lies outside of that folder, and"):
        find_files(tmp_path / "images", {1: name})
    # A file of this name below the folder is the one that is meant.
    lying(tmp_path, "images/secret.jpg")
    assert find_files(tmp_path / "images", {1: name}) == {1: tmp_path / "images/secret.jpg"}


def test_names_that_stay_below_the_folder_are_read_however_they_are_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lying(tmp_path, "images/a/b.jpg")
    (tmp_path / "link").symlink_to("images")
    for folder in (tmp_path / "images", tmp_path / "link"):
        for name in ("a/../a/b.jpg", "./a/b.jpg", f"{tmp_path}/images/a/b.jpg"):
            (found,) = find_files(folder, {1: name}).values()
            assert found.resolve() == tmp_path / "images/a/b.jpg"
    assert caplog.text == ""


def test_links_that_lead_out_of_the_folder_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lying(tmp_path, "elsewhere/a.jpg", "elsewhere/c.jpg", "images/b.jpg")
    for name in ("a.jpg", "c.jpg"):
        (tmp_path / "images" / name).symlink_to(tmp_path / "elsewhere" / name)
    assert len(find_files(tmp_path / "images", {1: "a.jpg", 2: "b.jpg", 3: "c.jpg"})) == 3
    said = f"2 of 3 annotated images are links that lead out of {tmp_path}/images, such as "
    assert said + f"{tmp_path}/images/a.jpg to {tmp_path}/elsewhere/a.jpg" in caplog.text
