"""All that Pillow decodes is an image, by its content first."""

from __future__ import annotations

import builtins
import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.helpers import standins
from tfzoo.errors import ImageError
from tfzoo.images import formats
from tfzoo.images.formats import HEIF_ENDINGS, formats_of, image_endings, pillow
from tfzoo.images.reading import read_image, size_of

PICTURE = standins.paint(40, 60, person=(5, 5, 30, 30))


def saved(path: Path) -> Path:
    Image.fromarray(PICTURE).save(path)
    return path


@pytest.mark.parametrize(
    "ending",
    ["jfif", "jpe", "jp2", "j2k", "avif", "apng", "tga", "ico", "pcx", "dib", "sgi", "qoi"],
)
def test_whatever_pillow_reads_is_an_image(ending: str, tmp_path: Path) -> None:
    image = read_image(saved(tmp_path / f"photo.{ending}"))
    assert image.shape[2] == 3
    assert f".{ending}" in image_endings()
    if ending not in ("ico", "avif", "jfif", "jpe"):  # Resized, or with losses.
        assert (image == PICTURE).all()


def test_what_pillow_only_recognises_is_none() -> None:
    assert not {".eps", ".pdf", ".mpg", ".h5", ".grib", ".wmf", ".txt", ""} & image_endings()
    assert {".jpg", ".jpeg", ".png", ".webp", ".tif", ".bmp", ".gif", ".mpo"} <= image_endings()


def test_a_weakly_marked_format_is_tried_where_the_name_says_so() -> None:
    assert "TGA" in formats_of("a/PHOTO.TGA")
    assert "TGA" not in formats_of("photo.jpg")
    assert "EPS" not in formats_of("photo.eps")


def test_a_heic_photo_is_read(tmp_path: Path) -> None:
    assert image_endings() >= HEIF_ENDINGS
    image = read_image(saved(tmp_path / "IMG_1.HEIC"))
    assert np.abs(image.astype(int) - PICTURE).mean() < 8
    renamed = (tmp_path / "IMG_1.HEIC").rename(tmp_path / "IMG_1.jpg")
    assert (read_image(renamed) == image).all()


def test_a_heic_photo_names_what_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heic = saved(tmp_path / "IMG_1.heic").read_bytes()
    monkeypatch.delitem(Image.OPEN, "HEIF")
    with pytest.raises(ImageError, match=r"a HEIC photo.*pip install 'tfzoo\[heif\]'"):
        read_image(heic)


def test_heic_is_no_ending_where_it_can_not_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def without(name: str, *more: Any, **others: Any) -> Any:
        if name == "pillow_heif":
            raise ImportError(name)
        return found(name, *more, **others)

    monkeypatch.setattr(builtins, "__import__", without)
    for ending in HEIF_ENDINGS:
        monkeypatch.delitem(Image.EXTENSION, ending, raising=False)
    assert pillow.__wrapped__() is Image
    assert not HEIF_ENDINGS & image_endings.__wrapped__()


def test_the_mark_of_heic_is_known() -> None:
    assert formats.is_heif(b"\0\0\0\x18ftypheic")
    assert not formats.is_heif(b"\0\0\0\x18ftypisom")
    assert not formats.is_heif(b"")


def test_lab_and_premultiplied_colours_become_rgb() -> None:
    photo = Image.fromarray(PICTURE)
    lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    file = io.BytesIO()
    lab.apply(photo).save(file, "TIFF")
    assert np.abs(read_image(file.getvalue()).astype(int) - PICTURE).mean() < 3
    assert (read_image(photo.convert("RGBA").convert("RGBa")) == PICTURE).all()


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_size_is_that_of_the_image_as_it_is_read(tmp_path: Path, orientation: int) -> None:
    image = Image.new("RGB", (30, 20))
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.jpg", exif=exif)
    cv2.imwrite(str(tmp_path / "b.tif"), np.zeros((20, 30, 3), dtype=np.float64))
    assert size_of(tmp_path / "a.jpg") == read_image(tmp_path / "a.jpg").shape[1::-1]
    assert size_of((tmp_path / "a.jpg").read_bytes()) == size_of(tmp_path / "a.jpg")
    assert size_of(tmp_path / "b.tif") == (30, 20)
    (tmp_path / "c.jpg").write_bytes(b"nothing")
    with pytest.raises(ImageError, match=r"c\.jpg"):
        size_of(tmp_path / "c.jpg")
