"""An image's own file is handed over where TensorFlow reads it alike, else a lossless one."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tfzoo.images.encoded import as_string, encode, own_file
from tfzoo.images.reading import read_image

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 37, 3), dtype=np.uint8)


def file(form: str, image: Image.Image | None = None, **options: Any) -> bytes:
    written = io.BytesIO()
    (image or Image.fromarray(PIXELS)).save(written, form, **options)
    return written.getvalue()


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def deep_png() -> bytes:
    import cv2

    return cv2.imencode(".png", PIXELS.astype(np.uint16) * 257)[1].tobytes()


GRAY = Image.fromarray(PIXELS[:, :, 0])
LIKE = {
    "jpeg": file("JPEG"),
    "progressive jpeg": file("JPEG", progressive=True),
    "gray jpeg": file("JPEG", GRAY),
    "png": file("PNG"),
    "gray png": file("PNG", GRAY),
    "bmp": file("BMP"),
}
UNLIKE = {
    "turned": file("JPEG", exif=turned()),
    "cmyk": file("JPEG", Image.fromarray(PIXELS).convert("CMYK")),
    "without an end": file("JPEG")[:-2],
    "alpha": file("PNG", Image.fromarray(PIXELS).convert("RGBA")),
    "transparent": file("PNG", transparency=(1, 2, 3)),
    "palette": file("PNG", Image.fromarray(PIXELS).quantize(16)),
    "16 bits": deep_png(),
    "gray bmp": file("BMP", GRAY),
    "gif": file("GIF"),
    "webp": file("WEBP", lossless=True),
    "tiff": file("TIFF"),
}


@pytest.mark.parametrize("name", LIKE)
def test_what_tensorflow_reads_alike_is_handed_over(name: str, tmp_path: Path) -> None:
    import tensorflow as tf

    data = LIKE[name]
    (tmp_path / "image").write_bytes(data)
    assert own_file(tmp_path / "image") == own_file(bytearray(data)) == data
    seen = tf.io.decode_image(data, channels=3).numpy().astype(int)
    # Its decoder of JPEG rounds otherwise; of all others the pixels are the same.
    most = 8 if "jpeg" in name else 0
    assert np.abs(seen - read_image(data)).max() <= most


@pytest.mark.parametrize("name", UNLIKE)
def test_what_it_would_read_otherwise_is_not(name: str) -> None:
    assert own_file(UNLIKE[name]) is None
    read_image(UNLIKE[name])


def test_what_is_no_file_at_hand_has_none(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(LIKE["png"])
    with (tmp_path / "image").open("rb") as opened:
        for source in (PIXELS, Image.fromarray(PIXELS), opened, "http://127.0.0.1:1/a.png"):
            assert own_file(source) is None


def test_encoding_loses_nothing() -> None:
    assert (read_image(encode(PIXELS)) == PIXELS).all()
    (data,) = as_string(PIXELS, None, example=False)
    assert (read_image(data) == PIXELS).all()
    assert as_string(PIXELS, LIKE["jpeg"], example=False).tolist() == [LIKE["jpeg"]]


@pytest.mark.parametrize(("given", "name"), [(LIKE["jpeg"], b"jpeg"), (None, b"png")])
def test_an_example_is_what_tensorflow_parses(given: bytes | None, name: bytes) -> None:
    from tensorflow.core.example.example_pb2 import Example

    (data,) = as_string(PIXELS, given, example=True)
    features = Example.FromString(data).features.feature
    assert features["image/encoded"].bytes_list.value == [given or encode(PIXELS)]
    assert features["image/format"].bytes_list.value == [name]
    assert features["image/height"].int64_list.value == [24]
    assert features["image/width"].int64_list.value == [37]
