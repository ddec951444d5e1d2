"""Values of more than 8 bits come out as bright as they are, or with the reason why not."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.helpers.tiffs import tiff
from tfzoo.errors import ImageError
from tfzoo.images.reading import read_image

#: From black to white, [6, 256].
RAMP = np.arange(256)[None, :].repeat(6, axis=0)
COLOURS = np.stack([RAMP, RAMP[:, ::-1], RAMP // 2], axis=2)


def brought_to(bits: int, picture: NDArray[Any], dtype: Any = np.uint16) -> NDArray[Any]:
    return np.round(picture / 255 * (2**bits - 1)).astype(dtype)


def png(values: NDArray[Any]) -> bytes:
    return cv2.imencode(".png", values[:, :, ::-1] if values.ndim == 3 else values)[1].tobytes()


def differs(source: Any, picture: NDArray[Any]) -> int:
    expected = picture if picture.ndim == 3 else picture[:, :, None].repeat(3, axis=2)
    image = read_image(source)
    assert image.dtype == np.uint8
    assert image.shape == expected.shape
    return int(np.abs(image.astype(int) - expected).max())


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_fewer_bits_in_16_keep_their_brightness(bits: int) -> None:
    gray, colours = brought_to(bits, RAMP), brought_to(bits, COLOURS)
    pgm = f"P5 256 6 {2**bits - 1}\n".encode() + gray.astype(">u2").tobytes()
    jpeg2000 = io.BytesIO()
    Image.fromarray(gray).save(jpeg2000, "JPEG2000")
    alpha = np.full((*RAMP.shape, 1), 65535, np.uint16)
    files = [tiff(gray), tiff(gray, order=">"), png(gray), jpeg2000.getvalue(), gray]
    files += [gray.astype(">u2"), Image.fromarray(gray), *([pgm] if bits > 8 else [])]
    assert [differs(one, RAMP) <= 1 for one in files] == [True] * len(files)
    files = [tiff(colours), tiff(colours, order=">"), png(colours), colours]
    files += [Image.open(io.BytesIO(png(colours)))]
    files += [cv2.imencode(".png", np.dstack([colours[:, :, ::-1], alpha]))[1].tobytes()]
    files += [tiff(np.dstack([colours, alpha]), {338: (3, [2])})]
    assert [differs(one, COLOURS) <= 1 for one in files] == [True] * len(files)


def test_an_image_of_one_small_value_shows_no_range() -> None:
    assert read_image(np.full((4, 4), 255, np.uint16)).max() == 0
    assert read_image(np.full((4, 4), 256, np.uint16)).max() == 64
    assert read_image(tiff(np.full((4, 4), 255, np.int32))).max() == 255


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.uint32, np.float32])
def test_bits_of_other_types_are_known_by_the_largest_value(kind: Any) -> None:
    for bits in (8, 10, 12, 14):
        assert differs(tiff(brought_to(bits, RAMP, kind)), RAMP) <= 1
    assert differs(tiff(RAMP.astype(kind)), RAMP) == 0


def test_whole_numbers_that_use_all_of_their_type_are_scaled_to_it() -> None:
    assert differs(tiff((RAMP / 255 * (2**31 - 1)).astype(np.int32)), RAMP) <= 1
    assert differs(tiff((RAMP / 255 * (2**32 - 1)).astype(np.uint32)), RAMP) <= 1
    assert differs(tiff((RAMP / 255 * 32767).astype(np.int16)), RAMP) <= 1


@pytest.mark.parametrize("scale", [1 / 255, 1.05 / 255, 0.6 / 255, 1, 1.05, 1000 / 255, 257])
def test_floats_are_0_to_1_or_0_to_255_or_of_some_bits(scale: float) -> None:
    values = (RAMP * scale).astype(np.float32)
    white = next(w for w in (1.0625, 280, 1023, 65535) if values.max() <= w)
    white = {1.0625: 1, 280: 255}.get(white, white)
    expected = np.clip(values / white * 255, 0, 255)
    assert differs(tiff(values), np.round(expected)) <= 1
    assert differs(Image.fromarray(values), np.round(expected)) <= 1


def test_floats_in_colour_are_read(capfd: pytest.CaptureFixture[str]) -> None:
    for kind in (np.float32, np.float64):
        assert differs(tiff((COLOURS / 255).astype(kind)), COLOURS) == 0
        assert differs(tiff(COLOURS.astype(kind)), COLOURS) == 0


def test_what_is_no_number_is_black() -> None:
    values = (RAMP / 255).astype(np.float32)
    values[0, :3] = np.nan, np.inf, -np.inf
    expected = RAMP.copy()
    expected[0, :3] = 0, 255, 0
    assert differs(tiff(values), expected) == 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (RAMP / 127.5 - 1, "values from -1 to 1, and nothing says which is black"),
        (RAMP / 20, "values from 0 to 12.75, and nothing says"),
        (RAMP * 1e4, "values from 0 to 2.55e\\+06"),
        (RAMP * np.nan, "none of its values is a number"),
        ((RAMP * 16 - 1024).astype(np.int16), "values from -1024 to 3056.*SMinSampleValue"),
        ((RAMP * 4000).astype(np.uint32), "values from 0 to 1.02e\\+06"),
    ],
)
def test_a_range_that_nothing_tells_is_a_reason(values: NDArray[Any], message: str) -> None:
    values = values.astype(np.float32) if values.dtype == np.float64 else values
    with pytest.raises(ImageError, match=message):
        read_image(tiff(values))


def test_a_stated_range_goes_before_the_values() -> None:
    dark = brought_to(10, RAMP)
    assert read_image(tiff(dark, {281: (3, [4095])})).max() == 63
    assert read_image(tiff(np.stack([dark] * 3, 2), {281: (3, [65535] * 3)})).max() == 3
    assert read_image(tiff(dark, {281: (3, [500])})).max() == 255  # It can't be.
    signed = (RAMP * 16 - 1024).astype(np.int16)
    assert differs(tiff(signed, {340: (8, [-1024]), 341: (8, [3056])}), RAMP) == 0
    floats = (RAMP / 20).astype(np.float32)
    assert differs(tiff(floats, {340: (11, [0]), 341: (11, [12.75])}), RAMP) == 0
    assert differs(tiff(floats, {340: (11, [0]), 341: (11, [25.5])}), RAMP // 2) <= 1


def test_12_bits_packed_are_12_bits() -> None:
    pairs = brought_to(12, RAMP // 4).reshape(-1, 2)
    first, second = pairs[:, 0], pairs[:, 1]
    packed = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], axis=1)
    size = {256: (3, [256]), 257: (3, [6]), 258: (3, [12])}
    data = packed.astype(np.uint8).reshape(6, -1)
    assert differs(tiff(data, size), RAMP // 4) <= 1


def test_a_png_says_how_many_bits_are_used() -> None:
    def stated(values: NDArray[Any], bits: int) -> bytes:
        data = png(values)
        body = b"sBIT" + bytes([bits])
        return (
            data[:33]
            + struct.pack(">I", 1)
            + body
            + struct.pack(">I", zlib.crc32(body))
            + data[33:]
        )

    assert read_image(stated(brought_to(10, RAMP), 12)).max() == 63
    assert differs(stated(brought_to(16, RAMP), 12), RAMP) == 0  # Scaled, as PNG asks for.


def test_values_that_are_bright_where_they_are_small() -> None:
    for order in "<>":
        values = brought_to(16, 255 - RAMP)
        assert differs(tiff(values, {262: (3, [0])}, order=order), RAMP) == 0
    assert differs(tiff((1 - RAMP / 255).astype(np.float32), {262: (3, [0])}), RAMP) <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_images_are_turned_upright_once(orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    shallow = io.BytesIO()
    Image.fromarray(RAMP.astype(np.uint8)).save(shallow, "PNG", exif=exif)
    expected = read_image(shallow.getvalue())
    deep = io.BytesIO()
    Image.fromarray(brought_to(12, RAMP)).save(deep, "PNG", exif=exif)
    tag = {274: (3, [orientation])}
    gray = np.stack([RAMP] * 3, axis=2)
    files = [deep.getvalue(), tiff(brought_to(12, RAMP), tag), tiff(brought_to(12, gray), tag)]
    files += [tiff((gray / 255).astype(np.float32), tag)]
    assert [differs(one, expected) <= 1 for one in files] == [True] * 4


def test_deep_colours_in_planes_are_refused() -> None:
    for values in (brought_to(16, COLOURS), COLOURS.astype(np.float32)):
        with pytest.raises(ImageError, match="separate planes"):
            read_image(tiff(values, planes=True))
    assert differs(tiff(COLOURS.astype(np.uint8), planes=True), COLOURS) == 0


def test_a_damaged_or_rare_tiff_has_its_reason(capfd: pytest.CaptureFixture[str]) -> None:
    whole = tiff((COLOURS / 255).astype(np.float32))
    with pytest.raises(ImageError, match="not an image that can be read"):
        read_image(whole[: len(whole) // 2])
    with pytest.raises(ImageError, match="2 channels of 32 bits are of a rare kind"):
        read_image(tiff((COLOURS[:, :, :2] / 255).astype(np.float32)))
    with pytest.raises(ImageError, match="256x6 is 1536 pixels, over the limit of 1000"):
        read_image(whole, max_pixels=1000)
    deep = png(brought_to(16, COLOURS))
    with pytest.raises(ImageError, match="damaged image"):
        read_image(deep[: len(deep) // 2])
